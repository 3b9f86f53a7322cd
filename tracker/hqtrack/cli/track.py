"""`hqtrack track`: objects through any video."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn, cast

import typer

from hqtrack.errors import CardError, DataError, HQTrackError, InputError

if TYPE_CHECKING:
    from hqtrack.tracker import HQTrack, Precision
    from hqtrack.video.corrections import Correction
    from hqtrack.video.journal import Job, Journal
    from hqtrack.video.mask_maker import MaskMaker
    from hqtrack.video.outputs import Writer
    from hqtrack.video.prompts import Prompt
    from hqtrack.video.sources import FrameSource

OBJECTS, OUTPUTS, FRAMES, SYSTEM, RUN = "Objects", "Outputs", "Frames", "System", "Run"

FAILED, WRONG_USE, STOPPED = 1, 2, 128
"""Exit codes; a run that a signal stopped ends with 128 and the signal's number, as in a shell."""

ALWAYS = frozenset({"source", "out", "resume", "device", "precision"})
"""Settings that a resumed run takes from the command line, not from the first run."""


def track(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="A video file, a folder of images, a pattern in quotes ('shots/*.png'), a camera's number.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Folder for the outputs; made where there is none.", show_default=False
        ),
    ],
    mask: Annotated[
        list[Path] | None,
        typer.Option(
            help="Image of the first frame's size: every value but 0 is an object. Or a folder of such. "
            "May be repeated.",
            rich_help_panel=OBJECTS,
        ),
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y,W,H",
            help="Box around an object, in pixels. May be repeated.",
            rich_help_panel=OBJECTS,
        ),
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y",
            help="Pixel on an object; needs HQ-SAM's weights. May be repeated.",
            rich_help_panel=OBJECTS,
        ),
    ] = None,
    later: Annotated[
        list[str] | None,
        typer.Option(
            "--object",
            metavar="TEXT",
            help="An object that begins later: frame=120,box=X,Y,W,H or with point=X,Y or mask=FILE. "
            "May be repeated.",
            rich_help_panel=OBJECTS,
        ),
    ] = None,
    correct: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="An object's mask in a later frame, from which tracking goes on: "
            "frame=30,object=1,mask=FILE, or with mask=none, box=X,Y,W,H or point=X,Y. May be repeated.",
            rich_help_panel=OBJECTS,
        ),
    ] = None,
    select: Annotated[
        bool, typer.Option("--select", help="Draw boxes in a window.", rich_help_panel=OBJECTS)
    ] = False,
    overlay: Annotated[
        bool,
        typer.Option(help="overlay.mp4: the video with the masks drawn over it.", rich_help_panel=OUTPUTS),
    ] = True,
    labels: Annotated[
        bool,
        typer.Option("--labels", help="labels/: an indexed PNG for each frame.", rich_help_panel=OUTPUTS),
    ] = False,
    rle: Annotated[
        bool, typer.Option("--rle", help="masks.json: COCO with run lengths.", rich_help_panel=OUTPUTS)
    ] = False,
    trajectories: Annotated[
        bool,
        typer.Option(
            "--trajectories",
            help="trajectories/: a file for each object, as the VOT toolkit has it.",
            rich_help_panel=OUTPUTS,
        ),
    ] = False,
    table: Annotated[
        bool, typer.Option("--csv", help="boxes.csv: boxes and areas.", rich_help_panel=OUTPUTS)
    ] = False,
    start: Annotated[int, typer.Option(help="First frame; they count from 0.", rich_help_panel=FRAMES)] = 0,
    end: Annotated[
        int | None,
        typer.Option(
            help="First frame that is not read any more; default: to the end.", rich_help_panel=FRAMES
        ),
    ] = None,
    stride: Annotated[
        int, typer.Option(help="Every how many frames one is read.", rich_help_panel=FRAMES)
    ] = 1,
    fps: Annotated[
        float | None,
        typer.Option(help="Frames per second of images; default: 25.", rich_help_panel=FRAMES),
    ] = None,
    card: Annotated[
        str, typer.Option(help="`hqtrack cards` lists them; or a .toml file.", rich_help_panel=SYSTEM)
    ] = "hqtrack-light",
    weights: Annotated[
        Path | None, typer.Option(help="Weight file instead of the card's.", rich_help_panel=SYSTEM)
    ] = None,
    device: Annotated[
        str, typer.Option(help="cpu, cuda, cuda:1, mps, …; auto takes the best.", rich_help_panel=SYSTEM)
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="auto, float32, bfloat16 or float16.", rich_help_panel=SYSTEM)
    ] = "auto",
    max_long_edge: Annotated[
        int | None,
        typer.Option(
            help="The network sees frames reduced to this longer side; default: the card's. "
            "Smaller is faster. Outputs keep the frame's size.",
            rich_help_panel=SYSTEM,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the unfinished video in the folder; its settings are taken from there.",
            rich_help_panel=RUN,
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace the outputs of an earlier run.", rich_help_panel=RUN),
    ] = False,
) -> None:
    """Track objects through a video: a first mask, box or point of each in, their masks in every frame out.

    Boxes and points become masks by HQ-SAM where its weights are here; else a box by GrabCut, which is rough.
    Objects count from 1: masks, then boxes, then points, then those of --object, by the frame they begin in.

    Ctrl+C completes the files with the frames so far, and says how to go on. The exit code is 0 when the
    video is done, 1 if it failed, 2 for wrong use, and 130 after Ctrl+C.

    Examples:

      hqtrack track clip.mp4 -o out --mask first.png

      hqtrack track clip.mp4 -o out --box 120,80,60,90 --box 300,40,50,50 --csv --labels

      hqtrack track 'shots/*.png' -o out --mask masks/ --fps 24 --no-overlay --rle

      hqtrack track clip.mp4 -o out --mask first.png --object frame=120,box=10,20,60,40

      hqtrack track clip.mp4 -o out --point 320,200 --card hqtrack --device cuda

      hqtrack track clip.mp4 -o out --resume
    """
    from hqtrack.video.journal import Job

    flags = {"overlay": overlay, "labels": labels, "rle": rle, "trajectories": trajectories, "csv": table}
    with _errors(WRONG_USE):
        if resume:
            job = _job_of_earlier_run(context, source, out)
        else:
            job = Job(
                source=_absolute(source),
                start=start,
                end=end,
                stride=stride,
                fps=fps,
                card=os.path.abspath(card) if card.endswith(".toml") else card,
                weights=None if weights is None else os.path.abspath(weights),
                max_long_edge=max_long_edge,
                outputs=tuple(kind for kind, wanted in flags.items() if wanted),
                prompts=(),
            )
        frames = _open(job)
        if not resume:
            prompts = _prompts(frames, mask or [], box or [], point or [], later or [], select)
            corrections = _corrections(frames, correct or [], prompts)
            job = Job(**{**vars(job), "prompts": tuple(prompts), "corrections": tuple(corrections)})
        _check_outputs(job, out, resume=resume, force=force)
        tracker = _tracker(job, device, precision)
        maker = _mask_maker(tracker)
        maker.check([*job.prompts, *(each.prompt for each in job.corrections if each.prompt is not None)])
    again = ["hqtrack", "track", source, "-o", str(out), "--resume"]
    for name, value in (("device", device), ("precision", precision)):
        again += [f"--{name}", value] if value != "auto" else []
    advice: list[str] = []
    with _errors(FAILED, advice):
        _run(job, frames, tracker, maker, out, resume=resume, again=shlex.join(again), advice=advice)


