"""One image: its type, how it is read from a file, and the order of many files."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image as Pillow
from PIL import ImageOps, TiffImagePlugin

from hqtrack.errors import DataError, MissingExtraError, require

logger = logging.getLogger(__name__)

# What cannot be read is reported in a line here and by cameras; OpenCV would print a page.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

Image = npt.NDArray[np.uint8]
"""(H, W, 3) RGB."""
Size = tuple[int, int]
"""Height and width."""
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""ImageNet's statistics of red, green and blue, of 1, by which networks' images are normalised."""

Levels = tuple[float, float]
"""The values of an image of more than 8 bits that become black and white."""

MOST_PIXELS = 1 << 27
"""Of a frame: 16,384 x 8,192. A small file can unpack to gigabytes, and no memory holds their features."""

_WHOLE_RANGE = 0.5
"""Share of all 16-bit values that an image uses at least which is shown as it is."""

_FLAT_STEPS = 16
"""Steps of whole numbers that a picture has at least; a black frame of a camera has a few, of noise."""

_FLAT_PICTURES = 250
"""So many pictures at a sequence's start may be flat: ten seconds."""

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
"""How HEIC files call themselves."""

_JPEG_2000 = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
"""How JPEG 2000 begins: as a file, and as data alone."""

_HEADER = 4096
"""Bytes in which a JPEG's EXIF data begin, if it has any."""

IMAGE_SUFFIXES = frozenset(
    {
        ".avif",
        ".bmp",
        ".heic",
        ".jfif",
        ".jp2",
        ".jpeg",
        ".jpg",
        ".pgm",
        ".png",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    }
)
"""Files of a folder that are frames; others are left alone."""


_UNREAD = frozenset({".arw", ".cr2", ".dng", ".exr", ".gif", ".hdr", ".nef", ".psd", ".svg", ".tga"})
"""Pictures that are not read as frames, of which people may think that they are."""


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
        known = ", ".join(sorted(IMAGE_SUFFIXES))
        inside = natural_order([file for file in names if file.is_dir() and file.name[0] != "."])
        hint = f"; it holds the folder {inside[0].name}: give {inside[0]}" if inside else ""
        raise DataError(f"{folder}: no images in this folder (looked for {known}){hint}")
    unread = sorted({f.suffix.lower() for f in names if f.suffix.lower() in _UNREAD and f.name[0] != "."})
    if unread:
        count = sum(file.suffix.lower() in unread for file in names)
        logger.warning(
            "%s: %d files of the kind %s are left out; save them as .png or .jpg if they are frames",
            *(folder, count, ", ".join(unread)),
        )
    return natural_order(files)


