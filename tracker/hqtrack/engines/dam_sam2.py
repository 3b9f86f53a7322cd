"""SAM 2.1 with distractor-aware memory as an engine: the same network remembers other frames.

The library reads memory by the numbers of frames just before. Here the frames that `KeptFrames` chose stand
in their places, so that nothing of the library is changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hqtrack.cards import Card
from hqtrack.engines.compiling import compile_if_wanted
from hqtrack.engines.distractors import RECENT, Hypotheses, KeptFrames
from hqtrack.engines.engine import Start
from hqtrack.engines.sam2 import SAM2, load_model, starter_of
from hqtrack.images import Image
from hqtrack.masks import LabelMap
from hqtrack.propagation import Found

if TYPE_CHECKING:
    from transformers import Sam2VideoModel

FEATURES = ("maskmem_features", "maskmem_pos_enc")
"""Keys under which the library keeps the memory of a frame, (places, 1, channels) each."""


def load(card: Card, weights: Path | None, *, device: torch.device, dtype: torch.dtype) -> Start:
    """Load SAM 2.1 for distractor-aware memory; see `hqtrack.engines.Load`."""
    model = load_model(card, weights)
    compile_if_wanted(card, model.vision_encoder, device=device)
    return starter(model, device=device, dtype=dtype)


def starter(model: Sam2VideoModel, *, device: torch.device, dtype: torch.dtype) -> Start:
    """Return what starts a video with a model that has its weights."""
    model.num_maskmem = RECENT + 1  # frames whose memory is read: the given ones, and so many recent ones
    return starter_of(DistractorAwareSAM2, model, device=device, dtype=dtype)


Output = dict[str, Tensor]
"""What the library keeps of an object in a frame."""


@dataclass
class _RememberedObject:
    """What is kept of one object."""

    frames: KeptFrames
    memory: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    """Of recent frames."""
    pointers: dict[int, Tensor] = field(default_factory=dict)
    """Of the last frames, all of them."""
    anchored: list[int] = field(default_factory=list)
    """Anchors that the library has among the frames with given masks."""

    def keep(self, number: int, last: Output | None, given: dict[int, Output], *, pointers: int) -> None:
        """Keep of a frame what is to be read later, and drop what no longer is.

        Args:
            number: Of the frame.
            last: What the library found in it; None if masks were given.
            given: What the library keeps of frames with given masks; anchors are put there, too.
            pointers: Frames whose pointers are kept.
        """
        if last is not None:
            self.pointers[number] = last["object_pointer"]
            self.memory[number] = {key: last[key] for key in FEATURES}
            if number in self.frames.anchors:
                given[number] = last
                self.anchored.append(number)
        for old in set(self.anchored) - set(self.frames.anchors):
            self.anchored.remove(old)
            del given[old]
        self.memory = {each: self.memory[each] for each in self.frames.recent if each in self.memory}
        self.pointers = {each: self.pointers[each] for each in self.pointers if each > number - pointers}

    def as_read(self, number: int, like: Output) -> dict[int, Output]:
        """Return what is kept, as if it were of the frames just before a frame.

        Args:
            number: Of the frame that is to be found.
            like: Of any frame.
        """
        nothing = {key: like[key][:0] for key in FEATURES}
        places = dict(zip(range(number - 1, -1, -1), self.memory.values(), strict=False))
        return {
            each: {"object_pointer": pointer, **places.get(each, nothing)}
            for each, pointer in self.pointers.items()
        }


class DistractorAwareSAM2(SAM2):
    """One video's propagation by SAM 2.1 with distractor-aware memory; see `SAM2`."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._objects: list[_RememberedObject] = []

    def add(self, image: Image, labels: LabelMap, count: int) -> None:
        """Add objects; see `hqtrack.engines.Engine`."""
        super().add(image, labels, count)
        areas = self._areas(labels, count)
        self._objects += [_RememberedObject(KeptFrames(self._number, area)) for area in areas]

    def add_reference(self, image: Image, labels: LabelMap) -> None:
        """Take a frame as the current one and as a conditioning frame; see `hqtrack.engines.Engine`."""
        super().add_reference(image, labels)
        for each, area in zip(self._objects, self._areas(labels, self.count), strict=True):
            each.frames.give(self._number, area)

    def remove(self, objects: Collection[int]) -> None:
        """Forget objects; see `hqtrack.engines.Engine`."""
        super().remove(objects)
        self._objects = [each for place, each in enumerate(self._objects, 1) if place not in objects]

    def find(self, image: Image) -> Found:
        """Find all objects in the next frame, and decide of which of them it is kept."""
        with self._hypotheses() as every:
            found = super().find(image)
        for each, hypotheses in zip(self._objects, every, strict=True):
            each.frames.see(self._number, hypotheses)
        return found

    def _areas(self, labels: LabelMap, count: int) -> list[int]:
        """Return the areas of objects in labels (H, W), in pixels of the hypotheses."""
        scale = (self._side // 4) ** 2 / labels.size
        return [round(int((labels == number).sum()) * scale) for number in range(1, count + 1)]

    @contextmanager
    def _hypotheses(self) -> Iterator[list[Hypotheses]]:
        """Collect the mask decoder's hypotheses of each object."""
        every: list[Hypotheses] = []

        def note(_: object, __: object, output: tuple[Tensor, ...]) -> None:
            logits, qualities, _tokens, present = output
            quality, chosen = qualities[0, 0].float().max(0)
            masks = (logits[0, 0] > 0).cpu().numpy()
            every.append(Hypotheses(masks, int(chosen), float(quality), float(present.flatten()[0]) > 0))

        hook = self._model.mask_decoder.register_forward_hook(note)
        try:
            yield every
        finally:
            hook.remove()

    def _prune(self) -> None:
        """Put the frames that are kept where the library reads those before the current one."""
        outputs = self._session.output_dict_per_obj
        for place, each in enumerate(self._objects):
            given, found = outputs[place]["cond_frame_outputs"], outputs[place]["non_cond_frame_outputs"]
            each.keep(self._number - 1, found.get(self._number - 1), given, pointers=self._read_back)
            found.clear()
            found.update(each.as_read(self._number, next(iter(given.values()))))
            tracked = self._session.frames_tracked_per_obj[place]
            for number in [number for number in tracked if number < self._number - self._read_back]:
                del tracked[number]
