"""The processes that train together, where torchrun started several."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist

from hqtrack.errors import InputError


def processes() -> tuple[int, int]:
    """Return this process's rank and how many processes train together."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def share_of(batch: int) -> int:
    """Return how many of a batch's sequences one process makes.

    Raises:
        InputError: The batch cannot be shared evenly.
    """
    _, count = processes()
    if batch % count:
        raise InputError(f"a batch of {batch} cannot be shared by {count} processes; choose a multiple")
    return batch // count


@contextmanager
def joined(device: str) -> Iterator[tuple[str, int]]:
    """Join the processes that torchrun started, if it did.

    Args:
        device: auto, cpu, cuda or cuda:N.

    Yields:
        This process's device and rank.

    Raises:
        InputError: There is no such device.
    """
    if device not in ("auto", "cpu") and not device.startswith("cuda"):
        raise InputError(f"--device {device}: there are auto, cpu and cuda")
    cuda = torch.cuda.is_available()
    if device.startswith("cuda") and not cuda:
        raise InputError(f"--device {device}: this machine has no CUDA device that PyTorch can use")
    target = ("cuda" if cuda else "cpu") if device == "auto" else device
    if not dist.is_torchelastic_launched():
        yield target, 0
        return
    if target.startswith("cuda"):
        target = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(target)
    dist.init_process_group("nccl" if target.startswith("cuda") else "gloo")
    try:
        yield target, dist.get_rank()
    finally:
        dist.destroy_process_group()
