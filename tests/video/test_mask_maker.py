"""Boxes and points become masks by a refiner."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from hqtrack import InputError
from hqtrack.refinement import MaskRefiner
from hqtrack.video.mask_maker import MaskMaker, find_refiner
from hqtrack.video.prompts import Prompt


class Blind:
    """A refiner that sees nothing."""

    def masks_from_clues(self, image: np.ndarray, clues: list[Any]) -> torch.Tensor:
        return torch.zeros(len(clues), *image.shape[:2], dtype=torch.bool)


def blind() -> MaskRefiner:
    return cast("MaskRefiner", Blind())


@pytest.mark.parametrize("box", [(0, 0, 160, 120), (10, 10, 1, 1), (159, 119, 1, 1), (20.5, 10.2, 3, 2)])
def test_a_box_in_which_nothing_stands_out_is_taken_whole_with_a_notice(
    box: tuple[float, ...], caplog: pytest.LogCaptureFixture
) -> None:
    image = np.full((120, 160, 3), 80, np.uint8)
    (mask,) = MaskMaker(blind).masks(image, [Prompt(0, box=box)])
    x, y, width, height = box
    assert mask[int(y) : int(np.ceil(y + height)), int(x) : int(np.ceil(x + width))].all()
    assert mask.sum() == (np.ceil(x + width) - int(x)) * (np.ceil(y + height) - int(y))
    assert "the whole box is the mask" in caplog.text


def test_a_point_at_which_nothing_stands_out_is_an_error() -> None:
    image = np.full((120, 160, 3), 80, np.uint8)
    with pytest.raises(InputError, match="point 3,4: no object found there; try another point"):
        MaskMaker(blind).masks(image, [Prompt(0, points=((3, 4), (5, 6)))])


def test_cards_without_refiner_take_hq_sam_if_it_is_here_else_the_light_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HQTRACK_CACHE", str(tmp_path))
    (tmp_path / "sam_vit_h_4b8939.pth").touch()  # SAM is not HQ-SAM
    assert find_refiner().kind == "light"
    (tmp_path / "sam_hq_vit_h.pth").touch()
    assert find_refiner().kind == "hq-sam-vit-h"


@pytest.mark.slow
def test_boxes_and_points_become_masks_by_hq_sam(refiner: MaskRefiner, picture: Any, calls: Any) -> None:
    built: list[MaskRefiner] = []

    def build() -> MaskRefiner:
        built.append(refiner)
        return refiner

    image = picture(72, 96)
    given = np.zeros((72, 96), bool)
    given[5:9, 5:9] = True
    boxes = [Prompt(0, box=(10, 20, 40, 30)), Prompt(0, box=(2, 3, 50, 60))]
    prompts = [boxes[0], Prompt(0, mask=given), Prompt(0, points=((60, 30),)), boxes[1]]
    maker = MaskMaker(build)
    maker.masks(image, [prompts[1]])
    assert not built  # before a box or point needs it
    masks = maker.masks(image, prompts)
    assert calls.encoded == 1
    assert len(built) == 1
    assert masks.shape == (4, 72, 96)
    assert masks[2].any()
    np.testing.assert_array_equal(masks[1], given)
    corners = [[10, 20, 49, 49], [2, 3, 51, 62]]
    np.testing.assert_array_equal(masks[[0, 3]], refiner.masks_from_boxes(image, corners))
