"""Label images: one number a pixel, in a palette, in grey, or as a colour; the number is the object's id."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageOps

from hqtrack.errors import DataError, InputError
from hqtrack.images import Size
from hqtrack.masks import MAX_ID, MAX_OBJECTS, Mask
from hqtrack.video.drawing import palette
from hqtrack.video.prompts.formats import readable_formats
from hqtrack.video.prompts.prompt import Prompt
from hqtrack.video.prompts.seams import areas_of, soft_edged

READABLE_FORMATS = (
    "masks can be read from PNG, TIFF, BMP, WebP and JPEG, with a palette, grey or in colours, and from "
    f"{readable_formats()}"
)

WHITE_VALUES = ([255], [65535])
"""The values of masks in black and white."""

logger = logging.getLogger(__name__)

MAX_GREY_VALUES = 32
"""More values in an image without a palette are soft edges or a photograph rather than objects."""


VOID_VALUES = (255, 65535)
"""Values that data sets give to pixels of which nobody knows what they are."""

MOTS_VOID, MOTS_IDS = 10_000, range(1000, 3000)
"""The value of regions that MOTS leaves out, and those of its objects: 1000 times the class, and a number."""

LOSSY_FORMATS = ("JPEG", "MPO")
"""Formats of which the values are not exact."""

PERHAPS_LOSSY_FORMATS = ("WEBP", "AVIF", "JPEG2000")
"""Formats of which some files are exact."""


@dataclass(frozen=True)
class _Labels:
    """What a label image holds, as it is meant."""

    values: npt.NDArray[np.int64]
    """(H, W): 0 is background."""
    ids: dict[int, int | None] = field(default_factory=dict)
    """Ids of values whose id is not the value itself; None where they have none."""
    names: dict[int, str] = field(default_factory=dict)
    """What to call values that are no ids, for messages."""
    notice: str = ""
    """What was guessed about the file."""


Report = Callable[[Path, str], None]
"""Called with the file and the guess about it."""


def report(path: Path, what: str) -> None:
    """Log what was guessed about a mask file."""
    logger.warning("mask %s: %s", path, what)


def read_label_image(
    path: str | Path, size: Size, frame: int = 0, ignore: Sequence[int] = ()
) -> list[Prompt]:
    """Read the objects of a label image with a palette, grey, in colours, or cut out.

    Args:
        path: The image. Value 0 (black in colours, or transparent) is background; every other value is an
            object, and its id. Of colours that are those of the DAVIS palette the ids are known; other
            colours, and white alone, have none yet. What is guessed about the file is logged in a line.
        size: Height and width that it must have.
        frame: The frame in which the objects begin.
        ignore: Values that are background, too.

    Returns:
        The objects in ascending order of their values, each with its mask.

    Raises:
        DataError: It is not a readable image.
        InputError: It has another size, no object, or too many values to be objects.
    """
    found = objects_in(Path(path), size, frame, ignore)
    if not found:
        raise InputError(f"mask {path}: is empty; give an object at least one pixel with a value above 0")
    return list(found.values())


def objects_in(
    path: Path, size: Size, frame: int = 0, ignore: Sequence[int] = (), report: Report = report
) -> dict[str, Prompt]:
    """Read a label image that may be empty; returns its objects by what distinguishes them."""
    labels = read_labels(path, size)
    if labels.notice:
        report(path, labels.notice)
    values = [int(value) for value in np.unique(labels.values) if value != 0 and value not in ignore]
    values = _without_void(path, labels.values, values, report)
    prompts = {}
    for value in values:
        number = labels.ids.get(value, value)
        if values in WHITE_VALUES:  # a mask of black and white has no ids
            number = None
        if number is not None and not 0 < number <= MAX_ID:
            raise InputError(f"mask {path}: has the value {number}; ids are 1 to {MAX_ID}")
        title = labels.names.get(value, str(value))
        mask = labels.values == value
        background = background_share(mask)
        if background:
            report(
                path,
                f"object {title} touches all borders and covers {background:.0%} of the frame; if it is the "
                "background, invert the mask",
            )
        prompts[title] = Prompt(frame, mask=mask, id=number, origin=f"{title} in {path.name}")
    return prompts


def background_share(mask: Mask) -> float:
    """Return the share of the frame that a mask (H, W) covers if it is probably the background, or else 0."""
    share = float(mask.mean())
    borders = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    return share if share > 0.5 and all(border.mean() > 0.5 for border in borders) else 0.0


def _without_void(path: Path, pixels: npt.NDArray[np.int64], values: list[int], report: Report) -> list[int]:
    """Leave out 255 or 65535 where it is but a thin ring around other objects, and what MOTS leaves out."""
    others = [value for value in values if value not in (*VOID_VALUES, MOTS_VOID)]
    if MOTS_VOID in values and others and all(value in MOTS_IDS for value in others):
        report(path, f"{MOTS_VOID} is read as void, as MOTS has it, not as an object")
        return others
    for value in VOID_VALUES:
        if value in values and len(values) > 1 and _is_ring(pixels, value):
            report(path, f"{value} is a thin ring around the objects and is read as void, not as an object")
            return [each for each in values if each != value]
    return values


def _is_ring(pixels: npt.NDArray[np.int64], value: int) -> bool:
    """Return whether a value is but a thin ring around other objects."""
    void = (pixels == value).astype(np.uint8)
    objects = ((pixels != 0) & (pixels != value)).astype(np.uint8)
    thin = not cv2.erode(void, np.ones((7, 7), np.uint8)).any()
    beside = cv2.dilate(objects, np.ones((13, 13), np.uint8))
    return bool(thin and np.count_nonzero(void & beside) >= 0.8 * np.count_nonzero(void))


def read_labels(path: Path, size: Size) -> _Labels:
    """Read a label image as it is meant; see `read_label_image`."""
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"mask {path}: is not a file")
        # Not by its path: then Pillow maps the pixels, and mixes those of a TIFF that is to be turned.
        with warnings.catch_warnings(), path.open("rb") as file, Pillow.open(file) as image:
            warnings.simplefilter("ignore")  # what is wrong with the file is said below, or does not matter
            warnings.simplefilter("error", Pillow.DecompressionBombWarning)
            kind = image.format
            pages = int(getattr(image, "n_frames", 1))
            upright = ImageOps.exif_transpose(image)
            upright.load()
    except DataError:
        raise
    except Exception as error:  # Pillow raises many kinds for damaged files
        reason = getattr(error, "strerror", None) or f"not a readable image; {READABLE_FORMATS}"
        raise DataError(f"mask {path}: {reason}") from error
    if upright.size != size[::-1]:
        raise InputError(
            f"mask {path}: has {upright.size[0]} x {upright.size[1]} pixels, "
            f"but the frame {size[1]} x {size[0]}"
        )
    if upright.mode == "LAB":
        raise InputError(
            f"mask {path}: has LAB colours, of which none is surely black; save it in RGB, or with a palette"
        )
    lossy = kind in LOSSY_FORMATS or (kind in PERHAPS_LOSSY_FORMATS and not _is_exact(upright))
    if upright.mode == "P":
        labels = _of_palette(path, upright)
    elif len(upright.getbands()) == 1:
        labels = _of_grey(path, upright, lossy)
    else:
        labels = _of_colours(path, upright, lossy)
    return (
        labels if pages == 1 else _with_notice(labels, f"holds {pages} pictures, of which the first is read")
    )


def _with_notice(labels: _Labels, notice: str) -> _Labels:
    """Return labels with one more guess about their file."""
    return replace(labels, notice="; ".join(filter(None, (labels.notice, notice))))


def _of_grey(path: Path, image: Pillow.Image, lossy: bool) -> _Labels:
    values = np.asarray(image)
    if values.dtype.kind == "f" and not bool(
        (values == np.round(values)).all() and (abs(values) < 1 << 62).all()
    ):
        raise InputError(
            f"mask {path}: has values that are not whole numbers; save 0 for background and a whole "
            "number for each object"
        )
    exact = values.astype(np.int64)
    clear = image.info.get("transparency")
    if not isinstance(clear, int) or clear == 0 or not (exact == clear).any():
        return _of_values(path, exact, lossy)
    labels = _of_values(path, np.where(exact == clear, 0, exact), lossy)
    return _with_notice(labels, f"its background is the transparent value {clear}, not 0")


def _of_values(path: Path, values: npt.NDArray[np.int64], lossy: bool) -> _Labels:
    """Return what grey values mean."""
    count = int(np.count_nonzero(np.unique(values)))
    if (lossy or count > MAX_GREY_VALUES) and values.max() <= 255 and values.min() >= 0:
        return _of_areas(path, values.astype(np.uint8)[..., None], count)
    if count <= MAX_GREY_VALUES:
        return _hardened(_Labels(values))
    if count > MAX_OBJECTS:
        raise InputError(
            f"mask {path}: has {count} different values, and every one would be an object; "
            f"track at most {MAX_OBJECTS} in one video"
        )
    return _Labels(values)


def _is_exact(image: Pillow.Image) -> bool:
    """Return whether an image is lossless though its format may be lossy: each of few values has an area."""
    values = np.asarray(image.convert("RGBA")).view(np.uint32)[..., 0]
    present = np.unique(values)
    square = np.ones((3, 3), np.uint8)
    return len(present) <= MAX_GREY_VALUES and all(
        cv2.erode((values == value).astype(np.uint8), square).any() for value in present
    )


def _hardened(labels: _Labels) -> _Labels:
    """Join seams of an image whose values are exact."""
    hard = soft_edged(labels.values)
    if hard is None:
        return labels
    return replace(
        labels, values=hard, notice="its edges are soft; each pixel there joins the nearest object"
    )


def _of_areas(path: Path, colours: npt.NDArray[np.uint8], count: int) -> _Labels:
    """Return what the areas of an image with soft edges or noise mean."""
    found = areas_of(colours)
    if count <= MAX_GREY_VALUES and found is not None and all(max(area) <= 40 for area in found[1]):
        raise InputError(
            f"mask {path}: is compressed, and its {count} values are too dark to be separated from black; "
            "save it as PNG, which keeps the number of each object"
        )
    if found is None or not 1 < len(found[1]) <= MAX_GREY_VALUES + 1:
        raise InputError(
            f"mask {path}: has {count} different values or colours, as a photograph has; make its edges "
            "hard, or save an image with a palette, with one value for each object"
        )
    numbers, areas = found
    dark = [number for number, area in enumerate(areas) if max(area) <= 40]
    values = numbers + 1
    values[np.isin(numbers, dark)] = 0
    grey = len(areas[0]) == 1
    names = {
        k + 1: str(area[0]) if grey else "#{:02x}{:02x}{:02x}".format(*area) for k, area in enumerate(areas)
    }
    return _Labels(
        values,
        dict.fromkeys(names),
        names,
        f"its edges are soft or compressed; pixels join the nearest of {len(areas) - len(dark)} objects",
    )


def _of_palette(path: Path, image: Pillow.Image) -> _Labels:
    """Return what indices mean, judged by the colours that a viewer shows."""
    indices = np.asarray(image).astype(np.int64)
    table = np.asarray(image.convert("RGBA")).reshape(-1, 4)
    used, first = np.unique(indices, return_index=True)
    shown = {int(index): table[place] for index, place in zip(used, first, strict=True)}
    clear = [index for index, colour in shown.items() if colour[3] == 0]
    black = [index for index, colour in shown.items() if colour[3] > 0 and not colour[:3].any()]
    if len(used) > 6 and not _is_davis(shown):
        solid = [
            cv2.erode((indices == index).astype(np.uint8), np.ones((3, 3), np.uint8)).any() for index in used
        ]
        if np.mean(solid) < 0.5:  # shades of a picture, not ids
            blurred = cv2.blur(np.asarray(image.convert("RGB")), (5, 5))
            return _of_areas(path, np.asarray(blurred, np.uint8), len(shown))
    if 0 in black or 0 in clear or not (black or clear):
        return _hardened(_Labels(np.where(np.isin(indices, clear), 0, indices)))
    # Index 0 is an object, or is not there: what a viewer shows as nothing is background.
    background = clear or black
    values = np.where(np.isin(indices, background), 0, np.where(indices == 0, 256, indices))
    kind = "transparent" if clear else "black"
    notice = f"its background is the {kind} index {', '.join(map(str, background))}, not 0"
    return _Labels(values, {256: None}, {256: "index 0"}, notice)


def _is_davis(shown: dict[int, npt.NDArray[np.uint8]]) -> bool:
    return all(bool((colour[:3] == palette()[index]).all()) for index, colour in shown.items())


def _of_colours(path: Path, image: Pillow.Image, lossy: bool) -> _Labels:
    """Return what colours mean, and alpha where there is any."""
    colours = np.asarray(image.convert("RGBA"))
    alpha = colours[..., 3]
    strongest = int(alpha.max())  # overlays are half transparent everywhere
    opaque = alpha >= max(1, (strongest + 1) // 2)
    inside = colours[opaque][:, :3]
    if not strongest:
        labels = _of_colours(path, image.convert("RGB"), lossy)
        return _with_notice(labels, "it is transparent everywhere, and its colours are read")
    if (alpha < 255).any():
        count = len(np.unique(inside, axis=0))
        if count > MAX_GREY_VALUES or not inside.any():
            return _Labels(
                opaque.astype(np.int64),
                {1: None},
                {1: "what is opaque"},
                f"its object is what is opaque (alpha {(strongest + 1) // 2} or more), whatever its colours",
            )
        colours = np.where(opaque[..., None], colours, 0).astype(np.uint8)
    red, green, blue = np.moveaxis(colours[..., :3].astype(np.int64), -1, 0)
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return _of_values(path, red, lossy)
    numbers = red << 16 | green << 8 | blue
    values = [int(value) for value in np.unique(numbers) if value]
    if lossy or len(values) > MAX_GREY_VALUES:
        return _of_areas(path, np.ascontiguousarray(colours[..., :3]), len(values))
    names = {value: f"#{value:06x}" for value in values}
    ids = _ids_of_colours(values)
    known = None not in ids.values()
    return _Labels(
        numbers, ids, names, "its colours are read as the ids of the DAVIS palette" if known else ""
    )


def _ids_of_colours(values: Sequence[int]) -> dict[int, int | None]:
    """Return the ids that 24-bit colours have in the palette of DAVIS, if it has all of them; None else."""
    table = {int(r) << 16 | int(g) << 8 | int(b): index for index, (r, g, b) in enumerate(palette())}
    known = all(value in table for value in values)
    return {value: table[value] if known else None for value in values}
