"""One image: its type, how it is read from a file, and the order of many files."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image as Pillow

from hqtrack.errors import DataError

logger = logging.getLogger(__name__)

# What cannot be read is told in a line here and by cameras; OpenCV would print a page.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

Image = npt.NDArray[np.uint8]
"""(H, W, 3) RGB."""
Size = tuple[int, int]
"""Height and width."""
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""ImageNet's statistics of red, green and blue, of 1, by which networks' images are normalised."""

_HEADER = 4096
"""Bytes in which a JPEG's EXIF data begin, if it has any."""

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""Files of a folder that are frames; others are left alone."""


def images_in(folder: Path) -> list[Path]:
    """Return the images of a folder, in natural order; hidden files are left alone.

    Raises:
        DataError: There are none, or the folder cannot be read.
    """
    try:
        names = list(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error
    files = [file for file in names if file.suffix.lower() in IMAGE_SUFFIXES and file.name[0] != "."]
    if not files:
        raise DataError(
            f"{folder}: no images in this folder (looked for {', '.join(sorted(IMAGE_SUFFIXES))})"
        )
    return natural_order(files)


def read_image(path: str | Path) -> Image:
    """Read an image file.

    Grey images get three equal channels. Of 16-bit values the upper 8 bits are kept. Transparency is dropped,
    the colours under it stay. An orientation in the file's EXIF data is applied. Damage that the decoder
    notices in a JPEG, and further pictures of a file, are said once for each folder.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        DataError: The file is missing, cut short, or no image.
    """
    path = Path(path)
    content = _content(path)
    if content.startswith(b"\xff\xd8"):
        if not _ends_as_jpeg(content):
            raise DataError(f"{path}: the JPEG image is cut short; copy the file again")
        plain = _plain_jpeg(content)
        if plain is not None:
            return plain
        if _is_damaged_jpeg(content):
            _say_once(path, "is damaged, and its picture may be wrong from there on; copy the file again")
    elif _has_further_pictures(content):
        _say_once(path, "holds several pictures, of which only the first is used; save each as a file")
    # Not cv2.imread: on Windows it cannot open paths with letters beyond ASCII.
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    except cv2.error:  # beyond the sizes that OpenCV allows
        image = None
    if image is None:
        raise DataError(f"{path}: not a readable image")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _content(path: Path) -> bytes:
    try:
        waits = path.exists() and not path.is_file()
        content = b"" if waits else path.read_bytes()
    except (OSError, ValueError) as error:  # the second for names that no file can have
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if waits:
        raise DataError(f"{path}: is not a file but a folder, pipe or device")
    return content


def _plain_jpeg(content: bytes) -> Image | None:
    """Decode a JPEG that is sound and upright, in less than half of the time that OpenCV takes.

    Returns:
        The same pixels as OpenCV's, or None if there is anything special about the file.
    """
    if b"Exif\0\0" in content[:_HEADER]:  # may say that the picture is to be turned
        return None
    try:
        return np.asarray(simplejpeg.decode_jpeg(content, "RGB", strict=True), dtype=np.uint8)
    except ValueError:
        return None


def _is_damaged_jpeg(content: bytes) -> bool:
    """Whether the decoder notices damage, which OpenCV fills in silence.

    Decoding to an eighth of the size and in grey reads the same data in a third of the time.
    """
    shape = {"colorspace": "GRAY", "min_height": 1, "min_width": 1, "min_factor": 8}
    try:
        simplejpeg.decode_jpeg(content, **shape, strict=True)
    except ValueError:
        try:
            simplejpeg.decode_jpeg(content, **shape, strict=False)
        except ValueError:  # a kind that this decoder does not know
            return False
        return True
    return False


def _has_further_pictures(content: bytes) -> bool:
    """Whether a TIFF has pages, or a WebP or PNG moves."""
    moving_png = content.startswith(b"\x89PNG") and b"acTL" in content[:100]
    if not moving_png and not content.startswith((b"RIFF", b"II", b"MM")):
        return False
    try:
        with Pillow.open(io.BytesIO(content)) as image:
            return bool(getattr(image, "n_frames", 1) > 1)
    except Exception:  # the decoder says what is wrong
        return False


_said: set[tuple[Path, str]] = set()


def _say_once(path: Path, what: str) -> None:
    """Log what is wrong with a file, unless the same was said of one beside it."""
    if (path.parent, what) not in _said:
        _said.add((path.parent, what))
        logger.warning("%s: %s", path, what)


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
