"""From what a user says about objects (mask files, boxes, points) to prompts.

All of it is read and checked before tracking starts. Boxes and points become masks when their frame comes
(`hqtrack.video.mask_maker`).
"""

from __future__ import annotations

import math
import os
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from pydantic import ConfigDict, Field, FiniteFloat, SkipValidation
from pydantic.dataclasses import dataclass

from hqtrack.errors import DataError, InputError
from hqtrack.images import Image, Size, images_in
from hqtrack.masks import MAX_OBJECTS, Masks, rle_decode, rle_encode

MAX_GREY_VALUES = 32
"""More values in an image without a palette are soft edges or a photograph rather than objects."""


@dataclass(frozen=True, eq=False, config=ConfigDict(strict=True, arbitrary_types_allowed=True))
class Prompt:
    """Where an object is in the frame in which it begins: masks of one or more, or a box, points, or both."""

    frame: Annotated[int, Field(ge=0)]
    """Index in the whole source."""
    masks: SkipValidation[Masks | None] = None
    """(N, H, W)."""
    box: tuple[FiniteFloat, ...] | None = None
    """x, y, width, height in pixels."""
    points: tuple[tuple[FiniteFloat, ...], ...] = ()
    """x, y each: pixels on the object."""
    beside: tuple[tuple[FiniteFloat, ...], ...] = ()
    """x, y each: pixels that are not of the object."""

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        masks = None if self.masks is None else [rle_encode(mask) for mask in self.masks]
        places = {"box": self.box, "points": self.points, "beside": self.beside}
        return {"frame": self.frame, "masks": masks, **places}

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Prompt:
        """Read what `as_json` gave."""
        masks = entry["masks"]
        return cls(
            entry["frame"],
            None if masks is None else np.stack([rle_decode(rle) for rle in masks]),
            entry["box"] and tuple(entry["box"]),
            tuple(tuple(point) for point in entry["points"]),
            tuple(tuple(point) for point in entry["beside"]),
        )


def read_prompts(
    *,
    masks: Sequence[str | Path] = (),
    boxes: Sequence[str] = (),
    points: Sequence[str] = (),
    objects: Sequence[str] = (),
    start: int,
    size: Size,
) -> list[Prompt]:
    """Read what a user wrote.

    Args:
        masks: Images or folders of them; every value but 0 in one of them is an object.
        boxes: "x,y,width,height" each.
        points: "x,y" each.
        objects: See `read_object`.
        start: The first frame.
        size: Height and width of the frames.

    Returns:
        In the order in which objects are numbered: by frame, then as given, masks before boxes before points.

    Raises:
        InputError: A text cannot be understood, or what it says does not fit into the frame.
        DataError: A mask file cannot be read.
    """
    prompts = [Prompt(start, masks=read_masks(file, size)) for name in masks for file in _files(Path(name))]
    prompts += [Prompt(start, box=read_box(text, size)) for text in boxes]
    prompts += [Prompt(start, points=(read_point(text, size),)) for text in points]
    prompts += [prompt for text in objects for prompt in read_object(text, start, size)]
    count = sum(1 if prompt.masks is None else len(prompt.masks) for prompt in prompts)
    if count > MAX_OBJECTS:
        raise InputError(f"{count} objects are too many; track at most {MAX_OBJECTS} in one video")
    return sorted(prompts, key=lambda prompt: prompt.frame)


def read_object(text: str, start: int, size: Size) -> list[Prompt]:
    """Read "frame=N,mask=FILE", or "frame=N" with "box=x,y,width,height", "point=x,y" and "not=x,y".

    Points may be repeated; those of "not" lie beside the object. Without a frame it begins in the first.

    Example:
        >>> (prompt,) = read_object("frame=120,point=4,5,point=9,9,not=30,5", 0, (480, 854))
        >>> prompt.frame, prompt.points, prompt.beside
        (120, ((4.0, 5.0), (9.0, 9.0)), ((30.0, 5.0),))
    """
    found = list(re.finditer(r"(?:^|,)\s*(frame|box|point|not|mask)=", text))
    ends = [match.start() for match in found[1:]] + [None]
    parts: dict[str, list[str]] = {}
    for match, end in zip(found, ends, strict=False):
        parts.setdefault(match[1], []).append(text[match.end() : end])
    repeated = [key for key, values in parts.items() if len(values) > 1 and key not in ("point", "not")]
    described = "box" in parts or "point" in parts
    if (
        not found
        or found[0].start()
        or repeated
        or ("mask" in parts) == described
        or {"mask", "not"} <= {*parts}
    ):
        raise InputError(
            f"object {text!r}: write it as frame=120,box=x,y,w,h or with point=x,y or mask=FILE; a box and "
            "points may be of one object, and not=x,y is a point beside it"
        )
    frame = parts.get("frame", [str(start)])[0].strip()
    if not frame.isdecimal() or len(frame) > 9:
        raise InputError(f"object {text[:80]!r}: frame={frame[:20]} is not a number; frames count from 0")
    if "mask" in parts:
        return [Prompt(int(frame), masks=read_masks(file, size)) for file in _files(Path(parts["mask"][0]))]
    points, beside = (
        tuple(read_point(value, size) for value in parts.get(key, [])) for key in ("point", "not")
    )
    box = read_box(parts["box"][0], size) if "box" in parts else None
    return [Prompt(int(frame), box=box, points=points, beside=beside)]


