"""The masks of tracked frames on disk: a line for each frame, read again in any order."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from hqtrack import files
from hqtrack.errors import DataError
from hqtrack.masks import Masks, rle_encode
from hqtrack.video.recorded_frame import RecordedFrame, line_of, parsed


class MaskRecord:
    """Masks of the frames 0, 1, 2, … of a video, in a file of JSON lines; safe to use from several threads.

    A line is written when its frame is finished. What a killed process or a full disk left of a line is cut
    off when the file is opened again, or at once.

    Example:
        >>> record = MaskRecord(Path("record.jsonl"))  # doctest: +SKIP
        >>> record.append("0.png", masks)  # doctest: +SKIP
        >>> len(record), record.masks(0).shape  # doctest: +SKIP
        (1, (2, 480, 854))
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._ends = [0]
        """Where the line of each frame starts, and the last one ends."""
        # Without a buffer: what a full disk refuses must not be written later.
        self._file = files.reopen(path, buffering=0)
        with path.open("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    self._ends.append(self._ends[-1] + len(line))
        self._file.truncate(self._ends[-1])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def masks(self, index: int) -> Masks:
        """Return the masks (N, H, W) of the objects so far in a frame.

        Raises:
            DataError: The line is damaged.
        """
        return self.frame(index).decoded()

    def frame(self, index: int) -> RecordedFrame:
        """Return what was recorded of a frame.

        Raises:
            DataError: The line is damaged.
        """
        with self._lock:
            self._file.seek(self._ends[index])
            line = self._file.read(self._ends[index + 1] - self._ends[index])
        try:
            return parsed(line)
        except ValueError as error:
            raise DataError(f"{self._path}: the record of frame {index} is damaged; track again") from error

    def append(self, name: str, masks: Masks, scores: Sequence[float] | None = None) -> None:
        """Record the next frame with masks (N, H, W) and their scores."""
        line = line_of(name, masks.shape[1:], [rle_encode(mask) for mask in masks], scores=scores)
        with self._lock:
            self._file.seek(self._ends[-1])
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError:
                self._file.truncate(self._ends[-1])
                raise
            self._ends.append(self._ends[-1] + len(line))

    def cut(self, count: int) -> None:
        """Forget all frames but the first so many."""
        with self._lock:
            del self._ends[count + 1 :]
            self._file.truncate(self._ends[-1])

    def close(self) -> None:
        """Close the file."""
        self._file.close()
