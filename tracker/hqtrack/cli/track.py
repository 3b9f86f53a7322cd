"""`hqtrack track`: objects through any video."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args

import typer
from typer.core import TyperCommand

from hqtrack.cli.exits import STOPPED, one_line_errors
from hqtrack.cli.progress import progress
from hqtrack.cli.tracker_options import (
    BackendOption,
    CardOption,
    CompileOption,
    DeviceOption,
    MaxLongEdgeOption,
    PrecisionOption,
    WeightsOption,
    card_from_anywhere,
)
from hqtrack.defaults import DEFAULT_CARD
from hqtrack.errors import DataError, InputError, require

if TYPE_CHECKING:
    from hqtrack.cards import Backend
    from hqtrack.tracker import HQTrack, Precision
    from hqtrack.video.cuts import Cuts
    from hqtrack.video.job import ContestedPixels, Direction, Job
    from hqtrack.video.prompts import Prompt
    from hqtrack.video.run import VideoRun
    from hqtrack.video.sources import FrameSource

OBJECTS_PANEL, OUTPUTS_PANEL, FRAMES_PANEL, RUN_PANEL = "Objects", "Outputs", "Frames", "Run"

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Signals that complete the files with the frames so far: Ctrl+C, an end from outside, a lost connection."""

NOT_SEEN = "none"
"""In a mask's place in --correct: the object is not in the frame."""

NEVER_RESUMED = frozenset({"source", "out", "resume", "end", "device", "precision"})
"""Settings that a resumed run takes from the command line, not from the first run."""


