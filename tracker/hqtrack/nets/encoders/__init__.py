"""Encoders: an image in, a pyramid of features out. Names of parameters are the published ones."""

from __future__ import annotations

from collections.abc import Callable

from hqtrack.nets.encoders.efficientnet import EfficientNetLite0
from hqtrack.nets.encoders.encoder import Encoder
from hqtrack.nets.encoders.internimage import InternImage
from hqtrack.nets.encoders.mobilenet import MobileNetV2
from hqtrack.nets.encoders.resnet import ResNet50

__all__ = ["Encoder", "build_encoder"]

_ENCODERS: dict[str, Callable[[], Encoder]] = {
    "internimage_t": InternImage,
    "resnet50": ResNet50,
    "mobilenetv2": MobileNetV2,
    "efficientnet_lite0": EfficientNetLite0,
}


def build_encoder(name: str) -> Encoder:
    """Make an encoder with fresh weights.

    Args:
        name: "internimage_t", "resnet50", "mobilenetv2" or "efficientnet_lite0".

    Raises:
        ValueError: The name is unknown.
    """
    if name not in _ENCODERS:
        raise ValueError(f"unknown encoder {name!r}; the encoders are {', '.join(sorted(_ENCODERS))}")
    return _ENCODERS[name]()
