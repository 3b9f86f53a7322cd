"""Masks of tracked frames on disk."""

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hqtrack import DataError
from hqtrack.video.mask_record import MaskRecord

MASKS = np.random.default_rng(0).random((5, 2, 6, 8)) > 0.5


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "record.jsonl"


@pytest.fixture
def record(file: Path) -> MaskRecord:
    record = MaskRecord(file)
    for index, masks in enumerate(MASKS):
        record.append(f"{index}.png", masks)
    return record


def test_frames_are_read_in_any_order_and_after_opening_again(record: MaskRecord, file: Path) -> None:
    record.append("none.png", np.zeros((0, 6, 8), bool))
    for each in (record, MaskRecord(file)):
        assert len(each) == 6
        for index in (4, 0, 2):
            np.testing.assert_array_equal(each.masks(index), MASKS[index])
        assert each.masks(5).shape == (0, 6, 8)


def test_later_frames_are_cut_and_written_anew(record: MaskRecord, file: Path) -> None:
    record.cut(2)
    record.append("2.png", MASKS[4])
    for each in (record, MaskRecord(file)):
        assert len(each) == 3
        np.testing.assert_array_equal(each.masks(2), MASKS[4])


def test_half_a_line_of_a_killed_process_is_cut_off(record: MaskRecord, file: Path) -> None:
    with file.open("ab") as rest:
        rest.write(b'{"frame": "5.png", "si')
    again = MaskRecord(file)
    again.append("5.png", MASKS[0])
    assert len(MaskRecord(file)) == 6
    np.testing.assert_array_equal(again.masks(5), MASKS[0])


def test_a_full_disk_leaves_whole_lines(record: MaskRecord, file: Path) -> None:
    class Full:
        """Takes ten bytes more, as a full disk does."""

        def __init__(self, real: Any) -> None:
            self._real, self._room = real, 10

        def write(self, content: memoryview) -> int:
            if self._room == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            self._room, taken = 0, self._real.write(content[: self._room])
            return int(taken)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

    real = record._file
    record._file = Full(real)  # type: ignore[assignment]
    with pytest.raises(OSError, match="No space"):
        record.append("5.png", MASKS[0])
    assert len(record) == len(MaskRecord(file)) == 5
    record._file = real
    record.append("5.png", MASKS[0])
    np.testing.assert_array_equal(MaskRecord(file).masks(5), MASKS[0])


def test_a_damaged_line_is_told(record: MaskRecord, file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content.replace(b"2.png", b'2"png'))
    again = MaskRecord(file)
    with pytest.raises(DataError, match="frame 2 is damaged"):
        again.masks(2)
    np.testing.assert_array_equal(again.masks(3), MASKS[3])
