"""Boxes that are drawn in a window."""

from __future__ import annotations

import os
import sys

import cv2

from hqtrack.errors import InputError
from hqtrack.images import Image
from hqtrack.video.prompts.prompt import Prompt


def select_boxes(image: Image, frame: int) -> list[Prompt]:
    """Ask the user to draw boxes in a window.

    Raises:
        InputError: There is no screen, OpenCV was built without windows, or you drew no box.
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
            "--select needs an OpenCV with windows (the package opencv-python without "
            "opencv-python-headless); give --box x,y,w,h instead"
        ) from error
    boxes = [tuple(float(side) for side in box) for box in drawn if box[2] > 0 and box[3] > 0]
    if not boxes:
        raise InputError("you drew no box")
    return [Prompt(frame, box=box, origin=f"box {','.join(f'{side:g}' for side in box)}") for box in boxes]
