"""Timecode: the hours, minutes, seconds and frames that a camera counts."""

from __future__ import annotations

from fractions import Fraction


def move_timecode(timecode: str, frames: int, fps: Fraction, stride: int = 1) -> str | None:
    """Return the timecode of a later frame.

    Args:
        timecode: "hours:minutes:seconds:frames"; a semicolon before the frames means drop-frame: the numbers
            0 and 1 (0 to 3 at 60 frames per second) are left out in every minute that is not a tenth one.
        frames: How much later.
        fps: Frames per second that the timecode counts.
        stride: If only every so many frames are kept, the last number counts the kept ones.

    Returns:
        The timecode, or None where there is none that counts so, or `timecode` is not one.

    Example:
        >>> move_timecode("01:00:00:20", 10, Fraction(25))
        '01:00:01:05'
        >>> move_timecode("00:00:59;29", 1, Fraction(30000, 1001))
        '00:01:00;02'
    """
    parts = timecode.replace(";", ":").replace(".", ":").split(":")
    if len(parts) != 4 or not all(part.isdecimal() and len(part) < 5 for part in parts):
        return None
    hours, minutes, seconds, number = (int(part) for part in parts)
    dropping = timecode[-len(parts[3]) - 1] in ";."
    rate = max(1, round(fps))
    if (dropping and stride > 1) or rate % stride:
        return None
    left_out = rate // 15 if dropping else 0
    minutes += 60 * hours
    count = (60 * minutes + seconds) * rate + number - left_out * (minutes - minutes // 10) + frames
    if left_out:
        minute, ten = 60 * rate - left_out, 600 * rate - 9 * left_out
        tens, rest = divmod(count, ten)
        # The first minute of ten is longer by the numbers that it does not leave out.
        count += left_out * (9 * tens + max(0, rest - left_out) // minute)
    seconds, number = divmod(count, rate)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    mark = ";" if dropping else ":"
    return f"{hours % 24:02d}:{minutes:02d}:{seconds:02d}{mark}{number // stride:02d}"
