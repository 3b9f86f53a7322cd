"""Cutie as an engine, by the networks of the package `rf-cutie` (extra `cutie`).

Cutie (arXiv 2310.12982) reads a memory of pixels and objects. Its long-term memory is bounded, so that memory
does not grow with the video.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hqtrack.cards import Card
from hqtrack.engines.compiling import compile_if_wanted
from hqtrack.engines.engine import Start, check_settings
from hqtrack.errors import CardError, InputError, require
from hqtrack.images import Image
from hqtrack.masks import LabelMap
from hqtrack.propagation import Found
from hqtrack.zoo import checked_weights, load_into, read_checkpoint

NETWORKS = {"cutie-base": ("base",), "cutie-small": ("base", "small")}
"""Networks by the name that a card's `network` gives, and the package's settings that make them."""

STRIDE = 16
"""Pixels of the network's input for a place of memory, along each side."""

SHORT_EDGE = 480
"""Larger frames are reduced to this shorter side, as for the authors' results."""


def load(card: Card, weights: Path | None, *, device: torch.device, dtype: torch.dtype) -> Start:
    """Load Cutie; see `hqtrack.engines.Load`."""
    require("cutie")
    if card.network not in NETWORKS:
        raise CardError(
            f"network = {card.network!r}: the engine cutie has none; choose of {', '.join(NETWORKS)}"
        )
    check_settings(card)
    config = configuration(card.network)
    path = checked_weights(card.weights, weights)
    network = build(config)
    load_into(network, card.network, read_checkpoint(path), path)
    compile_if_wanted(card, network.get_submodule("pixel_encoder"), device=device)
    return starter(network, config, device=device, dtype=dtype)


def configuration(network: str) -> Any:
    """Return the package's own settings of a network, for videos of any length."""
    omegaconf = _library("omegaconf").OmegaConf
    folder = Path(_library("cutie").__path__[0]) / "config"
    models = [omegaconf.load(folder / "model" / f"{name}.yaml") for name in NETWORKS[network]]
    own = {"use_long_term": True, "mem_every": 5, "max_internal_size": SHORT_EDGE}
    evaluation = omegaconf.load(folder / "eval_config.yaml")
    return omegaconf.merge(evaluation, {"model": omegaconf.merge(*models), **own})


def build(config: Any) -> nn.Module:
    """Return a network with random weights."""
    cutie = _library("cutie.model.cutie").CUTIE
    with _no_download():
        network: nn.Module = cutie(config)
    return network


@contextmanager
def _no_download() -> Iterator[None]:
    """Keep the package from fetching ImageNet weights, which those of Cutie replace at once."""
    resnet = _library("cutie.model.utils.resnet")
    makers = {name: getattr(resnet, name) for name in ("resnet18", "resnet50")}

    def without_weights(name: str) -> Callable[..., nn.Module]:
        return lambda **settings: makers[name](**{**settings, "pretrained": False})

    for name in makers:
        setattr(resnet, name, without_weights(name))
    try:
        yield
    finally:
        for name, maker in makers.items():
            setattr(resnet, name, maker)


def starter(network: nn.Module, config: Any, *, device: torch.device, dtype: torch.dtype) -> Start:
    """Return what starts a video with a network that has its weights."""
    warnings.filterwarnings("ignore", r"`torch\.cuda\.amp\.autocast", FutureWarning, module=r"cutie\.")
    network = network.eval().to(device, torch.float32)  # parts of it compute in nothing narrower
    return lambda: Cutie(network, config, device=device, dtype=dtype)


class Cutie:
    """One video's propagation by Cutie; see `hqtrack.engines.Engine`.

    Args:
        network: In evaluation mode, on `device`, in float32.
        config: The package's settings.
        device: Where the network is.
        dtype: Type in which a GPU computes what may be narrow, as its authors do; a CPU computes in float32.
    """

    def __init__(self, network: nn.Module, config: Any, *, device: torch.device, dtype: torch.dtype) -> None:
        inference = _library("cutie.inference.inference_core").InferenceCore
        self._new_core = partial(inference, network, config)
        self._core = self._new_core()
        self._nearest = int(config.top_k)  # places of memory that every place reads
        self._device = device
        narrow = device.type == "cuda" and dtype != torch.float32
        self._computing = partial(torch.autocast, "cuda", dtype) if narrow else nullcontext
        self._frame: Image = np.empty((0, 0, 3), np.uint8)
        self._ids: list[int] = []  # in the package, where a number is never used again
        self._next_id = 1

    @property
    def count(self) -> int:
        """Number of objects."""
        return len(self._ids)

    def is_at(self, image: Image) -> bool:
        """Return whether an image (H, W, 3), uint8 RGB, is the frame that the objects are at."""
        return bool(np.array_equal(image, self._frame))

    def add(self, image: Image, labels: LabelMap, count: int) -> None:
        """Add objects; see `hqtrack.engines.Engine`."""
        height, width = image.shape[:2]
        if math.ceil(height / STRIDE) * math.ceil(width / STRIDE) < self._nearest:
            raise InputError(
                f"Cutie needs a frame of {self._nearest} places of {STRIDE} x {STRIDE} pixels, not "
                f"{width} x {height} pixels: enlarge the video, or choose another card"
            )
        new = list(range(self._next_id, self._next_id + count))
        self._next_id += count
        self._ids += new
        self._give(image, labels, new)

    def add_reference(self, image: Image, labels: LabelMap) -> None:
        """Take a frame as the current one and remember it for good; see `hqtrack.engines.Engine`."""
        self._give(image, labels, self._ids)

    def remove(self, objects: Collection[int]) -> None:
        """Forget objects; see `hqtrack.engines.Engine`."""
        kept = [place for place in range(self.count) if place + 1 not in objects]
        if kept:
            self._core.delete_objects([self._ids[number - 1] for number in objects])
            self._core.last_mask = self._core.last_mask[:, kept]  # of which the package takes no care
        else:
            self._core = self._new_core()  # the package cannot delete its last object
        self._ids = [self._ids[place] for place in kept]

    @torch.inference_mode()
    def find(self, image: Image) -> Found:
        """Find all objects in the next frame; Cutie remembers its own masks of it at once."""
        self._frame = image
        if not self._ids:
            return Found.nothing(image, self._device)
        with self._computing():
            probabilities = self._core.step(self._pixels(image)).float()
        best, labels = probabilities.max(0)  # channels are objects in the order in which they joined
        own = labels == torch.arange(1, self.count + 1, device=self._device)[:, None, None]
        scores = (best * own).sum((1, 2)) / own.sum((1, 2)).clamp(min=1)
        labels = labels.to(torch.uint8)
        return Found(labels, None, scores, lambda: probabilities[1:])

    def remember(self, labels: Tensor) -> None:
        """Do nothing: `find` remembered the frame with Cutie's own masks, as published."""

    @torch.inference_mode()
    def _give(self, image: Image, labels: LabelMap, ids: list[int]) -> None:
        """Enter the masks of objects in a frame: labels 1, 2, … are those of the package's `ids`."""
        self._frame = image
        mask = torch.from_numpy(np.array([0, *ids])[labels]).to(self._device)
        with self._computing():
            self._core.step(self._pixels(image), mask, ids, force_permanent=True)

    def _pixels(self, image: Image) -> Tensor:
        """Return an image as (3, H, W) in 0 to 1."""
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(self._device).permute(2, 0, 1)
        return pixels.float() / 255


def _library(name: str) -> Any:
    """Import a module of the package: it has no types, and is an extra."""
    return importlib.import_module(name)
