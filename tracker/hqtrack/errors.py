"""Errors that users see: each message says what was wrong, with which value, and what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


class HQTrackError(Exception):
    """Base of every error that HQTrack raises on purpose."""


class InputError(HQTrackError, ValueError):
    """An image, mask, prompt or option that cannot be used."""


class StateError(HQTrackError, RuntimeError):
    """A call that does not fit the tracker's state, such as `track` before `initialize`."""


class CardError(HQTrackError, ValueError):
    """A model card that is unknown or not valid."""


class WeightsError(HQTrackError, RuntimeError):
    """Weights that are missing, damaged, or of another network."""


class DataError(HQTrackError, ValueError):
    """A dataset, workspace or video that cannot be read."""


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Return the system's errors about an open file its name, which they lack: a full disk, for example."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "Insufficient memory", "not enough memory")
"""How PyTorch and OpenCV say it."""


def told(error: Exception) -> str | None:
    """Say in a line what went wrong; None where it is a fault of ours, or nobody is there to be told."""
    if isinstance(error, HQTrackError):
        return str(error)
    if isinstance(error, MemoryError) or any(text in str(error) for text in OUT_OF_MEMORY):
        return "there is not enough memory; try a smaller --max-long-edge, or --device cpu"
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror or error}"
    return None
