"""Running over a data set of video object segmentation, several sequences at a time, and scoring the masks.

    sequences = find_sequences(Path("DAVIS"))
    for done in run_sequences(sequences, Path("out"), VosSystem("hqtrack-light")): …
    scores = [score_sequence(each, Path("out")) for each in sequences]

A sequence whose images are all there is complete, and is not tracked again.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as Pillow

from hqtrack.errors import DataError
from hqtrack.evaluation.outlines import boundary_f
from hqtrack.evaluation.vos_data import VosSequence, label_image, object_folders, stems_of
from hqtrack.video.frame_tracker import track_frames
from hqtrack.video.mask_maker import MaskMaker
from hqtrack.video.sources import open_frames
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers.labels import LabelImages
from hqtrack.video.writers.writer import ImageWriter, VideoFacts, facts_of

if TYPE_CHECKING:
    from hqtrack.tracker import HQTrack, Precision

CORES_PER_WORKER = 4
"""Of the processor, where the number of workers is not given."""


@dataclass(frozen=True)
class VosSystem:
    """With what a data set is tracked; see `HQTrack.from_card`."""

    card: str
    weights: str | None = None
    device: str = "auto"
    precision: Precision = "auto"
    max_long_edge: int | None = None
    backend: str | None = None

    def build(self) -> HQTrack:
        """Load it."""
        from hqtrack.tracker import HQTrack

        return HQTrack.from_card(
            self.card,
            weights=self.weights,
            device=self.device,
            precision=self.precision,
            max_long_edge=self.max_long_edge,
            backend=self.backend,
        )


@dataclass(frozen=True)
class SequenceResult:
    """A sequence that was tracked."""

    name: str
    frames: int
    objects: int
    seconds: float


class _ObjectMasks(ImageWriter):
    """A folder for each object with a black-and-white PNG for each frame, as SA-V has it: ids from 0."""

    def write(self, tracked: TrackedFrame) -> None:
        """Write the frame's masks."""
        for each, mask in zip(tracked.objects, tracked.masks, strict=True):
            image = Pillow.fromarray(mask.astype(np.uint8) * 255)
            self.save(image, f"{each.id - 1:03d}/{Path(tracked.frame.name).stem}")


def is_complete(sequence: VosSequence, out: Path) -> bool:
    """Return whether all images of a sequence are there; the last frame is written last."""
    stems, folder = stems_of(sequence.frames), out / sequence.name
    folders = object_folders(folder) if sequence.is_per_object and folder.is_dir() else [folder]
    return bool(folders) and all((each / f"{stems[-1]}.png").exists() for each in folders)


def track_sequence(tracker: HQTrack, sequence: VosSequence, out: Path) -> SequenceResult:
    """Track a sequence, and write an image for each frame into a folder of its name.

    Raises:
        DataError: Its frames or annotations cannot be read.
    """
    begin = time.perf_counter()
    frames = open_frames(sequence.frames)
    prompts = sequence.prompts(list(frames.stems))
    facts: VideoFacts = facts_of(frames)
    writer: ImageWriter = (_ObjectMasks if sequence.is_per_object else LabelImages)(
        out / sequence.name, facts
    )
    count = 0
    try:
        for tracked in track_frames(tracker, frames, prompts, MaskMaker.beside(tracker)):
            writer.write(tracked)
            count += 1
        writer.finish()
    finally:
        writer.discard()
    return SequenceResult(sequence.name, count, len(prompts), time.perf_counter() - begin)


def run_sequences(
    sequences: Sequence[VosSequence], out: Path, system: VosSystem, *, workers: int | None = None
) -> Iterator[SequenceResult]:
    """Track sequences, several at a time.

    Args:
        sequences: Those that are not complete.
        out: Folder with a folder for each sequence; it exists.
        system: With what.
        workers: Processes; by default one for each `CORES_PER_WORKER` cores, or one where there is a GPU.

    Yields:
        Each sequence when it is done.

    Raises:
        HQTrackError: What one of them failed with; those before it are complete.
    """
    count = min(len(sequences), workers or default_workers(system.device))
    if count <= 1:
        tracker = system.build() if sequences else None
        for sequence in sequences:
            assert tracker is not None
            yield track_sequence(tracker, sequence, out)
        return
    threads = max(1, (os.cpu_count() or 1) // count)
    context = multiprocessing.get_context("spawn")  # PyTorch's threads do not survive a fork
    with ProcessPoolExecutor(count, context, _begin_worker, (system, threads)) as pool:
        waiting = [pool.submit(_track_in_worker, sequence, out) for sequence in sequences]
        try:
            for done in as_completed(waiting):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def default_workers(device: str) -> int:
    """Return how many sequences are tracked at a time by default."""
    from hqtrack.tracker import find_device

    if find_device(device).type != "cpu":
        return 1
    return max(1, (os.cpu_count() or 1) // CORES_PER_WORKER)


_worker: dict[str, Any] = {}


def _begin_worker(system: VosSystem, threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    _worker["tracker"] = system.build()


def _track_in_worker(sequence: VosSequence, out: Path) -> SequenceResult:
    return track_sequence(_worker["tracker"], sequence, out)


@dataclass(frozen=True)
class ObjectScore:
    """How well an object was tracked."""

    sequence: str
    object: int
    region: float
    """J: mean intersection over union, 0 to 1."""
    boundary: float
    """F: mean measure of outlines, 0 to 1."""

    @property
    def both(self) -> float:
        """J&F: the mean of the two."""
        return (self.region + self.boundary) / 2


def score_sequence(sequence: VosSequence, out: Path) -> list[ObjectScore]:
    """Score the masks of a sequence as DAVIS does: J and F of each object, without first and last frame.

    An object counts from the first frame in which it is annotated or found. Frames without annotation are
    left out.

    Raises:
        DataError: Fewer than three frames are annotated, or a mask is missing or of another size.
    """
    stems = sequence.annotated()[1:-1]
    if not stems:
        raise DataError(
            f"{sequence.labels}: has too few annotated frames to score; DAVIS needs three or more"
        )
    found: dict[int, list[tuple[float, float]]] = {}
    true: set[int] = set()
    for stem in stems:
        truth, mask = sequence.truth(stem), _found(sequence, out, stem)
        if truth.shape != mask.shape:
            raise DataError(
                f"{out / sequence.name}: the mask of frame {stem} has {mask.shape[1]} x {mask.shape[0]} "
                f"pixels, but its annotation {truth.shape[1]} x {truth.shape[0]}"
            )
        true |= {int(number) for number in np.unique(truth) if number}
        for number in sorted(true | found.keys() | {int(value) for value in np.unique(mask) if value}):
            one, other = mask == number, truth == number
            union = np.count_nonzero(one | other)
            region = np.count_nonzero(one & other) / union if union else 1.0
            found.setdefault(number, []).append((region, boundary_f(one, other)))
    return [
        ObjectScore(sequence.name, number, *(float(value) for value in np.mean(found[number], axis=0)))
        for number in sorted(true)
    ]


def _found(sequence: VosSequence, out: Path, stem: str) -> Any:
    folder = out / sequence.name
    if sequence.is_per_object:
        return VosSequence(sequence.name, sequence.frames, folder).truth(stem)
    if not (folder / f"{stem}.png").is_file():
        raise DataError(f"{folder / stem}.png: is missing; track the data set again with --force")
    return label_image(folder / f"{stem}.png")
