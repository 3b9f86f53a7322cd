"""Objects that look alike go where each is expected, and may come out from behind one another."""

import numpy as np
import pytest
import torch

from hqtrack.propagation.rules.expected import LARGEST_LOSS
from hqtrack.propagation.rules.hideouts import FRAMES_TO_COME_OUT
from hqtrack.propagation.rules.motion import FREE_DEVIATIONS
from hqtrack.propagation.rules.motion_prior import MotionPrior
from propagation.colour_scene import GROUND, SHAPE, blocks, new_tracker

SIZE = (96, 160)


def discs(*middles: tuple[float, float] | None, radius: float = 10) -> torch.Tensor:
    """Return masks (N, *SIZE) of discs; one behind an earlier one keeps what is seen, None is empty."""
    down, along = torch.meshgrid(*(torch.arange(side) + 0.5 for side in SIZE), indexing="ij")
    masks = torch.zeros(len(middles), *SIZE).bool()
    for mask, middle in zip(masks, middles, strict=True):
        if middle is not None:
            mask |= ((down - middle[0]).square() + (along - middle[1]).square() < radius**2) & ~masks.any(0)
    return masks


def alike(*masks: torch.Tensor) -> torch.Tensor:
    """Return logits (3, h, w) in which all of some masks (N, *SIZE) are either of two objects."""
    there = torch.cat(masks).any(0)[::4, ::4]
    certain = torch.where(there, 5.0, -5.0)
    return torch.stack([-certain, certain, certain])


