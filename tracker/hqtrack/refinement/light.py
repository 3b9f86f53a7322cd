"""The light refiner: each object in a crop of its own, at its own scale, whatever the frame's size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hqtrack.images import MEAN, STD, Image
from hqtrack.masks import Mask, Masks, box_of
from hqtrack.nets.folding import folded
from hqtrack.nets.light_segmenter import CROP, PROMPTS, LightSegmenter
from hqtrack.refinement.prompts import Prediction, Prompts, check_image
from hqtrack.refinement.windows import FramePoints, Window, box_map, cut, paste, point_map, window_around
from hqtrack.zoo.checkpoints import load_into, read_checkpoint

CROPS_AT_ONCE = 16
"""Crops in one batch: bounds memory, about 20 MB for each crop."""

REFINED_CROP = 224
"""Side of the crops in which masks that are tracked are refined, in pixels: every frame pays for it. An
object that is asked for is seen at `CROP`, and once more mirrored: that happens once."""

LARGER_WINDOW_MARGIN = 0.25
"""Of the masks at a point, that of the largest window is taken whose predicted IoU is so near to the best:
close up, a part of an object looks like an object of its own."""

PADDING_COLOUR = tuple(round(255 * value) for value in MEAN)
"""What a crop shows beyond the frame."""


class _Object(NamedTuple):
    """What is known of one object, in pixels of the frame."""

    window: Window
    box: Sequence[float] | None = None
    mask: Mask | None = None
    points: FramePoints = ()
    beside: FramePoints = ()


class PromptedLight:
    """The light segmenter, ready to use.

    A box gives the crop. Points alone do not: the object is first looked for at several scales, from the
    whole frame to the points' surroundings; the mask that is found gives the crop and a prompt.

    Args:
        network: With its weights.
        device: Where it works.
        dtype: Type of the network's weights.
        side: Of the crops in which given masks are refined, in pixels; a multiple of 32.
    """

    def __init__(
        self,
        network: LightSegmenter,
        *,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        side: int = REFINED_CROP,
    ) -> None:
        network = folded(network.eval().requires_grad_(False))
        self.network = network.to(device, dtype).to(memory_format=torch.channels_last)
        self.device = device
        self.dtype = dtype
        self.side = side
        self._mean = torch.tensor(MEAN, device=device).view(3, 1, 1) * 255
        self._std = torch.tensor(STD, device=device).view(3, 1, 1) * 255

    def encode(self, image: Image) -> Image:
        """Check a frame (H, W, 3) uint8 RGB; crops are encoded when the prompts are known.

        Raises:
            InputError: The image has another shape or dtype.
        """
        check_image(image)
        return image

    def decode(self, image: Image, prompts: Prompts) -> Prediction:
        """Predict one mask for each object, in batches of `CROPS_AT_ONCE` crops.

        Args:
            image: From `encode`.
            prompts: Of at least one object; on any device.
        """
        size = (image.shape[0], image.shape[1])
        objects = []
        for index in range(prompts.count):
            points, beside = prompts.signed_points(index)
            if prompts.boxes is None:
                objects.append(self._found(image, points, beside))
                continue
            box = prompts.boxes[index].tolist()
            mask = None if prompts.masks is None else prompts.masks[index].cpu().numpy()
            objects.append(_Object(window_around(box, size), box, mask, points, beside))
        masks, quality = self._masks(
            image, objects, refining=prompts.masks is not None and prompts.points is None
        )
        return Prediction(torch.from_numpy(masks), torch.tensor(quality))

    def _found(self, image: Image, points: FramePoints, beside: FramePoints) -> _Object:
        """Look for the object at points."""
        size = (image.shape[0], image.shape[1])
        tries = [_Object(window, points=points, beside=beside) for window in windows_at(points, size)]
        masks, quality = self._masks(image, tries, refining=False)
        found = [index for index in range(len(tries)) if masks[index].any()]
        if not found:
            return tries[0]
        good = max(quality[index] for index in found) - LARGER_WINDOW_MARGIN
        best = next(index for index in found if quality[index] >= good)
        box = box_of(masks[best])
        assert box is not None, "it has pixels"
        return _Object(window_around(box, size), box, masks[best], points, beside)

    def _masks(
        self, image: Image, objects: Sequence[_Object], *, refining: bool
    ) -> tuple[Masks, list[float]]:
        size = (image.shape[0], image.shape[1])
        masks = np.zeros((len(objects), *size), bool)
        quality: list[float] = []
        for start in range(0, len(objects), CROPS_AT_ONCE):
            chunk = objects[start : start + CROPS_AT_ONCE]
            logits, judged = self._predicted(image, chunk, refining=refining)
            quality += judged.tolist()
            for index, (logit, one) in enumerate(zip(logits, chunk, strict=True), start):
                masks[index] = paste(logit, one.window, size, one.mask)
        return masks, quality

    @torch.inference_mode()
    def _predicted(
        self, image: Image, objects: Sequence[_Object], *, refining: bool
    ) -> tuple[npt.NDArray[np.float32], Tensor]:
        side = self.side if refining else CROP
        crops = np.empty((len(objects), side, side, 3), np.uint8)
        maps = np.zeros((len(objects), side, side, PROMPTS), np.float32)
        for crop, drawn, one in zip(crops, maps, objects, strict=True):
            crop[:] = cut(image, one.window, side, PADDING_COLOUR)
            if one.mask is not None:
                drawn[..., 0] = np.where(cut(one.mask.view(np.uint8) * 255, one.window, side) > 127, 1, -1)
            if one.box is not None:
                drawn[..., 1] = box_map(one.box, one.window, side)
            drawn[..., 2] = point_map(one.points, one.window, side)
            drawn[..., 3] = point_map(one.beside, one.window, side)
        pixels = torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2)
        normalised = (pixels.float() - self._mean) / self._std
        prompts = torch.from_numpy(maps).to(self.device).permute(0, 3, 1, 2)
        normalised, prompts = normalised.to(self.dtype), prompts.to(self.dtype)
        logits, quality = self.network(normalised, prompts)
        if not refining:
            mirrored, again = self.network(normalised.flip(-1), prompts.flip(-1))
            logits, quality = (logits + mirrored.flip(-1)) / 2, (quality + again) / 2
        return logits.float().cpu().numpy(), quality.float().sigmoid().cpu()


def windows_at(points: FramePoints, size: tuple[int, int]) -> list[Window]:
    """Return windows in which to look for an object at points: the frame, its half and its quarter."""
    height, width = size
    windows = [Window(0, 0, width, height)]
    for part in (2, 4):
        across, down = max(width // part, 48), max(height // part, 48)
        if across >= width and down >= height:
            break
        xs, ys = [x for x, _ in points], [y for _, y in points]
        left, top = (min(xs) + max(xs)) / 2 - across / 2, (min(ys) + max(ys)) / 2 - down / 2
        x0 = round(min(max(left, 0), max(width - across, 0)))
        y0 = round(min(max(top, 0), max(height - down, 0)))
        window = Window(x0, y0, min(x0 + across, width), min(y0 + down, height))
        if any(not (window.x0 <= x < window.x1 and window.y0 <= y < window.y1) for x, y in points):
            break
        windows.append(window)
    return windows


def load_light(path: Path, *, device: torch.device, dtype: torch.dtype = torch.float32) -> PromptedLight:
    """Build the light segmenter with weights that `hqtrack train export` wrote.

    Raises:
        WeightsError: The file is missing, damaged, or of another network.
    """
    network = LightSegmenter()
    load_into(network, "light_segmenter", read_checkpoint(path), path)
    return PromptedLight(network.float(), device=device, dtype=dtype)
