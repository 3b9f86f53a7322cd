"""Results as pictures: masks that a tracker reported, drawn over frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from vot.dataset import Sequence as VotSequence
from vot.tracker import Tracker
from vot.tracker.results import Trajectory
from vot.workspace import Workspace

from hqtrack.evaluation.workspaces import write_atomically
from hqtrack.images import Image
from hqtrack.masks import Masks
from hqtrack.video.drawing import contact_sheet, draw_masks

SHEET_FRAMES = 6


def frame_of(sequence: VotSequence, index: int) -> Image:
    """Return a frame (H, W, 3) uint8 RGB."""
    return np.ascontiguousarray(sequence.frame(index).image())


def masks_of(sequence: VotSequence, trajectories: Sequence[Trajectory], index: int) -> Masks:
    """Return the masks (N, H, W) that a tracker reported for a frame; in the first frame, the given ones."""
    width, height = sequence.size
    bounds = (0, 0, width - 1, height - 1)
    if index == 0:
        regions = [sequence.object(name)[0] for name in sequence.objects()]
    else:
        regions = [trajectory.region(index) for trajectory in trajectories]
    empty = np.zeros((height, width), np.uint8)
    return np.stack([empty if r.is_empty() else r.rasterize(bounds) for r in regions]) > 0


def truth_of(sequence: VotSequence, index: int) -> Masks:
    """Return the true masks (N, H, W) in a frame; that of an object without a region there is empty."""
    width, height = sequence.size
    bounds = (0, 0, width - 1, height - 1)
    empty = np.zeros((height, width), np.uint8)
    regions = [sequence.object(name, index) for name in sequence.objects()]
    return np.stack([empty if r is None or r.is_empty() else r.rasterize(bounds) for r in regions]) > 0


def with_truth(image: Image, truth: Masks) -> Image:
    """Draw the outlines of true masks (N, H, W) over an image (H, W, 3), white with a black edge."""
    image = image.copy()
    thickness = max(1, round(min(image.shape[:2]) / 400))
    for mask in truth:
        outline, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(image, outline, -1, (0, 0, 0), 3 * thickness)
        cv2.drawContours(image, outline, -1, (255, 255, 255), thickness)
    return image


def side_by_side(image: Image, found: Sequence[Masks], captions: Sequence[str], truth: Masks) -> Image:
    """Draw what trackers found over a frame, each in a part of its own with its caption and the truth.

    Args:
        image: (H, W, 3) uint8 RGB.
        found: The masks (N, H, W) of each tracker.
        captions: What is written on each part.
        truth: (N, H, W) bool, outlined in white.

    Returns:
        (H, W * trackers, 3) uint8 RGB.
    """
    outlined = with_truth(image, truth)
    parts = [
        _titled(draw_masks(outlined, masks), caption) for masks, caption in zip(found, captions, strict=True)
    ]
    return np.concatenate(parts, axis=1)


def picked(sequence: VotSequence) -> list[int]:
    """Choose the frames of a sequence that a sheet shows, evenly from first to last."""
    return sorted(set(np.linspace(0, len(sequence) - 1, SHEET_FRAMES).astype(int).tolist()))


def sheet(workspace: Workspace, trackers: Sequence[Tracker]) -> Image:
    """Lay out frames of every sequence, a row for each tracker, with both names; (H, W, 3) uint8 RGB.

    The truth is a white outline.
    """
    experiment = next(iter(workspace.stack))
    images: list[Image] = []
    for sequence in workspace.dataset:
        for tracker in trackers:
            trajectories = experiment.gather(tracker, sequence)
            row = [
                draw_masks(
                    with_truth(frame_of(sequence, index), truth_of(sequence, index)),
                    masks_of(sequence, trajectories, index),
                )
                for index in picked(sequence)
            ]
            row[0] = _titled(row[0], f"{sequence.name}: {tracker.identifier}", 1.5)  # it is shown small
            row += [np.zeros_like(row[0])] * (SHEET_FRAMES - len(row))
            images += row
    return contact_sheet(images, columns=SHEET_FRAMES)


def write_picture(file: Path, image: Image) -> None:
    """Write a picture in the format of its suffix, whole or not at all.

    Raises:
        DataError: It cannot be written.
    """
    _, content = cv2.imencode(file.suffix, image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    write_atomically(file, content.tobytes())


def _titled(image: Image, title: str, size: float = 1.0) -> Image:
    scale = size * image.shape[1] / 640
    place = (round(8 * scale), round(28 * scale))
    image = image.copy()
    for colour, width in (((0, 0, 0), 4), ((255, 255, 255), 2)):
        thickness = max(1, round(width * scale))
        cv2.putText(
            image, title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.9 * scale, colour, thickness, cv2.LINE_AA
        )
    return image
