"""Many rendered clips, made by several processes, in the layout of DAVIS-2017.

JPEGImages/480p/NAME/00000.jpg    frames
Annotations/480p/NAME/00000.png   labels: 0 no object, 1 to n objects
ImageSets/2017/train.txt          names of the clips that are complete
physics.json                      what the clips were made from
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import platform
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import filelock

from hqtrack.errors import DataError, InputError, MissingExtraError, require
from hqtrack.files import fresh_folder, lock, make_folder, write_whole
from hqtrack.isolation import end_with
from hqtrack.scenes.physics.settings import CLIP_NAME, FIRST_RENDERED_SEED, ClipSettings, seed_of

FRAMES_FOLDER = Path("JPEGImages", "480p")
CLIP_LABELS_FOLDER = Path("Annotations", "480p")
CLIP_LIST = Path("ImageSets", "2017", "train.txt")
CLIPS_RECORD = "physics.json"
LEAST_CLIP_SIDE = 32
"""Pixels: in less, no object is large enough."""


class MadeClip(NamedTuple):
    """A clip that is there now, or could not be made."""

    name: str
    problem: str | None
    """Why there is none."""


def check_seeds(seeds: range, *, measuring: bool) -> None:
    """Check that seeds are all for training, or all for measuring.

    Raises:
        InputError: They are not.
    """
    if not measuring and seeds.start < FIRST_RENDERED_SEED:
        raise InputError(
            f"--first-seed {seeds.start}: seeds below {FIRST_RENDERED_SEED} are kept for measuring, and "
            f"nothing is trained on them; choose {FIRST_RENDERED_SEED} or more, or add --measuring"
        )
    if measuring and not 0 <= seeds.start < seeds.stop <= FIRST_RENDERED_SEED:
        raise InputError(
            f"--measuring: has the seeds 0 to {FIRST_RENDERED_SEED - 1}, not {seeds.start} to "
            f"{seeds.stop - 1}; choose another --first-seed or --count"
        )


def check_settings(settings: ClipSettings) -> None:
    """Check sizes and lengths.

    Raises:
        InputError: They cannot be rendered.
    """
    if min(settings.size) < LEAST_CLIP_SIDE:
        width, height = settings.size
        raise InputError(f"--size {width} {height}: has at least {LEAST_CLIP_SIDE} pixels a side")
    least, most = settings.frames
    if not 2 <= least <= most:
        raise InputError(f"--frames {least} {most}: expected the least number, from 2 on, then the most")


def require_pybullet() -> None:
    """Check that pybullet is there.

    Raises:
        MissingExtraError: It is not; the message has the remedy for this system.
    """
    try:
        require("pybullet")
    except MissingExtraError:
        if sys.version_info < (3, 12) and (sys.platform, platform.machine()) == ("linux", "x86_64"):
            raise
        version = ".".join(str(part) for part in sys.version_info[:2])
        raise MissingExtraError(
            f"this needs the package pybullet, which is not installed and has no wheel for Python {version} "
            f"on {platform.system()} {platform.machine()}; use Python 3.11 on Linux x86_64, or, with a C++ "
            "compiler: pip install pybullet"
        ) from None


def write_clips(
    folder: Path, seeds: Sequence[int], settings: ClipSettings, *, workers: int
) -> Iterator[MadeClip]:
    """Make the clips of some seeds; those that are complete already stay as they are.

    Args:
        folder: Made where there is none. The same call again resumes one that was stopped.
        seeds: One a clip.
        settings: Of all clips in the folder.
        workers: Processes.

    Yields:
        The clips as they are finished; the list in the folder always names all complete ones.

    Raises:
        MissingExtraError: Pybullet is not installed.
        InputError: The settings cannot be rendered.
        DataError: The folder has other clips or other files, another command writes there, a photograph
            cannot be read, or a process was killed.
    """
    require_pybullet()
    check_settings(settings)
    _check_folder(folder, settings)
    for part in (FRAMES_FOLDER, CLIP_LABELS_FOLDER, CLIP_LIST.parent):
        make_folder(folder / part)
    write_whole(folder / CLIPS_RECORD, json.dumps(_record(settings), indent=2) + "\n")
    try:
        with lock(folder / f"{CLIPS_RECORD}.lock"):
            yield from _make_missing(folder, seeds, settings, workers)
    except filelock.Timeout as error:
        raise DataError(f"{folder}: another command makes clips there; wait until it has ended") from error


def _make_missing(
    folder: Path, seeds: Sequence[int], settings: ClipSettings, workers: int
) -> Iterator[MadeClip]:
    """See `write_clips`."""
    complete = {path.name for path in (folder / CLIP_LABELS_FOLDER).iterdir() if _is_whole(folder, path.name)}
    _write_list(folder, complete)
    missing = [seed for seed in seeds if CLIP_NAME.format(seed) not in complete]
    yield from (MadeClip(CLIP_NAME.format(seed), None) for seed in seeds if seed not in set(missing))
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(max(1, min(workers, len(missing))), context, _start_worker, (os.getpid(),))
    try:
        jobs = {pool.submit(write_clip, folder, seed, settings): CLIP_NAME.format(seed) for seed in missing}
        for job in as_completed(jobs):
            problem, name = job.result(), jobs[job]
            if problem is None:
                complete.add(name)
                _write_list(folder, complete)
            yield MadeClip(name, problem)
    except BrokenProcessPool as error:
        raise DataError(
            f"{folder}: a process that made clips was killed, perhaps for lack of memory; run the same "
            "command again, with fewer --workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def write_clip(folder: Path, seed: int, settings: ClipSettings) -> str | None:
    """Make a clip and write it, complete or not at all.

    Args:
        folder: Has the folders of frames and labels.
        seed: Of the clip.
        settings: Of all clips.

    Returns:
        Why there is none, or None.

    Raises:
        DataError: A photograph cannot be read.
        OSError: The disk refuses.
    """
    from hqtrack.scenes.physics.clips import make_clip  # pybullet prints when it is imported
    from hqtrack.scenes.physics.simulation import DullSceneError

    try:
        clip = make_clip(seed, settings)
    except DullSceneError as error:
        return str(error)
    name = CLIP_NAME.format(seed)
    part = folder / f".{name}.part"
    fresh_folder(part)
    for kind in ("frames", "labels"):
        (part / kind).mkdir()
    quality = [cv2.IMWRITE_JPEG_QUALITY, 70 + seed * 7 % 28]
    for index, (frame, labels) in enumerate(zip(clip.frames, clip.labels, strict=True)):
        jpeg = cv2.imencode(".jpg", frame[..., ::-1], quality)[1]
        (part / "frames" / f"{index:05d}.jpg").write_bytes(jpeg.tobytes())
        png = cv2.imencode(".png", labels)[1]
        (part / "labels" / f"{index:05d}.png").write_bytes(png.tobytes())
    for kind, place in (("frames", FRAMES_FOLDER), ("labels", CLIP_LABELS_FOLDER)):
        target = folder / place / name
        if target.exists():  # what an interrupted command, or somebody who deleted files, left
            shutil.rmtree(target)
        (part / kind).rename(target)  # the labels last: with them the clip is complete
    part.rmdir()
    return None


def _is_whole(folder: Path, name: str) -> bool:
    """Return whether a clip has a frame for each label map, counted from 0 on."""
    frames, labels = (
        sorted(path.stem for path in (folder / place / name).glob(f"*.{suffix}"))
        for place, suffix in ((FRAMES_FOLDER, "jpg"), (CLIP_LABELS_FOLDER, "png"))
    )
    counted = [f"{index:05d}" for index in range(len(labels))]
    return seed_of(name) is not None and len(labels) >= 2 and frames == labels == counted


def _write_list(folder: Path, names: set[str]) -> None:
    write_whole(folder / CLIP_LIST, "".join(f"{name}\n" for name in sorted(names)))


def _record(settings: ClipSettings) -> dict[str, Any]:
    """Return what clips depend on besides their seeds, as JSON has it."""
    files = "\n".join(f"{path.name} {path.stat().st_size}" for path in settings.photographs)
    return {
        "size": list(settings.size),
        "frames": list(settings.frames),
        "photographs": f"{len(settings.photographs)} files, {sha256(files.encode()).hexdigest()[:16]}",
    }


def _check_folder(folder: Path, settings: ClipSettings) -> None:
    """Check that a folder is new, or has clips of the same settings.

    Raises:
        DataError: It is not.
    """
    file = folder / CLIPS_RECORD
    if not file.exists():
        if folder.is_dir() and any(folder.iterdir()):
            raise DataError(
                f"{folder}: has files, but no {CLIPS_RECORD}, so they are no rendered clips; name a new "
                "folder"
            )
        return
    try:
        earlier = json.loads(file.read_text(encoding="utf-8"))
        different = [key for key, value in _record(settings).items() if earlier[key] != value]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: is damaged; name a new folder, or delete this one") from error
    if different:
        now = _record(settings)
        changes = "; ".join(f"{key}: {earlier[key]}, now {now[key]}" for key in different)
        raise DataError(f"{folder}: has clips made otherwise ({changes}); repeat that, or name a new folder")


def _start_worker(parent: int) -> None:
    """Make a worker quiet, with one thread, and end it with its parent."""
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the parent's; the clip in work is finished
    cv2.setNumThreads(1)
    nowhere, errors = os.open(os.devnull, os.O_WRONLY), os.dup(2)
    os.dup2(nowhere, 1)  # pybullet prints when it connects
    os.dup2(nowhere, 2)  # and when it is imported
    try:
        importlib.import_module("pybullet")
    finally:
        os.dup2(errors, 2)
