"""Drawing masks over frames, as pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from hqtrack.errors import InputError
from hqtrack.images import Image
from hqtrack.masks import Mask, box_of

MASK_OPACITY = 0.45
"""Share of the object's colour in the pixels of its mask."""

PALEST_CHANNEL = 64
"""Least value of a channel of a colour in which masks are drawn: pure red or blue hurts the eye."""

KEPT_DEPTH = 0.6
"""A text stays where it was in its object while it is this deep in the mask, relative to the deepest."""


class SteadyTexts:
    """Where the texts of objects were written in the frame before, relative to their boxes."""

    def __init__(self) -> None:
        self._places: dict[int, tuple[float, float]] = {}

    def place(self, label: int, mask: Mask, box: tuple[int, int, int, int]) -> tuple[int, int]:
        """Return the pixel (x, y) of an object's text: where it was in the box, or the deepest in the mask.

        Args:
            label: The object's id.
            mask: (H, W) bool.
            box: Of the mask.
        """
        left, top, right, bottom = box
        depth = _depth(mask, box)
        width, height = right - left, bottom - top
        before = self._places.get(label)
        if before is not None:
            x, y = round(before[0] * width), round(before[1] * height)
            if depth[y, x] >= KEPT_DEPTH * depth.max():
                return left + x, top + y
        row, column = np.unravel_index(int(depth.argmax()), depth.shape)
        self._places[label] = int(column) / max(1, width), int(row) / max(1, height)
        return left + int(column), top + int(row)


@cache
def palette() -> npt.NDArray[np.uint8]:
    """Return the colours of labels 0 to 255, as the PASCAL VOC and DAVIS data sets have them.

    Bits 0, 3 and 6 of a label are the upper bits of red, bits 1, 4 and 7 of green, bits 2 and 5 of blue, so
    that neighbouring labels differ much.

    Returns:
        (256, 3) uint8 RGB, read-only; label 0 is black.

    Example:
        >>> palette()[:4].tolist()
        [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    """
    labels = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        channel, place = bit % 3, 7 - bit // 3
        colours[:, channel] |= ((labels >> bit & 1) << place).astype(np.uint8)
    colours.flags.writeable = False
    return colours


