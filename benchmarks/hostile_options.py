"""Areas of the campaign in `hostile.py`: single options, the commands beside `hqtrack track`, and streams."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from hostile_cases import (
    FRAMES,
    OUTPUTS,
    ROOT,
    Ended,
    Tally,
    files_of,
    hqtrack_command,
    judged,
    labels_of,
    mean_iou,
    next_command,
    refuse_all,
    run,
    write_clip,
)

SMALL = ("--max-long-edge", "96", "--precision", "float32")
TWO = ("--box", "10,16,24,24", "--box", "60,44,20,14")
"""Prompts of two objects: the square, and a part of the ground."""

LONG, DIGITS = "n" * 300, "9" * 400


@contextmanager
def clip_in_folder() -> Iterator[tuple[Path, str, str]]:
    """Lend a folder with a clip and the mask of its first frame."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip, mask = write_clip(folder)
        os.mkfifo(folder / "fifo.png")
        os.mkfifo(folder / "fifo.tif")
        (folder / "text.png").write_text("no picture\n" * 20)
        (folder / "empty").touch()
        yield folder, str(clip), str(mask)


def checked(
    tally: Tally, folder: Path, name: str, words: Sequence[str], check: Callable[[], object] | None = None
) -> None:
    """Run a command that may be refused or not; what it accepts must pass a check."""
    ended = run(folder, hqtrack_command, *words)
    outcome = judged(ended)
    if outcome == "recovered" and check is not None:
        try:
            check()
        except Exception as error:
            outcome = f"accepted, but {type(error).__name__}: {error}"
    tally.count(name, outcome)


def right(
    tally: Tally, folder: Path, name: str, words: Sequence[str], check: Callable[[], object] = lambda: None
) -> None:
    """Run a command that must not be refused."""
    before = tally.refused
    checked(tally, folder, name, words, check)
    if tally.refused > before:
        tally.refused = before
        tally.count(name, "refused, though it makes sense")


def has_labels(out: Path, count: int) -> Callable[[], None]:
    """Return a check that there are so many label images."""

    def check() -> None:
        assert len(labels_of(out)) == count, f"{len(labels_of(out))} label images instead of {count}"

    return check


# --- prompts


