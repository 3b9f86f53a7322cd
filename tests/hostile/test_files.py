"""Broken files of every kind: they are read as far as they can be, or refused by their name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hostile.corruptions import corrupted
from hostile.media import CHECKPOINTS, FRAMES, PICTURES, SIZE, VIDEOS, checkpoint, mask, picture, write_video
from hqtrack.errors import HQTrackError
from hqtrack.images import read_image
from hqtrack.video.prompts import read_label_image
from hqtrack.video.sources import open_frames
from hqtrack.zoo import read_checkpoint

pytestmark = pytest.mark.slow

SEEDS = range(14)


@pytest.mark.parametrize("suffix", PICTURES)
def test_a_broken_picture_is_read_or_refused(tmp_path: Path, suffix: str) -> None:
    for seed in SEEDS:
        path = tmp_path / f"{seed}{suffix}"
        path.write_bytes(corrupted(picture(suffix), seed))
        try:
            image = read_image(path)
        except HQTrackError as error:
            assert path.name in str(error)
        else:
            assert image.dtype == np.uint8
            assert image.shape[2] == 3


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_a_broken_mask_is_read_or_refused(tmp_path: Path, suffix: str) -> None:
    for seed in SEEDS:
        path = tmp_path / f"{seed}{suffix}"
        path.write_bytes(corrupted(mask(suffix), seed))
        try:
            prompts = read_label_image(path, SIZE)
        except HQTrackError as error:
            assert path.name in str(error)
        else:
            assert all(prompt.mask is not None and prompt.mask.any() for prompt in prompts)


@pytest.mark.parametrize("suffix", VIDEOS)
def test_a_broken_video_gives_frames_and_says_what_is_missing(tmp_path: Path, suffix: str) -> None:
    whole = write_video(tmp_path / f"whole{suffix}").read_bytes()
    for seed in SEEDS:
        path = tmp_path / f"{seed}{suffix}"
        path.write_bytes(corrupted(whole, seed))
        indices: list[int] = []
        try:
            indices.extend(frame.index for frame in open_frames(path))
        except HQTrackError as error:
            assert path.name in str(error)
        assert indices == list(range(len(indices)))
        assert len(indices) <= 2 * FRAMES


@pytest.mark.parametrize("suffix", CHECKPOINTS)
def test_a_broken_checkpoint_is_read_or_refused(tmp_path: Path, suffix: str) -> None:
    for seed in range(42):
        path = tmp_path / f"{seed}{suffix}"
        path.write_bytes(corrupted(checkpoint(suffix), seed))
        try:
            state = read_checkpoint(path)
        except HQTrackError as error:
            assert path.name in str(error)
            assert "weights_only" not in str(error)
        else:
            assert all(isinstance(value, torch.Tensor) for value in state.values())
