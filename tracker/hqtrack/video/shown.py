"""From tracked frames to what outputs have: clean masks, wholes with their parts, the options of outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hqtrack.errors import InputError
from hqtrack.masks import with_parts
from hqtrack.video.cleaning import AS_TRACKED, MaskCleaning, cleaned
from hqtrack.video.job import Job
from hqtrack.video.objects import TrackedObject
from hqtrack.video.sources import FrameSource
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers import OutputLook, VideoFacts, facts_of


def as_shown(tracked: TrackedFrame, cleaning: MaskCleaning) -> TrackedFrame:
    """Return a tracked frame as outputs have it.

    Label images stay disjoint; all other outputs have masks of wholes with their parts. The score of an
    object whose mask is cleaned away is 0.

    Args:
        tracked: As it was tracked, or recorded.
        cleaning: How masks are cleaned.
    """
    if cleaning == AS_TRACKED and not tracked.parts:
        return tracked
    apart = cleaned(tracked.masks, cleaning)
    places = {each.id: place for place, each in enumerate(tracked.objects)}
    pairs = [(places[whole], places[part]) for whole, part in tracked.parts]
    masks = with_parts(apart, pairs)
    scores = [score if mask.any() else 0.0 for mask, score in zip(masks, tracked.scores, strict=True)]
    return TrackedFrame(
        tracked.frame, masks, objects=tracked.objects, scores=scores, apart=apart, cut=tracked.cut
    )


def facts_for(
    job: Job, frames: FrameSource, objects: Sequence[TrackedObject], begins: Mapping[int, int]
) -> VideoFacts:
    """Return what a job's outputs are made with.

    Args:
        job: Has the options of outputs.
        frames: Its frames.
        objects: All objects that may join.
        begins: Frame in which the object of an id is given, where it is seen before that.

    Raises:
        InputError: The opacity is out of range.
    """
    if not 0 <= job.opacity <= 1:
        raise InputError(f"opacity = {job.opacity:g}: must be 0 (outlines alone) to 1")
    facts = facts_of(frames, objects, begins, OutputLook(job.opacity, job.texts, job.hide_rest))
    return facts if job.sound else replace(facts, sound=None)
