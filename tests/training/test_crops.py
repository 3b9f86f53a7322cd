"""Crops that the light refiner trains on, and masks made worse."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from hqtrack.errors import DataError
from hqtrack.masks import iou
from hqtrack.training.coarse_masks import worsen
from hqtrack.training.crops import CropSampler, Photographs, middle


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Write twenty pictures with two objects each; a list names all, and one that is not there."""
    rng = np.random.default_rng(0)
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    for index in range(20):
        image = rng.integers(0, 80, (90, 120, 3), dtype=np.uint8)
        labels = np.zeros((90, 120), np.uint8)
        cv2.circle(labels, (35, 40), 20, 1, -1)
        cv2.rectangle(labels, (70, 30), (100, 70), 2, -1)
        image[labels > 0] += 120
        cv2.imwrite(str(tmp_path / "images" / f"{index:02d}.png"), image)
        cv2.imwrite(str(tmp_path / "labels" / f"{index:02d}.png"), labels)
    (tmp_path / "all.txt").write_text("\n".join([*(f"{i:02d}.png" for i in range(20)), "none.png"]))
    return tmp_path


def sampler(folder: Path) -> CropSampler:
    return CropSampler([(Photographs.from_lists(folder, ["all.txt"]), 1.0)], [], side=64)


def test_a_list_elsewhere_names_photographs_beside_it(photographs: Path, tmp_path: Path) -> None:
    items = Photographs.from_lists(tmp_path / "elsewhere", [str(photographs / "all.txt")]).items
    assert len(items) == 20
    assert items[0].image.parent == photographs / "images"


@pytest.mark.parametrize("kind", ["mask", "box", "point"])
def test_a_crop_shows_an_object_and_the_prompts_of_its_kind(photographs: Path, kind: str) -> None:
    crops = sampler(photographs)
    for seed in range(20):
        crop = crops.sample(np.random.default_rng(seed), kind=kind)
        assert crop.image.shape == (64, 64, 3)
        assert (crop.truth > 127).sum() >= 20
        mask, box, on, _ = crop.prompts
        assert mask.any() == (kind == "mask")
        assert box.any() == (kind != "point")
        truth = crop.truth > 127
        if kind == "point":
            assert on.any()
            assert ((on > 0) & cv2.dilate(truth.view(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)).any()
        if kind == "box":
            assert ((box > 0) & truth).sum() > 0.5 * truth.sum()


def test_the_same_seed_gives_the_same_crop(photographs: Path) -> None:
    first, second = (sampler(photographs).sample(np.random.default_rng(4)) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_tenth_is_kept_for_validation_and_what_is_missing_is_counted(
    photographs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    training, held_back = Photographs.from_lists(photographs, ["all.txt"]).split()
    assert (len(training.items), len(held_back.items)) == (18, 2)
    assert not {p.image for p in training.items} & {p.image for p in held_back.items}
    assert "1 photographs of the lists are missing" in caplog.text


def test_a_list_without_photographs_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    with pytest.raises(DataError, match="no usable photograph"):
        Photographs.from_lists(tmp_path, ["empty.txt"])


def test_masks_are_made_worse_in_many_ways_but_stay_of_the_object() -> None:
    truth, other = np.zeros((128, 128), bool), np.zeros((128, 128), bool)
    truth[30:90, 40:80] = True
    other[30:90, 85:110] = True
    worse = [worsen(truth, other, np.random.default_rng(seed)) for seed in range(200)]
    scores = np.array([iou(mask, truth) for mask in worse])
    assert (scores > 0.9).mean() > 0.35  # most of propagation's masks are good
    assert (scores < 0.75).mean() > 0.1
    assert any((mask & other).sum() > 300 for mask in worse)
    assert any((truth & ~mask).sum() > 300 for mask in worse)
    assert all(mask.any() for mask in worse)


def test_the_middle_is_farthest_from_the_border() -> None:
    mask = np.zeros((40, 60), bool)
    mask[10:31, 20:41] = True
    mask[20, :] = True
    assert middle(mask) == (30, 20)
