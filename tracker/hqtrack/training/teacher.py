"""Masks of the objects in photographs that nobody annotated, by a Segment Anything network as a teacher.

What a light network learns from few annotated photographs, it learns of few kinds of objects. A teacher that
has seen millions knows more. The network that is to learn guesses what may be an object, and the teacher is
asked for the object in the guess's box. It is also asked for the object at each point of a grid, and again
for the one in that object's box. Where both agree, it is an object that a box determines.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch

from hqtrack.cards import RefinerSettings
from hqtrack.errors import DataError, InputError, WeightsError
from hqtrack.files import make_folder, write_whole
from hqtrack.images import Image, images_in, read_image, resize_alike
from hqtrack.isolation import end_with
from hqtrack.masks import Mask, box_of, iou
from hqtrack.refinement import MaskRefiner, build_refiner
from hqtrack.training.datasets.video import read_png

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

ENCODER_SIDE = 1024
"""Of the square that Segment Anything's encoder sees; the image is at its upper left."""
DECODER_INPUTS = {
    "image_embeddings",
    "point_coords",
    "point_labels",
    "mask_input",
    "has_mask_input",
    "orig_im_size",
}
TEACHER_MEAN, TEACHER_DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
TEACHER_GRID, PUPIL_GRID = 5, 3
"""Of the teacher's grid, along the longer side, and of the pupil's."""
LEAST_IOU_OF_BOX, LEAST_IOU_OF_POINT = 0.92, 0.88
"""Predicted IoU that an answer to a box must have, and one to a point."""
TEACHER_AGREEMENT, PUPIL_AGREEMENT = 0.8, 0.6
"""IoU of both answers, and of an answer and a pupil's guess."""
LEAST_STABILITY = 0.9
"""IoU of an answer's masks at logits of 1 and -1 that a clear outline has."""
OBJECT_AREAS = (0.004, 0.7)
"""Shares of the picture that an object may fill."""
LARGEST_RIM = 0.3
"""Share of the picture's borders that an object may touch."""
LARGEST_OVERLAP = 0.1
"""Share of an object that may belong to a larger one."""
WRITTEN_LONG_EDGE = 480
"""Of the photographs that are written: crops of objects are smaller."""

IMAGES_FOLDER, LABELS_FOLDER, LIST_FILE = "images", "labels", "objects.txt"


