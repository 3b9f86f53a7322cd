"""Outlines follow the edges of the picture."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hqtrack.cards import MemorySettings
from hqtrack.images import Image
from hqtrack.masks import Mask, iou, label_map
from hqtrack.propagation import Propagator
from hqtrack.propagation.frame import EdgeLimits
from hqtrack.propagation.groups import ObjectGroup, aggregate, merge
from hqtrack.propagation.guidance import Guide
from hqtrack.propagation.rules import no_rules
from propagation.colour_network import ColourNetwork
from propagation.colour_scene import SHAPE, new_tracker, scene

CPU = torch.device("cpu")


def picture(size: tuple[int, int], *masks: Mask) -> Image:
    """Return a dark frame, (H, W, 3), on which each mask is of another lightness."""
    image = np.full((*size, 3), 60, np.uint8)
    for index, mask in enumerate(masks):
        image[mask] = 140 + 50 * index
    return image


def star(size: tuple[int, int], middle: tuple[int, int], radius: int) -> Mask:
    """Draw what a coarse grid cannot: a star of five thin rays."""
    canvas = np.zeros(size, np.uint8)
    angles = np.arange(10) * np.pi / 5
    lengths = np.where(np.arange(10) % 2, 0.4 * radius, radius)
    corners = np.stack([middle[0] + lengths * np.cos(angles), middle[1] + lengths * np.sin(angles)], axis=1)
    cv2.fillPoly(canvas, [corners.round().astype(np.int32)], 1)
    return canvas.astype(bool)


def coarse(*masks: Mask, stride: int = 4) -> Tensor:
    """Return the logits (N + 1, h, w), background first, of a network that sees masks on a coarse grid."""
    shares = F.avg_pool2d(torch.from_numpy(np.stack(masks)).float(), stride)
    return torch.cat([1 - shares.sum(0, keepdim=True), shares]).clamp(0.01, 0.99).log()


def found(
    logits: list[Tensor], frame: Image, size: tuple[int, int] | None, tiny: tuple[int, ...] = ()
) -> np.ndarray:
    """Return labels, guided where the size of the network's input is told."""
    if size is None:
        return merge(logits, frame.shape[:2], align_corners=False).numpy()
    guide = Guide(frame, size, CPU)
    return aggregate(guide.probabilities(one, tiny, align_corners=False) for one in logits).numpy()


def propagator(*, guided_outlines: bool) -> Propagator:
    return Propagator(
        ColourNetwork(),
        memory=MemorySettings(long_term_slots=2, long_term_gap=1, short_term_distance=1),
        limits=EdgeLimits(max(SHAPE)),
        rules=no_rules,
        guided_outlines=guided_outlines,
        paradigm="joint",
        device=CPU,
        dtype=torch.float32,
    )


def test_an_outline_follows_the_edge() -> None:
    mask = star((160, 240), (110, 80), 60)
    frame = picture((160, 240), mask)
    plain, guided = (found([coarse(mask)], frame, size) == 1 for size in (None, (160, 240)))
    assert 1 - iou(guided, mask) < (1 - iou(plain, mask)) / 2


def test_an_outline_in_an_even_picture_stays_where_it_was() -> None:
    mask = star((160, 240), (110, 80), 60)
    frame = picture((160, 240))
    plain, guided = (found([coarse(mask)], frame, size) == 1 for size in (None, (160, 240)))
    assert iou(guided, plain) > 0.9


def test_a_frame_larger_than_the_networks_input_is_followed_at_its_own_size() -> None:
    mask = star((480, 720), (330, 240), 180)
    frame = picture((480, 720), mask)
    logits = coarse(mask, stride=12)
    plain, guided = (found([logits], frame, size) == 1 for size in (None, (160, 240)))
    assert 1 - iou(guided, mask) < (1 - iou(plain, mask)) / 2


def test_probabilities_add_up_to_one() -> None:
    masks = star((160, 240), (60, 80), 50), star((160, 240), (180, 80), 50)
    guide = Guide(picture((160, 240), *masks), (160, 240), CPU)
    probabilities = guide.probabilities(coarse(*masks), (), align_corners=False)
    assert probabilities.shape == (3, 160, 240)
    torch.testing.assert_close(probabilities.sum(0), torch.ones(160, 240))


