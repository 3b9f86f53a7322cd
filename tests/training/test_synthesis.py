from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from hqtrack.errors import DataError
from hqtrack.images import read_image
from hqtrack.training.synthesis import LEAST_SYNTHETIC_PIXELS, RegionImages, SequenceSynthesizer
from hqtrack.training.synthesis.background import Backgrounds
from hqtrack.training.synthesis.draws import Draws
from training.small_data import write_static


@pytest.fixture(scope="module")
def images(static_folder: Path) -> RegionImages:
    return RegionImages.from_folder(static_folder)


def synthesizer(images: RegionImages, **settings: object) -> SequenceSynthesizer:
    return SequenceSynthesizer(images, **{"size": 96, "frames": 3, "seed": 5, **settings})  # type: ignore[arg-type]


def test_a_batch_has_frames_and_labels_of_the_size_asked_for(images: RegionImages) -> None:
    batch = synthesizer(images).batch(4)
    assert (batch.frames.shape, batch.frames.dtype) == ((4, 3, 3, 96, 96), torch.uint8)
    assert (batch.labels.shape, batch.labels.dtype) == ((4, 3, 96, 96), torch.uint8)


def test_objects_of_the_first_frame_are_numbered_without_gaps_and_large_enough(images: RegionImages) -> None:
    for labels in synthesizer(images, max_objects=3).batch(24).labels:
        area = torch.bincount(labels[0].flatten().long())
        assert 1 <= len(area) - 1 <= 3
        assert (area[1:] >= LEAST_SYNTHETIC_PIXELS).all()
        assert int(labels.max()) == len(area) - 1


def test_instances_of_one_photograph_are_several_objects_and_the_ground_is_none(tmp_path: Path) -> None:
    root = tmp_path / "heap"
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    labels = np.zeros((96, 96), np.uint8)
    for number, (x, y) in enumerate([(20, 20), (70, 20), (20, 70), (70, 70)], 1):
        cv2.circle(labels, (x, y), 14, 10 * number, -1)
    cv2.line(labels, (0, 45), (95, 45), 50, 3)  # a rope: too thin to be cut out, but an instance
    cv2.imwrite(str(root / "images/a.png"), np.repeat(labels[..., None] * 5, 3, axis=2))
    cv2.imwrite(str(root / "labels/a.png"), labels)
    (item,) = RegionImages.from_folder(root).items
    assert item.instances == (1, 2, 3, 4, 5)
    assert item.objects == [(1,), (2,), (3,), (4,)]
    made = Backgrounds(RegionImages([item], []), Draws(3), size=96, device=torch.device("cpu"))
    sequences = [made.sequence(np.arange(2.0), 0.5) for _ in range(30)]
    assert {sequence.in_place for sequence in sequences} >= {2, 3, 4, 5}
    for sequence in sequences:
        assert set(np.unique(sequence.labels.numpy())) <= set(range(sequence.in_place + 1))


def test_the_same_seed_gives_the_same_batch(images: RegionImages) -> None:
    first, second = synthesizer(images).batch(3), synthesizer(images).batch(3)
    assert torch.equal(first.frames, second.frames)
    assert torch.equal(first.labels, second.labels)
    other = synthesizer(images, seed=6).batch(3)
    assert not torch.equal(first.frames, other.frames)


def overlap_with_the_first(labels: torch.Tensor, frame: int) -> float:
    """Mean IoU of the foreground of a frame with that of the first."""
    first, later = labels[:, 0] > 0, labels[:, frame] > 0
    union = (first | later).sum((1, 2)).clamp(min=1)
    return float(((first & later).sum((1, 2)) / union).mean())


@pytest.mark.slow
def test_objects_move_and_far_frames_differ_more_than_near_ones(images: RegionImages) -> None:
    near = synthesizer(images).batch(48, times=[0, 1, 2]).labels
    far = synthesizer(images).batch(48, times=[0, 8, 9]).labels
    assert overlap_with_the_first(far, 1) < overlap_with_the_first(near, 1) < 0.95


@pytest.mark.slow
def test_some_objects_hide_others_leave_or_return(images: RegionImages) -> None:
    labels = synthesizer(images, max_objects=4).batch(64, times=[0, 6, 7]).labels
    seen = [[int((sequence[t] == k).sum()) for t in range(3)] for sequence in labels for k in range(1, 5)]
    there = [areas for areas in seen if areas[0] > 0]
    assert sum(areas[1] == 0 for areas in there) >= 1
    assert sum(areas[1] < 0.6 * areas[0] for areas in there) >= 5
    assert sum(areas[1] > 1.5 * areas[0] for areas in there) >= 5


def test_an_image_without_label_or_with_one_of_another_size_or_damaged_is_named_and_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_static(tmp_path / "photos", 4)
    (root / "labels/1.png").unlink()
    assert cv2.imwrite(str(root / "labels/2.png"), np.zeros((10, 12), np.uint8))
    damaged = root / "images/3.png"
    damaged.write_bytes(damaged.read_bytes()[:200])
    images = RegionImages.from_folder(root)
    assert len(images.items) == 1
    reasons = dict(line.split(": ", 1) for line in images.skipped)
    assert "1.png" in reasons["1"]
    assert "12x10" in reasons["2"]
    assert "160x120" in reasons["2"]
    assert "3.png" in reasons["3"]
    assert "3 of 4 images were skipped" in caplog.text


def test_an_empty_folder_is_an_error_that_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="labels"):
        RegionImages.from_folder(tmp_path)


def test_a_list_chooses_images_and_a_missing_one_is_an_error(static_folder: Path) -> None:
    (static_folder / "two.txt").write_text("0\n2\n")
    assert len(RegionImages.from_folder(static_folder, "two.txt").items) == 2
    with pytest.raises(DataError, match=r"nowhere\.txt"):
        RegionImages.from_folder(static_folder, "nowhere.txt")
    (static_folder / "picture.txt").write_bytes(bytes(range(128, 256)))
    with pytest.raises(DataError, match=r"picture\.txt: no readable list"):
        RegionImages.from_folder(static_folder, "picture.txt")


def test_lists_in_several_folders_are_read_with_the_images_beside_each(
    static_folder: Path, tmp_path: Path
) -> None:
    (static_folder / "two.txt").write_text("0\n2\n")
    other = write_static(tmp_path / "other", 3)
    (other / "one.txt").write_text("1\n")
    images = RegionImages.from_lists(static_folder, ["two.txt", str(other / "one.txt")])
    found = images.items[-1].image.permute(1, 2, 0).numpy()
    assert len(images.items) == 3
    assert np.array_equal(found, read_image(other / "images/1.png"))