@contextmanager
def _errors(wrong: int, advice: Sequence[str] = ()) -> Iterator[None]:
    """Turn errors into one line on standard error and an exit code: `wrong` for input that cannot be used.

    What there is of advice by then is the line after it.
    """
    try:
        with _one_line(wrong):
            yield
    finally:
        for line in advice:
            typer.echo(line, err=True)


@contextmanager
def _one_line(wrong: int) -> Iterator[None]:
    try:
        yield
    except (InputError, CardError) as error:
        _fail(str(error), wrong)
    except HQTrackError as error:
        _fail(str(error), FAILED)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "out of memory" not in str(error):
            raise
        _fail("there is not enough memory; try a smaller --max-long-edge, or --device cpu", FAILED)
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        _fail(f"{name}{error.strerror or error}", FAILED)


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"hqtrack: {message}", err=True)
    raise typer.Exit(code) from None


def _absolute(source: str) -> str:
    """Give a source's path from the root, which means the same wherever a run is gone on with."""
    return source if source.isdecimal() and not Path(source).exists() else os.path.abspath(source)


def _job_of_earlier_run(context: typer.Context, source: str, out: Path) -> Job:
    from hqtrack.video.journal import Journal

    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name not in ALWAYS and _is_given(context, parameter.name)
    ]
    if given:
        raise InputError(
            f"--resume goes on with the settings of the first run; leave out {', '.join(given)}, "
            "or start anew with --force instead of --resume"
        )
    journal = Journal.resume(out)
    journal.close()
    if journal.job.source != _absolute(source):
        raise InputError(f"{out} holds an unfinished run of {journal.job.source}, not of {source}")
    return journal.job


