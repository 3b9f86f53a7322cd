"""A tracker through a whole video: objects join when their frames come; an earlier run is gone on with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hqtrack.errors import DataError
from hqtrack.images import Image
from hqtrack.masks import label_map, masks_of
from hqtrack.video.journal import Journal
from hqtrack.video.mask_maker import MaskMaker
from hqtrack.video.prompts import Prompt
from hqtrack.video.sources import Frame

if TYPE_CHECKING:
    from hqtrack.tracker import HQTrack

Masks = npt.NDArray[np.bool_]


def track_frames(
    tracker: HQTrack,
    frames: Iterable[Frame],
    prompts: Sequence[Prompt],
    maker: MaskMaker,
    journal: Journal | None = None,
) -> Iterator[tuple[Frame, Masks]]:
    """Track a video.

    Frames that the journal holds are not tracked again: their masks are given back, and the tracker is told
    those of the frames in which objects began and of the last one.

    Args:
        tracker: What was tracked before is forgotten.
        frames: All frames, those of the journal included.
        prompts: The objects; those whose frame never comes do not join.
        maker: Turns them into masks.
        journal: Records every frame; None records nothing.

    Yields:
        Each frame with the masks (N, H, W) of all objects so far, in the order of `prompts` by frame. N grows
        as objects join, and is 0 before the first.

    Raises:
        DataError: A frame has another size than the first, or is not the one that the journal has.
    """
    tracker.reset()
    size = None
    for frame in frames:
        size = frame.image.shape[:2] if size is None else size
        if frame.image.shape[:2] != size:
            raise DataError(
                f"frame {frame.name}: has {frame.image.shape[1]} x {frame.image.shape[0]} pixels, but the "
                f"first one {size[1]} x {size[0]}; make all frames the same size"
            )
        if journal is not None and journal.left:
            recorded, masks = journal.past()
            if recorded != frame.name or masks.shape[1:] != size:
                raise DataError(
                    f"frame {frame.name} is not the one that was tracked before: the source has changed; "
                    "start anew with --force"
                )
            _catch_up(tracker, frame.image, masks, last=journal.left == 0)
        else:
            masks = _step(tracker, frame.image, maker, [p for p in prompts if p.frame == frame.index])
            if journal is not None:
                journal.append(frame.name, masks)
        yield frame, masks


def _step(tracker: HQTrack, image: Image, maker: MaskMaker, joining: Sequence[Prompt]) -> Masks:
    """Track to a frame, and let objects join there."""
    if not joining:
        return tracker.track(image) if tracker.object_count else np.zeros((0, *image.shape[:2]), bool)
    given = maker.masks(image, joining)
    if tracker.object_count:
        return tracker.add_objects(image, given)
    tracker.initialize(image, given)
    return masks_of(label_map(given), len(given))


def _catch_up(tracker: HQTrack, image: Image, masks: Masks, *, last: bool) -> None:
    """Tell the tracker what it needs of a frame that was tracked before."""
    earlier = tracker.object_count
    if len(masks) == earlier:
        if last and earlier:
            tracker.add_reference(image, masks)
    elif earlier == 0:
        tracker.initialize(image, masks)
    else:
        tracker.add_reference(image, masks[:earlier])
        tracker.add_objects(image, masks[earlier:])
