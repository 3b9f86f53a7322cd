"""Tracking frame by frame: objects join when their frames come, masks are corrected or taken up."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hqtrack.errors import DataError
from hqtrack.images import Image, read_image
from hqtrack.masks import Masks, parts_of
from hqtrack.video.corrections import Correction, corrected
from hqtrack.video.cuts import SURE_AREA, CutDetector, Cuts
from hqtrack.video.job import ContestedPixels
from hqtrack.video.journal import ChangedSourceError, Journal
from hqtrack.video.mask_fit import is_of_another
from hqtrack.video.mask_maker import MaskMaker
from hqtrack.video.prompts import Prompt, numbered, objects_of
from hqtrack.video.sources import Frame
from hqtrack.video.tracked_frame import TrackedFrame

if TYPE_CHECKING:
    from hqtrack.tracker import HQTrack

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShotRules:
    """What happens at cuts, and to masks that overlap."""

    cuts: Cuts = "search"
    overlap: ContestedPixels = "later"
    doubt_masks: bool = True
    """True: a mask that matches nothing in its frame is reported."""


PLAIN = ShotRules("ignore", doubt_masks=False)
"""As data sets are tracked: they have no cuts, and their masks are right."""


def track_frames(
    tracker: HQTrack,
    frames: Iterable[Frame],
    prompts: Sequence[Prompt],
    maker: MaskMaker,
    journal: Journal | None = None,
    corrections: Sequence[Correction] = (),
    rules: ShotRules = PLAIN,
) -> Iterator[TrackedFrame]:
    """Track the frames of a video.

    Frames that the journal holds are not tracked again: their masks are given back, and the tracker is given
    those of its references and of the last one.

    Args:
        tracker: What was tracked before is forgotten.
        frames: All frames, those of the journal included.
        prompts: The objects; those whose frame never comes do not join.
        maker: Turns them into masks.
        journal: Has the frames that were tracked before; None has none.
        corrections: Corrections of later frames.
        rules: What happens at cuts, and to masks that overlap.

    Yields:
        Each frame with the masks of all objects so far, in the order of `prompts` by frame. They grow in
        number as objects join, and are none before the first.

    Raises:
        DataError: A frame has another size than the first.
        ChangedSourceError: A frame is not the one that the journal has, or is not there any more.
    """
    steps = FrameTracker(tracker, prompts, maker, corrections, rules)
    size = None
    for frame in frames:
        size = frame.image.shape[:2] if size is None else size
        if frame.image.shape[:2] != size:
            raise DataError(
                f"frame {frame.name}: has {frame.image.shape[1]} x {frame.image.shape[0]} pixels, but the "
                f"first one {size[1]} x {size[0]}; make all frames the same size"
            )
        if journal is not None and journal.left:
            tracked = journal.past(frame, steps.objects)
            steps.see_past(tracked)
            if steps.is_reference(frame.index) or journal.left == 0:
                steps.know(frame.index, frame.image, tracked.masks)
        else:
            masks = steps.step(frame.index, frame.image)
            objects = steps.objects[: len(masks)]
            marks: dict[str, Any] = {"scores": steps.scores, "parts": steps.parts, "cut": steps.at_cut}
            tracked = TrackedFrame(frame, masks, objects=objects, **marks)
        yield tracked
    if journal is not None and journal.left:
        raise ChangedSourceError(
            f"the video is {journal.left} frames shorter than when it was tracked; restore the file, or "
            "start over with --force"
        )


def _report_misfits(image: Image, prompts: Sequence[Prompt]) -> None:
    """Log which given masks match nothing in their frame (H, W, 3)."""
    for each in prompts:
        if each.mask is not None and is_of_another(image, each.mask):
            logger.warning(
                "object %s: the outline of its mask follows no edges of frame %d; is it a mask of this "
                "video?",
                *(each.id, each.frame),
            )


class FrameTracker:
    """Takes a tracker through a video: objects join, corrections apply, known frames are taken up.

    An object that has left (`Prompt.until`) keeps its place: its masks are empty from then on.

    Frames in which objects join or that are corrected are references. At a correction the tracker forgets
    what it saw but its references, and continues from them. What it remembered since the object went wrong
    would mislead it; and so a video can be gone on with from a frame whose masks are known, and what follows
    is the same as in one run.

    Args:
        tracker: What was tracked before is forgotten.
        prompts: The objects.
        maker: Turns them into masks.
        corrections: Corrections of later frames.
        rules: What happens at cuts, and to masks that overlap.
    """

    def __init__(
        self,
        tracker: HQTrack,
        prompts: Sequence[Prompt],
        maker: MaskMaker,
        corrections: Sequence[Correction] = (),
        rules: ShotRules = PLAIN,
    ) -> None:
        self._tracker, self._maker, self._corrections = tracker, maker, corrections
        self._prompts = numbered(prompts)
        self.objects = objects_of(prompts)
        """All objects, in the order in which they join."""
        self._last_correction = max((each.frame for each in corrections), default=-1)
        self._references: list[tuple[Image, Masks]] = []
        self._joined = 0
        self._left: set[int | None] = set()
        self._rules = rules
        self._detector = CutDetector()
        self._areas: dict[int, int] = {}
        """Pixels of each object where it was seen last."""
        self._sought: dict[int, float] = {}
        """Objects of an earlier shot, and the pixels with which they are found at least."""
        self.at_cut = False
        """True: another shot begins with the last frame."""
        self.parts: Sequence[tuple[int, int]] = ()
        """Ids (whole, part) of objects whose masks outputs have whole."""
        tracker.reset()

    @property
    def scores(self) -> list[float]:
        """How sure the tracker is of each mask of the last frame, 0 to 1; 0 for objects that have left."""
        found = dict(zip(self._tracker.ids.tolist(), self._tracker.scores.tolist(), strict=True))
        return [found.get(each.id, 0.0) for each in self.objects[: self._joined]]

    def is_reference(self, index: int) -> bool:
        """Return whether objects are given in a frame, or it is corrected."""
        begins, corrections = self._prompts, self._corrections
        given = any(each.frame == index and each.picture is None for each in begins)
        return given or any(each.frame == index for each in corrections)

    def see_past(self, tracked: TrackedFrame) -> None:
        """Take note of a frame that was tracked before: of cuts, and of who was found since."""
        if self._rules.cuts != "ignore":
            self._detector.see(tracked.frame.image)
        if tracked.cut:
            self._begin_shot([each.id for each in tracked.objects])
        self.parts = tracked.parts
        self._note(tracked.masks)

    def _begin_shot(self, ids: Sequence[int]) -> None:
        """Drop objects at a cut, or begin to seek them."""
        if self._rules.cuts == "stop":
            self._left |= {*ids}
            gone = [number for number in self._tracker.ids.tolist() if number in self._left]
            if gone:
                self._tracker.remove_objects(gone)
        else:
            self._sought |= {number: SURE_AREA * self._areas.get(number, 0) for number in ids}

    def _note(self, masks: Masks) -> None:
        """Note which objects are seen, and how large they are."""
        if self._rules.cuts == "ignore":
            return
        for each, mask in zip(self.objects, masks, strict=False):
            area = int(np.count_nonzero(mask))
            if area:
                self._areas[each.id] = area
                self._sought.pop(each.id, None)

    def know(self, index: int, image: Image, masks: Masks) -> None:
        """Take up a frame that was tracked before, as a reference; frames come in their order.

        Args:
            index: The frame's.
            image: (H, W, 3) uint8 RGB.
            masks: (N, H, W) bool, disjoint, of all objects so far.
        """
        self._let_go(index)
        self._joined = max(self._joined, len(masks))
        if len(masks):
            self._remember(index, image, masks)
            self._tell(image, masks)

    def step(self, index: int, image: Image) -> Masks:
        """Track to a frame, let objects join there, and correct it.

        Args:
            index: The frame's.
            image: (H, W, 3) uint8 RGB.

        Returns:
            (N, H, W) bool, disjoint, of all objects so far.
        """
        self._let_go(index)
        self.at_cut = self._rules.cuts != "ignore" and self._detector.see(image)
        if self.at_cut:
            self._begin_shot(self._tracker.ids.tolist())
        joining = [prompt for prompt in self._prompts if prompt.frame == index]
        masks = self._placed(self._tracked(image, joining))
        given = [each for each in self._corrections if each.frame == index]
        if given:
            masks = self._correct(image, masks, given)
            self._remember(index, image, masks)
            self._tracker.reset()
            for reference in self._references:
                self._tell(*reference)
        elif joining:
            self._remember(index, image, masks)
        if index >= self._last_correction:
            self._references.clear()
        self._note(masks)
        return masks

    def _tracked(self, image: Image, joining: Sequence[Prompt]) -> Masks:
        masks = np.zeros((0, *image.shape[:2]), bool)
        pictures = [each for each in joining if each.picture is not None]
        if pictures:
            self._learn_pictures()
            self._joined += len(pictures)
            self._sought |= {each.id or 0: 1.0 for each in pictures}
            joining = joining[len(pictures) :]
        if self._tracker.object_count:
            masks = self._tracker.track(image, sought=self._sought)
        for each, mask in zip(pictures, masks, strict=False):
            if not mask.any():
                logger.warning(
                    "object %s of %s: is not surely found in frame %d; it is looked for in the next ones",
                    *(each.id, each.picture, each.frame),
                )
        if not joining:
            return masks
        given = self._maker.masks(image, joining)
        if self._rules.doubt_masks:
            _report_misfits(image, joining)
        if self._rules.overlap == "keep":
            numbers = [*self._tracker.ids.tolist(), *(each.id for each in joining)]
            found = parts_of(np.concatenate([masks, given]))
            self.parts = [*self.parts, *((numbers[whole], numbers[part]) for whole, part in found)]
            self.parts = list(dict.fromkeys(self.parts))
        places = range(self._joined, self._joined + len(given))
        self._joined += len(given)
        return self._join(image, given, places)

    def _learn_pictures(self) -> None:
        """Teach the tracker, which was reset, the objects of other pictures."""
        for picture in dict.fromkeys(each.picture for each in self._prompts if each.picture is not None):
            of_it = [each for each in self._prompts if each.picture == picture]
            masks = np.stack([each.mask for each in of_it if each.mask is not None])
            self._tracker.add_picture(read_image(picture), masks, ids=[each.id or 0 for each in of_it])

    def _join(self, image: Image, masks: Masks, places: Iterable[int]) -> Masks:
        """Start the tracker with the objects of these places, or let them join in."""
        ids = [self.objects[place].id for place in places]
        if self._tracker.object_count:
            return self._tracker.add_objects(image, masks, ids=ids)
        return self._tracker.initialize(image, masks, ids=ids)

    def _let_go(self, index: int) -> None:
        """Remove the objects that have left before a frame."""
        left = {each.id for each in self._prompts if each.until is not None and each.until < index}
        gone = [number for number in self._tracker.ids.tolist() if number in left]
        if gone:
            self._tracker.remove_objects(gone)
        self._left |= left

    def _placed(self, masks: Masks) -> Masks:
        """Return the masks of all objects so far for those of the tracker: who has left has an empty one."""
        if len(masks) == self._joined:
            return masks
        places = {each.id: place for place, each in enumerate(self.objects)}
        result = np.zeros((self._joined, *masks.shape[1:]), bool)
        result[[places[number] for number in self._tracker.ids.tolist()]] = masks
        return result

    def _correct(self, image: Image, masks: Masks, given: Sequence[Correction]) -> Masks:
        named = [
            (self._place(each.object), self._maker.masks(image, [each.prompt])[0])
            for each in given
            if each.object is not None and each.prompt is not None
        ]
        return corrected(masks, named)

    def _place(self, number: int) -> int:
        """Return the place of the object of an id among the masks, from 1."""
        return 1 + [each.id for each in self.objects].index(number)

    def _remember(self, index: int, image: Image, masks: Masks) -> None:
        """Keep a reference for the corrections to come."""
        if index <= self._last_correction:
            self._references.append((image, masks))

    def _tell(self, image: Image, masks: Masks) -> None:
        """Enter the masks of a frame; those that it does not know yet join, those that have left do not."""
        if not self._tracker.object_count:
            self._learn_pictures()
        there = [place for place in range(len(masks)) if self.objects[place].id not in self._left]
        known = self._tracker.object_count
        if known:
            self._tracker.add_reference(image, masks[there[:known]])
        if len(there) > known:
            self._join(image, masks[there[known:]], there[known:])