def track(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="A video file, a folder of images, a pattern in quotes ('shots/*.png'), a camera's number, "
            "a stream's address (rtsp://, http://, https://, udp://), or - for a video in a pipe.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for the outputs; created if missing. Default: NAME-hqtrack, after the input.",
            show_default=False,
        ),
    ] = None,
    mask: Annotated[
        list[Path] | None,
        typer.Option(
            help="Label image of the first frame: 0 is background, every other value is the id of an object. "
            "Or a folder of label images. Repeat for more files.",
            rich_help_panel=OBJECTS_PANEL,
        ),
    ] = None,
    ignore: Annotated[
        list[int] | None,
        typer.Option(
            metavar="VALUE",
            help="Value of label images to skip, for example 255 for void. Repeat for more.",
            rich_help_panel=OBJECTS_PANEL,
        ),
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y,W,H",
            help="Box around an object, in pixels. Repeat for more objects.",
            rich_help_panel=OBJECTS_PANEL,
        ),
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y",
            help="A point on an object, in pixels. Repeat for more objects.",
            rich_help_panel=OBJECTS_PANEL,
        ),
    ] = None,
    later: Annotated[
        list[str] | None,
        typer.Option(
            "--object",
            metavar="TEXT",
            help="An object that appears later or needs several prompts: frame=120,box=X,Y,W,H. "
            "Also point=X,Y, not=X,Y (a background point) and mask=FILE. until=FRAME is its last one. "
            "Repeat for more objects.",
            rich_help_panel=OBJECTS_PANEL,
        ),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PICTURE,MASK",
            help="An object that another picture shows, and its mask in that picture: picture.jpg,mask.png. "
            "Add object=ID for one of several. The picture may have any size. Repeat for more.",
            rich_help_panel=OBJECTS_PANEL,
        ),
    ] = None,
    correct: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="Correct an object's mask in a later frame, and track on from there: "
            "frame=30,object=ID,mask=FILE, or mask=none, box=X,Y,W,H or point=X,Y. Repeat for more.",
            rich_help_panel=OBJECTS_PANEL,
        ),
    ] = None,
    select: Annotated[
        bool, typer.Option("--select", help="Draw boxes in a window.", rich_help_panel=OBJECTS_PANEL)
    ] = False,
    opacity: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Opacity of masks in the overlay, 0 to 1. 0 draws outlines only.",
            rich_help_panel=OUTPUTS_PANEL,
        ),
    ] = 0.45,
    numbers: Annotated[
        bool,
        typer.Option(
            "--numbers/--no-numbers", help="Write names or numbers on objects.", rich_help_panel=OUTPUTS_PANEL
        ),
    ] = True,
    sound: Annotated[
        bool,
        typer.Option(
            "--sound/--no-sound", help="Keep the input's sound in videos.", rich_help_panel=OUTPUTS_PANEL
        ),
    ] = True,
    hide_rest: Annotated[
        bool,
        typer.Option(
            "--hide-rest",
            help="--blur, --pixelate and --blacken hide all but the objects.",
            rich_help_panel=OUTPUTS_PANEL,
        ),
    ] = False,
    overlap: Annotated[
        str,
        typer.Option(
            metavar="later|keep",
            help="Where given masks overlap: the later object gets the pixels, or a whole keeps those of its "
            "parts in masks, boxes and areas.",
            rich_help_panel=OUTPUTS_PANEL,
        ),
    ] = "later",
    largest_part: Annotated[
        bool,
        typer.Option(
            "--largest-part",
            help="Outputs have the largest part of each mask.",
            rich_help_panel=OUTPUTS_PANEL,
        ),
    ] = False,
    fill_holes: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Outputs have no holes of N pixels or fewer.",
            rich_help_panel=OUTPUTS_PANEL,
        ),
    ] = 0,
    drop_specks: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Outputs have no parts of fewer than N pixels.",
            rich_help_panel=OUTPUTS_PANEL,
        ),
    ] = 0,
    grow: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Masks of outputs grow by N pixels, or shrink by -N.",
            rich_help_panel=OUTPUTS_PANEL,
        ),
    ] = 0,
    cuts: Annotated[
        str,
        typer.Option(
            metavar="search|stop|ignore",
            help="At a cut to another shot: search objects, and show them where they are surely found; stop "
            "them; or ignore the cut.",
            rich_help_panel=FRAMES_PANEL,
        ),
    ] = "search",
    direction: Annotated[
        str,
        typer.Option(
            help="Track forward, backward or both, from the frame in which objects are given.",
            rich_help_panel=FRAMES_PANEL,
        ),
    ] = "forward",
    start: Annotated[
        str | None,
        typer.Option(
            metavar="FRAME",
            help="First frame: a number (they count from 0), a time (1.5s) or a timecode (00:00:01:12).",
            rich_help_panel=FRAMES_PANEL,
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option(
            metavar="FRAME",
            help="Stop before this frame. Default: the last one is included.",
            rich_help_panel=FRAMES_PANEL,
        ),
    ] = None,
    first_number: Annotated[
        str,
        typer.Option(
            metavar="N|auto",
            help="Number of the input's first frame, in options and outputs; auto: that in its file's name.",
            rich_help_panel=FRAMES_PANEL,
        ),
    ] = "0",
    stride: Annotated[int, typer.Option(help="Read every Nth frame.", rich_help_panel=FRAMES_PANEL)] = 1,
    fps: Annotated[
        float | None,
        typer.Option(help="Frames per second of images; default: 25.", rich_help_panel=FRAMES_PANEL),
    ] = None,
    value_range: Annotated[
        str | None,
        typer.Option(
            "--range",
            metavar="LOW,HIGH",
            help="Values of images of 10 to 16 bits that become black and white. "
            "Default: percentiles of the first frame that is not flat.",
            rich_help_panel=FRAMES_PANEL,
        ),
    ] = None,
    card: CardOption = DEFAULT_CARD,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    max_long_edge: MaxLongEdgeOption = None,
    backend: BackendOption = None,
    compile_encoder: CompileOption = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Resume the unfinished run in this folder, with its settings.",
            rich_help_panel=RUN_PANEL,
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace the outputs of an earlier run.", rich_help_panel=RUN_PANEL),
    ] = False,
) -> None:
    """Track objects in a video. Give a mask, a box or a point for each. Get its mask in every frame.

    The card's refiner turns boxes and points into masks. A card without refiner uses HQ-SAM if its weights
    are installed, else the light refiner.
    The values of a mask are the ids of its objects, in all outputs. Boxes, points and colours get the lowest
    free ids, which are printed.

    Ctrl+C completes the files with the frames so far, and prints how to resume. The exit code is 0 when the
    video is done, 1 if it failed, 2 for wrong use, and 130 after Ctrl+C.

    Examples:

      hqtrack track clip.mp4 -o out --mask first.png

      hqtrack track clip.mp4 -o out --box 120,80,60,90 --box 300,40,50,50 --csv --labels

      hqtrack track 'shots/*.png' -o out --mask masks/ --fps 24 --no-overlay --rle

      hqtrack track clip.mp4 -o out --mask first.png --object frame=120,box=10,20,60,40

      hqtrack track clip.mp4 -o out --point 320,200 --card hqtrack --device cuda

      hqtrack track clip.mp4 -o out --object point=320,200,point=340,260,not=400,210

      hqtrack track clip.mp4 -o out --object frame=200,box=10,20,60,40 --direction both

      hqtrack track clip.mp4 -o out --reference ball.jpg,ball-mask.png

      hqtrack track clip.mp4 -o out --resume

      hqtrack track rtsp://camera/1 --box 120,80,60,90 --no-overlay --csv
    """
    from hqtrack.video.presence import check_masks, check_pictures, check_source, parsed_reference

    # What is misspelt is refused before anything that is slow to import.
    check_source(source)
    if Path(source).suffix.lower() in (".csv", ".json") and Path(source).is_file():
        raise InputError(f"{source}: is a job file, not a video; for its videos: hqtrack batch {source}")
    given = [*(mask or []), *_mask_files([*(later or []), *(correct or [])])]
    references = [parsed_reference(text) for text in reference or []]
    given += [of_picture for _, of_picture, _ in references]
    pictures = [picture for picture, _, _ in references]
    if not resume:
        check_masks(given)
        check_pictures(pictures)

    from hqtrack.video.cleaning import MaskCleaning
    from hqtrack.video.corrections import read_correction
    from hqtrack.video.job import Job, absolute, default_folder, frame_names, open_source
    from hqtrack.video.journal import read_job
    from hqtrack.video.prompts import made_ids, numbered, read_reference

    out = default_folder(source) if out is None else out
    notice = ""
    if resume:
        _refuse_settings(context)
        job = read_job(out)
        if job.source != absolute(source):
            raise InputError(f"{out} holds an unfinished run of {job.source}, not of {source}")
        job = job if end is None else replace(job, end=end)
        frames = open_source(job)
    else:
        job = Job(
            source=source,
            left_out=tuple(map(os.path.abspath, given)),
            start=start,
            end=end,
            stride=stride,
            first_number=_first_number(first_number),
            fps=fps,
            levels=None if value_range is None else _levels(value_range),
            card=card_from_anywhere(card),
            weights=None if weights is None else os.path.abspath(weights),
            max_long_edge=max_long_edge,
            backend=cast("Backend | None", backend),  # which it checks
            compile=compile_encoder,
            direction=cast("Direction", _one_of("direction", direction)),
            cuts=cast("Cuts", _one_of("cuts", cuts)),
            overlap=cast("ContestedPixels", _one_of("overlap", overlap)),
            cleaning=MaskCleaning(
                drop_specks=drop_specks, largest_part=largest_part, fill_holes=fill_holes, grow=grow
            ),
            hide_rest=hide_rest,
            opacity=opacity,
            texts=numbers,
            sound=sound,
            outputs=_outputs(context),
        )
        frames = open_source(job)
        prompts = _prompts(frames, mask or [], box or [], point or [], later or [], ignore or [], select)
        prompts += [
            each for text in reference or [] for each in read_reference(text, frames.start, ignore or [])
        ]
        corrections = [
            read_correction(text, frames.size, ignore=ignore or [], frames=frame_names(frames))
            for text in correct or []
        ]
        notice = made_ids(prompts)
        job = replace(job, prompts=tuple(numbered(prompts)), corrections=tuple(corrections))

    if "trajectories" in job.outputs:
        require("vot")

    from hqtrack.video.run import VideoRun  # loads PyTorch: what is misspelt is refused before

    run = VideoRun(
        job,
        out,
        frames=frames,
        tracker=_shared_tracker(context, job, device, precision),
        device=device,
        precision=cast("Precision", precision),  # which it checks
        earlier="resume" if resume else "replace" if force else "refuse",
        inputs=[*given, *pictures],
    )
    if notice:
        typer.echo(notice, err=True)
    again = ["hqtrack", "track", source, "-o", str(out), "--resume"]
    for name, value in (("device", device), ("precision", precision)):
        again += [f"--{name}", value] if value != "auto" else []
    _track(run, shlex.join(again))


