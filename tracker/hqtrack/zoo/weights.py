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


def locate(weights: Weights) -> Path | None:
    """Give the path at which weights lie, or None."""
    return next((path for path in places(weights) if path.is_file()), None)


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
    path = locate(weights)
    if path is not None:
        return path
    raise WeightsError(f"the weights {weights.label} ({weights.file}) are missing. {remedy(weights)}")


def remedy(weights: Weights) -> str:
    """Say how a person gets weights that are missing."""
    put = _put(weights)
    if weights.origin == "embedded":
        return f"They come with the package: reinstall hqtrack, or {put}."
    if weights.origin == "to-be-trained":
        return f"Nobody published them: train them with `hqtrack train`, then {put}."
    if weights.url is None:
        return f"There is no direct download: get them from {weights.page}, then {put}."
    return f"Download them with: hqtrack weights pull {weights.label} ({by_hand(weights)})."


def by_hand(weights: Weights) -> str:
    """Say how a person gets published weights with a browser."""
    return f"or by hand: get them from {weights.url}, described at {weights.page}, then {_put(weights)}"


def _put(weights: Weights) -> str:
    """Say where a file belongs."""
    folders = " or ".join(str(path.parent) for path in places(weights))
    return f"put the file {Path(weights.file).name} into {folders}"


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


def check_sha256(weights: Weights, path: Path) -> str:
    """Compare a file with its SHA-256: the card's, else the one recorded at its first download.

    A published file that was put in place by hand has neither: its SHA-256 is recorded now.

    Returns:
        What was found, in a few words.

    Raises:
        WeightsError: The file differs.
    """
    digest = sha256_of(path)
    expected = weights.sha256 or recorded_sha256(path)
    if expected is None and weights.origin == "published":
        record_sha256(path, digest)
        return f"recorded {digest[:12]}… (its authors publish none)"
    if expected is None:
        return f"the card states no SHA-256; it is {digest}"
    if digest != expected:
        again = f"hqtrack weights pull {weights.label} --force" if weights.url else remedy(weights)
        raise WeightsError(
            f"{path} is damaged: its SHA-256 is {digest}, not {expected}; get it again: {again}"
        )
    return f"good {digest[:12]}…"


def recorded_sha256(path: Path) -> str | None:
    """Give the SHA-256 recorded for a file, if one is."""
    record = record_of(path)
    words = record.read_text(encoding="utf-8").split() if record.is_file() else []
    return words[0] if words else None