def read_box(text: str, size: Size) -> tuple[float, ...]:
    """Read "x,y,width,height" in pixels; the box must lie within a frame of the size (height, width)."""
    x, y, width, height = _numbers(text, "box", "x,y,w,h")
    if width < 1 or height < 1:
        raise InputError(f"box {text}: width and height must be at least 1 (a box is x,y,w,h)")
    if x < 0 or y < 0 or x + width > size[1] or y + height > size[0]:
        raise InputError(
            f"box {text}: reaches from ({x:g}, {y:g}) to ({x + width:g}, {y + height:g}), "
            f"beyond the frame of {size[1]} x {size[0]} pixels (a box is x,y,w,h)"
        )
    return x, y, width, height


def read_point(text: str, size: Size) -> tuple[float, ...]:
    """Read "x,y" in pixels; the point must lie within a frame of the size (height, width)."""
    x, y = _numbers(text, "point", "x,y")
    if not (0 <= x < size[1] and 0 <= y < size[0]):
        raise InputError(
            f"point {text}: not within the frame of {size[1]} x {size[0]} pixels (counted from 0)"
        )
    return x, y


def _numbers(text: str, what: str, form: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != len(form.split(",")) or not all(math.isfinite(value) for value in values):
        raise InputError(f"{what} {text}: write {form}, numbers of pixels with commas between them")
    return values


def _files(path: Path) -> list[Path]:
    """Return a mask file, or the images of a folder."""
    return images_in(path) if path.is_dir() else [path]


def read_masks(path: str | Path, size: Size) -> Masks:
    """Read the objects of a label image with a palette, grey, or in colours.

    Args:
        path: The image. Value 0 (black in colours, or transparent) is background; every other value is an
            object, in ascending order.
        size: Height and width that it must have.

    Returns:
        (N, H, W).

    Raises:
        DataError: It is not a readable image.
        InputError: It has another size, no object, or too many values to be objects.
    """
    try:
        if Path(path).exists() and not Path(path).is_file():
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
    if pixels.shape != size:
        raise InputError(
            f"mask {path}: has {pixels.shape[1]} x {pixels.shape[0]} pixels, "
            f"but the frame {size[1]} x {size[0]}"
        )
    values = np.unique(pixels)
    values = values[values != 0]
    if len(values) == 0:
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
    masks: Masks = pixels[None] == values[:, None, None]
    return masks


def _values(image: Pillow.Image) -> npt.NDArray[Any]:
    """Return one number per pixel: its grey or palette value, or its 24-bit colour; 0 is background."""
    if image.mode == "P" or len(image.getbands()) == 1:
        values = np.asarray(image)
        return values if values.dtype.kind == "f" else values.astype(np.int64)
    *colours, alpha = np.moveaxis(np.asarray(image.convert("RGBA")).astype(np.int64), -1, 0)
    red, green, blue = colours
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return np.where(alpha > 0, red, 0)
    return np.where(alpha > 0, red << 16 | green << 8 | blue, 0)


def check_frames(prompts: Sequence[Prompt], start: int, end: int | None, stride: int) -> None:
    """Check that there are objects, and that the frames in which they begin are among those that are read.

    Raises:
        InputError: They are not.
    """
    if not prompts:
        raise InputError("no object: say what to track with --mask, --box, --point, --object or --select")
    for prompt in prompts:
        frame = prompt.frame
        if frame < start or (end is not None and frame >= end):
            last = "the end" if end is None else f"{start + (end - 1 - start) // stride * stride}"
            raise InputError(f"an object begins in frame {frame}, but frames {start} to {last} are read")
        if (frame - start) % stride:
            before = frame - (frame - start) % stride
            raise InputError(
                f"an object begins in frame {frame}, which is left out: with start {start} and "
                f"stride {stride} the nearest are {before} and {before + stride}"
            )


def select_boxes(image: Image, frame: int) -> list[Prompt]:
    """Let the user draw boxes in a window.

    Raises:
        InputError: There is no screen, OpenCV was built without windows, or no box was drawn.
    """
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError("--select needs a screen, and there is none; give --box x,y,w,h instead")
    title = "Draw a box and press Enter, for each object; then Esc"
    try:
        cv2.namedWindow(title, cv2.WINDOW_NORMAL)
        drawn = cv2.selectROIs(title, image[..., ::-1].copy(), showCrosshair=False)
        cv2.destroyWindow(title)
    except cv2.error as error:
        raise InputError(
            "--select needs an OpenCV with windows (the package opencv-python, and no opencv-python-headless "
            "beside it); give --box x,y,w,h instead"
        ) from error
    boxes = [tuple(float(side) for side in box) for box in drawn if box[2] > 0 and box[3] > 0]
    if not boxes:
        raise InputError("no box was drawn")
    return [Prompt(frame, box=box) for box in boxes]
