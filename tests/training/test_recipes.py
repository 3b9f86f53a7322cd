"""The table of recipes, and how a training's numbers change."""

from __future__ import annotations

import pytest

from hqtrack.errors import InputError
from hqtrack.nets import network_names
from hqtrack.training.recipes import (
    LIGHT_STAGE1,
    PUBLISHED_STAGE1,
    PUBLISHED_STAGE2,
    RECIPES,
    Recipe,
    SynthesisTraining,
    auxiliary_weight,
    ema_decay,
    hard_pixel_share,
    learning_rate,
    training_of,
)


@pytest.mark.parametrize("recipe", [PUBLISHED_STAGE1, PUBLISHED_STAGE2, LIGHT_STAGE1])
def test_the_learning_rate_rises_stays_and_falls(recipe: Recipe) -> None:
    steps = 1000
    rates = [learning_rate(recipe, step, steps) for step in range(steps)]
    top = int(recipe.warmup * steps)
    assert rates[:top] == sorted(rates[:top])
    assert max(rates) == pytest.approx(recipe.learning_rate, rel=1e-9)
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert recipe.final_rate <= rates[-1] / recipe.learning_rate < recipe.final_rate + 0.01


def test_the_published_decay_is_polynomial_with_power_0_9() -> None:
    half = (0.05 + 1) / 2
    expected = 1e-5 + (2e-4 - 1e-5) * 0.5**0.9
    assert learning_rate(PUBLISHED_STAGE2, int(half * 100_000), 100_000) == pytest.approx(expected, rel=1e-4)


def test_the_cross_entropy_keeps_15_percent_from_the_middle_on() -> None:
    shares = [hard_pixel_share(PUBLISHED_STAGE2, progress) for progress in (0, 0.25, 0.5, 0.9)]
    assert shares == pytest.approx([1, 0.575, 0.15, 0.15])


def test_the_auxiliary_loss_decays_to_nothing() -> None:
    assert [auxiliary_weight(PUBLISHED_STAGE1, p) for p in (0, 0.05, 0.1, 0.5)] == pytest.approx(
        [1, 0.5, 0, 0]
    )
    assert auxiliary_weight(PUBLISHED_STAGE2, 0.5) == pytest.approx(0.5)


def test_the_published_average_runs_over_a_tenth_of_the_training() -> None:
    assert ema_decay(PUBLISHED_STAGE1, 100_000) == pytest.approx(0.9999)


def test_every_network_has_a_recipe_for_both_stages() -> None:
    assert {(name, stage) for name in network_names() for stage in (1, 2)} == set(RECIPES)


def test_settings_are_the_recipes_where_nothing_else_is_said() -> None:
    vmos = training_of("vmos", 2)
    assert vmos == RECIPES["vmos", 2]
    assert (vmos.steps, vmos.recipe.learning_rate) == (150_000, 2e-4)
    shorter = training_of("vmos_light", 1, steps=10, batch=3, seed=5)
    assert isinstance(shorter, SynthesisTraining)
    assert (shorter.steps, shorter.seed, {phase.batch for phase in shorter.phases}) == (10, 5, {3})
    assert shorter.recipe == training_of("vmos_light", 1).recipe
    with pytest.raises(InputError, match="no recipe for stage 3 of vmos"):
        training_of("vmos", 3)
