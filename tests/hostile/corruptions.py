"""Ways in which files go wrong: cut, filled with zeros or noise, bits flipped, a piece lost or doubled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Corruption = Callable[[bytes, np.random.Generator], bytes]


def _place(content: bytes, rng: np.random.Generator) -> tuple[int, int]:
    """Return where a piece begins and ends: up to a tenth of the file."""
    start = int(rng.integers(0, max(1, len(content))))
    return start, start + int(rng.integers(1, max(2, len(content) // 10)))


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(0, max(1, len(content))))]


def zeros(content: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _place(content, rng)
    stop = min(stop, len(content))
    return content[:start] + bytes(stop - start) + content[stop:]


def noise(content: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _place(content, rng)
    stop = min(stop, len(content))
    return content[:start] + rng.bytes(stop - start) + content[stop:]


def flip(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for position in rng.integers(0, max(1, len(content)), 3):
        changed[position : position + 1] = bytes(
            byte ^ (1 << int(rng.integers(8))) for byte in changed[position : position + 1]
        )
    return bytes(changed)


def lose(content: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _place(content, rng)
    return content[:start] + content[stop:]


def double(content: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _place(content, rng)
    return content[:stop] + content[start:]


def head(content: bytes, rng: np.random.Generator) -> bytes:
    """Change one of the first bytes, where formats keep sizes and counts."""
    changed = bytearray(content)
    changed[int(rng.integers(0, max(1, min(64, len(content)))))] = int(rng.integers(256))
    return bytes(changed)


CORRUPTIONS: tuple[Corruption, ...] = (cut, zeros, noise, flip, lose, double, head)


def corrupted(content: bytes, seed: int) -> bytes:
    """Return a file that went wrong, in a way that depends on the seed alone."""
    rng = np.random.default_rng(seed)
    return CORRUPTIONS[seed % len(CORRUPTIONS)](content, rng)
