"""A whole video in a loop: its frames with the masks of all objects, without files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hqtrack.defaults import DEFAULT_CARD
from hqtrack.errors import InputError, require
from hqtrack.images import Image
from hqtrack.masks import Masks, as_bool
from hqtrack.tracker import HQTrack
from hqtrack.video.cleaning import AS_TRACKED, MaskCleaning
from hqtrack.video.cuts import Cuts
from hqtrack.video.direction import Mirrored, forward_prompts, join_directions
from hqtrack.video.frame_tracker import ShotRules, track_frames
from hqtrack.video.job import ContestedPixels, Direction, frame_names
from hqtrack.video.mask_maker import MaskMaker
from hqtrack.video.prompts import Prompt, check_frames, numbered, read_prompts, read_reference
from hqtrack.video.recorded_frame import RecordedFrame
from hqtrack.video.shown import as_shown
from hqtrack.video.sources import FrameSource, open_frames
from hqtrack.video.tracked_frame import TrackedFrame


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """A frame of a video with the masks of all objects so far."""

    index: int
    """Number in the whole source: from 0, or from `first_number` on."""
    time: float
    """Seconds since the source's first frame."""
    image: Image
    """(H, W, 3) uint8 RGB."""
    masks: Masks
    """(N, H, W) bool, disjoint unless wholes keep their parts; empty where an object is not seen."""
    ids: npt.NDArray[np.int64]
    """(N,)."""
    scores: npt.NDArray[np.float32]
    """(N,) how sure the tracker is of each mask, 0 (not seen) to 1."""
    cut: bool = False
    """True: another shot begins with the frame."""


def track_video(
    source: str | Path | int,
    *,
    masks: str | Path | npt.ArrayLike | None = None,
    boxes: Sequence[Sequence[float]] = (),
    points: Sequence[Sequence[float]] = (),
    references: Sequence[str] = (),
    prompts: Sequence[Prompt] = (),
    frame: int | str | None = None,
    direction: Direction = "forward",
    start: int | str | None = None,
    end: int | str | None = None,
    stride: int = 1,
    first_number: int | Literal["auto"] = 0,
    cuts: Cuts = "search",
    overlap: ContestedPixels = "later",
    cleaning: MaskCleaning = AS_TRACKED,
    tracker: HQTrack | None = None,
    card: str = DEFAULT_CARD,
    device: str = "auto",
) -> Iterator[VideoFrame]:
    """Track objects through a video.

    Args:
        source: As for `hqtrack.video.sources.open_frames`.
        masks: (N, H, W) bool; or a label image, annotations of a tool or data set, or a folder of either. The
            ids of a file are kept.
        boxes: x, y, width, height of an object each, in pixels.
        points: x, y of a pixel on an object each.
        references: "picture.jpg,mask.png,object=1" each: objects that other pictures show, of any size.
        prompts: Further objects, in any frame.
        frame: In which masks, boxes and points are given; by default the first that is read.
        direction: Where objects are tracked to from there.
        start: First frame that is read. Frames are named by number, or by time: "1.5s", "00:00:01:12".
        end: First frame that is not read any more; None reads to the end.
        stride: Every how many frames one is read.
        first_number: Number of the source's first frame; "auto" takes that in the name of its file.
        cuts: At a cut: "search" objects in the new shot, "stop" them, or "ignore" it.
        overlap: "keep": masks of wholes keep the pixels of their parts (see `hqtrack.masks.parts_of`).
        cleaning: How masks are cleaned; what is tracked is not changed by it.
        tracker: Tracks; by default `card` is loaded.
        card: Name or path of a card.
        device: See `HQTrack`.

    Yields:
        Each frame in order; before the first object it has no masks.

    Raises:
        InputError: A prompt or a number is out of range, or a live source is to be read backward.
        DataError: The source cannot be read.

    Example:
        >>> for found in track_video("clip.mp4", boxes=[(30, 40, 60, 50)]):  # doctest: +SKIP
        ...     print(found.index, found.masks.shape, found.ids, found.scores)
    """
    frames = open_frames(source, start=start, end=end, stride=stride, first_number=first_number)
    begin = frames.start if frame is None else frames.number_of(frame)
    known = numbered(
        [
            *_given(masks, boxes, points, begin, frames),
            *(each for text in references for each in read_reference(text, frames.start)),
            *prompts,
        ]
    )
    stop = None if frames.indices is None else frames.indices.stop
    check_frames(known, frames.start, stop, frames.stride, direction)
    if direction != "forward" and frames.live:
        raise InputError(
            f"direction {direction}: {frames} cannot be read backward; record it to a file first"
        )
    used = HQTrack.from_card(card, device=device) if tracker is None else tracker
    tracked = _tracked(used, frames, known, direction, ShotRules(cuts, overlap))
    return (_as_frame(as_shown(each, cleaning)) for each in tracked)


