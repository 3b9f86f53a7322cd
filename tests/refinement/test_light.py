"""The light refiner with its own weights: boxes, points and coarse masks of drawn things."""

import cv2
import numpy as np
import pytest
import torch

from hqtrack.cards import read_card
from hqtrack.errors import CardError, InputError, WeightsError
from hqtrack.masks import box_of, iou
from hqtrack.nets.light_segmenter import LightSegmenter
from hqtrack.refinement import Clues, MaskRefiner, build_refiner
from hqtrack.refinement.light import CROPS_AT_ONCE, PromptedLight, windows_at
from hqtrack.zoo import load_card, models_folder


@pytest.fixture(scope="module")
def light() -> MaskRefiner:
    settings = load_card("hqtrack-light").refiner
    assert settings is not None
    return build_refiner(settings)


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    """Return a frame with an orange ball and a blue box on green noise, and both masks."""
    rng = np.random.default_rng(0)
    ground = cv2.resize(rng.integers(60, 120, (18, 32), dtype=np.uint8), (320, 180))
    image = np.stack([ground // 2, ground, ground // 3], axis=2)
    masks = np.zeros((2, 180, 320), np.uint8)
    cv2.circle(masks[0], (90, 80), 38, 1, -1)
    cv2.rectangle(masks[1], (190, 60), (270, 130), 1, -1)
    for mask, colour in zip(masks > 0, ((230, 140, 40), (40, 60, 200)), strict=True):
        image[mask] = colour
    noisy = np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
    return noisy, masks > 0


def test_boxes_and_points_become_masks_of_what_is_there(light, scene) -> None:
    image, masks = scene
    from_boxes = light.masks_from_boxes(image, [box_of(mask) for mask in masks])
    from_points = light.masks_from_points(image, [(90, 80), (230, 95)])
    for found, least in ((from_boxes, 0.9), (from_points, 0.75)):
        assert found.shape == masks.shape
        assert all(iou(one, mask) > least for one, mask in zip(found.numpy(), masks, strict=True))


def test_a_coarse_mask_gets_a_finer_border_and_is_kept(light, scene) -> None:
    image, masks = scene
    coarse = np.stack(
        [cv2.resize(cv2.resize(m.astype(np.uint8), (40, 22)), (320, 180), interpolation=0) > 0 for m in masks]
    )
    refined, report = light.refine(image, torch.from_numpy(coarse))
    for one, before, truth, entry in zip(refined.numpy(), coarse, masks, report.objects, strict=True):
        assert iou(one, truth) > iou(before, truth)
        assert entry.kept
        assert 0.5 < entry.quality <= 1


def test_a_point_beside_the_object_and_boxes_with_points_are_understood(light, scene) -> None:
    image, masks = scene
    clues = [
        Clues(points=[(90, 80), (80, 90)], beside=[(230, 95)]),
        Clues(box=box_of(masks[1]), points=[(230, 95)]),
        Clues(box=box_of(masks[0])),
    ]
    found = light.masks_from_clues(image, clues).numpy()
    for one, truth in zip(found, masks[[0, 1, 0]], strict=True):
        assert iou(one, truth) > 0.7


@pytest.mark.slow
def test_objects_that_are_asked_for_together_are_found_as_alone(light, scene) -> None:
    image, masks = scene
    boxes = [box_of(mask) for mask in masks] * CROPS_AT_ONCE
    together = light.masks_from_boxes(image, boxes)
    alone = torch.cat([light.masks_from_boxes(image, [box]) for box in boxes[:2]])
    for start in range(0, len(boxes), 2):
        assert (together[start : start + 2] ^ alone).float().mean() < 1e-3


def test_bfloat16_gives_nearly_the_same_masks_as_float32(light, scene) -> None:
    image, masks = scene
    settings = load_card("hqtrack-light").refiner
    assert settings is not None
    narrow = build_refiner(settings, dtype=torch.bfloat16)
    for one, other in zip(
        narrow.refine(image, torch.from_numpy(masks))[0].numpy(),
        light.refine(image, torch.from_numpy(masks))[0].numpy(),
        strict=True,
    ):
        assert iou(one, other) > 0.98
    assert narrow.masks_from_points(image, [(90, 80)]).any()


def test_crops_come_in_batches_of_bounded_size(scene) -> None:
    image, _ = scene
    sizes = []
    network = PromptedLight(LightSegmenter(), device=torch.device("cpu"))
    network.network.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    masks = torch.zeros(40, 180, 320, dtype=torch.bool)
    for index in range(40):
        masks[index, 60:70, 7 * index : 7 * index + 6] = True
    MaskRefiner(network, mask_prompt=True).refine(image, masks)
    assert sizes == [16, 16, 8]


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("one pixel", slice(50, 51), slice(60, 61)),
        ("the whole frame", slice(0, 180), slice(0, 320)),
        ("a corner", slice(170, 180), slice(310, 320)),
        ("a line", slice(90, 91), slice(0, 320)),
    ],
)
def test_extreme_masks_are_refined_to_masks(light, scene, name, rows, columns) -> None:
    image, _ = scene
    mask = torch.zeros(1, 180, 320, dtype=torch.bool)
    mask[0, rows, columns] = True
    refined, report = light.refine(image, mask)
    assert refined.shape == mask.shape
    assert refined.any(), name
    assert report.objects[0].visible


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (20, 30)])
def test_frames_smaller_than_a_crop_work(light, size) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert light.masks_from_boxes(image, [(0, 0, size[1] - 1, size[0] - 1)]).shape == (1, *size)
    assert light.masks_from_points(image, [(0, 0)]).shape == (1, *size)


def test_points_are_looked_at_in_the_frame_and_ever_closer() -> None:
    windows = windows_at([(300, 10)], (180, 320))
    assert (windows[0].x1, windows[0].y1) == (320, 180)
    assert all(w.x0 <= 300 < w.x1 and w.y0 <= 10 < w.y1 and w.x1 <= 320 and w.y0 >= 0 for w in windows)
    areas = [(w.x1 - w.x0) * (w.y1 - w.y0) for w in windows]
    assert areas == sorted(areas, reverse=True)
    assert len(windows_at([(0, 0), (319, 179)], (180, 320))) == 1  # nothing smaller holds both


def test_points_beside_an_object_alone_are_refused(light, scene) -> None:
    with pytest.raises(InputError, match="background points are not enough"):
        light.masks_from_clues(scene[0], [Clues(beside=[(3, 3)])])


def test_other_weights_are_refused() -> None:
    settings = load_card("hqtrack-light")
    assert settings.refiner is not None
    with pytest.raises(WeightsError, match="does not fit the network light"):
        build_refiner(settings.refiner, weights=models_folder() / "weights" / settings.weights.file)


def test_the_network_is_within_its_budget() -> None:
    assert sum(parameter.numel() for parameter in LightSegmenter().parameters()) < 5e6
    settings = load_card("hqtrack-light").refiner
    assert settings is not None
    assert (models_folder() / "weights" / settings.weights.file).stat().st_size < 10e6


def test_only_the_light_refiner_takes_masks(tmp_path) -> None:
    text = (models_folder() / "hqtrack.toml").read_text(encoding="utf-8")
    card = tmp_path / "mine.toml"
    card.write_text(text.replace('kind = "hq-sam-vit-h"', 'kind = "hq-sam-vit-h"\nmask_prompt = true'))
    with pytest.raises(CardError, match="mask_prompt is for the light refiner"):
        read_card(card)
