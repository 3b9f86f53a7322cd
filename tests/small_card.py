"""The least that a card can say."""

from pathlib import Path

MINIMAL = """
name = "mine"
title = "a system of my own"
network = "vmos"
[weights]
file = "mine.pth"
origin = "published"
"""


def card_of(folder: Path, text: str) -> Path:
    """Write a card's text to a file."""
    path = folder / "mine.toml"
    path.write_text(text)
    return path