def _shared_tracker(context: typer.Context, job: Job, device: str, precision: str) -> HQTrack | None:
    """Return the tracker that all videos of a batch share; None for a single video."""
    if context.obj is None:
        return None
    from hqtrack.tracker import HQTrack

    settings = {
        "max_long_edge": job.max_long_edge,
        "backend": job.backend,
        "compile": job.compile or None,
    }
    key = (job.card, job.weights, device, precision, *settings.values())
    if key not in context.obj:
        context.obj[key] = HQTrack.from_card(
            job.card,
            weights=job.weights,
            device=device,
            precision=cast("Precision", precision),
            **settings,
        )
    return cast("HQTrack", context.obj[key])


class TrackCommand(TyperCommand):
    """The command with an option for each writer; these are read only where this command is parsed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse several videos, and job files, with the command that takes them."""
        _, further, _ = self.make_parser(ctx).parse_args(list(args))
        several = further and not any(word.startswith("-") for word in further)
        if several and not ctx.resilient_parsing:
            raise InputError(
                f"hqtrack track takes one video; for several: {shlex.join(['hqtrack', 'batch', *args])}"
            )
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options, those of the writers after those of the objects."""
        params = super().get_params(ctx)
        place = 1 + next(i for i, each in enumerate(params) if each.name == "select")
        return [*params[:place], *_writer_options(), *params[place:]]


def _writer_options() -> list[Any]:
    """Return an option for each writer: `--NAME`, or `--NAME/--no-NAME` where it is written by default."""
    from hqtrack.video.writers import WRITERS

    def takes_outputs() -> None:
        pass

    takes_outputs.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                option.replace("-", "_"),
                inspect.Parameter.KEYWORD_ONLY,
                default=kind.wanted,
                annotation=Annotated[
                    bool,
                    typer.Option(
                        f"--{option}/--no-{option}" if kind.wanted else f"--{option}",
                        help=f"{kind.name}{'/' if kind.is_folder else ''}: {kind.help}",
                        expose_value=False,
                        callback=_note_output,
                        rich_help_panel=OUTPUTS_PANEL,
                    ),
                ],
            )
            for option, kind in WRITERS.items()
        ]
    )
    # Typer makes options of a function's signature alone: so it is given one.
    app = typer.Typer(add_completion=False)
    app.command()(takes_outputs)
    return typer.main.get_command(app).params


def _note_output(context: typer.Context, option: typer.CallbackParam, wanted: bool) -> None:
    """Keep whether an output is wanted, for `_outputs`."""
    context.meta.setdefault(OUTPUTS_PANEL, {})[option.opts[0].removeprefix("--")] = wanted


def _outputs(context: typer.Context) -> tuple[str, ...]:
    """Return the kinds of output that are wanted, in the order of the writers."""
    from hqtrack.video.writers import WRITERS

    kinds = tuple(kind for kind in WRITERS if context.meta[OUTPUTS_PANEL][kind])
    if not kinds:
        others = ", ".join(f"--{option}" for option, kind in WRITERS.items() if not kind.wanted)
        raise InputError(f"no output is left; add one of {others}")
    return kinds


def _one_of(option: str, text: str) -> str:
    """Check the value of an option that has a few."""
    from hqtrack.video.cuts import Cuts
    from hqtrack.video.job import ContestedPixels, Direction

    values = get_args({"direction": Direction, "cuts": Cuts, "overlap": ContestedPixels}[option])
    if text not in values:
        raise InputError(f"--{option} {text[:40]}: use {', '.join(values)}")
    return text


def _first_number(text: str) -> int | Literal["auto"]:
    """Read the number of the first frame, or "auto"."""
    if text == "auto":
        return "auto"
    if not text.isdecimal() or len(text) > 9:
        raise InputError(f"--first-number {text[:40]}: write a number such as 1001, or auto")
    return int(text)


def _levels(text: str) -> tuple[float, float]:
    """Read "LOW,HIGH"."""
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--range {text[:40]}: write LOW,HIGH, two numbers such as 0,4095") from None
    if not 0 <= low < high < 1e9:
        raise InputError(f"--range {text[:40]}: LOW must be at least 0 and less than HIGH")
    return low, high


def _mask_files(texts: list[str]) -> list[Path]:
    """Return the mask files that objects and corrections name."""
    found = (re.search(r"(?:^|,)\s*mask=(.*?)(?:,\s*\w+=|$)", text) for text in texts)
    return [Path(match[1]) for match in found if match and match[1] != NOT_SEEN]


def _refuse_settings(context: typer.Context) -> None:
    """Check that a resumed run is given no settings of its own."""
    given = [
        parameter.opts[0]
        for parameter in context.command.get_params(context)
        if parameter.name not in NEVER_RESUMED and _is_given(context, parameter.name)
    ]
    if given:
        raise InputError(
            f"--resume uses the settings of the first run; leave out {', '.join(given)}, "
            "or start over with --force instead of --resume"
        )


def _is_given(context: typer.Context, name: str | None) -> bool:
    origin = context.get_parameter_source(name or "")
    return origin is not None and origin.name == "COMMANDLINE"


def _prompts(
    frames: FrameSource,
    masks: list[Path],
    boxes: list[str],
    points: list[str],
    later: list[str],
    ignore: list[int],
    select: bool,
) -> list[Prompt]:
    """Read the objects, but those of other pictures."""
    from hqtrack.video.job import frame_names
    from hqtrack.video.prompts import read_prompts, select_boxes

    prompts = read_prompts(
        masks=masks,
        boxes=boxes,
        points=points,
        objects=later,
        start=frames.start,
        size=frames.size,
        ignore=ignore,
        frames=frame_names(frames),
    )
    if select:
        prompts += select_boxes(next(iter(frames)).image, frames.start)
        prompts.sort(key=lambda prompt: prompt.frame)
    return prompts


def _track(run: VideoRun, again: str) -> None:
    """Track with progress and signals, and report the result."""
    from hqtrack.video.cuts import named_cuts

    advice: list[str] = []
    with one_line_errors(advice), _stop_on_signals() as received, progress(run.steps) as advance:
        try:
            outcome = run.track(on_frame=lambda _: advance(), stop=lambda: bool(received))
        finally:
            if run.recorded:
                done = _counted(run.recorded, "frame")
                state = f"stopped after {done}" if received else f"{done} done"
                advice.append(f"{state}; to resume: {again}")
    if outcome.unfinished:
        raise typer.Exit(STOPPED + received[0])
    typer.echo(
        f"{_counted(outcome.frames, 'frame')}, {_counted(outcome.objects, 'object')}, "
        f"{outcome.speed:.1f} frames/s"
    )
    for path in outcome.paths:
        typer.echo(path)
    for line in (*outcome.doubts, named_cuts([*outcome.cuts], run.job.cuts)):
        if line:
            typer.echo(line, err=True)
    if outcome.missing is not None:  # not known before where a source does not say how long it is
        raise DataError(
            f"the object that begins in frame {outcome.missing} is missing: the last frame is {outcome.last}"
        )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


@contextmanager
def _stop_on_signals() -> Iterator[list[int]]:
    """Collect the first of `STOP_SIGNALS` in a list, so that a frame is never left half done.

    A second one raises KeyboardInterrupt.
    """
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    if threading.current_thread() is not threading.main_thread():  # only there signals can be handled
        yield received
        return
    before = {number: signal.signal(number, note) for number in STOP_SIGNALS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
