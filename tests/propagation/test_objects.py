"""What becomes of objects in a video, with a network whose answers are known: each object has its colour."""

import numpy as np
import pytest
import torch

from hqtrack.cards import Paradigm
from hqtrack.engines import Engine, vmos
from hqtrack.masks import label_map, masks_of
from propagation.colour_network import ColourNetwork
from propagation.colour_scene import COLUMNS, ROWS, blocks, colour_card, new_tracker, scene


def new_engine(paradigm: Paradigm = "joint", guided_outlines: bool = False) -> Engine:
    card = colour_card(paradigm, guided_outlines=guided_outlines)
    return vmos.starter(card, ColourNetwork(), device=torch.device("cpu"), dtype=torch.float32)()


def found_in(engine: Engine, image: np.ndarray) -> np.ndarray:
    """Track to a frame; return the middle pixels of what is found in it."""
    found = engine.find(image)
    engine.remember(found.labels)
    shown = found.labels if found.outlined is None else found.outlined
    return blocks(masks_of(shown.numpy(), engine.count))


both_paradigms = pytest.mark.parametrize("paradigm", ["joint", "separate"])


@both_paradigms
@pytest.mark.parametrize("count", [1, 3, 12])
def test_objects_are_followed_wherever_they_go(paradigm: Paradigm, count: int) -> None:
    tracker = new_tracker(paradigm)
    tracker.initialize(*scene({index: index for index in range(count)}))
    for step in range(1, 8):
        image, masks = scene({index: (7 * index + step) % (ROWS * COLUMNS) for index in range(count)})
        assert (blocks(tracker.track(image)) == blocks(masks)).all()


@both_paradigms
def test_a_gone_object_has_an_empty_mask_and_is_found_again(paradigm: Paradigm) -> None:
    """It is away for longer than slots and short-term memory reach: only the reference still knows it."""
    tracker = new_tracker(paradigm)
    tracker.initialize(*scene({0: 0, 1: 7}))
    for step in range(1, 10):
        image, masks = scene({1: 8 + step})
        found = tracker.track(image)
        assert not found[0].any()
        assert (blocks(found[1]) == blocks(masks[0])).all()
    image, masks = scene({0: 29, 1: 3})
    assert (blocks(tracker.track(image)) == blocks(masks)).all()


@both_paradigms
def test_a_frame_in_which_all_are_gone_is_no_error(paradigm: Paradigm) -> None:
    tracker = new_tracker(paradigm)
    tracker.initialize(*scene({0: 0, 1: 7}))
    for _ in range(6):
        assert not tracker.track(scene({})[0]).any()
    image, masks = scene({0: 14, 1: 15})
    assert (blocks(tracker.track(image)) == blocks(masks)).all()


def test_without_slots_the_reference_and_the_short_term_memory_suffice() -> None:
    tracker = new_tracker(slots=0)
    tracker.initialize(*scene({0: 0}))
    for step in range(1, 6):
        image, masks = scene({0: step})
        assert (blocks(tracker.track(image)) == blocks(masks)).all()


@both_paradigms
@pytest.mark.parametrize("first", [1, 9, 10])
def test_a_new_object_is_followed_and_so_are_the_earlier_ones(paradigm: Paradigm, first: int) -> None:
    tracker = new_tracker(paradigm)
    tracker.initialize(*scene({index: index for index in range(first)}))
    for step in range(1, 4):
        tracker.track(scene({index: index + step for index in range(first)})[0])
    everybody = {index: index + 4 for index in range(first + 2)}
    image, masks = scene(everybody)
    tracker.track(image)  # colours never seen before: an earlier object may be taken for the new one
    assert (blocks(tracker.add_objects(image, masks[first:])) == blocks(masks)).all()
    for step in range(5, 12):
        image, masks = scene({index: index + step for index in range(first + 2)})
        assert (blocks(tracker.track(image)) == blocks(masks)).all()


def test_a_new_object_that_leaves_for_long_is_found_again_too() -> None:
    tracker = new_tracker()
    tracker.initialize(*scene({0: 0}))
    tracker.track(scene({0: 1})[0])
    image, masks = scene({0: 2, 1: 20})
    tracker.add_objects(image, masks[1:])
    for step in range(3, 12):
        assert not tracker.track(scene({0: step})[0])[1].any()
    image, masks = scene({0: 12, 1: 25})
    assert (blocks(tracker.track(image)) == blocks(masks)).all()


@both_paradigms
@pytest.mark.parametrize("guided", [False, True])
@pytest.mark.parametrize("removed", [[2], [1, 12], [*range(1, 11)], [*range(2, 13)]])
def test_removed_objects_are_background_and_the_others_stay(
    paradigm: Paradigm, guided: bool, removed: list[int]
) -> None:
    engine = new_engine(paradigm, guided)
    image, masks = scene({index: index for index in range(12)})
    engine.add(image, label_map(masks), 12)
    found_in(engine, scene({index: index + 1 for index in range(12)})[0])
    engine.remove(removed)
    stay = [index for index in range(12) if index + 1 not in removed]
    assert engine.count == len(stay)
    for step in range(2, 8):
        image, masks = scene({index: index + step for index in range(12)})  # the removed ones are still there
        assert (found_in(engine, image) == blocks(masks[stay])).all()


@both_paradigms
def test_objects_join_after_others_were_removed(paradigm: Paradigm) -> None:
    engine = new_engine(paradigm)
    image, masks = scene({index: index for index in range(9)})
    engine.add(image, label_map(masks), 9)
    engine.remove([1, 9])
    image, masks = scene({index: index + 1 for index in range(12)})
    found_in(engine, image)
    engine.add(image, label_map(masks[9:]), 3)
    assert engine.count == 10
    for step in range(2, 8):
        image, masks = scene({index: index + step for index in range(12)})
        assert (found_in(engine, image) == blocks(np.delete(masks, [0, 8], axis=0))).all()
    image, masks = scene({index: index + 3 for index in range(12)})
    engine.add_reference(image, label_map(np.delete(masks, [0, 8], axis=0)))
    assert (found_in(engine, image) == blocks(np.delete(masks, [0, 8], axis=0))).all()


def test_all_objects_may_be_removed_and_others_join() -> None:
    engine = new_engine()
    image, masks = scene({0: 3, 1: 4})
    engine.add(image, label_map(masks), 2)
    engine.remove([1, 2])
    assert engine.count == 0
    image, masks = scene({0: 4, 2: 12})
    found = engine.find(image)
    engine.remember(found.labels)
    assert not found.labels.any()
    assert engine.is_at(image)
    engine.add(image, label_map(masks[1:]), 1)
    image, masks = scene({0: 5, 2: 13})
    assert (found_in(engine, image) == blocks(masks[1:])).all()
