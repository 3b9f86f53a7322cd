"""Boxes and points of prompts become masks by a real, light HQ-SAM."""

from typing import Any

import numpy as np

from hqtrack.refinement import MaskRefiner
from hqtrack.video.prompts import MaskMaker, Prompt


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
