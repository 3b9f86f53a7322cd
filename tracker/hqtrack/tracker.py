"""HQTrack: a frame and masks of its objects in, then one frame after another in and their masks out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, Concatenate, Literal, NoReturn, ParamSpec, TypeVar, overload

import numpy as np
import numpy.typing as npt
import torch

from hqtrack import processor, zoo
from hqtrack.cards import Backend, Card
from hqtrack.engines import Engine, LearnsFromPictures, Start, load_engine, vmos
from hqtrack.engines.capacity import explained_memory
from hqtrack.errors import InputError, StateError
from hqtrack.images import Image
from hqtrack.isolation import own_settings
from hqtrack.masks import MAX_ID, MAX_OBJECTS, LabelMap, Masks, as_bool, free_ids, label_map, masks_of
from hqtrack.nets.interface import PropagationNetwork
from hqtrack.propagation import Found
from hqtrack.refinement import MaskRefiner, RefinementPolicy, RefinementReport, build_refiner
from hqtrack.runtimes.encoders import PACKAGES

logger = logging.getLogger(__name__)

SURE = 0.9
"""Score with which an object of another shot is surely found."""

Precision = Literal["auto", "float32", "bfloat16", "float16"]
SCORE_DECAY = 0.97
"""Of the running mean in scores, from frame to frame: what went wrong once stays doubtful for a while.

Chosen on drawn sequences of training seeds, measured on others (`benchmarks/scores.py`, docs/scores.md).
"""

Probabilities = npt.NDArray[np.float32]
"""(N, H, W), 0 to 1."""
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def _exclusive(
    method: Callable[Concatenate[HQTrack, Given], Answer],
) -> Callable[Concatenate[HQTrack, Given], Answer]:
    """Admit one thread at a time into a tracker, and keep the caller's settings of PyTorch away from it."""

    @wraps(method)
    def wrapped(tracker: HQTrack, /, *args: Given.args, **kwargs: Given.kwargs) -> Answer:
        if not tracker._lock.acquire(blocking=False):
            raise StateError(
                f"{method.__name__}: another thread is using this tracker; give each thread its own tracker"
            )
        try:
            with (
                own_settings(),
                explained_memory(
                    tracker.card,
                    tracker.device,
                    tracker.dtype,
                    lambda: tracker.object_count + tracker._joining,
                ),
            ):
                return method(tracker, *args, **kwargs)
        finally:
            tracker._joining = 0
            tracker._lock.release()

    return wrapped


