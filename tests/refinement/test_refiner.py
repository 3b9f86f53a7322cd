"""Refining frames with a real light HQ-SAM."""

import numpy as np
import pytest
import torch

from hqtrack.cards import RefinerSettings, Weights
from hqtrack.errors import InputError
from hqtrack.masks import iou
from hqtrack.refinement import MaskRefiner, build_refiner, prompted_sam

HEIGHT, WIDTH = 90, 160


def squares(count: int, height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
    """Return masks of equal columns."""
    masks = torch.zeros(count, height, width, dtype=torch.bool)
    for index, column in enumerate(np.array_split(np.arange(width), count)):
        masks[index, height // 4 : height // 2, column] = True
    return masks


@pytest.fixture(scope="module")
def frame(picture) -> np.ndarray:
    return picture(HEIGHT, WIDTH)


@pytest.mark.slow
def test_a_frame_is_encoded_once_and_all_objects_are_decoded_in_one_batch(refiner, calls, frame):
    masks, report = refiner.refine(frame, squares(4))
    assert (calls.encoded, calls.decoded) == (1, 1)
    assert masks.shape == (4, HEIGHT, WIDTH)
    assert int(masks.sum(0).max()) == 1
    assert [one.object for one in report.objects] == [1, 2, 3, 4]
    assert all(one.visible for one in report.objects)


def test_a_frame_without_visible_objects_is_not_encoded(refiner, calls, frame):
    given = torch.zeros(3, HEIGHT, WIDTH, dtype=torch.bool)
    masks, report = refiner.refine(frame, given)
    assert (calls.encoded, calls.decoded) == (0, 0)
    assert torch.equal(masks, given)
    assert [one.visible for one in report.objects] == [False, False, False]


@pytest.mark.slow
def test_many_objects_share_one_encoding_and_are_decoded_in_chunks(refiner, calls, frame, monkeypatch):
    monkeypatch.setattr(prompted_sam, "PROMPTS_AT_ONCE", 3)
    _, report = refiner.refine(frame, squares(4))
    assert (calls.encoded, calls.decoded) == (1, 2)
    assert len(report.objects) == 4


@pytest.mark.slow
def test_tau_decides_between_the_refined_and_the_given_mask(light_sam, frame, monkeypatch):
    """One pass of each tau over a thin object that the network refines to something that overlaps it."""
    embedding = light_sam.encode(frame)
    monkeypatch.setattr(light_sam, "encode", lambda _: embedding)  # which is what takes long
    given = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.bool)
    given[0, 40:44] = True
    refined = MaskRefiner(light_sam).masks_from_boxes(frame, [[0, 40, WIDTH - 1, 43]])
    overlap = iou(refined[0].numpy(), given[0].numpy())
    assert 0 < overlap < 1
    for tau, kept in ((0.0, True), (1.0, False)):
        masks, report = MaskRefiner(light_sam, iou_threshold=tau).refine(frame, given)
        assert report.objects[0].iou == pytest.approx(overlap)
        assert report.objects[0].kept is kept
        assert torch.equal(masks, refined if kept else given)


@pytest.mark.slow
def test_tiny_frames_with_one_pixel_border_and_whole_masks_are_refined(light_sam, calls, picture):
    height, width = 17, 31
    given = torch.zeros(4, height, width, dtype=torch.bool)
    given[0, 8, 15] = True
    given[1, 0, 0] = True
    given[2, height - 1, width - 5 :] = True
    given[3] = True
    boxes = [[15, 8, 15, 8], [0, 0, 0, 0], [26, 16, 30, 16], [0, 0, 30, 16]]
    refiner = MaskRefiner(light_sam, iou_threshold=0.0, overlap="lower-index")
    refined = refiner.masks_from_boxes(picture(height, width), boxes)
    masks, report = refiner.refine(picture(height, width), given)
    assert calls.encoded == 2
    taken = torch.zeros(height, width, dtype=torch.bool)
    for index, one in enumerate(report.objects):
        assert one.iou == pytest.approx(iou(refined[index].numpy(), given[index].numpy()))
        assert one.kept is (one.iou > 0)
        expected = (refined if one.kept else given)[index] & ~taken
        assert torch.equal(masks[index], expected)
        taken |= expected


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        (torch.zeros(2, 5, 5, dtype=torch.bool), r"\(N, 90, 160\) bool .* not \(2, 5, 5\) bool"),
        (torch.zeros(2, HEIGHT, WIDTH), r"not \(2, 90, 160\) float32"),
        (torch.zeros(HEIGHT, WIDTH, dtype=torch.bool), r"not \(90, 160\) bool"),
    ],
)
def test_masks_that_do_not_fit_the_image_are_refused(refiner, frame, masks, words):
    with pytest.raises(InputError, match=words):
        refiner.refine(frame, masks)


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        ([[0, 0, WIDTH, 5]], "not within the image: x must be 0 to 159"),
        ([[-1, 0, 5, 5]], "not within the image"),
        ([[0, 0, float("nan"), 5]], "not within the image"),
        ([[50, 10, 20, 30]], r"\(50, 10, 20, 30\) is empty"),
        ([0, 0, 5, 5], "one row of x0, y0, x1, y1"),
        (np.zeros((0, 4)), "one row of x0, y0, x1, y1"),
    ],
)
def test_boxes_that_cannot_be_used_are_refused(refiner, calls, frame, boxes, words):
    with pytest.raises(InputError, match=words):
        refiner.masks_from_boxes(frame, boxes)
    assert calls.encoded == 0


def test_points_outside_the_image_are_refused(refiner, calls, frame):
    with pytest.raises(InputError, match=r"\[3.0, 90.0\] is not within the image: .* y 0 to 89"):
        refiner.masks_from_points(frame, [[5, 5], [3, 90]])
    assert calls.encoded == 0


@pytest.mark.parametrize("image", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float32)])
def test_images_that_are_not_rgb_bytes_are_refused(refiner, image):
    with pytest.raises(InputError, match="uint8 RGB"):
        refiner.masks_from_points(image, [[1, 1]])


@pytest.mark.slow
def test_a_refiner_is_built_as_its_card_says(light_checkpoint, frame):
    settings = RefinerSettings(
        kind="hq-sam-vit-tiny",
        weights=Weights(file="nowhere.pth", origin="published"),
        iou_threshold=0.25,
        overlap="as-propagated",
    )
    refiner = build_refiner(settings, weights=light_checkpoint)
    masks, report = refiner.refine(frame, squares(2))
    assert report.iou_threshold == 0.25
    assert masks.shape == (2, HEIGHT, WIDTH)
