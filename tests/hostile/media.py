"""Small real files to break: pictures, masks, videos, checkpoints."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image as Pillow
from safetensors.torch import save

SIZE = (24, 32)
FRAMES = 12

PICTURES = (".png", ".jpg", ".webp", ".tif", ".bmp", ".ppm", ".jp2")
VIDEOS = (".mp4", ".mkv", ".avi", ".mov", ".webm")
CHECKPOINTS = (".pth", ".safetensors")


def pixels(seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (*size, 3)).astype(np.uint8)


@cache
def picture(suffix: str) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels()).save(
        file, {".jpg": "JPEG", ".jp2": "JPEG2000", ".tif": "TIFF"}.get(suffix, suffix[1:])
    )
    return file.getvalue()


@cache
def mask(suffix: str = ".png") -> bytes:
    labels = np.zeros(SIZE, np.uint8)
    labels[4:12, 4:16] = 1
    labels[14:20, 8:28] = 2
    file = io.BytesIO()
    Pillow.fromarray(labels).save(file, {".tif": "TIFF"}.get(suffix, suffix[1:]))
    return file.getvalue()


def write_video(path: Path, frames: int = FRAMES, size: tuple[int, int] = SIZE) -> Path:
    codec = {".avi": "mpeg4", ".webm": "libvpx"}.get(path.suffix, "libx264")
    options = {"movflags": "faststart"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25, options={"g": "4"})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        for index in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels(index, size))))
        container.mux(stream.encode())
    return path


@cache
def checkpoint(suffix: str) -> bytes:
    state = {"encoder.weight": torch.rand(8, 4), "encoder.bias": torch.rand(8), "steps": torch.tensor(3)}
    if suffix == ".safetensors":
        return save(state)
    file = io.BytesIO()
    torch.save({"state_dict": state}, file)
    return file.getvalue()
