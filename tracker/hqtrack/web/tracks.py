"""What the time line shows of a session: where objects are seen, how sure the tracker is, and marks."""

from __future__ import annotations

from typing import Any, NamedTuple

from hqtrack.video.doubts import DOUBTFUL_BELOW
from hqtrack.web.objects import SessionObject
from hqtrack.web.session import Session

LEVELS = 20
"""Steps in which scores are shown; equal neighbours are one span."""


class Span(NamedTuple):
    """Frames with the same score."""

    first: int
    end: int
    """The frame after the last one."""
    score: float
    """0 where the object is not seen."""


def spans(session: Session, item: SessionObject) -> list[Span]:
    """Return how sure the tracker is of an object, from where it begins to the end of the record.

    What was tracked backward comes before.
    """
    found: list[Span] = []
    begin = 0 if item.key in session.backward.holding(session.objects, session.card) else item.first.frame
    for frame in range(begin, max(len(session.record), item.first.frame)):
        score = session.scores(frame).get(item.key, 0.0)
        # A doubtful score must not be rounded up to one that is not.
        shown = int(score * LEVELS) / LEVELS or (1 / LEVELS if score else 0.0)
        if found and found[-1].score == shown:
            found[-1] = found[-1]._replace(end=frame + 1)
        else:
            found.append(Span(frame, frame + 1, shown))
    return found


def tracks_of(session: Session) -> dict[str, Any]:
    """Return all that the time line shows, as JSON has it."""
    return {
        "recorded": len(session.record),
        "stale": session.stale(),
        "restarts": [*session.tracked.restarts],
        "cuts": session.record.cuts,
        "doubtful": DOUBTFUL_BELOW,
        "rows": [
            {
                "key": item.key,
                "colour": "#{:02x}{:02x}{:02x}".format(*item.paint),
                "first": item.first.frame,
                "corrections": [region.frame for region in item.corrections],
                "spans": spans(session, item),
            }
            for item in sorted(session.objects, key=lambda each: each.key)
        ],
    }


def marks(session: Session) -> list[int]:
    """Return the frames to which Shift and an arrow jump: first frames, corrections, losses, cuts."""
    frames = {region.frame for item in session.objects for region in item.regions}
    frames |= {*session.tracked.restarts, *session.record.cuts}
    lost = {session.lost(item.key) for item in session.objects}
    return sorted({*frames, *(each for each in (*lost, session.stale()) if each)})


def doubtful_stretches(session: Session) -> list[int]:
    """Return the first frames of all stretches in which an object is seen, but doubtful, ascending."""
    starts = set()
    for item in session.objects:
        before = False
        for span in spans(session, item):
            now = 0 < span.score < DOUBTFUL_BELOW
            if now and not before:
                starts.add(span.first)
            before = now
    return sorted(starts)