class HQTrack:
    """Tracks the masks of any number of objects (up to 255) through a video.

    `initialize` takes the first frame with a mask of each object, `track` each following frame. Objects that
    come later join with `add_objects`. Propagation remembers its own masks; the refiner's are for output,
    and remembered only where the card has it.

    Where given masks overlap, the later object owns the contested pixels, unless that would leave an object
    without any (see `hqtrack.masks.label_map`).

    One thread at a time can use a tracker, several threads a tracker each. `copy.deepcopy` and `pickle` give
    a tracker that continues the same video. In a forked process networks run on one thread.

    Args:
        card: The system: memory, input size, paradigm.
        network: The card's propagation network with its weights, or what starts another engine for a video.
        refiner: Refines the masks, for output and, where the card has it, for memory; None leaves them as
            they were propagated.
        device: "auto" takes CUDA, then MPS, then the CPU; or a device's name, such as "cuda:1".
        precision: "auto" is the fastest that is right: on CUDA bfloat16, or float16 where that is missing; on
            a CPU bfloat16 where it computes that natively, else float32; on MPS float32.

    Example:
        >>> tracker = HQTrack.from_card("hqtrack-light")  # doctest: +SKIP
        >>> tracker.initialize(frames[0], masks)  # doctest: +SKIP
        >>> for frame in frames[1:]:  # doctest: +SKIP
        ...     masks = tracker.track(frame)
    """

    def __init__(
        self,
        card: Card,
        network: PropagationNetwork | Start,
        *,
        refiner: MaskRefiner | None = None,
        device: str | torch.device = "auto",
        precision: Precision = "auto",
    ) -> None:
        self._lock = threading.RLock()
        self.card = card
        self.device = find_device(device)
        self.dtype = find_dtype(precision, self.device, card.backend)
        _report_slow_precision(self.dtype, self.device)
        if isinstance(network, PropagationNetwork):
            network = vmos.starter(card, network, device=self.device, dtype=self.dtype)
        self._start: Start = network
        self._refiner = refiner
        remembered = card.refiner is not None and card.refiner.remembered
        self._refinement = RefinementPolicy(refiner, remembered=remembered)
        self._engine: Engine | None = None
        self._size = (0, 0)
        self._ids: list[int] = []
        self._joining = 0  # objects that the engine is being given
        self._shown: LabelMap = np.zeros((0, 0), np.uint8)  # the last answer: it may differ from memory
        self._report: RefinementReport | None = None
        self._scores: npt.NDArray[np.float32] = np.zeros(0, np.float32)
        self._mean_scores: npt.NDArray[np.float64] = np.zeros(0)  # of the frames that showed each object

    @classmethod
    def from_card(
        cls,
        card: str | Path,
        *,
        weights: str | Path | None = None,
        device: str | torch.device = "auto",
        precision: Precision = "auto",
        **overrides: Any,
    ) -> HQTrack:
        """Build the tracker that a model card describes.

        Args:
            card: Name of a card, such as "hqtrack-light", or path of a card file.
            weights: File with the propagation network's weights; by default the card's own.
            device: See `HQTrack`.
            precision: See `HQTrack`.
            **overrides: Settings in place of the card's, listed in `hqtrack.cards.OVERRIDES`; None leaves the
                card's value, and "off" switches off what can be, such as `rules` or `refiner`.

        Raises:
            CardError: There is no such card, or a setting is unknown or out of range.
            WeightsError: Weights are missing, damaged, or of another network.
            InputError: The device or precision is unknown or not available.
            DeviceMemoryError: The networks do not fit into the device's memory.
        """
        settings = zoo.load_card(card, **overrides)
        found = find_device(device)
        dtype = find_dtype(precision, found, settings.backend)
        if not isinstance(weights, str | Path | None):
            raise InputError(f"weights {weights!r}: give the path of a file, or None for the card's own")
        file = None if weights is None else Path(weights)
        with own_settings(), explained_memory(settings, found, dtype, lambda: 0):
            start = load_engine(settings, file, device=found, dtype=dtype)
            refiner = None
            if settings.refiner is not None:
                refiner = build_refiner(settings.refiner, device=found, dtype=dtype)
            return cls(settings, start, refiner=refiner, device=found, precision=precision)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy has of this tracker: all but the lock."""
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.RLock())

    def __copy__(self) -> NoReturn:
        raise StateError("a shallow copy of a tracker would share its video; use copy.deepcopy")

    @property
    def object_count(self) -> int:
        """Number of objects tracked now."""
        return self._engine.count if self._engine else 0

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """(N,) ids of the objects, in the order of their masks; an id never changes."""
        return np.array(self._ids, np.int64)

    @property
    def scores(self) -> npt.NDArray[np.float32]:
        """(N,) how sure the tracker is of each mask of the last frame, 0 to 1: 0 not seen, 1 a given mask.

        Made of what the engine says of this frame and, counted twice, of its running mean over the frames
        that showed the object.
        """
        return self._scores.copy()

    @property
    def refiner(self) -> MaskRefiner | None:
        """The card's refiner, which also turns boxes and points into masks."""
        return self._refiner

    @property
    def refinement_report(self) -> RefinementReport | None:
        """What the refiner did to each object in the last frame; None where nothing was refined."""
        return self._report

    @_exclusive
    def initialize(
        self,
        image: Image,
        masks: npt.ArrayLike | Sequence[npt.ArrayLike],
        *,
        ids: Sequence[int] | npt.NDArray[np.integer[Any]] | None = None,
    ) -> Masks:
        """Start a video with its first frame; what was tracked before is forgotten.

        Args:
            image: (H, W, 3) uint8 RGB.
            masks: (N, H, W) bool, or N arrays (H, W), one for each object; none of them empty. A video may
                begin without objects (N = 0), and they join with `add_objects`.
            ids: N different whole numbers from 1; by default 1 to N.

        Returns:
            (N, H, W) bool: the masks as they were taken; no pixel belongs to two objects.

        Raises:
            InputError: The image or masks cannot be used; the tracker is as it was.
        """
        image = _checked_image(image)
        if as_bool(masks).shape in ((0,), (0, *image.shape[:2])):
            _checked_ids(ids, 0, earlier=[])
            self.reset()
            self._size = image.shape[:2]
            return np.zeros((0, *self._size), bool)
        labels, count = _checked_masks(masks, image, earlier=0)
        numbers = _checked_ids(ids, count, earlier=[])
        self.reset()
        engine = self._start()
        self._joining = count
        engine.add(image, labels, count)
        self._engine, self._size, self._shown = engine, image.shape[:2], labels
        self._ids = numbers
        self._scores, self._mean_scores = np.ones(count, np.float32), np.ones(count)
        return masks_of(labels, count)

    @_exclusive
    def add_picture(
        self,
        picture: Image,
        masks: npt.ArrayLike | Sequence[npt.ArrayLike],
        *,
        ids: Sequence[int] | npt.NDArray[np.integer[Any]] | None = None,
    ) -> None:
        """Add objects that another picture shows, of any size, before the first frame of a video.

        The picture is encoded at its own size, and remembered for good. The first frame goes to `track`,
        which looks for the objects. Others may join with `add_objects`.

        Args:
            picture: (H, W, 3) uint8 RGB.
            masks: (N, H, W) bool, or N arrays (H, W), one for each object; none of them empty.
            ids: N whole numbers from 1 that no other object has; by default the lowest that are free.

        Raises:
            StateError: A video has begun: call `reset` first.
            InputError: The picture or masks cannot be used, or the card's engine learns from frames of the
                video alone; the tracker is as it was.
        """
        if self._size != (0, 0):
            raise StateError("add_picture comes before the first frame: call reset first")
        picture = _checked_image(picture)
        earlier = 0 if self._engine is None else self._engine.count
        labels, count = _checked_masks(masks, picture, earlier=earlier)
        numbers = _checked_ids(ids, count, earlier=self._ids)
        engine = self._start() if self._engine is None else self._engine
        if not isinstance(engine, LearnsFromPictures):
            raise InputError(
                f"the engine {self.card.engine} of the card {self.card.name} cannot learn an object from "
                "another picture; choose another card, or give the object in a frame of the video"
            )
        self._joining = count
        engine.add_picture(picture, labels, count)
        self._engine, self._ids = engine, [*self._ids, *numbers]
        self._scores = np.append(self._scores, np.zeros(count, np.float32))
        self._mean_scores = np.append(self._mean_scores, np.ones(count))

    @overload
    def track(
        self,
        image: Image,
        *,
        return_probabilities: Literal[False] = False,
        sought: Mapping[int, float] | None = None,
    ) -> Masks: ...

    @overload
    def track(
        self,
        image: Image,
        *,
        return_probabilities: Literal[True],
        sought: Mapping[int, float] | None = None,
    ) -> tuple[Masks, Probabilities]: ...

    @_exclusive  # type: ignore[misc]  # mypy compares with what the decorator makes of it
    def track(
        self,
        image: Image,
        *,
        return_probabilities: bool = False,
        sought: Mapping[int, float] | None = None,
    ) -> Masks | tuple[Masks, Probabilities]:
        """Find all objects in the next frame.

        Args:
            image: (H, W, 3) uint8 RGB, of the size of the first frame.
            sought: Objects of another shot, by id: one is taken as not seen, and remembered so, unless its
                score is at least `SURE` and its mask has at least this many pixels.
            return_probabilities: Whether to return how probable each object is at each pixel, too.

        Returns:
            (N, H, W) bool in the order in which the objects were given; no pixel belongs to two objects. The
            mask of an object that is not seen is empty. With `return_probabilities` a pair of these and
            (N, H, W) float32, 0 to 1, at the frame's size: what propagation found, before outlines follow
            the frame's edges and before the refiner. VMOS computes them on a grid of a quarter of its input;
            ten objects share one sum of at most 1. Without it they are not computed.

        Raises:
            StateError: There is nothing to track yet.
            InputError: The image cannot be used, or has another size than the first; or the card's engine
                has no probabilities.
        """
        if self._is_empty:
            self._checked_frame(image)
            none = np.zeros((0, *self._size), bool)
            return (none, none.astype(np.float32)) if return_probabilities else none
        engine = self._started("track")
        image = self._checked_frame(image)
        found = engine.find(image)
        if return_probabilities and found.probabilities is None:
            raise InputError(f"return_probabilities: the engine {self.card.engine} does not compute them")
        if sought:
            found = self._only_sure(found, sought)
        answer = self._refinement.answer(image, found.labels, found.outlined, engine.count)
        engine.remember(answer.remembered)
        self._shown, self._report = answer.shown.cpu().numpy(), answer.report
        masks = masks_of(self._shown, engine.count)
        sure = np.ones(engine.count) if found.scores is None else found.scores.double().cpu().numpy()
        seen, mean = masks.any((1, 2)), self._mean_scores
        self._mean_scores = np.where(seen, SCORE_DECAY * mean + (1 - SCORE_DECAY) * sure, mean)
        self._scores = np.asarray(np.where(seen, np.cbrt(sure * self._mean_scores**2), 0), np.float32)
        if not return_probabilities or found.probabilities is None:
            return masks
        return masks, np.asarray(found.probabilities().cpu().numpy(), np.float32)

    def _only_sure(self, found: Found, sought: Mapping[int, float]) -> Found:
        """Return what was found without those sought objects that are not surely found."""
        areas = torch.bincount(found.labels.flatten().long(), minlength=len(self._ids) + 1).tolist()
        scores = [1.0] * len(self._ids) if found.scores is None else found.scores.tolist()
        kept = torch.arange(len(self._ids) + 1, dtype=torch.uint8, device=found.labels.device)
        for place, (number, score) in enumerate(zip(self._ids, scores, strict=True), 1):
            if number in sought and (score < SURE or areas[place] < sought[number]):
                kept[place] = 0
        outlined = None if found.outlined is None else kept[found.outlined.long()]
        return found._replace(labels=kept[found.labels.long()], outlined=outlined)

    @_exclusive
    def add_objects(
        self,
        image: Image,
        masks: npt.ArrayLike | Sequence[npt.ArrayLike],
        *,
        ids: Sequence[int] | npt.NDArray[np.integer[Any]] | None = None,
    ) -> Masks:
        """Add new objects in mid-video; they come after the earlier ones in all outputs.

        `image` is the frame that was tracked last. Any other image is taken as the next frame: the earlier
        objects are tracked to it first, as `track` does it, and it must not be given to `track` again. New
        objects keep this frame as their reference, earlier ones keep theirs. Given masks own the pixels that
        they contest with earlier objects, unless that would leave one of these without any.

        Args:
            image: (H, W, 3) uint8 RGB, of the size of the first frame.
            masks: (M, H, W) bool, or M arrays (H, W), one for each new object; none of them empty.
            ids: M whole numbers from 1 that no other object has; by default the lowest that are free.

        Returns:
            (N + M, H, W) bool: masks of all objects in this frame, earlier ones as `track` gives them.

        Raises:
            StateError: There is no video yet.
            InputError: The image or masks cannot be used; the tracker is as it was.
        """
        if self._is_empty:
            return self.initialize(self._checked_frame(image), masks, ids=ids)
        engine = self._started("add_objects")
        image = self._checked_frame(image)
        labels, count = _checked_masks(masks, image, earlier=engine.count)
        numbers = _checked_ids(ids, count, earlier=self._ids)
        if not engine.is_at(image):
            self.track(image)
        earlier = masks_of(self._shown, engine.count)
        self._joining = count
        engine.add(image, labels, count)
        self._ids = [*self._ids, *numbers]
        self._scores = np.append(self._scores, np.ones(count, np.float32))
        self._mean_scores = np.append(self._mean_scores, np.ones(count))
        self._shown = label_map(np.concatenate([earlier, masks_of(labels, count)]))
        return masks_of(self._shown, engine.count)

    @_exclusive
    def add_reference(self, image: Image, masks: npt.ArrayLike | Sequence[npt.ArrayLike]) -> None:
        """Take the masks of all objects in a frame as known, for example to resume an interrupted video.

        The frame counts as the one that was tracked last. It is remembered for good, as the first one is.

        Args:
            image: (H, W, 3) uint8 RGB, of the size of the first frame.
            masks: (N, H, W) bool, one for each object; that of an object that is not seen is empty.

        Raises:
            StateError: There is no video yet.
            InputError: The image or masks cannot be used; the tracker is as it was.
        """
        engine = self._started("add_reference")
        image = self._checked_frame(image)
        known = as_bool(masks)
        if known.shape != (engine.count, *self._size):
            raise InputError(
                f"masks must have the shape {(engine.count, *self._size)}, one for each object, "
                f"not {known.shape}"
            )
        self._report = None
        self._shown = label_map(known)
        self._scores, self._mean_scores = np.asarray(known.any((1, 2)), np.float32), np.ones(len(known))
        engine.add_reference(image, self._shown)

    @_exclusive
    def remove_objects(self, ids: Sequence[int] | npt.NDArray[np.integer[Any]]) -> None:
        """Forget objects between two frames; the others keep their order, ids and masks.

        Args:
            ids: Of objects that are tracked now.

        Raises:
            StateError: There is no video yet.
            InputError: There is no object of an id; the tracker is as it was.
        """
        engine = self._started("remove_objects")
        gone = [int(number) for number in ids]
        unknown = [number for number in gone if number not in self._ids]
        if unknown:
            raise InputError(f"there is no object {unknown[0]}; the ids are {', '.join(map(str, self._ids))}")
        places = [place for place, number in enumerate(self._ids) if number in gone]
        kept = [place for place in range(len(self._ids)) if place not in places]
        masks = masks_of(self._shown, engine.count)[kept]
        engine.remove([place + 1 for place in places])
        self._ids = [self._ids[place] for place in kept]
        self._scores, self._mean_scores = self._scores[kept], self._mean_scores[kept]
        self._shown = label_map(masks)
        self._report = None

    @_exclusive
    def reset(self) -> None:
        """Forget the video and free its memory; the next call is `initialize`."""
        self._engine = None
        self._ids = []
        self._scores, self._mean_scores = np.zeros(0, np.float32), np.zeros(0)
        self._report = None
        self._shown = np.zeros((0, 0), np.uint8)
        self._size = (0, 0)

    @property
    def _is_empty(self) -> bool:
        """Return whether a video has begun without objects, and none has joined."""
        return self._engine is None and self._size != (0, 0)

    def _started(self, call: str) -> Engine:
        if self._engine is None:
            raise StateError(f"{call} needs a video: call initialize with the first frame and its masks")
        return self._engine

    def _checked_frame(self, image: Image) -> Image:
        image = _checked_image(image)
        if self._size == (0, 0):  # nothing but pictures was given so far
            self._size = image.shape[:2]
            self._shown = np.zeros(self._size, np.uint8)
        if image.shape[:2] != self._size:
            raise InputError(
                f"the frame has {_size_text(image.shape)} pixels, but the video started with "
                f"{_size_text(self._size)}; resize it, or call initialize to start another video"
            )
        return image


