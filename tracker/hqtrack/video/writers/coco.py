"""A COCO data set of all masks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from hqtrack import files
from hqtrack.video.objects import TrackedObject
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers.writer import TextWriter, VideoFacts, file_name_of


class CocoMasks(TextWriter):
    """A COCO data set of all masks: images, annotations of the visible objects, a category for each object.

    An image's id is the frame's index in the source, a category's id and name are the object's. The file
    has one image or annotation a line.
    """

    def __init__(self, path: Path, facts: VideoFacts) -> None:
        super().__init__(path, facts)
        # The second of two lists that grow side by side.
        self._annotations = path.with_name("masks.annotations.part")
        self._second: IO[str] = files.create_text(self._annotations)
        self._objects: Sequence[TrackedObject] = ()
        self._images_written = self._annotations_written = 0
        self._size = 0, 0
        self._file.write('{\n"images": [')

    def write(self, tracked: TrackedFrame) -> None:
        """Write the frame's image and annotations."""
        frame = tracked.frame
        height, width = frame.image.shape[:2]
        entry: dict[str, Any] = {
            "id": frame.index,
            "file_name": file_name_of(frame),
            "height": height,
            "width": width,
            "time": round(float(frame.time), 6),
            "video_id": 1,
            "frame_index": frame.index,
        }
        self._images_written = _item(self._file, self._images_written, entry)
        self._size = height, width
        self._objects = tracked.objects
        forms = zip(tracked.objects, tracked.boxes, tracked.run_lengths, tracked.scores, strict=True)
        for each, box, run_lengths, score in forms:
            if box is None:
                continue
            entry = {
                "id": self._annotations_written + 1,
                "image_id": frame.index,
                "category_id": each.id,
                "segmentation": run_lengths,
                "bbox": box[:4],
                "area": box[4],
                "iscrowd": 0,
                "track_id": each.id,
                "score": score,
            }
            self._annotations_written = _item(self._second, self._annotations_written, entry)

    def finish(self) -> None:
        """Put the lists together."""
        self._second.close()
        categories = [
            {"id": each.id, "name": each.title} | ({"color": each.colour} if each.colour else {})
            for each in self._objects
        ]
        height, width = self._size
        video = {"id": 1, "name": self._facts.title, "height": height, "width": width}
        video |= {"length": self._images_written}
        self._file.write(f'\n],\n"videos": {json.dumps([video])}')
        self._file.write(f',\n"categories": {json.dumps(categories)},\n"annotations": [')
        with self._annotations.open(encoding="utf-8") as file:
            shutil.copyfileobj(file, self._file)
        self._file.write("\n]\n}\n")
        super().finish()
        self._annotations.unlink()

    def discard(self) -> None:
        """Remove both files."""
        super().discard()
        with suppress(OSError):
            self._second.close()
        files.remove(self._annotations)


def _item(file: IO[str], earlier: int, entry: Mapping[str, Any]) -> int:
    """Write the next item of a JSON list; returns how many it has now."""
    file.write((",\n" if earlier else "\n") + json.dumps(entry))
    return earlier + 1
