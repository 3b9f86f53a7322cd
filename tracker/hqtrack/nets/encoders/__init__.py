"""Encoders: an image in, a pyramid of features out. Names of parameters are the published ones."""

from __future__ import annotations

from importlib import import_module

from hqtrack.errors import require
from hqtrack.nets.encoders.encoder import Encoder

__all__ = ["Encoder", "build_encoder"]

_ENCODERS = {
    "internimage_t": ("internimage", "InternImage"),
    "resnet50": ("resnet", "ResNet50"),
    "mobilenetv2": ("mobilenet", "MobileNetV2"),
    "efficientnet_lite0": ("efficientnet", "EfficientNetLite0"),
}
"""Module and class of each, imported when asked for: timm, of which most are made, takes two seconds."""


def build_encoder(name: str) -> Encoder:
    """Make an encoder with fresh weights.

    Args:
        name: "internimage_t", "resnet50", "mobilenetv2" or "efficientnet_lite0".

    Raises:
        ValueError: The name is unknown.
        MissingExtraError: timm is not installed, of which all but efficientnet_lite0 are made.
    """
    if name not in _ENCODERS:
        raise ValueError(f"unknown encoder {name!r}; the encoders are {', '.join(sorted(_ENCODERS))}")
    if name != "efficientnet_lite0":
        require("timm")
    module, kind = _ENCODERS[name]
    encoder: Encoder = getattr(import_module(f"{__name__}.{module}"), kind)()
    return encoder
