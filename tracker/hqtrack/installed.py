"""What comes with the package: where its cards and embedded weights are, and what the cards are called."""

from __future__ import annotations

from pathlib import Path


def models_folder() -> Path:
    """Return the folder of cards and embedded weights: package data, or the checkout's `models/`."""
    package = Path(__file__).resolve().parent
    installed = package / "models"
    return installed if installed.is_dir() else package.parents[1] / "models"


def card_names() -> list[str]:
    """Return the names of the cards that come with the package, sorted."""
    return sorted(path.stem for path in models_folder().glob("*.toml"))
