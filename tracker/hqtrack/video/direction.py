"""Tracking from where an object is seen best: forward, backward, or both.

What is tracked backward is the same video mirrored in time: its last frame comes first. So all that holds
forward (objects join, corrections apply, a record is resumed) holds backward too. It is tracked first, and
its masks are kept as run lengths; then the frames are read forward, and the masks of both directions meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from hqtrack.masks import Masks
from hqtrack.video.access import FrameAccess
from hqtrack.video.corrections import Correction
from hqtrack.video.frame_tracker import PLAIN, ShotRules, track_frames
from hqtrack.video.journal import Journal
from hqtrack.video.mask_maker import MaskMaker
from hqtrack.video.objects import TrackedObject
from hqtrack.video.prompts import Prompt, numbered, objects_of
from hqtrack.video.recorded_frame import RecordedFrame
from hqtrack.video.sources import Frame, FrameSource
from hqtrack.video.tracked_frame import TrackedFrame

if TYPE_CHECKING:
    from hqtrack.tracker import HQTrack


class TrackedRecord(Protocol):
    """Masks of tracked frames, in the order of tracking."""

    def __len__(self) -> int: ...

    def frame(self, index: int) -> RecordedFrame:
        """Return what was recorded of a frame."""


class Mirrored:
    """A video mirrored in time, from the last frame in which an object is given back to the first frame.

    Frames are read in blocks that end at the one that is wanted: memory stays the same in long videos.

    Args:
        frames: The video; its frames can be read again.
        prompts: The objects.
        corrections: What is known of further frames; those after the object is given are left out.
        rules: What happens at cuts, and to masks that overlap.

    Example:
        >>> mirrored = Mirrored(open_frames("clip.mp4"), [Prompt(200, box=(3, 4, 50, 60))])  # doctest: +SKIP
        >>> [frame.name for frame in mirrored]  # doctest: +SKIP
        ['00000200', '00000199', …
    """

    def __init__(
        self,
        frames: FrameSource,
        prompts: Sequence[Prompt],
        corrections: Sequence[Correction] = (),
        rules: ShotRules = PLAIN,
    ) -> None:
        self._rules = rules
        self._frames = frames
        known = numbered(prompts)
        self._last = max(each.frame for each in known)
        self.objects = objects_of(known)
        """All objects, in the order in which they are given."""
        self.prompts = [
            replace(each, frame=self._last - each.frame, until=self._mirrored_end(each)) for each in known
        ]
        """The objects, as they are given in the mirrored video."""
        begins = {each.id: each.frame for each in known}
        self.corrections = [
            replace(each, frame=self._last - each.frame)
            for each in corrections
            if each.frame < (self._last if each.object is None else begins[each.object])
        ]
        self._indices = range(frames.start, self._last + 1, frames.stride)

    def _mirrored_end(self, prompt: Prompt) -> int | None:
        """Return where an object leaves in the mirrored video; None where it leaves on the other side."""
        if prompt.until is None or prompt.until > prompt.frame:
            return None
        return self._last - prompt.until

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[Frame]:
        access = FrameAccess(self._frames, long_edge=max(self._frames.size))
        for index in reversed(self._indices):
            name = self._frames.name_of(index)
            position = index - self._frames.first
            yield Frame(access.reduced(position), self._last - index, position / self._frames.fps, name)

    def track(
        self, tracker: HQTrack, maker: MaskMaker, journal: Journal | None = None
    ) -> Iterator[TrackedFrame]:
        """Track the mirrored video; see `hqtrack.video.frame_tracker.track_frames`."""
        return track_frames(tracker, self, self.prompts, maker, journal, self.corrections, self._rules)

    def restored(self, tracked: TrackedFrame) -> TrackedFrame:
        """Return a tracked frame with its index in the source."""
        frame = replace(tracked.frame, index=self._last - tracked.frame.index)
        return TrackedFrame(
            frame, tracked.masks, objects=tracked.objects, scores=tracked.scores, parts=tracked.parts
        )

    def parts(self, record: TrackedRecord) -> Sequence[tuple[int, int]]:
        """Return the ids (whole, part) that were found backward."""
        return (record.frame(len(record) - 1).parts or ()) if len(record) else ()

    def found(
        self, record: TrackedRecord, index: int
    ) -> tuple[Masks, Sequence[TrackedObject], Sequence[float]]:
        """Return masks (N, H, W), objects and scores that were tracked to a frame of the source."""
        if index > self._last:
            return np.zeros((0, *self._frames.size), bool), (), ()
        line = record.frame((self._last - index) // self._frames.stride)
        objects = objects_of(self.prompts)[: len(line.masks)]
        return line.decoded(), objects, line.scores or [1.0] * len(objects)


def forward_prompts(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Return objects as they are tracked forward: those that leave before they are given stay to the end."""
    ends = (None if each.until is None or each.until < each.frame else each.until for each in prompts)
    return [replace(each, until=end) for each, end in zip(prompts, ends, strict=True)]


def join_directions(
    forward: TrackedFrame,
    backward: tuple[Masks, Sequence[TrackedObject], Sequence[float]],
    objects: Sequence[TrackedObject],
    parts: Sequence[tuple[int, int]] = (),
) -> TrackedFrame:
    """Join what was tracked forward and backward to a frame.

    An object that was tracked to the frame from both sides is there given: forward and backward are the same.
    Where an object of one direction and one of the other claim a pixel, the one with the higher score has it.

    Args:
        forward: Masks of the objects that were given before.
        backward: Masks, objects and scores of those that were given later.
        objects: All objects; those that are in neither are not seen.
        parts: Ids (whole, part) that were found backward.
    """
    size = forward.frame.image.shape[:2]
    masks, scores = np.zeros((len(objects), *size), bool), np.zeros(len(objects))
    places = {each.id: place for place, each in enumerate(objects)}
    for found, known, sure in (backward, (forward.masks, forward.objects, forward.scores)):
        for each, mask, score in zip(known, found, sure, strict=True):
            masks[places[each.id]], scores[places[each.id]] = mask, score
    settle(masks, scores)
    pairs = list(dict.fromkeys([*forward.parts, *parts]))
    return TrackedFrame(
        forward.frame, masks, objects=objects, scores=scores.tolist(), parts=pairs, cut=forward.cut
    )


def settle(masks: Masks, scores: NDArray[np.float64]) -> None:
    """Assign contested pixels to the object with the higher score, in place; who keeps none has score 0.

    Args:
        masks: (N, H, W) bool.
        scores: (N,).

    Example:
        >>> masks, scores = np.array([[[1, 1, 0]], [[0, 1, 1]]], bool), np.array([0.5, 0.9])
        >>> settle(masks, scores)
        >>> masks.astype(int).tolist()
        [[[1, 0, 0]], [[0, 1, 1]]]
    """
    taken = np.zeros(masks.shape[1:], bool)
    for place in np.argsort(-scores, kind="stable"):
        masks[place] &= ~taken
        taken |= masks[place]
    scores[~masks.any((1, 2))] = 0