class Teacher:
    """A Segment Anything network as the two ONNX files that tools for browsers and editors use.

    Args:
        encoder: Takes (1, 3, 1024, 1024), normalised.
        decoder: Takes an embedding, points and labels, and gives one mask of the image's size.

    Raises:
        WeightsError: A file cannot be read, or takes something else.
        InputError: ONNX Runtime is not installed.
    """

    def __init__(self, encoder: Path, decoder: Path) -> None:
        self._encoder, self._decoder = _session(encoder), _session(decoder)
        if [one.shape[1:] for one in self._encoder.get_inputs()] != [[3, ENCODER_SIDE, ENCODER_SIDE]]:
            raise WeightsError(f"{encoder}: is not the encoder of a Segment Anything network; give its file")
        if {one.name for one in self._decoder.get_inputs()} != DECODER_INPUTS:
            raise WeightsError(f"{decoder}: is not the decoder of a Segment Anything network; give its file")

    def objects(self, image: Image, guesses: Sequence[Mask], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
        """Find objects in an image.

        Args:
            image: (H, W, 3) uint8 RGB.
            guesses: Masks of `size` that may be of objects.
            size: Height and width of the answer.

        Returns:
            An index map, 0 where there is no object.
        """
        embedding = self._embedding(image)
        found: list[Mask] = []
        for guess in guesses:
            found += self._object_like(embedding, guess, PUPIL_AGREEMENT)
        for x, y in grid(size, TEACHER_GRID):
            if not any(mask[int(y), int(x)] for mask in found):
                # Without a box, a second point that is none has to be there.
                first = self._answer(embedding, [(x, y), (0, 0)], (1, -1), size)
                if first.is_clear(LEAST_IOU_OF_POINT):
                    found += self._object_like(embedding, first.mask, TEACHER_AGREEMENT)
        return index_map(found, size)

    def _object_like(self, embedding: Any, guess: Mask, agreement: float) -> list[Mask]:
        """Ask for the object in a guess's box; gives it if it is clear, and much like the guess."""
        box = box_of(guess)
        if box is None:
            return []
        answer = self._answer(embedding, [(box[0], box[1]), (box[2], box[3])], (2, 3), guess.shape)
        return (
            [answer.mask]
            if answer.is_clear(LEAST_IOU_OF_BOX) and iou(guess, answer.mask) >= agreement
            else []
        )

    def _embedding(self, image: Image) -> Any:
        height, width = image.shape[:2]
        scale = ENCODER_SIDE / max(height, width)
        small = resize_alike(image, (round(height * scale), round(width * scale)), cv2.INTER_LINEAR)
        square = np.zeros((1, 3, ENCODER_SIDE, ENCODER_SIDE), np.float32)
        normal = (small.astype(np.float32) - TEACHER_MEAN) / TEACHER_DEVIATION
        square[0, :, : small.shape[0], : small.shape[1]] = normal.transpose(2, 0, 1)
        return self._encoder.run(None, {self._encoder.get_inputs()[0].name: square})[0]

    def _answer(
        self,
        embedding: Any,
        points: Sequence[tuple[float, float]],
        labels: Sequence[int],
        size: tuple[int, int],
    ) -> _Answer:
        scale = ENCODER_SIDE / max(size)
        logits, predicted, coarse = self._decoder.run(
            None,
            {
                "image_embeddings": embedding,
                "point_coords": np.array([points], np.float32) * np.float32(scale),
                "point_labels": np.array([labels], np.float32),
                "mask_input": np.zeros((1, 1, 256, 256), np.float32),
                "has_mask_input": np.zeros(1, np.float32),
                "orig_im_size": np.array(size, np.float32),
            },
        )
        wide = np.count_nonzero(coarse > -1)
        stability = np.count_nonzero(coarse > 1) / wide if wide else 0.0
        return _Answer(_body(logits[0, 0] > 0), float(predicted[0, 0]), stability)


class _Answer(NamedTuple):
    mask: Mask
    predicted_iou: float
    stability: float

    def is_clear(self, sure: float) -> bool:
        """Return whether it is an object, of a clear outline, and the teacher is sure of it."""
        return self.predicted_iou >= sure and self.stability >= LEAST_STABILITY and _is_object(self.mask)


def grid(size: tuple[int, int], along: int) -> list[tuple[float, float]]:
    """Return points (x, y) spread evenly over a picture, so many along its longer side."""
    height, width = size
    rows, columns = (max(1, round(along * side / max(size))) for side in size)
    return [
        ((column + 0.5) * width / columns, (row + 0.5) * height / rows)
        for row in range(rows)
        for column in range(columns)
    ]


def guessed(pupil: MaskRefiner, image: Image) -> list[Mask]:
    """Return a pupil's guesses of what is at the points of a grid, and in the whole picture.

    Args:
        pupil: Makes a mask of a box or a point.
        image: (H, W, 3) uint8 RGB.

    Returns:
        Masks (H, W) of what may be objects, each only once.
    """
    height, width = image.shape[:2]
    masks = torch.cat(
        [
            pupil.masks_from_boxes(image, [(0, 0, width - 1, height - 1)]),
            pupil.masks_from_points(image, grid((height, width), PUPIL_GRID)),
        ]
    )
    different: list[Mask] = []
    for mask in masks.cpu().numpy():
        if _is_object(mask) and all(iou(mask, other) < TEACHER_AGREEMENT for other in different):
            different.append(mask)
    return different


def index_map(masks: Sequence[Mask], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Number masks (H, W) from the largest on; what is inside a larger one is a part of it, and left out.

    Returns:
        (H, W) uint8, 0 where there is no mask.
    """
    labels = np.zeros(size, np.uint8)
    number = 0
    for mask in sorted(masks, key=np.count_nonzero, reverse=True):
        free = mask & (labels == 0)
        if np.count_nonzero(free) >= (1 - LARGEST_OVERLAP) * np.count_nonzero(mask):
            number += 1
            labels[free] = number
    return labels


class Models(NamedTuple):
    """What finds objects."""

    encoder: Path
    """The teacher's, see `Teacher`."""
    decoder: Path
    pupil: RefinerSettings
    """What guesses."""


def label_photographs(photographs: Path, folder: Path, models: Models, *, workers: int) -> Iterator[int]:
    """Write photographs, reduced, and index maps of their objects, as `Photographs` reads them.

    What is there already is kept, so that the same call resumes one that was stopped.

    Args:
        photographs: A folder of images.
        folder: Receives images/, labels/ and objects.txt, which names the photographs that have objects.
        models: What finds objects.
        workers: Processes; several have one thread each.

    Yields:
        How many objects each photograph has, in their natural order.

    Raises:
        DataError: There is no image, or two have the same name.
        InputError: The photographs would be written over.
        WeightsError: The teacher's files cannot be used.
    """
    if (folder / IMAGES_FOLDER).resolve() == photographs.resolve():
        raise InputError(
            f"{folder}: its {IMAGES_FOLDER}/ are the photographs themselves; name another folder"
        )
    files = images_in(photographs)
    names = Counter(file.stem for file in files)
    if len(names) < len(files):
        twice = names.most_common(1)[0][0]
        raise DataError(f"{photographs}: there are several images named {twice}; rename all but one")
    _built(models)  # what is wrong with them is said once, before any process starts
    for name in (IMAGES_FOLDER, LABELS_FOLDER):
        make_folder(folder / name)
    label = partial(_labelled, folder=folder, models=models)
    named = []
    with ExitStack() as stack:
        counts: Iterator[int] = map(label, files)
        if workers > 1:
            pool = ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (os.getpid(),))
            counts = stack.enter_context(pool).map(label, files)
        for file, count in zip(files, counts, strict=True):
            if count:
                named.append(file.stem)
            yield count
    write_whole(folder / LIST_FILE, "".join(f"{name}\n" for name in named))


def _start_worker(parent: int) -> None:
    """Keep a worker to one thread, and end it with its parent."""
    end_with(parent)
    torch.set_num_threads(1)


def _labelled(file: Path, folder: Path, models: Models) -> int:
    """Write one photograph and its index map, unless they are there; gives its number of objects."""
    target = folder / LABELS_FOLDER / f"{file.stem}.png"
    if target.exists():
        return int(read_png(target).max())
    image = read_image(file)
    height, width = image.shape[:2]
    scale = min(1.0, WRITTEN_LONG_EDGE / max(height, width))
    small = resize_alike(image, (round(height * scale), round(width * scale)), cv2.INTER_AREA)
    teacher, pupil = _built(models)
    labels = teacher.objects(image, guessed(pupil, small), (small.shape[0], small.shape[1]))
    write_whole(
        folder / IMAGES_FOLDER / f"{file.stem}.jpg", cv2.imencode(".jpg", small[..., ::-1])[1].tobytes()
    )
    write_whole(target, cv2.imencode(".png", labels)[1].tobytes())
    return int(labels.max())


@cache
def _built(models: Models) -> tuple[Teacher, MaskRefiner]:
    pupil = build_refiner(models.pupil, device=torch.device("cpu"), dtype=torch.bfloat16)
    return Teacher(models.encoder, models.decoder), pupil


def _session(file: Path) -> InferenceSession:
    """Open a network, which is to run with one thread."""
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError("a teacher needs ONNX Runtime; install hqtrack[training]") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has no common class of errors
        raise WeightsError(f"{file}: no readable ONNX network: {error}") from error


def _body(mask: Mask) -> Mask:
    """Leave out specks, of less than a twentieth of the largest piece."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if count <= 2:
        return mask
    kept: Mask = np.isin(pieces, 1 + np.flatnonzero(areas >= 0.05 * areas.max()))
    return kept


def _is_object(mask: Mask) -> bool:
    """Return whether a mask has an object's size; what runs along the picture's borders is sky or ground."""
    rim = [
        side.any(axis) for side, axis in ((mask[:3], 0), (mask[-3:], 0), (mask[:, :3], 1), (mask[:, -3:], 1))
    ]
    share = np.count_nonzero(mask) / mask.size
    return bool(OBJECT_AREAS[0] <= share <= OBJECT_AREAS[1] and np.concatenate(rim).mean() <= LARGEST_RIM)