def owner(prior: MotionPrior, middle: tuple[float, float]) -> int:
    """Return which of two objects has a disc that might be either's."""
    labels = prior.judge(alike(discs(middle))).argmax(0)
    return int(labels[int(middle[0]) // 4, int(middle[1]) // 4])


def test_each_of_two_alike_has_what_lies_where_it_was() -> None:
    prior = MotionPrior()
    prior.refer(discs((48, 30), (48, 130)))
    assert owner(prior, (48, 34)) == 1
    assert owner(prior, (48, 126)) == 2


def test_two_alike_that_cross_go_on_as_they_went() -> None:
    prior = MotionPrior()
    prior.refer(discs((48, 20), (48, 120)))
    for step in range(1, 6):
        prior.see(discs((48, 20 + 8 * step), (48, 120 - 8 * step)))
    for step in range(6, 9):  # the second is behind the first
        prior.see(discs((48, 20 + 8 * step), None))
    assert owner(prior, (48, 20 + 8 * 9)) == 1
    assert owner(prior, (48, 120 - 8 * 9)) == 2


def test_what_the_network_is_sure_of_stays() -> None:
    prior = MotionPrior()
    prior.refer(discs((48, 30), (48, 130)))
    logits = alike(discs((48, 34)))
    logits[2] = torch.where(logits[2] > 0, logits[1] + LARGEST_LOSS + 0.1, logits[2])
    assert int(prior.judge(logits).argmax(0)[12, 8]) == 2


def test_objects_together_are_as_likely_as_before() -> None:
    prior = MotionPrior()
    prior.refer(discs((48, 30), (20, 90), (60, 130)))
    logits = torch.randn(4, 24, 40, generator=torch.Generator().manual_seed(0))
    preferred = prior.judge(logits)
    torch.testing.assert_close(preferred.softmax(0)[0], logits.softmax(0)[0])
    assert not torch.equal(preferred[1:], logits[1:])


def test_one_object_alone_is_as_the_network_says() -> None:
    prior = MotionPrior()
    prior.refer(discs((48, 30)))
    logits = torch.randn(2, 24, 40)
    assert prior.judge(logits) is logits


def ball(middle: tuple[float, float], inside: float) -> torch.Tensor:
    """Return logits (2, h, w) of a disc of 6 pixels' radius, certain but for its left half."""
    there = discs(middle, radius=6)[0, ::4, ::4]
    own = torch.where(there, 5.0, -9.0)
    own[:, : int(middle[1]) // 4] = torch.where(there, inside, -9.0)[:, : int(middle[1]) // 4]
    return torch.stack([-own, own])


@pytest.mark.parametrize(("inside", "kept"), [(-1.0, True), (-8.0, False)])
def test_a_tiny_object_is_not_worn_away(inside: float, kept: bool) -> None:
    prior = MotionPrior()
    prior.refer(discs((48, 60), radius=6))
    logits = ball((50, 62), inside)
    found = (logits.argmax(0) == 1).sum()
    held = (prior.judge(logits).argmax(0) == 1).sum()
    assert (held > found) == kept


def test_a_tiny_object_that_is_not_there_is_not_made_up() -> None:
    prior = MotionPrior()
    prior.refer(discs((48, 60), radius=6))
    nothing = torch.full((24, 40), -4.0)
    assert not prior.judge(torch.stack([-nothing, nothing])).argmax(0).any()


def test_larger_objects_may_lose_what_they_lose() -> None:
    prior = MotionPrior()
    prior.refer(discs((48, 60), radius=12))
    logits = ball((50, 62), -1.0)
    assert prior.judge(logits) is logits


def test_an_object_not_seen_for_long_may_be_anywhere() -> None:
    prior = MotionPrior()
    prior.refer(discs((48, 20), (48, 120)))
    for _ in range(60):
        prior.see(discs((48, 20), None))
    assert owner(prior, (48, 60)) == 2


def test_an_object_too_small_to_be_seen_may_be_anywhere_until_it_is() -> None:
    prior = MotionPrior()
    speck = torch.zeros(1, *SIZE).bool()
    speck[0, 31, 131] = True
    prior.refer(torch.cat([discs((48, 20)), speck]))
    anywhere = alike(torch.ones(1, *SIZE).bool())
    assert (prior.judge(anywhere)[2] >= anywhere[2]).all()
    assert owner(prior, (48, 90)) == 2
    prior.see(discs((48, 20), (48, 130)))
    assert owner(prior, (48, 130)) == 2
    assert owner(prior, (48, 24)) == 1


def test_a_tiny_object_never_seen_is_not_lifted() -> None:
    prior = MotionPrior()
    prior.refer(torch.zeros(1, *SIZE).bool())
    logits = torch.stack([torch.ones(24, 40), -torch.ones(24, 40)])
    assert torch.equal(prior.judge(logits), logits)


def test_where_an_object_went_behind_another_it_may_come_out() -> None:
    prior = MotionPrior()
    prior.refer(discs((48, 60), (48, 80)))
    for step in range(1, 4):
        prior.see(discs((48, 60), (48, 80 - 5 * step)))
    hideout = prior.see(discs((48, 60), None))
    assert hideout.shape == SIZE
    assert hideout[48, 58:72].all()
    assert not hideout[:, 100:].any()
    assert not hideout[:20].any()


def test_an_object_that_went_into_the_open_has_no_hideout() -> None:
    prior = MotionPrior()
    prior.refer(discs((48, 20), (48, 120)))
    assert not prior.see(discs((48, 20), None)).any()


def test_objects_that_are_seen_have_no_hideout() -> None:
    prior = MotionPrior()
    prior.refer(discs((48, 60), (48, 75)))
    assert not prior.see(discs((48, 60), (48, 74))).any()


def test_a_hideout_is_given_up_after_a_while() -> None:
    prior = MotionPrior()
    prior.refer(discs((48, 60), (48, 68)))
    assert prior.see(discs((48, 62), None)).any()
    gone = discs((48, 130), None)
    frames = next(frame for frame in range(100) if not prior.see(gone).any())
    assert frames == FRAMES_TO_COME_OUT - 1


def test_a_new_object_joins_and_the_others_go_on() -> None:
    prior = MotionPrior()
    prior.refer(discs((30, 20)))
    for step in range(1, 6):
        prior.see(discs((30, 20 + 8 * step)))
    prior.refer(discs((30, 60), (70, 60)))
    assert owner(prior, (30, 76)) == 1
    assert owner(prior, (70, 60)) == 2


def test_a_correction_says_where_objects_are() -> None:
    prior = MotionPrior()
    prior.refer(discs((48, 30), (48, 130)))
    prior.refer(discs((48, 130), (48, 30)))
    assert owner(prior, (48, 30)) == 2


def test_an_object_loses_nothing_where_it_is_expected() -> None:
    prior = MotionPrior()
    prior.refer(discs((48, 30), (48, 130)))
    inside = discs((48, 30), radius=10 * FREE_DEVIATIONS / 2)[0, ::4, ::4]
    logits = alike(discs((48, 30)))
    assert (prior.judge(logits)[1] >= logits[1] - 1e-4)[inside].all()


@pytest.mark.parametrize(("motion_prior", "second"), [(False, False), (True, True)])
def test_a_tracker_with_a_motion_prior_tells_two_alike_apart(motion_prior: bool, second: bool) -> None:
    def frame(*columns: int) -> tuple[np.ndarray, np.ndarray]:
        image = np.full((*SHAPE, 3), GROUND, np.uint8)
        masks = np.zeros((2, *SHAPE), bool)
        for mask, column in zip(masks, columns, strict=True):
            mask[32:48, column : column + 16] = True
            image[mask] = (199, 0, 50)
        return image, masks

    tracker = new_tracker(rules={"motion_prior": motion_prior})
    tracker.initialize(*frame(0, 64))
    image, masks = frame(0, 80)
    found = blocks(tracker.track(image))
    assert found[0][blocks(masks)[0]].all()
    assert found[1][blocks(masks)[1]].all() == second
