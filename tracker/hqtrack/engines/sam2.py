"""SAM 2.1 as an engine, by the networks of the library `transformers` (extra `sam2`).

SAM 2 (arXiv 2408.00714) remembers a video by itself: the frames whose masks were given, the last six frames,
and object pointers of the last 16. The library keeps every frame and output of a video. Here all that can no
longer be read is dropped, so that memory does not grow with the video.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hqtrack.cards import Card
from hqtrack.engines.compiling import compile_if_wanted
from hqtrack.engines.engine import Start, check_settings
from hqtrack.errors import CardError, WeightsError, require
from hqtrack.images import Image
from hqtrack.masks import LabelMap, masks_of
from hqtrack.propagation import Found
from hqtrack.zoo import checked_weights, read_checkpoint
from hqtrack.zoo.checkpoints import describe
from hqtrack.zoo.hiera import HIERAS, configuration

if TYPE_CHECKING:
    from transformers import Sam2VideoModel


def load(card: Card, weights: Path | None, *, device: torch.device, dtype: torch.dtype) -> Start:
    """Load SAM 2.1; see `hqtrack.engines.Load`."""
    model = load_model(card, weights)
    compile_if_wanted(card, model.vision_encoder, device=device)
    return starter(model, device=device, dtype=dtype)


def load_model(card: Card, weights: Path | None) -> Sam2VideoModel:
    """Return the model that a card names, with its weights, on the CPU."""
    require("transformers")
    if card.network not in HIERAS:
        raise CardError(
            f"network = {card.network!r}: the engine {card.engine} has none; choose of {', '.join(HIERAS)}"
        )
    check_settings(card)
    path = checked_weights(card.weights, weights)
    return model_with(
        import_module("transformers").Sam2VideoModel, configuration(HIERAS[card.network]), path, card.network
    )


def model_with(kind: Any, config: Any, path: Path, name: str) -> Any:
    """Return a model of the library with the weights of a file.

    Args:
        kind: Class of the model.
        config: Its configuration.
        path: Weights as the library stores them.
        name: Of the network, for messages.

    Raises:
        WeightsError: The file is unreadable, or of another network.
    """
    state = read_checkpoint(path)
    with _silent():
        model, found = kind.from_pretrained(
            None,
            config=config,
            state_dict=dict(state),
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are reported below, with all else that differs
        )
    problems = {kind: sorted(map(str, found[kind])) for kind in ("missing_keys", "unexpected_keys")}
    problems["mismatched_keys"] = sorted(str(key) for key, *_ in found["mismatched_keys"])
    if any(problems.values()):
        told = "; ".join(
            f"{len(keys)} {kind.replace('_keys', '')} ({', '.join(keys[:3])})"
            for kind, keys in problems.items()
            if keys
        )
        raise WeightsError(
            f"{path} does not fit {name}: {told}; it looks like {describe(state)}; get the file that the "
            "card names"
        )
    return model


def starter(model: Sam2VideoModel, *, device: torch.device, dtype: torch.dtype) -> Start:
    """Return what starts a video with a model that has its weights."""
    return starter_of(SAM2, model, device=device, dtype=dtype)


def starter_of(
    engine: type[SAM2],
    model: Any,
    *,
    processor: str = "Sam2ImageProcessor",
    device: torch.device,
    dtype: torch.dtype,
) -> Start:
    """Return what starts a video with a model of SAM 2's kind that has its weights.

    Args:
        engine: What propagates with it.
        model: Of the library.
        processor: Name of the library's class that prepares frames for it.
        device: Where it runs.
        dtype: Type of its parameters and input.
    """
    model = model.eval().to(device, dtype)
    side = int(model.config.image_size)
    size = {"height": side, "width": side}
    prepare = getattr(import_module("transformers"), processor)(
        size=size, mask_size={"height": side // 4, "width": side // 4}
    )
    return partial(engine, model, prepare, device=device, dtype=dtype)


class SAM2:
    """One video's propagation by SAM 2.1; see `hqtrack.engines.Engine`.

    Args:
        model: In evaluation mode, on `device`, with parameters of type `dtype`.
        processor: Resizes and normalises frames as the library does.
        device: Where the model is.
        dtype: Type of the model's input.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._model = model
        self._processor = processor
        self._device = device
        self._side = int(model.config.image_size)
        self._read_back = max(model.config.num_maskmem, model.config.max_object_pointers_in_encoder)
        module, name = type(model).__module__, type(model).__name__
        session = getattr(import_module(module), name.removesuffix("Model") + "InferenceSession")
        self._session = session(
            inference_device=device,
            inference_state_device=device,
            video_storage_device=device,
            dtype=dtype,
        )
        self._number = -1
        self._frame: Image = np.empty((0, 0, 3), np.uint8)

    @property
    def count(self) -> int:
        """Number of objects."""
        return int(self._session.get_obj_num())

    def is_at(self, image: Image) -> bool:
        """Return whether an image (H, W, 3), uint8 RGB, is the frame that the objects are at."""
        return bool(np.array_equal(image, self._frame))

    @torch.inference_mode()
    def add(self, image: Image, labels: LabelMap, count: int) -> None:
        """Add objects; see `hqtrack.engines.Engine`."""
        if self._number < 0:
            self._look_at(image)
        earlier = self.count
        self._condition(range(earlier + 1, earlier + count + 1), labels, count)
        if earlier:
            self._forward()  # beside given masks the library encodes found ones as if they were given, too

    def add_picture(self, image: Image, labels: LabelMap, count: int) -> None:
        """Add objects that a picture of any size shows; see `hqtrack.engines.LearnsFromPictures`.

        For SAM 2 all frames are squares of one size, so that a picture is a frame before the first one.
        """
        if self.count:
            self.find(image)
        self.add(image, labels, count)

    @torch.inference_mode()
    def add_reference(self, image: Image, labels: LabelMap) -> None:
        """Take a frame as the current one and as a conditioning frame; see `hqtrack.engines.Engine`."""
        if self.is_at(image):
            for tracked in self._session.frames_tracked_per_obj.values():
                tracked.pop(self._number, None)  # else the library takes the masks for a mere correction
            for outputs in self._session.output_dict_per_obj.values():
                outputs["non_cond_frame_outputs"].pop(self._number, None)
        else:
            self._look_at(image)
        self._condition(range(1, self.count + 1), labels, self.count)

    def remove(self, objects: Collection[int]) -> None:
        """Forget objects; see `hqtrack.engines.Engine`."""
        session = self._session
        kept = [place for place in range(self.count) if place + 1 not in objects]
        for states in (
            session.output_dict_per_obj,
            session.frames_tracked_per_obj,
            session.mask_inputs_per_obj,
            session.point_inputs_per_obj,
        ):
            moved = [states[place] for place in kept]
            states.clear()
            states.update(enumerate(moved))
        for numbers in (session._obj_id_to_idx, session._obj_idx_to_id):  # the library removes no objects
            numbers.clear()
        session._obj_id_to_idx.update({place + 1: place for place in range(len(kept))})
        session._obj_idx_to_id.update({place: place + 1 for place in range(len(kept))})
        session.obj_ids = list(session._obj_id_to_idx)

    @torch.inference_mode()
    def find(self, image: Image) -> Found:
        """Find all objects in the next frame; SAM 2 remembers its own masks of it at once."""
        self._look_at(image)
        if not self.count:
            return Found.nothing(image, self._device)
        logits, present = self._forward()
        height, width = image.shape[:2]
        logits = functional.interpolate(logits.float(), (height, width), mode="bilinear", align_corners=False)
        highest, index = logits[:, 0].max(dim=0)
        labels = torch.where(highest > 0, index + 1, 0).to(torch.uint8)
        seen = logits[:, 0] > 0
        sure = (logits[:, 0].sigmoid() * seen).sum((1, 2)) / seen.sum((1, 2)).clamp(min=1)
        return Found(labels, None, sure * present, lambda: logits[:, 0].sigmoid())

    def remember(self, labels: Tensor) -> None:
        """Do nothing: `find` remembered the frame with SAM 2's own masks, as published."""

    def _look_at(self, image: Image) -> None:
        """Make a frame the current one."""
        self._number += 1
        self._frame = image
        session = self._session
        session.processed_frames = None
        session.add_new_frame(self._processor(images=image, return_tensors="pt").pixel_values, self._number)
        self._prune()

    def _prune(self) -> None:
        """Drop what can no longer be read."""
        session, first = self._session, self._number - self._read_back
        for outputs, tracked in zip(
            session.output_dict_per_obj.values(), session.frames_tracked_per_obj.values(), strict=True
        ):
            outputs["non_cond_frame_outputs"].pop(first - 1, None)
            tracked.pop(first - 1, None)

    def _condition(self, ids: range, labels: LabelMap, count: int) -> None:
        """Enter the masks of objects (labels (H, W), 1 to `count`) in the current frame."""
        session = self._session
        size = (self._side, self._side)
        for identity, mask in zip(ids, masks_of(labels, count), strict=True):
            given = torch.from_numpy(mask).to(self._device, torch.float32)[None, None]
            resized = functional.interpolate(
                given, size, mode="bilinear", align_corners=False, antialias=True
            )
            session.add_mask_inputs(session.obj_id_to_idx(identity), self._number, (resized >= 0.5).float())
        session.obj_with_new_inputs = list(ids)
        self._forward()
        for given_masks in session.mask_inputs_per_obj.values():
            given_masks.clear()  # read once

    def _forward(self) -> tuple[Tensor, Tensor]:
        """Run the model on the current frame.

        Returns:
            Logits (N, 1, h, w), and (N,) float32: the probability that each object is in the frame.
        """
        frame = self._session.processed_frames[self._number]
        found = self._model(self._session, frame=frame, frame_idx=self._number)
        for outputs in self._session.output_dict_per_obj.values():
            for kept in outputs.values():
                if self._number in kept:
                    kept[self._number].pop("high_res_masks", None)  # encoded by now, and 4 MB an object
        return found.pred_masks, found.object_score_logits.flatten().float().sigmoid()


@contextmanager
def _silent() -> Iterator[None]:
    """Keep the library's progress bar and report off a terminal: errors are ours to report."""
    messages = import_module("transformers.utils.logging")
    verbosity, bar = messages.get_verbosity(), messages.is_progress_bar_enabled()
    messages.set_verbosity_error()
    messages.disable_progress_bar()
    try:
        yield
    finally:
        messages.set_verbosity(verbosity)
        if bar:
            messages.enable_progress_bar()
