"""Numbers of the optimisation, and how they change during a training."""

from __future__ import annotations

from dataclasses import dataclass

POWER = 0.9
"""Exponent of the learning rate's polynomial decay."""


@dataclass(frozen=True)
class Recipe:
    """Numbers of the optimisation. The defaults train the light model from scratch.

    Fractions of the training are fractions of its steps.
    """

    learning_rate: float = 1.5e-3
    final_rate: float = 0.01
    """The learning rate before the warm-up and at the end, as a fraction of `learning_rate`."""
    warmup: float = 0.07
    """Fraction of the training in which the learning rate rises."""
    decay_start: float = 0.35
    """Fraction of the training after which the learning rate falls."""
    encoder_rate: float = 0.15
    """The encoder's learning rate, as a fraction of the rest's; with 0 it stays as it is."""
    weight_decay: float = 0.03
    gradient_norm: float = 1.0
    ema_decay: float | None = 0.998
    """None: averages over about a tenth of the training."""
    own_masks_from: float = 0.0
    """Fraction of the training from which the network's own masks are fed back (sequential training)."""
    truth_fed_back: float = 0.1
    """Share of frames whose true masks are fed back nevertheless."""
    corrupted: bool = True
    """Whether masks that are fed back are made worse at random."""
    identities_frozen: bool = False
    """Whether the identity bank stays as it is once own masks are fed back."""
    long_term_write: float = 0.5
    """Probability that a tracked frame is added to the long-term memory."""
    hard_pixels: float = 0.25
    """Final share of pixels that the bootstrapped cross-entropy keeps."""
    hard_pixels_at: float = 0.35
    """Fraction of the training at which that share is reached."""
    matching_weight: float = 0.25
    """Weight of the loss on masks that attention alone found; halved in the second half."""
    auxiliary_weight: float = 0.0
    """Weight, at first, of the loss on the first frame as found from its own memory."""
    auxiliary_until: float = 1.0
    """Fraction of the training at which that weight has fallen to 0."""
    loss_stride: int = 2
    """The loss looks at every so manieth row and column, from a random one on."""


PUBLISHED_STAGE1 = Recipe(
    learning_rate=4e-4,
    final_rate=0.05,
    warmup=0.05,
    decay_start=0.05,
    encoder_rate=0.1,
    weight_decay=0.03,
    gradient_norm=10.0,  # published: 5, for half the sum of the two losses
    ema_decay=None,
    own_masks_from=1.0,
    truth_fed_back=0.0,
    corrupted=False,
    identities_frozen=True,
    hard_pixels=0.15,
    hard_pixels_at=0.5,
    auxiliary_weight=1.0,
    auxiliary_until=0.1,
    loss_stride=1,
)
"""Stage 1 of AOT, DeAOT and VMOS."""

PUBLISHED_STAGE2 = Recipe(
    learning_rate=2e-4,
    final_rate=0.05,
    warmup=0.05,
    decay_start=0.05,
    encoder_rate=0.1,
    weight_decay=0.07,
    gradient_norm=10.0,
    ema_decay=None,
    own_masks_from=0.5,
    truth_fed_back=0.0,
    corrupted=False,
    identities_frozen=True,
    hard_pixels=0.15,
    hard_pixels_at=0.5,
    auxiliary_weight=1.0,
    auxiliary_until=1.0,
    loss_stride=1,
)
"""Stage 2 of AOT, DeAOT and VMOS."""

LIGHT_STAGE2 = Recipe(learning_rate=4e-4, encoder_rate=0.0, warmup=0.03, decay_start=0.3, hard_pixels_at=0.01)
"""Stage 2 of the light model: the encoder rests."""


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Give the learning rate at a step: linear warm-up, constant, then a polynomial decay."""
    progress = step / steps
    if progress < recipe.warmup:
        height = (step + 1) / (recipe.warmup * steps + 1)
    elif progress <= recipe.decay_start:
        height = 1.0
    else:
        height = (1 - (progress - recipe.decay_start) / (1 - recipe.decay_start)) ** POWER
    return recipe.learning_rate * (recipe.final_rate + (1 - recipe.final_rate) * height)


def hard_pixel_share(recipe: Recipe, progress: float) -> float:
    """Give the share of pixels that the cross-entropy keeps: from all of them down to the hardest."""
    return max(recipe.hard_pixels, 1 - (1 - recipe.hard_pixels) * progress / recipe.hard_pixels_at)


def auxiliary_weight(recipe: Recipe, progress: float) -> float:
    """Give the weight of the auxiliary loss, falling linearly to 0."""
    return recipe.auxiliary_weight * max(0.0, 1 - progress / recipe.auxiliary_until)


def matching_weight(recipe: Recipe, progress: float) -> float:
    """Give the weight of the loss on masks that attention alone found."""
    return recipe.matching_weight * (1.0 if progress < 0.5 else 0.5)


def ema_decay(recipe: Recipe, steps: int) -> float:
    """Give the decay of the moving average of the weights."""
    return 1 - 1 / max(1.0, steps * 0.1) if recipe.ema_decay is None else recipe.ema_decay
