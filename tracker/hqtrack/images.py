"""One image: its type, how it is read from a file, and the order of many files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from hqtrack.errors import DataError

Image = npt.NDArray[np.uint8]


IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""Files of a folder that are frames; others are left alone."""


def read_image(path: str | Path) -> Image:
    """Read an image file.

    Grey images get three equal channels. Of 16-bit values the upper 8 bits are kept. Transparency is dropped,
    the colours under it stay. An orientation in the file's EXIF data is applied.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        DataError: The file is missing, cut short, or no image.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if content.startswith(b"\xff\xd8") and not _ends_as_jpeg(content):
        raise DataError(f"{path}: the JPEG image is cut short; copy the file again")
    # Not cv2.imread: on Windows it cannot open paths with letters beyond ASCII.
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if image is None:
        raise DataError(f"{path}: not a readable image")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _ends_as_jpeg(content: bytes) -> bool:
    """Whether the end marker follows the picture's data; decoders fill a missing rest with grey silently."""
    position = 2
    while content[position : position + 1] == b"\xff" and position + 4 <= len(content):
        if (
            content[position + 1] == 0xDA
        ):  # the picture's data start; before it, previews have ends of their own
            return content.find(b"\xff\xd9", position) >= 0
        position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    return False


def natural_order(files: Sequence[Path]) -> list[Path]:
    """Sort paths as people count: numbers in names by their value.

    Example:
        >>> [path.name for path in natural_order([Path("a10.png"), Path("a2.png")])]
        ['a2.png', 'a10.png']
    """

    def key(path: Path) -> tuple[list[tuple[int, str]], str]:
        parts = re.split(r"(\d+)", str(path).casefold())
        return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], str(path)

    return sorted(files, key=key)
