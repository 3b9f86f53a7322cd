"""How far tracking is, in words."""

from __future__ import annotations

from hqtrack.web.tracking import Tracking


def status(tracking: Tracking | None, done: int, count: int, stale: int | None) -> str:
    """Describe how far tracking is, and what became of it."""
    if tracking is not None and tracking.state == "waiting":
        return "waiting until another video is tracked"
    if tracking is not None and tracking.active:
        left = tracking.seconds_left
        done, count = tracking.counted
        parts = [
            f"{'backward: ' if tracking.course.backward else ''}frame {done} of {count}",
            f"{tracking.rate:.1f} frames/s" if tracking.rate else "starting …",
            *([] if left is None else [f"{duration(left)} left"]),
        ]
        return ", ".join(parts)
    text = f"{done} of {count} frames tracked"
    if stale is not None:
        text += f"; out of date from frame {stale} on"
    if tracking is not None and tracking.state == "failed":
        text += f"; stopped: {tracking.error}"
    return text


def duration(seconds: float) -> str:
    """Return a time as text.

    Example:
        >>> duration(75)
        '1:15 min'
    """
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60}:{whole % 60:02d} min"
