"""Where objects are looked for: near where they are still seen, and in the whole frame when they are not."""

import numpy as np
import pytest
import torch

from hqtrack.propagation.rules.search_region import LEAST_MARGIN_PIXELS, confined, search_regions
from propagation.colour_scene import blocks, new_tracker, scene

FIRST, BESIDE, FAR = 0, 1, 29
"""Blocks of the scene, counted row by row: only the last is farther from the first than the margin."""


def with_look_alike(place: int, other: int) -> np.ndarray:
    """Return a frame with the object at one block and one of the same colour at another."""
    image, _ = scene({0: place})
    twin, masks = scene({0: other})
    return np.where(masks.any(0)[..., None], twin, image)


@pytest.mark.parametrize(("margin", "taken"), [(None, True), (0.5, False)])
def test_a_far_look_alike_is_taken_only_without_a_search_region(margin: float | None, taken: bool) -> None:
    tracker = new_tracker(rules={"search_margin": margin})
    tracker.initialize(*scene({0: FIRST}))
    found = blocks(tracker.track(with_look_alike(BESIDE, FAR)))[0].ravel()
    assert found[BESIDE]
    assert found[FAR] == taken


def test_an_object_that_jumped_is_found_in_the_whole_frame() -> None:
    tracker = new_tracker(rules={"search_margin": 0.5})
    tracker.initialize(*scene({0: FIRST}))
    assert blocks(tracker.track(scene({0: FAR})[0]))[0].ravel()[FAR]


def test_an_object_that_was_gone_is_found_in_the_whole_frame() -> None:
    tracker = new_tracker(rules={"search_margin": 0.5})
    tracker.initialize(*scene({0: FIRST}))
    empty, _ = scene({})
    assert not tracker.track(empty).any()
    assert blocks(tracker.track(scene({0: FAR})[0]))[0].ravel()[FAR]


def test_each_object_of_several_groups_has_a_region_of_its_own() -> None:
    tracker = new_tracker(rules={"search_margin": 0.5})
    places = {index: index for index in range(12)}
    tracker.initialize(*scene(places))
    image, masks = scene({**places, 11: 17})
    twin, far = scene({11: FAR})
    found = blocks(tracker.track(np.where(far.any(0)[..., None], twin, image)))
    assert (found == blocks(masks)).all()


def test_a_region_is_the_box_grown_by_a_part_of_its_sides() -> None:
    masks = torch.zeros(1, 400, 400).bool()
    masks[0, 100:300, 180:220] = True
    assert search_regions(masks, 0.5).spans.tolist() == [
        pytest.approx(
            [0 / 400, 400 / 400, (180 - LEAST_MARGIN_PIXELS) / 400, (220 + LEAST_MARGIN_PIXELS) / 400]
        )
    ]


def test_an_object_of_which_little_is_left_in_its_region_is_not_confined() -> None:
    masks = torch.zeros(1, 400, 400).bool()
    masks[0, :40, :40] = True
    logits = torch.zeros(2, 100, 100)
    logits[1] = -1
    logits[1, 60:, 60:] = 1
    logits[1, :2, :2] = 1
    assert torch.equal(confined(logits, search_regions(masks, 0.5)), logits)
