"""Where weight files lie, and whether they are what they should be."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import platformdirs

from hqtrack.config import Weights
from hqtrack.errors import WeightsError
from hqtrack.zoo.cards import models_folder

CACHE_VARIABLE = "HQTRACK_CACHE"
"""Environment variable that names another folder for downloaded weights."""

_BLOCK = 1 << 20


def cache_folder() -> Path:
    """Give the folder of downloaded weights: `$HQTRACK_CACHE`, or one in the user's cache."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("hqtrack") / "weights"


def places(weights: Weights) -> list[Path]:
    """Give the paths at which weights are looked for, in that order."""
    return [models_folder() / "weights" / weights.file, cache_folder() / weights.file]


def find_weights(weights: Weights, explicit: Path | None = None) -> Path:
    """Find a weight file: an explicit path, then `models/weights`, then the user's cache.

    Raises:
        WeightsError: It is in none of them; the message says how to get it and where to put it.
    """
    if explicit is not None:
        if explicit.is_file():
            return explicit
        raise WeightsError(
            f"no weight file at {explicit}; give the path of a file, or leave it out to use "
            f"the weights named {weights.label}"
        )
    for path in places(weights):
        if path.is_file():
            return path
    raise WeightsError(f"the weights {weights.label} ({weights.file}) are missing. {remedy(weights)}")


def remedy(weights: Weights) -> str:
    """Say how a person gets weights that are missing."""
    folders = " or ".join(str(path.parent) for path in places(weights))
    put = f"put the file {Path(weights.file).name} into {folders}"
    if weights.origin == "embedded":
        return f"They come with the package: reinstall hqtrack, or {put}."
    if weights.origin == "to-be-trained":
        return f"Nobody published them: train them with `hqtrack train`, then {put}."
    if weights.url is None:
        return f"There is no direct download: get them from {weights.page}, then {put}."
    return (
        f"Download them with: hqtrack weights pull {weights.label}\n"
        f"Or by hand: get them from {weights.url} (described at {weights.page}), then {put}."
    )


def sha256_of(path: Path) -> str:
    """Give the SHA-256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def record_of(path: Path) -> Path:
    """Give the path at which the SHA-256 of a downloaded file is recorded, in the format of `sha256sum`."""
    return path.with_name(path.name + ".sha256")


def record_sha256(path: Path, digest: str) -> None:
    """Record the SHA-256 of a file, for later checks."""
    record_of(path).write_text(f"{digest}  {path.name}\n", encoding="utf-8")


def expected_sha256(weights: Weights, path: Path) -> str | None:
    """Give the SHA-256 that a file must have: the card's, else the one recorded at its first download."""
    if weights.sha256 is not None:
        return weights.sha256
    record = record_of(path)
    if not record.is_file():
        return None
    words = record.read_text(encoding="utf-8").split()
    return words[0] if words else None