def find_device(name: str | torch.device) -> torch.device:
    """Return the device of this name, or for "auto" the best there is: CUDA, then MPS, then the CPU.

    Raises:
        InputError: The name is unknown, or there is no such device.
    """
    available = ["cpu"]
    if torch.backends.mps.is_available():
        available.insert(0, "mps")
    if torch.cuda.is_available():
        available.insert(0, "cuda")
    if name == "auto":
        return torch.device(available[0])
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise InputError(f"unknown device {str(name)!r}; use 'auto' or one of {available}") from error
    beyond = device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()
    if device.type not in available or beyond:
        raise InputError(f"device {str(name)!r} is not available here; use 'auto' or one of {available}")
    return device


def find_dtype(precision: Precision, device: torch.device, backend: Backend = "auto") -> torch.dtype:
    """Return the number type in which networks run on a device, next to a runtime of encoders.

    Raises:
        InputError: The precision is unknown, or the device cannot run it.
    """
    if precision == "auto":
        if backend in PACKAGES:  # those compute in float32
            return torch.float32
        if device.type == "cpu":
            return processor.fastest_dtype()
        if device.type != "cuda":
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    types = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if not isinstance(precision, str) or precision not in types:
        raise InputError(f"unknown precision {precision!r}; use 'auto' or one of {list(types)}")
    if precision == "float16" and device.type == "cpu":
        raise InputError("precision 'float16' needs a GPU; on a CPU use 'bfloat16' or 'float32'")
    return types[precision]