def _is_given(context: typer.Context, name: str | None) -> bool:
    origin = context.get_parameter_source(name or "")
    return origin is not None and origin.name == "COMMANDLINE"


def _open(job: Job) -> FrameSource:
    from hqtrack.video.sources import ImageFrames, open_frames

    frames = open_frames(job.source, start=job.start, end=job.end, stride=job.stride, fps=job.fps)
    if job.fps is not None and not isinstance(frames, ImageFrames):
        raise InputError(f"--fps {job.fps:g}: is for images; {frames} has a frame rate of its own")
    if not job.outputs:
        raise InputError("no output: --no-overlay leaves none; add --labels, --rle, --trajectories or --csv")
    return frames


def _prompts(
    frames: FrameSource,
    masks: list[Path],
    boxes: list[str],
    points: list[str],
    later: list[str],
    select: bool,
) -> list[Prompt]:
    """Read the objects, and check them against the frames."""
    from hqtrack.video.prompts import check_frames, read_prompts, select_boxes

    prompts = read_prompts(
        masks=masks, boxes=boxes, points=points, objects=later, start=frames.start, size=frames.size
    )
    if select:
        prompts += select_boxes(next(iter(frames)).image, frames.start)
        prompts.sort(key=lambda prompt: prompt.frame)
    check_frames(prompts, frames.start, _end(frames), frames.stride)
    return prompts


def _corrections(frames: FrameSource, texts: list[str], prompts: list[Prompt]) -> list[Correction]:
    """Read the corrections, and check them against objects and frames."""
    from hqtrack.video.corrections import check_corrections, read_correction

    corrections = [read_correction(text, frames.size) for text in texts]
    check_corrections(corrections, prompts, frames.start, _end(frames), frames.stride)
    return corrections


def _end(frames: FrameSource) -> int | None:
    """Give the first frame that is not read any more, if it is known."""
    return frames.end if frames.indices is None else frames.indices.stop


def _check_outputs(job: Job, out: Path, *, resume: bool, force: bool) -> None:
    """Check that nothing is overwritten that should not be."""
    from hqtrack.video.journal import has_unfinished
    from hqtrack.video.outputs import WRITERS, earlier_files

    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; -o names a folder")
    if any((out / WRITERS[kind].name).resolve() == Path(job.source).resolve() for kind in job.outputs):
        raise InputError(f"{job.source}: would be overwritten by an output; name another folder with -o")
    if resume or force:
        return
    if has_unfinished(out):
        raise InputError(f"{out}: holds an unfinished run; go on with --resume, or start anew with --force")
    present = [path for kind in job.outputs for path in earlier_files(kind, out)]
    if present:
        raise InputError(f"{present[0]}: is there already; name another folder with -o, or use --force")


def _tracker(job: Job, device: str, precision: str) -> HQTrack:
    from hqtrack.tracker import HQTrack

    return HQTrack.from_card(
        job.card,
        weights=job.weights,
        device=device,
        precision=cast("Precision", precision),  # which it checks
        max_long_edge=job.max_long_edge,
    )