def _given(
    masks: str | Path | npt.ArrayLike | None,
    boxes: Sequence[Sequence[float]],
    points: Sequence[Sequence[float]],
    frame: int,
    frames: FrameSource,
) -> list[Prompt]:
    found: list[Prompt] = []
    if isinstance(masks, str | Path):
        found += read_prompts(masks=[masks], start=frame, size=frames.size, frames=frame_names(frames))
    elif masks is not None:
        arrays = as_bool(masks)
        if arrays.ndim != 3 or arrays.shape[1:] != frames.size:
            raise InputError(
                f"masks must have the shape (N, {frames.size[0]}, {frames.size[1]}), not {arrays.shape}"
            )
        found += [Prompt(frame, mask=mask) for mask in arrays]
    found += [Prompt(frame, box=tuple(float(side) for side in box)) for box in boxes]
    found += [Prompt(frame, points=(tuple(float(side) for side in point),)) for point in points]
    return found


def _tracked(
    tracker: HQTrack, frames: FrameSource, prompts: list[Prompt], direction: Direction, rules: ShotRules
) -> Iterator[TrackedFrame]:
    maker = MaskMaker.beside(tracker)
    if direction == "forward":
        yield from track_frames(tracker, frames, prompts, maker, rules=rules)
        return
    mirrored, record = Mirrored(frames, prompts, rules=rules), _RunLengths()
    for tracked in mirrored.track(tracker, maker):
        record.append(tracked)
    later = forward_prompts(prompts) if direction == "both" else []
    parts = mirrored.parts(record)
    for tracked in track_frames(tracker, frames, later, maker, rules=rules):
        backward = mirrored.found(record, tracked.frame.index)
        yield join_directions(tracked, backward, mirrored.objects, parts)


def _as_frame(tracked: TrackedFrame) -> VideoFrame:
    return VideoFrame(
        index=tracked.frame.index,
        time=float(tracked.frame.time),
        image=tracked.frame.image,
        masks=tracked.masks,
        ids=np.array([each.id for each in tracked.objects], np.int64),
        scores=np.array(tracked.scores, np.float32),
        cut=tracked.cut,
    )


class _RunLengths:
    """Masks of tracked frames as run lengths in memory, a thousandth of their size."""

    def __init__(self) -> None:
        self._lines: list[RecordedFrame] = []

    def append(self, tracked: TrackedFrame) -> None:
        height, width = tracked.masks.shape[1:]
        counts = [each["counts"] for each in tracked.run_lengths]
        line = RecordedFrame(tracked.frame.name, (height, width), counts, list(tracked.scores))
        self._lines.append(replace(line, parts=list(tracked.parts)))

    def __len__(self) -> int:
        return len(self._lines)

    def frame(self, index: int) -> RecordedFrame:
        return self._lines[index]


def to_supervision(found: VideoFrame) -> Any:
    """Return the visible objects of a frame as supervision's `Detections`, with their ids as `tracker_id`.

    Raises:
        MissingExtraError: The package is not installed.
    """
    require("supervision")
    import supervision

    seen = found.masks.any((1, 2))
    masks = found.masks[seen]
    return supervision.Detections(
        xyxy=supervision.mask_to_xyxy(masks) if len(masks) else np.zeros((0, 4)),
        mask=masks,
        confidence=found.scores[seen],
        class_id=found.ids[seen],
        tracker_id=found.ids[seen],
    )
