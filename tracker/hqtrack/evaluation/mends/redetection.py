"""Redetection: an object is shown for some frames, and then in the opposite corner of the frame.

Release 0.9.0 makes its transformer without the storage that it needs, which ends even the search for results.
With a storage, the sequence has as many frames as `initialization` has, whatever `length` is, so that the
object never moves; and the truth of the moved object is beside it.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from vot.dataset import InMemorySequence, Sequence
from vot.dataset.common import read_sequence, write_sequence
from vot.dataset.proxy import FrameMapSequence
from vot.experiment.transformer import Redetection
from vot.region import Rectangle
from vot.utilities import arg_hash
from vot.workspace import Workspace


def mend() -> bool:
    """Return whether transformers had no storage or the sequence was too short; both are put right."""
    without_storage = "_cache" not in inspect.getsource(Workspace.__init__)
    if without_storage:
        Workspace.__init__ = _with_storage(Workspace.__init__)
    too_short = "(len(source) - self.initialization)" in inspect.getsource(Redetection.__call__)
    if too_short:
        Redetection.__call__ = _redetection
    return without_storage or too_short


def _with_storage(original: Any) -> Any:
    def __init__(self: Workspace, directory: str, **settings: Any) -> None:
        original(self, directory, **settings)
        storage = self.storage.substorage("cache").substorage("transformer")
        for experiment in self.stack:
            for transformer in experiment.transformers:
                if transformer._cache is None:
                    transformer._cache = storage

    return __init__


def _redetection(self: Redetection, sequence: Sequence) -> list[Sequence]:
    if self._cache is None:
        raise RuntimeError("the redetection transformer needs the storage of a workspace")
    folder = Path(self._cache.directory(self, arg_hash(sequence.name, **self.dump())))
    if not (folder / "sequence").is_file():  # written last
        write_sequence(str(folder), _two_frames(sequence, self.scaling))
    frames = [0] * self.initialization + [1] * (self.length - self.initialization)
    return [FrameMapSequence(read_sequence(str(folder)), frames)]


def _two_frames(sequence: Sequence, scaling: float) -> InMemorySequence:
    """Return the first frame on a larger ground, and the object with its surroundings in the lower right."""
    truth = sequence.groundtruth(0)
    box = Rectangle.convert(Rectangle.convert(truth))  # of a mask, the first makes a polygon
    half = int(max(box.width, box.height) * scaling / 2)
    x, y = (round(place) for place in box.center())
    width, height = (int(side * scaling) for side in sequence.size)
    corner = (width - 2 * half, height - 2 * half)
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for channel in sequence.channels():
        image = Image.fromarray(sequence.frame(0).image(channel))
        for images, part, place in (
            (before, image, (0, 0)),
            (after, image.crop((x - half, y - half, x + half, y + half)), corner),
        ):
            ground = Image.new(image.mode, (width, height))
            ground.paste(part, place)
            images[channel] = np.asarray(ground)
    generated = InMemorySequence(sequence.name, sequence.channels())
    generated.append(before, truth)
    generated.append(after, truth.move(corner[0] - (x - half), corner[1] - (y - half)))
    return generated
