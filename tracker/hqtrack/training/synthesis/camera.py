"""What a camera does to a synthetic sequence: light, exposure, blur, noise and compression."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hqtrack.training.synthesis.draws import Draws


def recorded(
    frames: Tensor, t: NDArray[np.float64], speed: float, shift: NDArray[np.float64], draws: Draws
) -> Tensor:
    """Return frames as a camera would record them.

    Args:
        frames: (T, 3, H, W) float, 0 to 255; changed.
        t: (T,) times of the frames.
        speed: Of all motion; fast sequences are blurred more often.
        shift: (T, 2) the camera's shift in pixels.
        draws: All random choices.

    Returns:
        (T, 3, H, W) uint8.
    """
    if draws.chance(0.6):
        _light(frames, shift, draws)
    frames = _exposed(frames, t, speed, draws)
    if draws.chance(0.06):
        frames = frames.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    if draws.chance(0.25):
        frames = _unsharp(frames, draws)
    if draws.chance(0.2 * min(1.0, speed)):
        frames = _motion_blurred(frames, draws)
    if draws.chance(0.5):
        frames = _noisy(frames, draws)
    frames = frames.clamp(0, 255).to(torch.uint8)
    if draws.chance(0.25):
        quality = int(draws.rng.integers(15, 75))
        frames = torch.stack([_recompressed(frame, quality) for frame in frames])
    return frames


def _light(frames: Tensor, shift: NDArray[np.float64], draws: Draws) -> None:
    """Shade frames in place: sun and shade stay where they are while objects move through them."""
    size = frames.shape[-1]
    cells = int(draws.rng.integers(2, 6))
    field = torch.from_numpy(
        draws.rng.normal(0, draws.uniform(0.1, 0.5), (1, 1, cells, cells)).astype(np.float32)
    )
    margin = size // 4
    wide = size + 2 * margin
    field = F.interpolate(field, size=(wide, wide), mode="bicubic")
    if draws.chance(0.6):
        field = draws.uniform(0.2, 0.6) * torch.tanh(field * draws.uniform(3, 20))
    light = torch.exp(field[0, 0]).to(frames.device)
    for frame, offset in zip(frames, shift, strict=True):
        x, y = (margin - np.clip(np.round(offset), -margin, margin).astype(int)).tolist()
        frame *= light[y : y + size, x : x + size]


def _exposed(frames: Tensor, t: NDArray[np.float64], speed: float, draws: Draws) -> Tensor:
    """Change colour, contrast and brightness, which may vary over time."""
    colour = 1 + (draws.rng.normal(0, 0.12, 3) if draws.chance(0.6) else np.zeros(3))
    contrast = math.exp(draws.rng.normal(0, 0.15))
    exposure = np.exp(draws.path(t) * 0.03 * speed) if draws.chance(0.5) else np.ones(len(t))
    gain = torch.from_numpy(np.outer(exposure, colour) * contrast).float().to(frames.device)
    return frames * gain[:, :, None, None] + float(draws.rng.normal(0, 12)) + 128 * (1 - contrast)


def _unsharp(frames: Tensor, draws: Draws) -> Tensor:
    size = frames.shape[-1]
    side = max(32, int(size / draws.uniform(1.1, 2.2)))
    small = F.interpolate(frames, size=(side, side), mode="bilinear", antialias=True)
    return F.interpolate(small, size=(size, size), mode="bicubic")


def _motion_blurred(frames: Tensor, draws: Draws) -> Tensor:
    """Average frames over a straight stretch of shifts."""
    size = frames.shape[-1]
    reach, angle = int(draws.rng.integers(2, 5)), draws.uniform(0, math.pi)
    steps = [(round(k * math.sin(angle)), round(k * math.cos(angle))) for k in range(-reach, reach + 1)]
    padded = F.pad(frames, (reach,) * 4, mode="replicate")
    shifted = [
        padded[..., reach + dy : reach + dy + size, reach + dx : reach + dx + size] for dy, dx in steps
    ]
    return torch.stack(shifted).mean(0)


def _noisy(frames: Tensor, draws: Draws) -> Tensor:
    size = frames.shape[-1]
    noise = torch.from_numpy(draws.rng.standard_normal((1, 3, size + 8, size + 8), dtype=np.float32))
    noise = noise.to(frames.device) * draws.uniform(0, 8)
    return torch.cat(
        [
            frame[None] + noise[..., k % 8 : k % 8 + size, k % 5 : k % 5 + size]
            for k, frame in enumerate(frames)
        ]
    )


def _recompressed(frame: Tensor, quality: int) -> Tensor:
    """Return a frame (3, H, W) uint8 with the artefacts of JPEG; it passes through the CPU."""
    image = np.ascontiguousarray(frame.cpu().numpy()[::-1].transpose(1, 2, 0))
    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)
    return torch.from_numpy(np.ascontiguousarray(decoded[..., ::-1].transpose(2, 0, 1))).to(frame.device)
