"""From frames to the network's input, and label maps between the two sizes."""

import doctest
from pathlib import Path

import numpy as np
import pytest
import torch

import hqtrack.propagation.frame
from hqtrack.propagation.frame import (
    EdgeLimits,
    Normalizer,
    input_size,
    resize_image,
    resize_labels,
    shrink_known_labels,
)

PARITY = Path(__file__).parents[1] / "data" / "parity" / "vmos_dev.npz"


def test_the_examples_in_the_documentation_hold() -> None:
    assert doctest.testmod(hqtrack.propagation.frame) == (0, 2)


@pytest.mark.parametrize(
    ("frame", "min_short_edge", "expected"),
    [  # as the published transformation gives them
        ((480, 854), 480, (481, 849)),
        ((120, 168), 480, (481, 673)),
        ((120, 168), 0, (113, 161)),
        ((1080, 1920), 480, (577, 1041)),
        ((1920, 1080), 480, (1041, 577)),
        ((721, 1281), 480, (577, 1041)),
        ((505, 505), 480, (513, 513)),
        ((489, 489), 480, (481, 481)),
        ((10, 1000), 480, (17, 1041)),
        ((1, 1), 0, (17, 17)),
    ],
)
def test_input_sizes_keep_the_aspect_on_the_grid_of_corners(
    frame: tuple[int, int], min_short_edge: int, expected: tuple[int, int]
) -> None:
    size = input_size(*frame, EdgeLimits(1040, min_short_edge), align_corners=True)
    assert size == expected


@pytest.mark.parametrize(
    ("frame", "limit", "expected"),
    [((480, 854), 640, (352, 640)), ((240, 320), 640, (240, 320)), ((5, 5), 640, (16, 16))],
)
def test_input_sizes_on_the_grid_of_cells(
    frame: tuple[int, int], limit: int, expected: tuple[int, int]
) -> None:
    assert input_size(*frame, EdgeLimits(limit), align_corners=False) == expected


def test_the_input_equals_the_published_one() -> None:
    parity = np.load(PARITY)
    frame = parity["frames"][0]
    size = input_size(*frame.shape[:2], EdgeLimits(1040, 480), align_corners=True)
    normalize = Normalizer(torch.device("cpu"), torch.float32)
    image = normalize(resize_image(frame, size))
    assert tuple(image.shape) == tuple(parity["input0_shape"])
    np.testing.assert_allclose(image[0, :, ::8, ::8].numpy(), parity["input0"], atol=2e-6)


def test_a_resized_image_never_shares_memory_with_the_frame() -> None:
    frame = np.zeros((32, 48, 3), np.uint8)
    for size in ((32, 48), (16, 32)):
        assert not np.shares_memory(resize_image(frame, size), frame)


def test_labels_are_resized_to_the_nearest_as_published() -> None:
    labels = np.random.default_rng(0).integers(0, 255, (37, 53)).astype(np.uint8)
    resized = resize_labels(torch.from_numpy(labels), (65, 33)).numpy()
    rows = (np.arange(65) * np.float32(37 / 65)).astype(int)
    columns = (np.arange(33) * np.float32(53 / 33)).astype(int)
    assert (resized == labels[np.ix_(rows, columns)]).all()


def test_no_given_object_is_lost_when_labels_shrink() -> None:
    labels = np.zeros((120, 160), np.uint8)
    labels[60:, :] = 1
    labels[33, 41] = 2  # between the pixels that resizing picks
    labels[101:103, 91:93] = 3
    small = shrink_known_labels(labels, (24, 32))
    assert set(np.unique(small)) == {0, 1, 2, 3}
    assert small[33 * 24 // 120, 41 * 32 // 160] == 2
    plain = resize_labels(torch.from_numpy(labels), (24, 32)).numpy()
    assert np.count_nonzero(plain != small) == 2


def test_one_lost_object_does_not_push_out_another() -> None:
    labels = np.zeros((40, 40), np.uint8)
    labels[10, 10], labels[11, 11] = 1, 2  # both fall on one pixel
    small = shrink_known_labels(labels, (4, 4))
    assert np.count_nonzero(small == 1) == 1