def colour_of(label: int) -> tuple[int, int, int]:
    """Return the RGB colour in which an object is drawn, bright and a little pale.

    Its label image keeps the palette's.

    Example:
        >>> colour_of(1)
        (255, 64, 64)
    """
    # Ids beyond the palette begin again at its first colour.
    red, green, blue = (int(value) for value in palette()[(label - 1) % 255 + 1])
    brightest = max(red, green, blue, 1)
    bright = (PALEST_CHANNEL + (255 - PALEST_CHANNEL) * value // brightest for value in (red, green, blue))
    return next(bright), next(bright), next(bright)


def draw_masks(
    image: Image,
    masks: npt.ArrayLike,
    *,
    labels: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    colours: Sequence[tuple[int, int, int]] | None = None,
    opacity: float = MASK_OPACITY,
    steady: SteadyTexts | None = None,
) -> Image:
    """Draw masks over an image: each object tinted and outlined in its colour, with its name in white.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        masks: (N, H, W) bool.
        labels: Id of each object; 1 to N if not given.
        names: What is written on each object, nothing where empty; its id if not given. Beside an object that
            is smaller than its text it is written above.
        colours: RGB colour of each object; those of the ids if not given.
        opacity: Share of the colour in the pixels of masks; 0 draws outlines alone.
        steady: Keeps texts where they were in the frame before.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    masks = np.asarray(masks, bool)
    if masks.ndim != 3 or masks.shape[1:] != image.shape[:2]:
        raise InputError(f"masks {masks.shape} do not fit an image {image.shape}; they must be (N, H, W)")
    drawn = image.copy()
    ids = range(1, len(masks) + 1) if labels is None else labels
    texts = [str(number) for number in ids] if names is None else names
    paints = [colour_of(label) for label in ids] if colours is None else colours
    thickness = max(1, round(min(image.shape[:2]) / 400))
    boxes = [box_of(mask) for mask in masks]
    for paint, mask, box in zip(paints, masks, boxes, strict=True):
        if box is None:
            continue
        x0, y0, x1, y1 = box
        crop = mask[y0 : y1 + 1, x0 : x1 + 1].astype(np.uint8)
        part = drawn[y0 : y1 + 1, x0 : x1 + 1]
        cv2.copyTo(cv2.LUT(part, _tint(paint, opacity)), crop, part)
        outline, _ = cv2.findContours(crop, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE, offset=(x0, y0))
        cv2.drawContours(drawn, outline, -1, paint, thickness, cv2.LINE_AA)
    places = SteadyTexts() if steady is None else steady
    for label, text, mask, box in zip(ids, texts, masks, boxes, strict=True):
        if box is not None and text:  # texts last, so that no mask covers them
            write_text(drawn, text, _above_if_tiny(drawn, text, places.place(label, mask, box), box))
    return drawn


def _tint(paint: tuple[int, int, int], opacity: float) -> npt.NDArray[np.uint8]:
    """Return what each value of each channel becomes under a colour, (1, 256, 3) uint8."""
    values = np.arange(256, dtype=np.float32)[:, None]
    return ((1 - opacity) * values + opacity * np.array(paint, np.float32)).astype(np.uint8)[None]


def _text_size(image: Image, text: str) -> tuple[float, int, int, int]:
    """Return scale, weight, width and height of a text on an image."""
    scale = max(0.5, min(image.shape[:2]) / 450)
    weight = max(1, round(2 * scale))
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, weight)
    return scale, weight, width, height


def _above_if_tiny(
    image: Image, text: str, middle: tuple[int, int], box: tuple[int, int, int, int]
) -> tuple[int, int]:
    """Return where a text goes: above an object that it would cover, or below at the frame's top."""
    _, _, width, height = _text_size(image, text)
    left, top, right, bottom = box
    if right - left >= width and bottom - top >= height:
        return middle
    above = top - height
    return (left + right) // 2, above if above >= height else bottom + height


def write_text(image: Image, text: str, middle: tuple[int, int]) -> None:
    """Write text in place around the point (x, y): white with a black edge, to be read on any colour."""
    scale, weight, width, height = _text_size(image, text)
    edge = max(1, round(1.5 * scale))
    x = int(np.clip(middle[0] - width // 2, 0, max(0, image.shape[1] - width)))
    y = int(np.clip(middle[1] + height // 2, height, max(height, image.shape[0] - 1)))
    # Not by a thicker black text below: some versions of OpenCV have one thickness only.
    around = [(x + right, y + down) for right in (-edge, 0, edge) for down in (-edge, 0, edge)]
    for origin, paint in (*((place, (0, 0, 0)) for place in around), ((x, y), (255, 255, 255))):
        cv2.putText(image, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, paint, weight, cv2.LINE_AA)


def _depth(mask: Mask, box: tuple[int, int, int, int]) -> npt.NDArray[np.float32]:
    """Return how deep inside a mask each pixel of a box is: a mean of pixels may be outside."""
    left, top, right, bottom = box
    crop = mask[top : bottom + 1, left : right + 1]
    padded = cv2.distanceTransform(np.pad(crop, 1).astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(padded[1:-1, 1:-1], np.float32)


def contact_sheet(images: Sequence[Image], *, columns: int = 3, width: int = 320) -> Image:
    """Lay images out in rows from left to right, each reduced or enlarged to the same width.

    Args:
        images: At least one (H, W, 3) uint8 RGB; heights may differ, a row is as high as its highest.
        columns: Images in a row.
        width: Width of each in pixels.

    Returns:
        (H, columns * width, 3) uint8 RGB on black.
    """
    if not images or columns < 1 or width < 1:
        raise InputError(f"a sheet of {len(images)} images in {columns} columns of {width} pixels is empty")
    small = []
    for image in images:
        size = (width, max(1, round(image.shape[0] * width / image.shape[1])))
        small.append(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8))
    rows = []
    for first in range(0, len(small), columns):
        cells = small[first : first + columns]
        row = np.zeros((max(cell.shape[0] for cell in cells), columns * width, 3), np.uint8)
        for place, cell in enumerate(cells):
            row[: cell.shape[0], place * width : (place + 1) * width] = cell
        rows.append(row)
    return np.concatenate(rows)
