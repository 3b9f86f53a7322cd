"""Label images: one number a pixel, in a palette, in grey, or as a colour; the number is the object's id."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from hqtrack.errors import DataError, InputError
from hqtrack.images import Size
from hqtrack.masks import MAX_ID, MAX_OBJECTS, Masks
from hqtrack.video.drawing import palette
from hqtrack.video.prompts.prompt import Prompt

WHITE = ([255], [65535])
"""The values of masks in black and white."""

logger = logging.getLogger(__name__)

MAX_GREY_VALUES = 32
"""More values in an image without a palette are soft edges or a photograph rather than objects."""


def read_label_image(
    path: str | Path, size: Size, frame: int = 0, ignore: Sequence[int] = ()
) -> list[Prompt]:
    """Read the objects of a label image with a palette, grey, or in colours.

    Args:
        path: The image. Value 0 (black in colours, or transparent) is background; every other value is an
            object, and its id. Of colours that are those of the DAVIS palette the ids are known; other
            colours, and white alone, have none yet.
        size: Height and width that it must have.
        frame: The frame in which the objects begin.
        ignore: Values that are background, too.

    Returns:
        The objects in ascending order of their values, each with its mask.

    Raises:
        DataError: It is not a readable image.
        InputError: It has another size, no object, or too many values to be objects.
    """
    mode, pixels = _pixels(Path(path))
    in_colours = pixels.ndim == 3
    if in_colours:
        pixels = _numbers_of_colours(pixels)
    if pixels.shape != size:
        raise InputError(
            f"mask {path}: has {pixels.shape[1]} x {pixels.shape[0]} pixels, "
            f"but the frame {size[1]} x {size[0]}"
        )
    values = [int(value) for value in np.unique(pixels) if value != 0 and value not in ignore]
    if not values:
        raise InputError(f"mask {path}: is empty; give an object at least one pixel with a value above 0")
    if len(values) > MAX_OBJECTS:
        raise InputError(
            f"mask {path}: has {len(values)} different values, and every one would be an object; "
            f"track at most {MAX_OBJECTS} in one video"
        )
    if mode != "P" and len(values) > MAX_GREY_VALUES:
        raise InputError(
            f"mask {path}: has {len(values)} different values, and every one would be an object; make its "
            "edges hard, or save so many objects as an image with a palette"
        )
    if in_colours:
        ids = _ids_of_colours(values)
    elif values in WHITE:  # a mask of black and white has no ids
        ids = {values[0]: None}
    else:
        ids = dict(zip(values, values, strict=True))
    if in_colours and None not in ids.values():
        logger.warning(
            "mask %s: its colours are read as the ids that they have in the palette of DAVIS", path
        )
    beyond = [number for number in ids.values() if number is not None and not 0 < number <= MAX_ID]
    if beyond:
        raise InputError(f"mask {path}: has the value {beyond[0]}; ids are 1 to {MAX_ID}")
    return [
        Prompt(frame, mask=pixels == value, id=ids[value], origin=_origin(path, value, in_colours))
        for value in values
    ]


def read_masks(path: str | Path, size: Size) -> Masks:
    """Return the masks (N, H, W) of a label image in ascending order of its values."""
    return np.stack([prompt.mask for prompt in read_label_image(path, size) if prompt.mask is not None])


def _origin(path: str | Path, value: int, in_colours: bool) -> str:
    return f"{'#' if in_colours else ''}{f'{value:06x}' if in_colours else value} in {Path(path).name}"


def _pixels(path: Path) -> tuple[str, npt.NDArray[Any]]:
    """Read an image's mode and its values: (H, W) whole numbers, or (H, W, 4) where it is in colours."""
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"mask {path}: is not a file")
        with warnings.catch_warnings(), Pillow.open(path) as image:
            warnings.simplefilter("ignore")  # what is wrong with the file is said below, or does not matter
            warnings.simplefilter("error", Pillow.DecompressionBombWarning)
            mode, pixels = image.mode, _values(image)
    except DataError:
        raise
    except Exception as error:  # Pillow raises many kinds for damaged files
        reason = getattr(error, "strerror", None) or "not a readable image"
        raise DataError(f"mask {path}: {reason}") from error
    if pixels.dtype.kind == "f":
        if not bool((pixels == np.round(pixels)).all() and (abs(pixels) < 1 << 62).all()):
            raise InputError(
                f"mask {path}: has values that are not whole numbers; save 0 for background and a whole "
                "number for each object"
            )
        pixels = pixels.astype(np.int64)
    return mode, pixels


def _values(image: Pillow.Image) -> npt.NDArray[Any]:
    """Return grey or palette values (H, W), or red, green, blue and alpha (H, W, 4)."""
    if image.mode == "P" or len(image.getbands()) == 1:
        values = np.asarray(image)
        return values if values.dtype.kind == "f" else values.astype(np.int64)
    colours = np.asarray(image.convert("RGBA"))
    red, green, blue, alpha = np.moveaxis(colours, -1, 0)
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return np.where(alpha > 0, red, 0).astype(np.int64)
    return colours


def _numbers_of_colours(colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return 24-bit numbers of colours (H, W, 4); 0 where they are transparent."""
    red, green, blue, alpha = np.moveaxis(colours.astype(np.int64), -1, 0)
    return np.where(alpha > 0, red << 16 | green << 8 | blue, 0)


def _ids_of_colours(values: Sequence[int]) -> dict[int, int | None]:
    """Return the ids that 24-bit colours have in the palette of DAVIS, if it has all of them; None else."""
    table = {int(r) << 16 | int(g) << 8 | int(b): index for index, (r, g, b) in enumerate(palette())}
    known = all(value in table for value in values)
    return {value: table[value] if known else None for value in values}