def references(tally: Tally, seed: int, scale: float) -> None:
    """Objects of other pictures: senseless texts, broken pictures and masks, pictures of every shape."""
    from PIL import Image as Pillow

    from hostile import media, test_videos
    from hostile.corruptions import corrupted

    with clip_in_folder() as (folder, clip, mask):
        picture = str(folder / "clip" / "000.png")
        (folder / "list.jpg").write_text(test_videos.PLAY_LISTS["concat"])
        (folder / "huge.png").write_bytes(test_videos.png_of(30_000, 30_000))
        Pillow.new("L", (96, 64), 0).save(folder / "nothing.png")
        Pillow.new("L", (5, 7), 1).save(folder / "small.png")

        def words(text: str, *more: str) -> list[str]:
            out = str(folder / f"out-{tally.tried}")
            return ["track", clip, "-o", out, "--reference", text, "--end", "3", *SMALL, *more, *OUTPUTS]

        wrong = [
            *("", ",", picture, f"{picture},", f",{mask}", f"{LONG},{mask}"),
            *(
                f"{picture},{mask},{more}"
                for more in ("object=", "object=x", "object=-1", "frame=3", "", "a=b")
            ),
            *(f"{picture},{mask},object={more}" for more in (DIGITS, "1,object=1", "1e3")),
            *(
                f"{picture},{folder / name}"
                for name in ("nothing.png", "small.png", "text.png", "clip", "none")
            ),
            *(f"{folder / name},{mask}" for name in ("huge.png", "list.jpg", "text.png", "clip", "fifo.png")),
            *(f"{picture},{name}" for name in (str(folder / "fifo.png"), "/dev/zero", "/dev/null", "../x")),
        ]
        refuse_all(tally, folder, {f"--reference {text[-80:]}": words(text) for text in wrong})
        text = f"{picture},{mask}"
        refuse_all(tally, folder, {"backward": words(text, "--direction", "both")})
        refuse_all(tally, folder, {"with --resume": words(text, "--resume")})
        for width, height, mode in (
            *((1000, 10, "RGB"), (10, 700, "RGB"), (1, 1, "RGB"), (96, 64, "L"), (96, 64, "RGBA")),
            *((2000, 1500, "RGB"), (33, 17, "P"), (64, 64, "I;16"), (50, 50, "CMYK"), (40, 60, "1")),
        ):
            image, labels = folder / f"a{tally.tried}.tif", folder / f"b{tally.tried}.png"
            drawn = Pillow.new("L", (width, height), 0)
            drawn.paste(180, (width // 4, height // 4, max(1, width // 2), max(1, height // 2)))
            drawn.convert(mode).save(image)
            Pillow.fromarray((np.asarray(drawn) > 0).astype(np.uint8)).save(labels)
            checked(tally, folder, f"{width} x {height} {mode}", words(f"{image},{labels}"))
        for number in range(int(20 * scale)):
            image, labels = folder / "c.png", folder / "d.png"
            image.write_bytes(
                corrupted(media.picture(".png"), 1000 * seed + number)
                if number % 2
                else media.picture(".png")
            )
            labels.write_bytes(media.mask() if number % 2 else corrupted(media.mask(), 1000 * seed + number))
            checked(tally, folder, f"broken {number}", words(f"{image},{labels}"))


def annotations(tally: Tally, seed: int, scale: float) -> None:
    """Files of other tools, whole and broken, as masks and corrections of the command, and on the page."""
    from PIL import Image as Pillow

    from hostile.annotation_files import SAMPLES
    from hostile.corruptions import corrupted
    from hostile.media import SIZE
    from hqtrack import HQTrack
    from hqtrack.video.mask_maker import MaskMaker
    from hqtrack.web.imports import import_masks
    from hqtrack.web.service import TrackingService
    from hqtrack.web.settings import Settings
    from hqtrack.web.store import Store
    from hqtrack.web.tracking import SharedTracker

    height, width = SIZE
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = folder / "clip"
        clip.mkdir()
        for index in range(12):
            Pillow.fromarray(
                np.random.default_rng(index).integers(0, 255, (height, width, 3)).astype(np.uint8)
            ).save(clip / f"{index:05d}.jpg")
        tracker = HQTrack.from_card("vmos-light")
        shared = SharedTracker(lambda _: (tracker, MaskMaker.beside(tracker)))
        store = Store(folder / "sessions", clip, upload_limit=1 << 20)
        service = TrackingService(store, shared, Settings(card="vmos-light"))

        def on_the_page(path: Path, frame: int) -> None:
            opened = store.create("me", store.root, "clip")
            lines = import_masks(service, opened, path, frame)
            assert lines[0].endswith("objects added"), lines
            assert all("\n" not in line and str(folder) not in line for line in lines), lines

        rng = random.Random(seed)
        for sample, content in SAMPLES.items():
            for number in range(1 + int(6 * scale)):
                path = folder / sample
                path.write_bytes(corrupted(content, 1000 * seed + number) if number else content)
                tally.attempt(
                    f"{sample} {number} on the page", lambda path=path: on_the_page(path, rng.randrange(12))
                )
            for number in range(max(1, int(2 * scale))):
                path.write_bytes(corrupted(content, 1000 * seed + number) if number else content)
                out = str(folder / f"out-{tally.tried}")
                given = (
                    ("--mask", str(path))
                    if rng.random() < 0.6
                    else ("--box", "6,4,12,8", "--correct", f"frame=1,object=1,mask={path}")
                )
                checked(
                    tally,
                    folder,
                    f"{given[0]} {sample} {number}",
                    ["track", str(clip), "-o", out, *given, *SMALL, *OUTPUTS],
                )
        tables_of_boxes(tally, folder, str(clip), seed, scale)


def tables_of_boxes(tally: Tally, folder: Path, clip: str, seed: int, scale: float) -> None:
    """Read back the table of `--csv`: odd values of `doubtful`, other columns, and damaged."""
    from hostile.corruptions import corrupted

    out = folder / "table"
    ended = run(folder, hqtrack_command, "track", clip, "-o", str(out), "--box", "6,4,12,8", *SMALL, *OUTPUTS)
    assert ended.code == 0, ended.said
    text = (out / "boxes.csv").read_text()
    lines = [line.split(",") for line in text.splitlines()]
    place = lines[0].index("doubtful")
    assert all(line[place] in ("0", "1") for line in lines[1:]), text
    odd: dict[str, bytes] = {
        f"doubtful {value!r}": "\n".join(
            ",".join([*line[:place], value if k else "doubtful", *line[place + 1 :]])
            for k, line in enumerate(lines)
        ).encode()
        for value in ("", "nan", "-1", "yes", DIGITS, "\0")
    }
    odd |= {"doubtful twice": "\n".join(",".join([*line, line[place]]) for line in lines).encode()}
    odd |= {
        "without doubtful": "\n".join(",".join(line[:place] + line[place + 1 :]) for line in lines).encode()
    }
    odd |= {f"broken {k}": corrupted(text.encode(), 1000 * seed + k) for k in range(int(10 * scale))}
    for name, content in odd.items():
        path = folder / "again.csv"
        path.write_bytes(content)
        words = [
            "track",
            clip,
            "-o",
            str(folder / f"out-{tally.tried}"),
            "--mask",
            str(path),
            *SMALL,
            *OUTPUTS,
        ]
        checked(tally, folder, f"boxes.csv, {name}", words)


# --- frames


def directions(tally: Tally, seed: int, scale: float) -> None:
    """Ranges of frames, backward, ends of objects, corrections: senseless, right, and killed."""
    rng = random.Random(seed)
    with clip_in_folder() as (folder, clip, mask):

        def words(*more: str) -> list[str]:
            return ["track", clip, "-o", str(folder / f"out-{tally.tried}"), *more, *SMALL, *OUTPUTS]

        box = "box=10,16,24,24"
        wrong = [
            *(
                ("--mask", mask, "--start", text)
                for text in ("99", "9999s", "00:00:99:99", "1:2", "nan", "-0.1s", "5x")
            ),
            *(
                ("--mask", mask, "--start", "5", "--end", text)
                for text in ("5", "3", "0", "0.1s", "-3", "00:00:00:02")
            ),
            *(("--mask", mask, "--first-number", text) for text in ("x", "-1", "1e9", DIGITS, "1.5")),
            *(("--mask", mask, "--direction", text) for text in ("sideways", "", "BOTH ", LONG)),
            *(("--mask", mask, "--stride", text) for text in ("0", "-2", "1.5", DIGITS)),
            *(("--mask", mask, "--cuts", text) for text in ("", "maybe", LONG)),
            *(("--object", f"frame={text},{box}") for text in ("20", "x", "-1", "9999s", "00:00:09:00", "")),
            *(
                ("--object", f"frame=5,{box},until={text}")
                for text in ("4", "-1", "x", "", DIGITS, "5,until=6")
            ),
            *(("--object", f"frame=3,{box}", "--start", "8"), ("--object", f"frame=9,{box}", "--end", "8")),
            *(
                ("--mask", mask, "--correct", text)
                for text in (
                    "frame=20,object=255,mask=none",
                    "object=1",
                    "frame=3,object=9,mask=none",
                    "frame=3,object=1",
                    "",
                )
            ),
            ("--mask", mask, *("--correct", f"frame=3,object=1,{box}") * 2),
            ("--mask", mask, "--start", "4", "--correct", f"frame=2,object=1,{box}"),
            (
                "--object",
                f"frame=9,{box}",
                "--direction",
                "both",
                "--correct",
                f"frame=3,object=1,{box}",
                "--correct",
                "frame=3,object=1,mask=none",
            ),
        ]
        refuse_all(
            tally, folder, {" ".join(each)[:150].replace(str(folder), ""): words(*each) for each in wrong}
        )
        sound: list[tuple[tuple[str, ...], int]] = [
            (("--object", f"frame=19,{box}", "--direction", "backward"), 20),
            (("--object", f"frame=9,{box}", "--direction", "both"), 20),
            (("--object", f"frame=9,{box},until=3", "--direction", "backward"), 20),
            (("--object", f"frame=0,{box}", "--direction", "both"), 20),
            (("--object", f"frame=12,{box}", "--direction", "backward", "--start", "7"), 13),
            (
                (
                    "--object",
                    f"frame=9,{box}",
                    "--direction",
                    "both",
                    "--start",
                    "4",
                    "--end",
                    "14",
                    "--stride",
                    "5",
                ),
                2,
            ),
            (("--object", f"frame=0,{box},until=4", "--object", f"frame=8,{box}"), 20),
            (
                (
                    "--object",
                    f"frame=1005,{box}",
                    "--first-number",
                    "1001",
                    "--start",
                    "1005",
                    "--end",
                    "1009",
                ),
                4,
            ),
            (("--object", f"frame=0.2s,{box}", "--start", "0.2s", "--end", "0.6s"), 10),
            (("--mask", mask, "--first-number", "auto", "--end", "00:00:00:10"), 10),
            (("--mask", mask, "--correct", f"frame=6,object=1,{box}"), 20),
            (("--mask", mask, "--stride", "19"), 2),
        ]
        for more, count in sound:
            out = folder / f"out-{tally.tried}"
            right(
                tally,
                folder,
                " ".join(more)[:150].replace(str(folder), ""),
                words(*more),
                has_labels(out, count),
            )
        command = ["track", clip, "--object", f"frame=9,{box}", "--direction", "both", *SMALL, *OUTPUTS]
        killed(tally, folder, command, Path(clip), int(4 * scale), rng)


def killed(
    tally: Tally,
    folder: Path,
    command: list[str],
    clip: Path,
    count: int,
    rng: random.Random,
    check: Callable[[Path], object] = lambda out: None,
) -> None:
    """Kill a command of `hqtrack track` at random moments, and go on as it advises."""
    whole = folder / "undisturbed"
    first = run(folder, hqtrack_command, *command, "-o", str(whole))
    assert first.code == 0, first.said
    check(whole)
    for number in range(count):
        out = folder / f"killed-{number}"
        run(
            folder,
            hqtrack_command,
            *command,
            "-o",
            str(out),
            kill_after=rng.uniform(0.2, 1.0) * first.seconds,
        )
        ended = Ended(0, "", 0)
        if (out / "unfinished.json").exists() or not (out / "boxes.csv").exists():
            ended = run(folder, hqtrack_command, *next_command(command, clip, out))
        outcome = judged(ended)
        if outcome == "recovered":
            try:
                assert files_of(out).keys() == files_of(whole).keys(), "other files"
                assert mean_iou(out, whole) > 0.9, "other masks"
                check(out)
            except AssertionError as error:
                outcome = f"accepted, but {error}"
        tally.count(f"kill {number}", f"{outcome} {ended.said[-300:]}" if outcome == "refused" else outcome)


# --- outputs

HIDING = ("blur", "pixelate", "blacken", "crops", "crop-videos", "cutouts", "alpha", "green", "mattes")


def hiding(tally: Tally, seed: int, scale: float) -> None:
    """Outputs that hide and cut out: frames and masks of odd shapes, links in their places, and kills."""
    from hqtrack.video.sources import Frame, open_frames
    from hqtrack.video.tracked_frame import TrackedFrame
    from hqtrack.video.writers import OutputLook, VideoFacts, open_writer

    def masks_of(kind: str, size: tuple[int, int], index: int) -> np.ndarray[Any, Any]:
        masks = np.zeros((0 if kind == "none" else 2, *size), bool)
        if kind == "full":
            masks[0] = True
        elif kind == "a pixel":
            masks[:, -1, -1] = True, False
        elif kind == "now and then" and index % 2:
            masks[1, : (size[0] + 1) // 2] = True
        return masks

    def write(kind: str, size: tuple[int, int], shape: str, rest: bool) -> None:
        with tempfile.TemporaryDirectory() as name:
            facts = VideoFacts(Fraction(25), look=OutputLook(hide_rest=rest))
            writer = open_writer(kind, Path(name), facts)
            for index in range(3):
                image = np.random.default_rng(index).integers(0, 255, (*size, 3)).astype(np.uint8)
                frame = Frame(image, index, Fraction(index, 25), f"{index:08d}")
                writer.write(TrackedFrame(frame, masks_of(shape, size, index)))
            writer.finish()
            if writer.path.is_file():
                assert len([*open_frames(writer.path)]) == 3, "frames are missing"
            left = [path.name for path in Path(name).rglob("*.part")]
            assert not left, f"left {left}"

    sizes = ((1, 1), (1, 64), (64, 1), (2, 3), (17, 33), (3, 700), (240, 320))
    for kind in HIDING:
        for size in sizes[: max(2, round(len(sizes) * scale))]:
            for shape in ("none", "full", "a pixel", "now and then"):
                for rest in (False, True) if kind in HIDING[:3] else (False,):
                    tally.attempt(
                        f"{kind} {size} {shape} {rest}",
                        lambda a=kind, b=size, c=shape, d=rest: write(a, b, c, d),
                    )
    links_and_kills(tally, seed, scale)


def links_and_kills(tally: Tally, seed: int, scale: float) -> None:
    """Put links, pipes and folders in the places of outputs, and kill runs that hide objects."""
    from hqtrack.video.sources import open_frames
    from hqtrack.video.writers import WRITERS

    rng = random.Random(seed)
    with clip_in_folder() as (folder, clip, mask):
        every = [f"--{kind}" for kind in WRITERS]
        precious = folder / "precious"
        for kind in ("symbolic", "dangling", "second name", "pipe", "folder"):
            for ending in ("", ".part"):
                out = folder / f"linked-{tally.tried}"
                out.mkdir()
                precious.write_text("precious\n")
                elsewhere = folder / f"elsewhere-{tally.tried}"
                elsewhere.mkdir()
                for output in WRITERS.values():
                    put_in_place_of(out / f"{output.name}{ending}", kind, precious, elsewhere)

                def untouched(elsewhere: Path = elsewhere) -> None:
                    assert precious.read_text() == "precious\n", "a foreign file was overwritten"
                    assert not [*elsewhere.iterdir()], "something was written elsewhere"
                    assert not (folder / "nowhere").exists(), "a dangling link was followed"

                words = ["track", clip, "-o", str(out), "--mask", mask, "--end", "2", *SMALL, *every]
                checked(tally, folder, f"{kind} as NAME{ending}", words, untouched)
                with suppress(AssertionError):
                    untouched()
                    continue
                tally.count(f"{kind} as NAME{ending}, refused", "but something was written elsewhere")
        command = [
            "track",
            clip,
            "--mask",
            mask,
            *SMALL,
            "--labels",
            "--csv",
            "--no-overlay",
            *(f"--{each}" for each in HIDING),
        ]

        def complete(out: Path) -> None:
            assert len([*open_frames(out / "blurred.mp4")]) == FRAMES, "frames of blurred.mp4 are missing"
            assert (
                len(
                    [*(out / "crops" / "255").iterdir()]
                    if (out / "crops" / "255").is_dir()
                    else [*(out / "crops" / "001").iterdir()]
                )
                == FRAMES
            ), "crops are missing"

        killed(tally, folder, command, Path(clip), int(4 * scale), rng, complete)


def put_in_place_of(path: Path, kind: str, precious: Path, elsewhere: Path) -> None:
    """Make a link, pipe or folder where an output is to be."""
    if kind == "symbolic":
        path.symlink_to(precious if path.suffix else elsewhere)
    elif kind == "dangling":
        path.symlink_to(precious.parent / "nowhere")
    elif kind == "second name":
        path.hardlink_to(precious)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()


# --- edits and batches


def edits(tally: Tally, seed: int, scale: float) -> None:
    """Edits of finished runs: senseless ones, damaged records, changed videos, and kills."""
    from hostile.corruptions import corrupted

    rng = random.Random(seed)
    with clip_in_folder() as (folder, clip, _):
        whole, unfinished = folder / "whole", folder / "unfinished"
        command = ["track", clip, *TWO, *SMALL, *OUTPUTS, "--blur"]
        first = run(folder, hqtrack_command, *command, "-o", str(whole))
        assert first.code == 0, first.said
        run(folder, hqtrack_command, *command, "-o", str(unfinished), kill_after=0.8 * first.seconds)
        before = files_of(whole)
        wrong = [
            *(
                ("--swap", text)
                for text in ("", "1", "1,1", "1,9", "9,1", "1,2,3", "1,2,frame=", "1,2,frame=x")
            ),
            *(("--swap", f"1,2,frame={text}") for text in ("20", "-1", "9999s", "00:00:09:00", DIGITS)),
            *(
                ("--swap", text)
                for text in ("a,b", f"1,{DIGITS}", "1,2,from=3", "1,2,frame=3,frame=4", "²,1")
            ),
            *(("--merge", text) for text in ("", "1,1", "1,9", "1", "1,2,frame=20", "1,2,x=3", "0,1")),
            *(
                ("--merge", "1,2", "--merge", "2,1"),
                ("--remove", "1", "--remove", "2"),
                ("--remove", "1", "--swap", "1,9"),
            ),
            *(("--remove", text) for text in ("", "9", "1,from=99", "1,from=x", "1,frame=3", DIGITS)),
            *(("--rename", text) for text in ("", "1", "9=a", "=a", "x=a")),
            ("--merge", "1,2", "--rename", "1=gone"),
        ]
        refuse_all(tally, folder, {" ".join(each)[:150]: ["edit", str(whole), *each] for each in wrong})
        for out in (clip, "/proc/x", str(folder / "empty"), LONG, "", str(folder / "fifo.png")):
            refuse_all(tally, folder, {f"edit {out[-60:]}": ["edit", out, "--swap", "1,2"]})
        if (unfinished / "unfinished.json").exists():
            refuse_all(tally, folder, {"an unfinished run": ["edit", str(unfinished), "--swap", "1,2"]})
        tally.count(
            "what was refused left the outputs", "recovered" if files_of(whole) == before else "changed"
        )

        edited = folder / "edited"
        shutil.copytree(whole, edited)
        swap = ("--swap", "1,2,frame=7", "--rename", "1=square")
        began = run(folder, hqtrack_command, "edit", str(edited), *swap)
        assert began.code == 0, began.said
        for number in range(int(6 * scale)):
            out = folder / f"killed-{number}"
            shutil.copytree(whole, out)
            run(
                folder,
                hqtrack_command,
                "edit",
                str(out),
                *swap,
                kill_after=rng.uniform(0.2, 1.0) * began.seconds,
            )
            if files_of(out) != files_of(edited):
                outcome = judged(run(folder, hqtrack_command, "edit", str(out), *swap))
            else:
                outcome = "recovered"
            same = files_of(out) == files_of(edited)
            tally.count(
                f"kill {number}",
                outcome if same or outcome != "recovered" else "other bytes than the undisturbed edit's",
            )
        for number in range(int(24 * scale)):
            out = folder / "damaged"
            shutil.copytree(whole, out)
            path = out / ".hqtrack" / ("run.json" if number % 3 == 0 else "masks.jsonl")
            path.write_bytes(corrupted(path.read_bytes(), 1000 * seed + number))
            ended = run(folder, hqtrack_command, "edit", str(out), "--rename", "1=square")
            outcome = judged(ended)
            if outcome == "refused" and files_of(out) != before:
                outcome = f"refused, but the outputs have changed: {ended.said[-200:]}"
            tally.count(f"{path.name} {number}", outcome)
            shutil.rmtree(out)
        for index in (0, 6, FRAMES - 1):
            out = folder / f"changed-{index}"
            shutil.copytree(whole, out)
            frame = folder / "clip" / f"{index:03d}.png"
            kept = frame.read_bytes()
            frame.write_bytes((folder / "clip" / f"{(index + 5) % FRAMES:03d}.png").read_bytes())
            ended = run(folder, hqtrack_command, "edit", str(out), *swap)
            frame.write_bytes(kept)
            outcome = judged(ended)
            if outcome == "refused" and files_of(out) != before:
                outcome = "refused, but the outputs have changed"
            tally.count(f"frame {index} is another one", outcome)


def batches(tally: Tally, seed: int, scale: float) -> None:
    """Job files: senseless, broken ones, a bad job among good ones, several workers, and kills."""
    from hostile.corruptions import corrupted

    rng = random.Random(seed)
    with clip_in_folder() as (folder, clip, mask):
        fixed = ["--end", "4", *SMALL, "--labels", "--csv", "--no-overlay"]

        def words(path: Path, out: Path, *more: str) -> list[str]:
            return ["batch", str(path), "-o", str(out), *fixed, *more]

        job = {"input": clip, "mask": mask}
        texts: dict[str, str | bytes] = {
            **{
                f"jobs{k}.json": text
                for k, text in enumerate(
                    (
                        "",
                        "[]",
                        "{}",
                        "3",
                        "null",
                        "[3]",
                        "[[]]",
                        "{",
                        '{"input": ""}',
                        "[" * 50_000,
                        '{"input": 3}',
                    )
                )
            },
            **{
                f"keys{k}.json": json.dumps([job | more])
                for k, more in enumerate(
                    (
                        *(
                            {"masks": mask},
                            {"resume": True},
                            {"force": True},
                            {"out": "x"},
                            {"help": True},
                            {"select": 1},
                        ),
                        *(
                            {"labels": "maybe"},
                            {"labels": [1]},
                            {"stride": {"a": 1}},
                            {"stride": "x"},
                            {"mask": [[mask]]},
                        ),
                        *(
                            {"": 1},
                            {"output": "/proc/x"},
                            {"output": str(folder / "empty")},
                            {"box": "1,2,3"},
                            {"fps": DIGITS},
                        ),
                        *(
                            {"input": "nowhere.mp4"},
                            {"input": LONG},
                            {"input": "\0"},
                            {"output": "\0"},
                            {"device": "abacus"},
                        ),
                    )
                )
            },
            "twice.json": json.dumps([job | {"output": "same"}, job | {"output": "./same"}]),
            "header.csv": "input,output\n",
            "cells.csv": f"input,mask\n{clip},{mask},more,cells\n",
            "unknown.csv": f"input,colour\n{clip},red\n",
            "latin.csv": "input,mask\ncafé,x\n".encode("latin-1"),
            "zeros.csv": bytes(400),
            "quote.csv": 'input,mask\n"' + clip,
            "long.csv": f"input,mask\n{'x' * 200_000},{mask}\n",
        }
        for name, text in texts.items():
            path = folder / name
            path.write_bytes(text.encode() if isinstance(text, str) else text)
            refuse_all(
                tally,
                folder,
                {f"{name} {str(text)[:80]}".replace(str(folder), ""): words(path, folder / "wrong")},
            )
        for name, more in (
            ("no.csv", ()),
            ("clip.json/x.csv", ()),
            ("empty", ("--workers", "0")),
            ("empty", ("--workers", DIGITS)),
            ("empty", ("--nothing",)),
            ("empty", ("--mask",)),
        ):
            refuse_all(
                tally,
                folder,
                {f"{name} {' '.join(more)[:60]}": words(folder / name, folder / "wrong", *more)},
            )
        good = folder / "good.csv"
        good.write_text(
            f"input,output,mask\n{clip},{folder}/one,{mask}\nnowhere.mp4,{folder}/two,{mask}\n{clip},{folder}/three,{mask}\n"
        )
        for workers in ("1", "2"):
            ended = run(folder, hqtrack_command, *words(good, folder / "x", "--workers", workers, "--force"))
            whole = [len(labels_of(folder / name)) for name in ("one", "three")]
            outcome = (
                "recovered"
                if ended.code == 1 and whole == [4, 4] and "Traceback" not in ended.said
                else f"{ended.code} {whole} {ended.said[-200:]}"
            )
            tally.count(f"a bad job among good ones, workers {workers}", outcome)
        expected = files_of(folder / "one")
        for number in range(int(20 * scale)):
            path = folder / ("broken.csv" if number % 2 else "broken.json")
            content = (
                good.read_bytes()
                if number % 2
                else json.dumps([job | {"output": str(folder / "four")}]).encode()
            )
            path.write_bytes(corrupted(content, 1000 * seed + number))
            checked(tally, folder, f"{path.name} {number}", words(path, folder / f"broken-{number}"))
        lines = good.read_text().splitlines()
        for number in range(int(3 * scale)):
            path = folder / "killed.csv"
            outs = [folder / f"killed-{number}-{k}" for k in range(3)]
            path.write_text("\n".join([lines[0], *(f"{clip},{out},{mask}" for out in outs)]) + "\n")
            run(folder, hqtrack_command, *words(path, folder / "x"), kill_after=rng.uniform(1.0, 4.0))
            ended = run(folder, hqtrack_command, *words(path, folder / "x"))
            same = [files_of(out).keys() == expected.keys() for out in outs]
            tally.count(f"kill {number}", judged(ended) if all(same) else f"{same} {ended.said[-200:]}")


# --- networks


def networks(tally: Tally, seed: int, scale: float) -> None:
    """Cards of every engine with foreign weights, broken cards, runtimes, and damaged graphs."""
    from hostile import media
    from hostile.corruptions import corrupted
    from hqtrack import zoo
    from hqtrack.cards import read_card
    from hqtrack.runtimes.encoders import kept_graph
    from hqtrack.zoo import load_card, load_network

    with clip_in_folder() as (folder, clip, mask):

        def words(*more: str) -> list[str]:
            out = str(folder / f"out-{tally.tried}")
            return [
                "track",
                clip,
                "-o",
                out,
                "--mask",
                mask,
                "--end",
                "3",
                *more,
                "--max-long-edge",
                "96",
                *OUTPUTS,
            ]

        foreign = {}
        suffix = media.CHECKPOINTS[0]
        foreign[suffix] = str(folder / f"foreign{suffix}")
        Path(foreign[suffix]).write_bytes(media.checkpoint(suffix))
        foreign["text"] = str(folder / "text.png")
        for card in sorted(path.stem for path in (ROOT / "models").glob("*.toml")):
            refuse_all(
                tally,
                folder,
                {
                    f"{card}, {kind}": words("--card", card, "--weights", path)
                    for kind, path in foreign.items()
                },
            )
            if not card.endswith("-light"):
                checked(tally, folder, f"{card} without weights", words("--card", card))
            content = (ROOT / "models" / f"{card}.toml").read_bytes()
            for number in range(int(10 * scale)):
                path = folder / "broken.toml"
                path.write_bytes(corrupted(content, 1000 * seed + number))
                tally.attempt(f"{card}, broken {number}", lambda path=path: read_card(path))
        backends: dict[str, tuple[str, ...]] = {
            "an unknown runtime": ("--backend", "abacus"),
            "no runtime": ("--backend", ""),
            "onnx in bfloat16": ("--backend", "onnx", "--precision", "bfloat16"),
            "onnx on a GPU": ("--backend", "onnx", "--device", "cuda"),
            "onnx for another engine": (
                "--backend",
                "onnx",
                "--card",
                "sam2.1-tiny",
                "--weights",
                foreign[suffix],
            ),
            "a compiled encoder of VMOS": ("--compile", "--backend", "onnx", "--precision", "float32"),
        }
        refuse_all(tally, folder, {name: words(*more) for name, more in backends.items()})
        float32 = ("--precision", "float32")
        usual = folder / "usual"
        assert run(folder, hqtrack_command, "track", clip, "-o", str(usual), *words(*float32)[4:]).code == 0
        network = load_network(load_card("vmos-light"), None).eval()
        graph = kept_graph(network)

        def alike() -> None:
            out = folder / f"out-{tally.tried}"
            similarity = mean_iou(usual, out)
            assert similarity > 0.9, f"IoU {similarity:.3f} with PyTorch"

        right(tally, folder, "onnx", words("--backend", "onnx", *float32), alike)
        assert graph.is_relative_to(zoo.cache_folder()), graph
        content = graph.read_bytes()
        for number in range(int(8 * scale)):
            graph.write_bytes(corrupted(content, 1000 * seed + number))
            checked(tally, folder, f"damaged graph {number}", words("--backend", "onnx", *float32), alike)
        graph.unlink()
        graph.symlink_to(folder / "precious")
        checked(tally, folder, "a dangling link as graph", words("--backend", "onnx", *float32), alike)
        tally.count(
            "behind the link", "recovered" if not (folder / "precious").exists() else "something was written"
        )


def graphs(tally: Tally, seed: int, scale: float) -> None:
    """Exports that cannot be, damaged graphs, links in their places, and an export that is killed."""
    from hostile.corruptions import corrupted

    sys.path.insert(0, str(ROOT / "examples"))
    import track_graphs

    rng = random.Random(seed)
    with clip_in_folder() as (folder, _, _):
        text = str(folder / "text.png")
        cases = {
            **{
                f"export {card[:40]}": ["export", card, "-o", str(folder / "x")]
                for card in ("nothing", "", LONG, "../x", text)
            },
            **{
                f"export of {card}": ["export", card, "-o", str(folder / "x")]
                for card in ("sam2.1-tiny", "cutie-small", "edgetam", "vmos")
            },
            **{
                f"export to {out[-40:]}": ["export", "vmos-light", "-o", out]
                for out in (str(folder / "empty"), "/proc/x", "", str(folder / "empty" / "x"))
            },
            "a link as folder": ["export", "vmos-light", "-o", str(folder / "link")],
            "a text as weights": ["export", "vmos-light", "-o", str(folder / "x"), "--weights", text],
            "a text as weights, kept": ["export", "vmos-light", "--weights", text],
        }
        (folder / "elsewhere").mkdir()
        (folder / "link").symlink_to(folder / "elsewhere")
        refuse_all(tally, folder, cases)
        tally.count(
            "behind the link",
            "recovered" if not [*(folder / "elsewhere").iterdir()] else "something was written",
        )
        out, precious = folder / "graphs", folder / "precious"
        out.mkdir()
        precious.write_text("precious\n")
        (out / "encode.onnx").symlink_to(precious)
        (out / "decode.onnx.part").hardlink_to(precious)
        (out / "system.json.part").symlink_to(precious)
        words = ["export", "vmos-light", "-o", str(out)]
        run(folder, hqtrack_command, *words, kill_after=rng.uniform(5, 20))
        if (out / "system.json").exists():
            tally.count("a killed export", "is called whole")
        right(
            tally,
            folder,
            "an export that was killed, again",
            words,
            lambda: track_graphs.GraphTracker(out, 1),
        )
        tally.count(
            "behind the links",
            "recovered" if precious.read_text() == "precious\n" else "a foreign file was overwritten",
        )
        for number in range(int(10 * scale)):
            path = sorted(out.glob("*.onnx"))[number % 5]
            content = path.read_bytes()
            path.write_bytes(corrupted(content, 1000 * seed + number))
            whole = path.read_bytes() == content
            try:
                track_graphs.GraphTracker(out, 1)
                outcome = "recovered" if whole else "a damaged graph was loaded"
            except SystemExit as error:
                outcome = "refused" if "export the card anew" in str(error) else f"said {error}"
            except Exception as error:
                outcome = f"{type(error).__name__}: {error}"
            tally.count(f"{path.name} {number}", outcome)
            path.write_bytes(content)


# --- streams


def live(tally: Tally, seed: int, scale: float) -> None:
    """Streams: senseless addresses, servers that send something else or lead elsewhere, broken pipes."""
    import subprocess

    from hostile.corruptions import corrupted
    from hostile.media import write_video
    from hostile.test_videos import PLAY_LISTS
    from hqtrack.video.sources import open_frames, streams
    from video.test_streams import encoded, served

    streams.RECONNECTS, streams.PAUSE_SECONDS, streams.SILENT_SECONDS = 1, 0.05, 1.5
    with clip_in_folder() as (folder, _, _):
        box = ("--box", "10,10,20,20", "--no-overlay", "--csv", "-o", str(folder / "out"))
        addresses = (
            *(
                "rtsp://127.0.0.1:1/x",
                "http://127.0.0.1:1/x",
                "https://127.0.0.1:1/x",
                "http://[",
                "http://",
                "rtsp://",
            ),
            *(
                "udp://",
                "udp://127.0.0.1:99999999",
                "http://127.0.0.1:x/",
                f"http://127.0.0.1:1/{LONG}",
                "http://a b/",
            ),
            *(
                "file:///etc/passwd",
                "concat:a|b",
                "tcp://127.0.0.1:1",
                "rtmp://127.0.0.1:1/x",
                "subfile:///etc/passwd",
            ),
            *(
                "data:video/mp4;base64,AAAA",
                "pipe:0",
                "HTTP://127.0.0.1:1",
                "http://\0/",
                "lavfi:testsrc",
                "rtsp://u:p@[::1]:1/",
            ),
        )
        refuse_all(
            tally,
            folder,
            {f"address {text[:60]!r}": ["track", text.replace("\0", "%00"), *box] for text in addresses},
        )
        video, precious = encoded(), write_video(folder / "precious.mp4")

        def read(address: str) -> None:
            indices = [frame.index for frame in open_frames(address)]
            assert indices == list(range(len(indices))), f"frames are {indices}"
            assert len(indices) <= 80, "more frames than were sent"

        def answers(status: int, headers: dict[str, str], body: bytes) -> Callable[[Any], None]:
            def answer(handler: Any) -> None:
                handler.send_response(status)
                for key, value in headers.items():
                    handler.send_header(key, value)
                handler.end_headers()
                handler.wfile.write(body)
                handler.close_connection = True

            return answer

        def length(content: bytes) -> dict[str, str]:
            return {"Content-Length": str(len(content))}

        bodies = {
            "nothing": b"",
            "zeros": bytes(200_000),
            "noise": random.Random(seed).randbytes(100_000),
            "a web page": b"<html><body>log in</body></html>" * 20,
            "half a video": video[: len(video) // 2],
            "an MP4": precious.read_bytes(),
            "half an MP4": precious.read_bytes()[:800],
            **{
                f"a play list, {kind}": text.replace("precious", f"file://{precious}").encode()
                for kind, text in PLAY_LISTS.items()
            },
            **{f"broken {k}": corrupted(video, 1000 * seed + k) for k in range(int(24 * scale))},
        }
        sent = {name: answers(200, length(body), body) for name, body in bodies.items()}
        sent |= {
            f"status {code}": answers(code, length(b"no"), b"no")
            for code in (204, 302, 401, 403, 404, 416, 500, 999)
        }
        sent |= {
            f"leads to {to[:30]}": answers(302, {"Location": to, "Content-Length": "0"}, b"")
            for to in (
                f"file://{precious}",
                "/live.ts",
                "http://127.0.0.1:1/",
                "rtsp://127.0.0.1:1/",
                "concat:x",
                "",
            )
        }
        sent |= {
            "a length too long": answers(200, {"Content-Length": str(2 * len(video))}, video),
            "a length too short": answers(200, {"Content-Length": str(len(video) // 2)}, video),
            "a length of exabytes": answers(200, {"Content-Length": "9" * 25}, video),
            "a negative length": answers(200, {"Content-Length": "-5"}, video),
            "pieces of no length": answers(200, {"Transfer-Encoding": "chunked"}, b"zz\r\n" + video),
            "no length": answers(200, {}, video),
            "a header of noise": answers(200, {"X": "\xff" * 5000}, video),
        }

        def silent(handler: Any) -> None:
            answers(200, {"Content-Length": str(len(video))}, video[:20_000])(handler)
            handler.connection.settimeout(60)
            with suppress(OSError):
                handler.connection.recv(1)

        sent["silence after the beginning"] = silent
        for name, answer in sent.items():
            with served(answer) as address:
                tally.attempt(f"a server that sends {name}", lambda address=address: read(address))
        paths = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        piped = {name: body for name, body in bodies.items() if not name.startswith("broken")}
        piped |= {"a video": video, "broken": corrupted(video, seed)}
        for name, body in piped.items():
            out = folder / f"pipe-{tally.tried}"
            command = [sys.executable, "-m", "hqtrack", "track", "-", "-o", str(out), *box[:-2], *SMALL]
            try:
                done = subprocess.run(
                    command, input=body, capture_output=True, env=paths, timeout=120, check=False
                )
                code: int | None = done.returncode
                said = (done.stdout + done.stderr).decode(errors="replace")
            except subprocess.TimeoutExpired:
                code, said = None, ""
            tally.count(f"a pipe with {name}", judged(Ended(code, said, 0)))


AREAS: dict[str, Callable[[Tally, int, float], None]] = {
    "objects of other pictures": references,
    "annotations of other tools, by command and page": annotations,
    "directions and ranges of frames": directions,
    "outputs that hide and cut out": hiding,
    "edits of finished runs": edits,
    "job files of hqtrack batch": batches,
    "cards of all engines, runtimes": networks,
    "exported graphs": graphs,
    "streams": live,
}
"""Areas by their names in the table."""
