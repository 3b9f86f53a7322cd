"""A table of boxes for spreadsheets and scripts."""

from __future__ import annotations

import csv
from pathlib import Path

from hqtrack.video.doubts import is_doubtful
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers.writer import TextWriter, VideoFacts


class BoxTable(TextWriter):
    """A CSV table of boxes, areas in pixels and scores: a row for each object in each frame since it began.

    The box of an object that is not seen is left blank, and its area and score are 0. `doubtful` is 1 for a
    mask that a person should look at, else 0. Where a person named or coloured objects, two further columns
    have it.
    """

    columns = ("frame", "time", "object", "x", "y", "width", "height", "area", "score", "doubtful")

    def __init__(self, path: Path, facts: VideoFacts) -> None:
        super().__init__(path, facts)
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(self.columns + (("name", "colour") if facts.marked else ()))

    def write(self, tracked: TrackedFrame) -> None:
        """Write a row for each object."""
        frame = tracked.frame
        for each, box, score in zip(tracked.objects, tracked.boxes, tracked.scores, strict=True):
            row = (*(box or ("", "", "", "", 0)), f"{score:.4f}", int(is_doubtful(score)))
            colour = "#{:02x}{:02x}{:02x}".format(*each.colour) if each.colour else ""
            marks = (each.name, colour) if self._facts.marked else ()
            self._rows.writerow((frame.index, f"{float(frame.time):.6f}", each.id, *row, *marks))
