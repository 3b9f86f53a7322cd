"""Frames as the published networks saw them: resized by OpenCV, when the references were recorded.

OpenCV's resizing differs from processor to processor, and references follow it. `resized.json` holds for each
frame and size where the recorded one (IPP for AVX-512) differs from ours, which is the same everywhere.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np

from hqtrack.images import Image
from hqtrack.propagation.frame import resize_image

FILE = Path(__file__).parent / "data" / "parity" / "resized.json"


def published_input(image: Image, size: tuple[int, int]) -> Image:
    """Return a frame (H, W, 3) of the reference clip, or a part of it, at a network's input size."""
    resized = resize_image(image, size)
    if image.shape[:2] == size:
        return resized
    places, steps = _differences()[key_of(image, size)]
    resized.ravel()[places] = (resized.ravel()[places].astype(int) + steps).astype(np.uint8)
    return resized


def key_of(image: Image, size: tuple[int, int]) -> str:
    """Name a frame and the size to which it is resized."""
    digest = hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()[:12]
    return f"{digest} {size[0]}x{size[1]}"


@cache
def _differences() -> dict[str, tuple[list[int], list[int]]]:
    return {key: (places, steps) for key, (places, steps) in json.loads(FILE.read_text("utf-8")).items()}
