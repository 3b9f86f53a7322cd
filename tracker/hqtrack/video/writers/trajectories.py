"""Results as the VOT toolkit stores them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np

from hqtrack import files
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers.writer import VideoFacts, Writer


class Trajectories(Writer):
    """A text file for each object, one region a line, as the VOT toolkit writes results and reads them.

    As in the toolkit's results the line of the frame in which an object begins, whose mask is given, is 1,
    and that of each frame before is 0.
    """

    def __init__(self, path: Path, facts: VideoFacts) -> None:
        super().__init__(path, facts)
        from vot.region import Special  # slow to import
        from vot.region.io import write_trajectory
        from vot.region.shapes import Mask

        self._write_region, self._mask, self._special = write_trajectory, Mask, Special
        self._files: list[tuple[Path, IO[str]]] = []
        self._frames = 0
        files.make_folder(self.path)

    def write(self, tracked: TrackedFrame) -> None:
        """Write a line to each object's file."""
        joined = len(self._files)
        for each in tracked.objects[joined:]:
            part = self.path / f"{each.id:03d}.txt.part"
            self._files.append((part, files.create_text(part, "ascii")))
            self._write_region(self._files[-1][1], [self._special(0)] * self._frames)
        index = tracked.frame.index
        for place, ((_, file), each) in enumerate(zip(self._files, tracked.objects, strict=True)):
            given = self._facts.begins.get(each.id) == index if self._facts.begins else place >= joined
            mask = tracked.masks[place].astype(np.uint8)
            self._write_region(file, [self._special(1) if given else self._mask(mask, optimize=True)])
        self._frames += 1

    def finish(self) -> None:
        """Close the files and give them their names."""
        for part, file in self._files:
            file.close()
            self._name(part, part.with_suffix(""))

    def discard(self) -> None:
        """Remove the files."""
        for part, file in self._files:
            with suppress(OSError):
                file.close()
            files.remove(part)
