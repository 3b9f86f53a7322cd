"""Masks as arrays: merging, splitting, measuring and encoding them."""

import numpy as np
import pytest

from hqtrack.errors import InputError
from hqtrack.masks import box_of, iou, label_map, masks_of, rle_decode, rle_encode


@pytest.mark.parametrize(
    ("masks", "expected"),
    [
        pytest.param([[1, 1, 0, 0], [0, 0, 0, 1]], [1, 1, 0, 2], id="apart"),
        pytest.param([[1, 1, 1, 0], [0, 1, 1, 1]], [1, 2, 2, 2], id="the later owns contested pixels"),
        pytest.param([[0, 1, 0, 0], [1, 1, 1, 1]], [2, 1, 2, 2], id="a hidden object keeps its pixels"),
        pytest.param([[1, 1, 1, 1], [0, 1, 0, 0]], [1, 2, 1, 1], id="a later object inside an earlier one"),
        pytest.param([[0, 1, 0, 0], [0, 1, 1, 0], [1, 1, 1, 1]], [3, 1, 2, 3], id="three, nested"),
        pytest.param(
            [[1, 1, 0, 0], [0, 1, 1, 0], [1, 1, 1, 1]], [1, 2, 2, 3], id="two hidden: the later owns"
        ),
        pytest.param([[1, 1, 1, 1], [1, 1, 1, 1]], [1, 1, 2, 2], id="same pixels, halved"),
        pytest.param([[0, 0, 0, 0], [1, 0, 0, 0]], [2, 0, 0, 0], id="an empty mask takes nothing"),
        pytest.param([[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]], [2, 3, 0, 0], id="too few pixels for all"),
    ],
)
def test_overlapping_masks_merge_by_the_stated_rule(masks: list[list[int]], expected: list[int]) -> None:
    labels = label_map(np.array(masks, bool)[:, None])
    assert labels.dtype == np.uint8
    assert labels[0].tolist() == expected


def test_no_mask_that_has_a_pixel_to_itself_is_lost_whatever_the_overlap() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        masks = np.zeros((4, 6, 6), bool)
        for mask in masks:
            y, x = rng.integers(0, 4, 2)
            mask[y : y + rng.integers(2, 7), x : x + rng.integers(2, 7)] = True
        labels = label_map(masks)
        assert set(range(1, 5)) <= set(np.unique(labels).tolist())
        assert all(masks[index - 1][labels == index].all() for index in range(1, 5))
        assert ((labels > 0) == masks.any(axis=0)).all()


def test_masks_of_the_wrong_shape_or_number_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(N, H, W\), not \(2, 2\)"):
        label_map(np.zeros((2, 2), bool))
    with pytest.raises(InputError, match="256 objects"):
        label_map(np.zeros((256, 1, 1), bool))


def test_a_label_map_splits_into_the_masks_it_was_made_of() -> None:
    masks = np.zeros((255, 16, 16), bool)
    masks.reshape(255, 256)[np.arange(255), np.arange(255)] = True
    assert (masks_of(label_map(masks), 255) == masks).all()
    assert masks_of(np.zeros((3, 4), np.uint8), 0).shape == (0, 3, 4)


@pytest.mark.parametrize(
    ("mask", "box"),
    [
        ([[0, 0], [0, 0]], None),
        ([[1, 0], [0, 0]], (0, 0, 0, 0)),
        ([[0, 0, 1], [1, 0, 0]], (0, 0, 2, 1)),
        ([[0, 0, 0], [0, 1, 0], [0, 1, 0]], (1, 1, 1, 2)),
    ],
)
def test_a_box_is_tight_and_inclusive(mask: list[list[int]], box: tuple[int, ...] | None) -> None:
    assert box_of(mask) == box


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1, 1, 0], [1, 1, 0], 1.0),
        ([1, 1, 0], [0, 1, 1], 1 / 3),
        ([1, 0, 0], [0, 0, 1], 0.0),
        ([0], [0], 0.0),
    ],
)
def test_iou(a: list[int], b: list[int], expected: float) -> None:
    assert iou([a], [b]) == pytest.approx(expected)


def test_iou_of_different_sizes_is_refused() -> None:
    with pytest.raises(InputError, match=r"\(1, 2\) and \(1, 3\)"):
        iou([[1, 1]], [[1, 1, 1]])


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (1, 40), (97, 61), (300, 200)])
@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
def test_run_lengths_come_back_as_the_mask(shape: tuple[int, int], density: float) -> None:
    mask = np.random.default_rng(1).random(shape) < density
    rle = rle_encode(mask)
    assert rle["counts"].isascii()
    assert (rle_decode(rle) == mask).all()


@pytest.mark.parametrize(
    ("mask", "counts"),
    [  # strings as pycocotools 2.0 writes them
        (np.zeros((3, 4), bool), "<"),
        (np.ones((3, 4), bool), "0<"),
        (np.eye(3, dtype=bool), "013000"),
        (np.tri(12, 9, dtype=bool), "0<1O1O1O1O1O1O1O1O"),
    ],
)
def test_run_lengths_are_written_as_coco_does(mask: np.ndarray, counts: str) -> None:
    assert rle_encode(mask)["counts"] == counts


@pytest.mark.parametrize(
    "rle",
    [
        {"counts": "04"},
        {"size": [2, 2], "counts": "0"},
        {"size": [2, 2], "counts": [1, 2]},
        {"size": [2, 2], "counts": [9, -5]},
        {"size": [2, 2], "counts": "o"},
        {"size": [2], "counts": "04"},
    ],
)
def test_damaged_run_lengths_are_refused(rle: dict[str, object]) -> None:
    with pytest.raises(InputError):
        rle_decode(rle)


@pytest.mark.parametrize("wrong", [[[[0.5, 0]]], [[[float("nan"), 1]]], [[["a", "b"]]], [[[1, 2], [3]]]])
def test_what_is_neither_bool_nor_whole_numbers_is_no_mask(wrong: list[object]) -> None:
    with pytest.raises(InputError):
        label_map(wrong)
    with pytest.raises(InputError):
        rle_encode(wrong[0])
    with pytest.raises(InputError):
        box_of(wrong[0])