def _mask_maker(tracker: HQTrack) -> MaskMaker:
    """Find what turns boxes and points into masks: the tracker's own refiner, or another one."""
    from hqtrack.video.mask_maker import MaskMaker, find_refiner

    if tracker.refiner is not None:
        own = tracker.refiner
        return MaskMaker(lambda: own)
    settings = find_refiner(tracker.card)
    if settings is None:
        return MaskMaker(None)
    from hqtrack.refinement import build_refiner

    return MaskMaker(partial(build_refiner, settings, device=tracker.device, dtype=tracker.dtype))


def _run(
    job: Job,
    frames: FrameSource,
    tracker: HQTrack,
    maker: MaskMaker,
    out: Path,
    *,
    resume: bool,
    again: str,
    advice: list[str],
) -> None:
    """Track the video and write its outputs; whatever ends it, the files hold the frames until then.

    How to go on after that is added to `advice`.
    """
    from hqtrack.video.job import track_frames
    from hqtrack.video.journal import Journal
    from hqtrack.video.outputs import earlier_files, facts_of, open_writer

    out.mkdir(parents=True, exist_ok=True)
    journal: Journal | None = None
    if resume:
        journal = Journal.resume(out)
    else:
        for path in (path for kind in job.outputs for path in earlier_files(kind, out)):
            path.unlink()
        if not frames.live:
            journal = Journal.begin(out, job)
    facts = facts_of(frames)
    writers: list[Writer] = []
    old = journal.left if journal else 0
    count = objects = last = 0
    begin = time.perf_counter()
    try:
        for kind in job.outputs:
            writers.append(open_writer(kind, out, facts))
        with _stop_on_signals() as received, _progress(frames) as advance:
            for frame, masks in track_frames(tracker, frames, job.prompts, maker, journal, job.corrections):
                for writer in writers:
                    writer.write(frame, masks)
                count, objects, last = count + 1, len(masks), frame.index
                if count == old:
                    begin = time.perf_counter()
                advance()
                if received:
                    break
        speed = max(0, count - old) / (time.perf_counter() - begin)
        _close(writers, complete=count > old or not received)
    except BaseException as error:
        # A second Ctrl+C is in a hurry.
        with suppress(OSError, HQTrackError):
            _close(writers, complete=count > old and not isinstance(error, KeyboardInterrupt))
        if journal is not None and max(count, old):
            journal.close()
            advice.append(f"{_counted(max(count, old), 'frame')} done; to go on with the next: {again}")
        elif journal is not None:
            journal.remove()
        raise
    if received and journal is not None and not (frames.indices and count == len(frames)):
        journal.close()
        advice.append(f"stopped after {_counted(max(count, old), 'frame')}; to go on with the next: {again}")
        raise typer.Exit(STOPPED + received[0])
    if journal is not None:
        journal.remove()
    typer.echo(f"{_counted(count, 'frame')}, {_counted(objects, 'object')}, {speed:.1f} frames/s")
    for writer in writers:
        typer.echo(writer.path)
    late = [prompt.frame for prompt in job.prompts if prompt.frame > last]
    if late and not received:  # not known before where a source does not say how long it is
        raise DataError(f"the object that begins in frame {late[0]} is missing: the last frame is {last}")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _close(writers: list[Writer], *, complete: bool) -> None:
    """Complete or discard all outputs; one that cannot be completed is discarded, and its error raised."""
    failure: Exception | None = None
    while writers and not complete:
        writers.pop().discard()
    for writer in writers:
        try:
            writer.finish()
        except (OSError, HQTrackError) as error:
            writer.discard()
            failure = failure or error
    if failure is not None:
        writers.clear()
        raise failure


@contextmanager
def _stop_on_signals() -> Iterator[list[int]]:
    """Collect the first SIGINT or SIGTERM in a list, so that a frame is never left half done.

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
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(frames: FrameSource) -> Iterator[Callable[[], None]]:
    """Show progress with frames/s and time left on a terminal's standard error; gives what counts a frame."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(stderr=True),
    )
    task = bar.add_task("", total=len(frames) if frames.indices else None, speed="")

    def advance() -> None:
        bar.advance(task)
        speed = bar.tasks[0].speed
        bar.update(task, speed=f"{speed:.1f} frames/s" if speed else "")

    with bar:
        yield advance
