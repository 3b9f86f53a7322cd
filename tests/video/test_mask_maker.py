"""Boxes and points become masks: by HQ-SAM, or a box by GrabCut."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hqtrack import WeightsError
from hqtrack.masks import iou
from hqtrack.refinement import MaskRefiner
from hqtrack.video.mask_maker import MaskMaker, find_refiner, grab_cut
from hqtrack.video.prompts import Prompt

SIZE = (48, 64)


def blob_on_noise() -> tuple[np.ndarray, np.ndarray]:
    """Give a frame with a bright disc on dark noise, and the disc's mask."""
    image = np.random.default_rng(0).integers(0, 60, (120, 160, 3)).astype(np.uint8)
    disc = np.zeros((120, 160), np.uint8)
    cv2.circle(disc, (80, 60), 25, 1, -1)
    image[disc > 0] += np.array([160, 120, 20], np.uint8)
    return image, disc > 0


def test_grabcut_finds_what_stands_out_in_a_box() -> None:
    image, disc = blob_on_noise()
    assert iou(grab_cut(image, (50, 30, 60, 60)), disc) > 0.95
    large = cv2.resize(image, None, fx=10, fy=10, interpolation=cv2.INTER_CUBIC)
    expected = cv2.resize(disc.astype(np.uint8), None, fx=10, fy=10, interpolation=cv2.INTER_NEAREST)
    assert iou(grab_cut(large, (500, 300, 600, 600)), expected) > 0.93


@pytest.mark.parametrize("box", [(0, 0, 160, 120), (10, 10, 1, 1), (159, 119, 1, 1), (20.5, 10.2, 3, 2)])
def test_a_box_in_which_nothing_stands_out_is_taken_whole_with_a_notice(
    box: tuple[float, ...], caplog: pytest.LogCaptureFixture
) -> None:
    image = np.full((120, 160, 3), 80, np.uint8)
    (mask,) = MaskMaker(None).masks(image, [Prompt(0, box=box)])
    x, y, width, height = box
    assert mask[int(y) : int(np.ceil(y + height)), int(x) : int(np.ceil(x + width))].all()
    assert mask.sum() == (np.ceil(x + width) - int(x)) * (np.ceil(y + height) - int(y))
    assert "all of it is taken" in caplog.text


def test_without_hq_sam_boxes_get_a_notice_and_points_an_error(caplog: pytest.LogCaptureFixture) -> None:
    maker = MaskMaker(None)
    maker.check([Prompt(0, masks=np.ones((1, 4, 4), bool))])
    assert not caplog.text
    maker.check([Prompt(0, box=(0, 0, 4, 4))])
    assert "GrabCut" in caplog.text
    with pytest.raises(WeightsError, match="hqtrack weights pull hq-sam-vit-h; or give a --box"):
        maker.check([Prompt(0, point=(0, 0))])


def test_hq_sams_weights_are_used_when_they_are_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HQTRACK_CACHE", str(tmp_path))
    (tmp_path / "sam_vit_h_4b8939.pth").touch()  # SAM is not HQ-SAM
    if find_refiner() is not None:
        pytest.skip("the package holds weights of HQ-SAM")
    (tmp_path / "sam_hq_vit_h.pth").touch()
    found = find_refiner()
    assert found is not None
    assert found.kind == "hq-sam-vit-h"


def test_boxes_and_points_become_masks_by_hq_sam(refiner: MaskRefiner, picture: Any, calls: Any) -> None:
    built: list[MaskRefiner] = []

    def build() -> MaskRefiner:
        built.append(refiner)
        return refiner

    image = picture(72, 96)
    given = np.zeros((2, 72, 96), bool)
    given[:, 5:9, 5:9] = True
    boxes = [Prompt(0, box=(10, 20, 40, 30)), Prompt(0, box=(2, 3, 50, 60))]
    prompts = [boxes[0], Prompt(0, masks=given), Prompt(0, point=(60, 30)), boxes[1]]
    maker = MaskMaker(build)
    maker.check(prompts)
    maker.masks(image, [prompts[1]])
    assert not built  # before a box or point needs it
    masks = maker.masks(image, prompts)
    assert calls.encoded == 2  # once for all boxes, once for all points
    assert len(built) == 1
    assert masks.shape == (5, 72, 96)
    assert masks[3].any()
    np.testing.assert_array_equal(masks[1:3], given)
    corners = [[10, 20, 49, 49], [2, 3, 51, 62]]
    np.testing.assert_array_equal(masks[[0, 4]], refiner.masks_from_boxes(image, corners))
