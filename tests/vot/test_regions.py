"""First regions as the toolkit sends them, and what is reported."""

import numpy as np
import pytest
import torch
import trax

from hqtrack.errors import CardError, InputError
from hqtrack.vot.first_mask import FirstMask
from hqtrack.vot.regions import First, encode_mask, encode_rectangle, place, place_mask
from hqtrack.vot.session import Boxes, TrackedSequence
from hqtrack.vot.settings import SessionSettings, session_settings

SIZE = (12, 16)
IMAGE = np.zeros((*SIZE, 3), np.uint8)


def extent(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[y0 : y1 + 1, x0 : x1 + 1] = True
    return mask


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        (trax.Rectangle.create(2, 3, 4, 5), extent(2, 3, 5, 7)),
        (trax.Rectangle.create(-3, -2, 8, 6), extent(0, 0, 4, 3)),
        (trax.Polygon.create([(2.0, 3.0), (5.0, 3.0), (5.0, 7.0), (2.0, 7.0)]), extent(2, 3, 5, 7)),
        (trax.Polygon.create([(10.0, 8.0), (40.0, 8.0), (40.0, 30.0), (10.0, 30.0)]), extent(10, 8, 15, 11)),
        (trax.Mask.create(np.ones((6, 8), np.uint8), x=-3, y=-2), extent(0, 0, 4, 3)),
        (trax.Special.create(0), np.zeros(SIZE, bool)),
    ],
    ids=["rectangle", "rectangle beyond", "polygon", "polygon beyond", "mask beyond", "special"],
)
def test_a_region_of_any_kind_is_cut_at_the_border(region: trax.Region, expected: np.ndarray) -> None:
    if region.type == trax.Region.POLYGON and expected[11, 15]:
        with pytest.raises(InputError, match="beyond the frame of 16 x 12 pixels"):
            place(trax.Polygon.create([(x + 100.0, y) for x, y in list(region)]), SIZE)
    np.testing.assert_array_equal(place(region, SIZE).mask, expected)


@pytest.mark.parametrize(
    ("array", "offset"),
    [(np.ones((3, 3)), (14 + 2, 5)), (np.ones((3, 3)), (-3, 0)), (np.ones((3, 33)), (0, 0))],
    ids=["right of it", "left of it", "more than twice as wide"],
)
def test_a_region_of_other_frames_is_refused(array: np.ndarray, offset: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=r"reaches from .* beyond the frame of 16 x 12 pixels"):
        place_mask(array, offset, SIZE)


def test_background_beyond_the_frame_is_harmless() -> None:
    crop = np.zeros((20, 20), np.uint8)
    crop[:3, :3] = 1
    np.testing.assert_array_equal(place_mask(crop, (4, 5), SIZE), extent(4, 5, 6, 7))


def test_a_region_of_no_numbers_is_refused() -> None:
    with pytest.raises(InputError, match="a first rectangle has the numbers"):
        place(trax.Rectangle.create(float("nan"), 0, 4, 4), SIZE)


def test_a_full_rectangle_is_a_box_from_8_pixels_on() -> None:
    sides = {side: place(trax.Mask.create(np.ones((side, side), np.uint8)), SIZE).is_box for side in (7, 8)}
    assert sides == {7: False, 8: True}
    dented = np.ones((9, 9), np.uint8)
    dented[0, 0] = 0
    assert not place(trax.Mask.create(dented), SIZE).is_box


def test_an_empty_mask_is_reported_as_a_region_without_extent() -> None:
    nothing = np.zeros(SIZE, bool)
    assert not encode_mask(nothing).array().any()
    assert encode_rectangle(nothing).bounds() == (0, 0, 0, 0)


def test_a_rectangle_reaches_around_the_mask() -> None:
    assert encode_rectangle(extent(2, 3, 5, 7)).bounds() == (2, 3, 4, 5)


class Refined(FirstMask):
    """Has a refiner that finds the middle column of a box."""

    @property
    def refiner(self) -> "Refined":
        return self

    def masks_from_boxes(self, image: np.ndarray, boxes: list[tuple[int, int, int, int]]) -> torch.Tensor:
        found = np.zeros((len(boxes), *SIZE), bool)
        for mask, (x0, y0, x1, y1) in zip(found, boxes, strict=True):
            mask[y0 : y1 + 1, (x0 + x1) // 2] = True
        return torch.from_numpy(found)


@pytest.mark.parametrize(
    ("from_box", "refined"), [("auto", [True, False]), ("mask", [False, False]), ("rectangle", [True, True])]
)
def test_boxes_become_masks_by_the_refiner_as_the_setting_says(from_box: str, refined: list[bool]) -> None:
    box = extent(2, 2, 6, 9)
    regions = [First(box, True), First(box, False), First(np.zeros(SIZE, bool), True)]
    made = Boxes(Refined(), from_box).masks(IMAGE, regions)
    assert [bool((mask != box).any()) for mask in made[:2]] == refined
    assert not made[2].any()


def test_without_a_refiner_a_box_stays_and_only_auto_allows_that() -> None:
    region = First(extent(2, 2, 6, 9), True)
    (mask,) = Boxes(FirstMask(), "auto").masks(IMAGE, [region])
    np.testing.assert_array_equal(mask, region.mask)
    with pytest.raises(CardError, match=r"needs a card with a refiner, such as hqtrack-light"):
        Boxes(FirstMask(), "rectangle")


def test_settings_are_read_and_a_wrong_one_is_named_with_what_there_is() -> None:
    read = session_settings({"HQTRACK_REPORT": "rectangle", "HQTRACK_CARD": "vmos"})
    assert read == SessionSettings(report="rectangle")
    with pytest.raises(CardError, match=r"channel = 'infra'.*color, ir, depth"):
        session_settings({"HQTRACK_CHANNEL": "infra"})


def test_the_confidence_is_the_trackers_score_and_0_for_an_object_that_never_was() -> None:
    class Scored(FirstMask):
        scores = np.array([0.25, 0.75])

    sequence = TrackedSequence(Scored())
    nothing = np.zeros(SIZE, bool)
    masks = sequence.step(IMAGE, [extent(0, 0, 2, 2), nothing, extent(8, 8, 9, 9)])
    assert sequence.confidences(masks) == [0.25, 0, 0.75]
    plain = TrackedSequence(FirstMask())
    assert plain.confidences(plain.step(IMAGE, [extent(0, 0, 2, 2), nothing])) == [1, 0]
