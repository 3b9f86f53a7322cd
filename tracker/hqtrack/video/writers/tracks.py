"""Formats that list objects, each with its masks in all frames: YouTube-VIS and CVAT.

What is known of an object grows in a file of its own, and all are put together at the end: memory stays the
same in long videos.
"""

from __future__ import annotations

import json
import shutil
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import IO

import numpy as np

from hqtrack import files
from hqtrack.masks import Mask
from hqtrack.video.objects import TrackedObject
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers.writer import TextWriter, VideoFacts, file_name_of


class TrackWriter(TextWriter):
    """A writer of one text file with a list for each object, in a part file until the end."""

    lists: Sequence[str] = ("masks",)
    """Lists of an object that grow side by side."""

    def __init__(self, path: Path, facts: VideoFacts) -> None:
        super().__init__(path, facts)
        self._parts: dict[tuple[int, str], tuple[Path, IO[str]]] = {}
        self._objects: Sequence[TrackedObject] = ()
        self._count = 0
        self._size = (0, 0)

    def _list(self, number: int, kind: str) -> IO[str]:
        """Return the list of an object; it is made where there is none."""
        if (number, kind) not in self._parts:
            path = self.path.with_name(f"{self.path.name}.{number}.{kind}.part")
            self._parts[number, kind] = path, files.create_text(path)
        return self._parts[number, kind][1]

    def write(self, tracked: TrackedFrame) -> None:
        """Take the frame."""
        self._objects, self._size = tracked.objects, tracked.masks.shape[1:]
        self.add(tracked)
        self._count += 1

    @abstractmethod
    def add(self, tracked: TrackedFrame) -> None:
        """Append a frame to the lists."""

    def _copy(self, number: int, kind: str) -> None:
        """Put a list into the file."""
        path, file = self._parts[number, kind]
        file.close()
        with path.open(encoding="utf-8") as part:
            shutil.copyfileobj(part, self._file)

    def finish(self) -> None:
        """Close the file and give it its name."""
        super().finish()
        self._remove_parts()

    def discard(self) -> None:
        """Remove all files."""
        super().discard()
        self._remove_parts()

    def _remove_parts(self) -> None:
        for path, file in self._parts.values():
            with suppress(OSError):
                file.close()
            files.remove(path)
        self._parts = {}


class YouTubeVis(TrackWriter):
    """A YouTube-VIS data set of one video: an annotation for each object, with masks of all frames.

    As in the COCO file each object is a category of its own.
    """

    lists = ("segmentations", "bboxes", "areas", "scores")

    def add(self, tracked: TrackedFrame) -> None:
        """Append a frame's name, and each object's mask, box, area and score."""
        self._item(0, "names", json.dumps(file_name_of(tracked.frame)), self._count)
        rows = zip(tracked.objects, tracked.boxes, tracked.run_lengths, tracked.scores, strict=True)
        for each, box, run_lengths, score in rows:
            new = (each.id, self.lists[0]) not in self._parts
            values = (run_lengths, box[:4], box[4], score) if box else (None, None, None, 0.0)
            for kind, value in zip(self.lists, values, strict=True):
                before = 0.0 if kind == "scores" else None
                for place in range(self._count if new else 0):
                    self._item(each.id, kind, json.dumps(before), place)
                self._item(each.id, kind, json.dumps(value), self._count)

    def _item(self, number: int, kind: str, text: str, earlier: int) -> None:
        self._list(number, kind).write(f"{',' if earlier else ''}{text}")

    def finish(self) -> None:
        """Put the lists together."""
        height, width = self._size
        video = {"id": 1, "name": self._facts.title, "width": width, "height": height, "length": self._count}
        self._file.write(f'{{\n"videos": [{json.dumps(video)[:-1]}, "file_names": [')
        if self._count:
            self._copy(0, "names")
        categories = [{"id": each.id, "name": each.title} for each in self._objects]
        self._file.write(f']}}],\n"categories": {json.dumps(categories)},\n"annotations": [')
        for place, each in enumerate(self._objects):
            sizes = {"width": width, "height": height, "length": self._count}
            ids = {"id": each.id, "video_id": 1, "category_id": each.id, "iscrowd": 0}
            self._file.write(f"{',' if place else ''}\n{json.dumps(ids | sizes)[:-1]}")
            for kind in self.lists:
                self._file.write(f', "{kind}": [')
                self._copy(each.id, kind)
                self._file.write("]")
            self._file.write("}")
        self._file.write("\n]\n}\n")
        super().finish()


class CvatTracks(TrackWriter):
    """An XML file of CVAT for videos: a track of masks for each object."""

    def __init__(self, path: Path, facts: VideoFacts) -> None:
        super().__init__(path, facts)
        self._seen: dict[int, str] = {}

    def add(self, tracked: TrackedFrame) -> None:
        """Append a frame to each object's track; the first one without it marks it as outside."""
        for each, mask in zip(tracked.objects, tracked.masks, strict=True):
            file = self._list(each.id, "masks")
            index = tracked.frame.index - self._facts.first  # CVAT counts from 0
            if mask.any():
                shape = _shape(mask)
                file.write(f'    <mask frame="{index}" keyframe="1" outside="0" {shape}/>\n')
                self._seen[each.id] = shape
            elif each.id in self._seen:
                shape = self._seen.pop(each.id)
                file.write(f'    <mask frame="{index}" keyframe="1" outside="1" {shape}/>\n')

    def finish(self) -> None:
        """Put the tracks together."""
        names = dict.fromkeys(each.title for each in self._objects)
        labels = "".join(f"<label><name>{escape(name)}</name><type>mask</type></label>" for name in names)
        height, width = self._size
        self._file.write(
            '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta><task>'
            f"<name>{escape(self._facts.title)}</name><size>{self._count}</size><mode>interpolation</mode>"
            f"<labels>{labels}</labels><original_size><width>{width}</width><height>{height}</height>"
            "</original_size></task></meta>\n"
        )
        for place, each in enumerate(self._objects):
            self._file.write(f'  <track id="{place}" label="{escape(each.title)}" source="auto">\n')
            self._copy(each.id, "masks")
            self._file.write("  </track>\n")
        self._file.write("</annotations>\n")
        super().finish()


def _shape(mask: Mask) -> str:
    """Return a mask (H, W) with pixels as CVAT writes it: its box, and run lengths by rows within the box.

    The first run is background.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = rows[0], columns[0]
    part = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    changes = np.flatnonzero(np.diff(part.ravel(), prepend=False))
    runs = np.diff(changes, prepend=0, append=part.size)
    height, width = part.shape
    return (
        f'occluded="0" rle="{", ".join(map(str, runs))}" left="{left}" top="{top}" width="{width}" '
        f'height="{height}" z_order="0"'
    )