def test_a_tiny_object_is_not_worn_away() -> None:
    mask = np.zeros((480, 640), bool)
    mask[80:88, 100:104] = True
    frame = picture((480, 640), mask)
    frame[:, :100] = 130
    logits = coarse(mask)
    plain, guided, left = (
        found([logits], frame, size, tiny) == 1
        for size, tiny in ((None, ()), ((480, 640), ()), ((480, 640), (0,)))
    )
    assert guided.sum() < plain.sum()
    assert (left == plain).all()


def test_objects_that_are_given_with_few_pixels_are_tiny_and_those_that_join_too() -> None:
    network = ColourNetwork()
    memory = MemorySettings(long_term_slots=2, long_term_gap=1, short_term_distance=1)
    group = ObjectGroup(network, memory=memory, rules=no_rules())
    labels = torch.zeros(64, 96, dtype=torch.uint8)
    features = network.encode(torch.zeros(1, 3, 64, 96))
    labels[:16, :15], labels[32:48, :16] = 1, 2
    group.add_reference(features, labels, [1, 2])
    assert group.tiny == [0]
    labels[:, :15], labels[:4, 50:54] = 1, 3
    group.add_reference(features, labels, [3])
    assert group.tiny == [0, 2]


def test_objects_of_two_groups_have_the_outlines_that_they_have_in_one() -> None:
    masks = star((160, 240), (60, 80), 50), star((160, 240), (180, 80), 50)
    frame = picture((160, 240), *masks)
    together = found([coarse(*masks)], frame, (160, 240))
    apart = found([coarse(masks[0]), coarse(masks[1])], frame, (160, 240))
    assert np.mean(together == apart) > 0.999
    assert set(np.unique(apart)) == {0, 1, 2}


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 5)])
def test_a_frame_of_few_pixels_has_labels(size: tuple[int, int]) -> None:
    logits = torch.tensor([-4.0, 4.0]).view(2, 1, 1).expand(2, 4, 4)
    assert (found([logits], np.zeros((*size, 3), np.uint8), (16, 16)) == 1).all()


def test_a_tracker_with_guided_outlines_finds_the_corners_of_blocks() -> None:
    image, masks = scene({0: 8, 3: 15})
    scores = []
    for guided in (False, True):
        tracker = new_tracker(guided_outlines=guided)
        tracker.initialize(image, masks)
        scores.append([iou(one, mask) for one, mask in zip(tracker.track(image), masks, strict=True)])
    assert np.shape(scores) == (2, 2)
    assert image.shape[:2] == SHAPE
    assert (np.diff(scores, axis=0) >= 0).all()


def test_what_is_remembered_does_not_depend_on_the_outlines_that_are_shown() -> None:
    start, masks = scene({0: 8, 3: 15})
    plain, guided = (propagator(guided_outlines=on) for on in (False, True))
    for one in (plain, guided):
        one.add(start, label_map(masks), 2)
    for places in ({0: 9, 3: 15}, {0: 10, 3: 14}, {0: 4, 3: 13}):
        image = cv2.GaussianBlur(scene(places)[0], (9, 9), 0)
        first, second = plain.find(image), guided.find(image)
        assert first.outlined is None
        assert second.outlined is not None
        assert torch.equal(first.labels, second.labels)
        assert not torch.equal(second.labels, second.outlined)
        plain.remember(first.labels)
        guided.remember(second.labels)


def test_where_objects_join_the_earlier_ones_are_shown_as_they_were() -> None:
    tracker = new_tracker(guided_outlines=True)
    image, masks = scene({0: 8, 3: 15})
    tracker.initialize(image, masks)
    blurred = cv2.GaussianBlur(scene({0: 9, 3: 15})[0], (9, 9), 0)
    before = tracker.track(blurred)
    new = np.zeros((1, *image.shape[:2]), bool)
    new[0, -8:, -8:] = True
    assert (tracker.add_objects(blurred, new) == np.concatenate([before & ~new, new])).all()