@lru_cache
def _report_slow_precision(dtype: torch.dtype, device: torch.device) -> None:
    """Log once that bfloat16 was asked for on a processor that has no products of it."""
    if device.type == "cpu" and dtype == torch.bfloat16 and not processor.has_bfloat16_products():
        logger.warning(
            "precision bfloat16: this processor (%s) does not compute it natively, so it is slower here than "
            "float32; results are the same as elsewhere up to rounding",
            processor.capability(),
        )


def _checked_image(image: Image) -> Image:
    """Check that an image is (H, W, 3) uint8 with at least one pixel."""
    if not isinstance(image, np.ndarray):
        raise InputError(f"an image must be a NumPy array (H, W, 3) of uint8, not {type(image).__name__}")
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise InputError(f"an image must be RGB with the shape (H, W, 3), not {image.shape}")
    if image.dtype != np.uint8:
        raise InputError(f"an image must be uint8 with values 0 to 255, not {image.dtype}")
    return np.ascontiguousarray(image)


def _checked_masks(
    masks: npt.ArrayLike | Sequence[npt.ArrayLike], image: Image, *, earlier: int
) -> tuple[LabelMap, int]:
    """Check the masks of new objects and merge them; gives their label map and their number."""
    stacked = as_bool(masks)
    if stacked.ndim == 2:
        raise InputError(
            f"masks must have the shape (N, H, W), not {stacked.shape}; give one object as masks[None], "
            "and split a label map with hqtrack.masks.masks_of"
        )
    if stacked.ndim != 3 or len(stacked) == 0:
        raise InputError(f"masks must have the shape (N, H, W) with at least one object, not {stacked.shape}")
    if stacked.shape[1:] != image.shape[:2]:
        raise InputError(
            f"masks have {_size_text(stacked.shape[1:])} pixels, but the frame has {_size_text(image.shape)}"
        )
    total = earlier + len(stacked)
    if total > MAX_OBJECTS:
        raise InputError(f"{total} objects are too many; track at most {MAX_OBJECTS} in one video")
    empty = [earlier + index for index, mask in enumerate(stacked, start=1) if not mask.any()]
    if empty:
        raise InputError(
            f"the mask of object {', '.join(map(str, empty))} is empty (objects count from 1); give every "
            "object at least one pixel, or add it with add_objects when it appears"
        )
    return label_map(stacked), len(stacked)


def _checked_ids(
    ids: Sequence[int] | npt.NDArray[np.integer[Any]] | None, count: int, *, earlier: Sequence[int]
) -> list[int]:
    """Check the ids of new objects; makes them where none are given."""
    if ids is None:
        return free_ids(earlier, count)
    array = np.asarray(ids)
    if array.shape != (count,) or array.dtype.kind not in "ui":
        raise InputError(f"ids must be {count} whole numbers, one for each mask, not {str(ids)[:80]}")
    numbers = [int(number) for number in array]
    for number in numbers:
        if not 1 <= number <= MAX_ID:
            raise InputError(f"id {number} is out of range; ids are 1 to {MAX_ID}")
        if number in earlier or numbers.count(number) > 1:
            raise InputError(f"id {number} is used for two objects; give each its own id")
    return numbers


def _size_text(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
