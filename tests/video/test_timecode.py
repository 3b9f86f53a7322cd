"""Timecode."""

from fractions import Fraction

import pytest

from hqtrack.video.timecode import move_timecode


@pytest.mark.parametrize(
    ("timecode", "frames", "fps", "stride", "expected"),
    [
        ("00:00:00:00", 0, Fraction(25), 1, "00:00:00:00"),
        ("23:59:59:24", 1, Fraction(25), 1, "00:00:00:00"),
        ("00:00:59;29", 1, Fraction(30000, 1001), 1, "00:01:00;02"),
        ("00:09:59;29", 1, Fraction(30000, 1001), 1, "00:10:00;00"),
        ("00:00:00;00", 17982, Fraction(30000, 1001), 1, "00:10:00;00"),
        ("00:00:59;59", 1, Fraction(60000, 1001), 1, "00:01:00;04"),
        ("01:00:00:10", 4, Fraction(24), 2, "01:00:00:07"),
        ("01:00:00:10", 0, Fraction(25), 2, None),
        ("01:00:00;10", 0, Fraction(30000, 1001), 2, None),
        ("no timecode", 0, Fraction(25), 1, None),
    ],
)
def test_a_timecode_moves_by_frames(
    timecode: str, frames: int, fps: Fraction, stride: int, expected: str | None
) -> None:
    assert move_timecode(timecode, frames, fps, stride) == expected


def test_a_drop_frame_timecode_counts_every_frame_once() -> None:
    seen = [move_timecode("00:00:00;00", count, Fraction(30000, 1001)) for count in range(0, 40_000)]
    assert len(set(seen)) == len(seen)
    assert not any(text.endswith((":00;00", ":00;01")) and text[4] != "0" for text in seen if text)