def read_image(path: str | Path, levels: Levels | None = None) -> Image:
    """Read an image file.

    Grey images get three equal channels. Of 16-bit values the upper 8 bits are kept, or those between the
    `levels`, which become 0 and 255. Transparency is dropped,
    the colours under it stay. An orientation in the file's EXIF data is applied. Damage that the decoder
    notices in a JPEG, and further pictures of a file, are reported once for each folder.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        DataError: The file is missing, cut short, or no image.
    """
    path = Path(path)
    content = _content(path)
    _check_pixels(path, content)
    if content.startswith(b"\xff\xd8"):
        if not _ends_as_jpeg(content):
            raise DataError(f"{path}: the JPEG image is cut short; copy the file again")
        plain = _plain_jpeg(content)
        if plain is not None:
            return plain
        if _is_damaged_jpeg(content):
            _say_once(path, "is damaged, and its picture may be wrong from there on; copy the file again")
    elif _has_further_pictures(content):
        _say_once(path, "contains several pictures, and only the first is used; save each as a file")
    image = _decoded(content, cv2.IMREAD_COLOR if levels is None else cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if image is None or (levels is None and _is_pnm(content) and not _is_deep(content)):
        return _by_pillow(path, content)
    if levels is not None and image.dtype != np.uint8:
        image = stretched(image, levels)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def too_large(path: Path, width: int, height: int) -> DataError | None:
    """Return the error of a frame that has too many pixels; None where it has not."""
    if width * height <= MOST_PIXELS:
        return None
    return DataError(
        f"{path}: has {width} x {height} pixels; frames may have {MOST_PIXELS:,}, so reduce them before"
    )


def _check_pixels(path: Path, content: bytes) -> None:
    """Check by its header alone that an image does not unpack to more than memory holds.

    Raises:
        DataError: It does, or it has no such header, or its decoder is missing.
    """
    if content[4:8] == b"ftyp" and content[8:12] in _HEIC_BRANDS:
        _know_heic(path)
    try:
        with warnings.catch_warnings():  # of Pillow, about what is odd in a file
            warnings.simplefilter("ignore")
            size = _size_in_header(content)
    except Pillow.DecompressionBombError as error:
        raise DataError(f"{path}: frames may have {MOST_PIXELS:,} pixels: {error}") from error
    except Exception as error:  # Pillow raises many kinds for damaged files
        if content.startswith(b"BM"):  # OpenCV knows more kinds, as large as their pixels
            return
        raise DataError(f"{path}: not a readable image") from error
    problem = too_large(path, *size)
    if problem is not None:
        raise problem


def _size_in_header(content: bytes) -> tuple[int, int]:
    """Return the width and height of an image; raises what its reader raises."""
    if content.startswith(b"\x89PNG"):
        return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    if content.startswith(b"\xff\xd8"):
        with suppress(ValueError):  # a kind that this decoder does not know
            height, width, *_ = simplejpeg.decode_jpeg_header(content)
            return width, height
    file = io.BytesIO(content)
    if content.startswith((b"II", b"MM")):  # of which Pillow does not know all
        start = file.read(16 if content[2:4] in (b"+\0", b"\0+") else 8)
        tags = TiffImagePlugin.ImageFileDirectory_v2(start)
        file.seek(tags.next)
        tags.load(file)
        return int(tags[TiffImagePlugin.IMAGEWIDTH]), int(tags[TiffImagePlugin.IMAGELENGTH])
    with Pillow.open(file) as image:
        return image.size


def _decoded(content: bytes, flags: int) -> npt.NDArray[Any] | None:
    # Not cv2.imread: on Windows it cannot open paths with letters beyond ASCII.
    try:
        data = np.frombuffer(content, np.uint8)
        image = cv2.imdecode(data, flags) if content else None
        if image is None and flags & cv2.IMREAD_ANYDEPTH:  # of floats it reads grey only
            image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
            return np.repeat(image[..., None], 3, 2) if image is not None and image.ndim == 2 else None
        return image
    except cv2.error:  # beyond the sizes that OpenCV allows
        return None


def _by_pillow(path: Path, content: bytes) -> Image:
    """Decode what OpenCV does not know, such as AVIF, or reads otherwise than it is meant, such as PGM."""
    if content[4:8] != b"ftyp" and not _is_pnm(content):
        raise DataError(f"{path}: not a readable image")
    try:
        with Pillow.open(io.BytesIO(content)) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"), dtype=np.uint8)
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise DataError(f"{path}: not a readable image; save it as .png or .jpg") from error


def _know_heic(path: Path) -> None:
    """Register the decoder of HEIC with Pillow, where its extra is installed."""
    try:
        require("pi_heif")
    except MissingExtraError as error:
        raise DataError(f"{path}: is a HEIC image; {error}, or save it as .png or .jpg") from error
    import pi_heif

    pi_heif.register_heif_opener()


def levels_of(path: Path) -> Levels | None:
    """Return between which values an image of 10 to 16 bits, or of floats, holds its picture.

    Returns:
        The percentiles 0.1 and 99.9; None for an image of 8 bits, or one that uses all 16.

    Raises:
        DataError: It cannot be read.
    """
    values = deep_values(path)
    return None if values is None else levels_in(values)


def deep_values(path: Path) -> npt.NDArray[Any] | None:
    """Return the values (H, W, 3) of an image that may have more than 8 bits; None where its kind has not.

    Raises:
        DataError: It cannot be read.
    """
    content = _content(path)
    _check_pixels(path, content)
    deep_png = content.startswith(b"\x89PNG") and content[24:25] == b"\x10"
    if not deep_png and not content.startswith((b"II", b"MM", *_JPEG_2000)) and not _is_pnm(content):
        return None
    return _decoded(content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)


def _is_pnm(content: bytes) -> bool:
    """Return whether an image is a PBM, PGM or PPM, whose white is any value that its header names."""
    return content[:1] == b"P" and content[1:2] in b"123456" and content[2:3].isspace()


def _is_deep(content: bytes) -> bool:
    """Return whether an image has more than 8 bits."""
    image = _decoded(content, cv2.IMREAD_UNCHANGED)
    return image is not None and image.dtype != np.uint8


def levels_in(values: npt.NDArray[Any]) -> Levels | None:
    """Return between which values an array holds its picture; see `levels_of`."""
    if values.dtype == np.uint8 or not np.isfinite(values).all():
        return None
    low, high = (float(value) for value in np.percentile(values, (0.1, 99.9)))
    if values.dtype == np.uint16 and high - low >= _WHOLE_RANGE * 65535:
        return None
    return (low, high) if high > low else (low, low + 1)


def levels_among(pictures: Iterable[npt.NDArray[Any] | None]) -> tuple[int, Levels | None]:
    """Find the range of a sequence: that of its first picture that is not flat, as a black one is.

    Args:
        pictures: The values of each; None for one of 8 bits.

    Returns:
        The picture's position, and its range as `levels_of` returns it. The first one's, if all are flat.
    """
    first: Levels | None = None
    for position, values in enumerate(islice(pictures, _FLAT_PICTURES)):
        found = None if values is None else levels_in(values)
        if values is None or found is None or not _is_flat(values, found):
            return position, found
        first = first or found
    return 0, first


def _is_flat(values: npt.NDArray[Any], levels: Levels) -> bool:
    """Return whether values differ so little that they are noise rather than a picture."""
    if values.dtype.kind in "iu":
        return levels[1] - levels[0] < _FLAT_STEPS
    return bool(values.max() == values.min())


def source_of_levels(position: int, number: int) -> str:
    """Describe which picture a range is from: its position, and the number that it is called by."""
    return "from the first" if position == 0 else f"from frame {number}, the first that is not flat"


def stretched(values: npt.NDArray[Any], levels: Levels) -> npt.NDArray[np.uint8]:
    """Return values as uint8, of which the levels are 0 and 255.

    Example:
        >>> stretched(np.array([0, 100, 4095], np.uint16), (0, 4095)).tolist()
        [0, 6, 255]
    """
    low, high = levels
    scaled = (values.astype(np.float32) - low) * (255 / (high - low))
    return np.clip(np.round(scaled), 0, 255).astype(np.uint8)


def resize_alike(array: npt.NDArray[Any], size: Size, interpolation: int) -> npt.NDArray[Any]:
    """Resize by OpenCV, the same on every processor: what Intel's IPP gives differs between them.

    Args:
        array: (H, W) or (H, W, C) uint8 or float32.
        size: The new height and width.
        interpolation: `cv2.INTER_AREA` or `cv2.INTER_LINEAR`; bicubic differs without IPP, too
            (see `hqtrack.propagation.resizing`).
    """
    before = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(False)  # of this thread
    try:
        return cv2.resize(array, size[::-1], interpolation=interpolation)
    finally:
        cv2.ipp.setUseIPP(before)


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
    """Return whether the decoder notices damage, which OpenCV fills in silence.

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
    """Return whether a TIFF has pages, or a WebP or PNG moves."""
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
    """Log what is wrong with a file, unless the same was reported of another file in its folder."""
    if (path.parent, what) not in _said:
        _said.add((path.parent, what))
        logger.warning("%s: %s", path, what)


def _ends_as_jpeg(content: bytes) -> bool:
    """Return whether the end marker follows the data; decoders fill a missing rest with grey silently."""
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
