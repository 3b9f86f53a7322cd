"""Timecode: the hours, minutes, seconds and frames that a camera counts."""

from __future__ import annotations

import re
from fractions import Fraction

from hqtrack.errors import InputError

SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s|(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2}\.\d{1,9})")
"""A time: 1.5s, or 00:00:01.5 as FFmpeg writes it."""

TIMECODE = re.compile(r"\d{1,4}:\d{1,4}:\d{1,4}[:;]\d{1,4}")


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
    dropping = ";" in timecode or "." in timecode
    rate = max(1, round(fps))
    begin = frames_before(timecode, fps)
    if begin is None or (dropping and stride > 1) or rate % stride:
        return None
    left_out = rate // 15 if dropping else 0
    count = begin + frames
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


def frames_before(timecode: str, fps: Fraction) -> int | None:
    """Return how many frames a timecode counts from 00:00:00:00 on; None if it is none.

    Example:
        >>> frames_before("00:00:01:12", Fraction(24)), frames_before("00:01:00;02", Fraction(30000, 1001))
        (36, 1800)
    """
    parts = timecode.replace(";", ":").replace(".", ":").split(":")
    if len(parts) != 4 or not all(part.isdecimal() and len(part) < 5 for part in parts):
        return None
    hours, minutes, seconds, number = (int(part) for part in parts)
    rate = max(1, round(fps))
    left_out = rate // 15 if timecode[-len(parts[3]) - 1] in ";." else 0
    minutes += 60 * hours
    return (60 * minutes + seconds) * rate + number - left_out * (minutes - minutes // 10)


def seconds_of(text: str, fps: Fraction, first: str | None = None) -> Fraction | None:
    """Return the seconds from a source's first frame on that a text names; None if it is no time.

    Args:
        text: "1.5s", "00:00:01.5", or a timecode such as "00:00:01:12".
        fps: Frames per second of the source.
        first: Timecode of the source's first frame; timecodes count from there.

    Raises:
        InputError: The timecode is before the first one.

    Example:
        >>> seconds_of("1.5s", Fraction(24)), seconds_of("00:00:01:12", Fraction(24))
        (Fraction(3, 2), Fraction(3, 2))
    """
    found = SECONDS.fullmatch(text)
    if found is not None:
        if found[1]:
            return Fraction(found[1])
        return 3600 * int(found[2] or 0) + 60 * int(found[3]) + Fraction(found[4])
    count = frames_before(text, fps) if TIMECODE.fullmatch(text) else None
    if count is None:
        return None
    begin = (frames_before(first, fps) if first else None) or 0
    if count < begin:
        raise InputError(f"{text}: is before the first frame, whose timecode is {first}")
    nominal = max(1, round(fps))
    steady = abs(nominal - fps) < Fraction(nominal, 500)  # 29.97 frames a second are counted as 30
    return (count - begin) / (fps if steady else Fraction(nominal))


def frame_number(text: str) -> int | None:
    """Return the number of a frame; None where a text is none.

    Example:
        >>> frame_number(" 120"), frame_number("1.5s")
        (120, None)
    """
    return int(text) if re.fullmatch(r"\s*\d{1,9}\s*", text) else None
