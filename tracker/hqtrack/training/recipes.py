"""How each network is trained in each stage: the table of settings, and how numbers change on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hqtrack.errors import InputError

SCHEDULE_POWER = 0.9
"""Exponent of the learning rate's polynomial decay."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Numbers of the optimisation, which every training reads.

    Fractions of the training are fractions of its steps.
    """

    learning_rate: float
    final_rate: float
    """The learning rate before the warm-up and at the end, as a fraction of `learning_rate`."""
    warmup: float
    """Fraction of the training in which the learning rate rises."""
    decay_start: float
    """Fraction of the training after which the learning rate falls."""
    encoder_rate: float
    """The encoder's learning rate, as a fraction of the rest's; with 0 it stays as it is."""
    weight_decay: float
    gradient_norm: float
    ema_decay: float | None
    """None: averages over about a tenth of the training."""

    def identities_are_frozen(self, progress: float) -> bool:
        """Return whether the identity bank stays as it is after this fraction of the training."""
        return False


@dataclass(frozen=True, kw_only=True)
class SequenceRecipe(Recipe):
    """The numbers that trainings on sequences read besides."""

    own_masks_from: float
    """Fraction of the training from which the network's own masks are fed back (sequential training)."""
    truth_fed_back: float
    """Share of frames whose true masks are fed back nevertheless."""
    corrupted: bool
    """Whether masks that are fed back are made worse at random."""
    identities_frozen: bool
    """Whether the identity bank stays as it is once own masks are fed back."""
    long_term_write: float
    """Probability that a tracked frame is added to the long-term memory."""
    hard_pixels: float
    """Final share of pixels that the bootstrapped cross-entropy keeps."""
    hard_pixels_at: float
    """Fraction of the training at which that share is reached."""
    matching_weight: float
    """Weight of the loss on masks that attention alone found; halved in the second half."""
    auxiliary_weight: float
    """Weight, at first, of the loss on the first frame as found from its own memory."""
    auxiliary_until: float
    """Fraction of the training at which that weight has fallen to 0."""
    loss_stride: int
    """The loss compares one row and one column in so many, from a random one on."""

    def identities_are_frozen(self, progress: float) -> bool:
        """See `Recipe`."""
        return self.identities_frozen and progress >= self.own_masks_from


@dataclass(frozen=True)
class Phase:
    """A stretch of the training with sequences of one kind."""

    start: float
    """Fraction of the steps at which the phase begins."""
    size: int
    """Side of the square frames, in pixels."""
    frames: int
    """Frames of a sequence."""
    batch: int


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What the loop reads of every training."""

    steps: int
    recipe: Recipe
    checkpoint_every: int
    """Steps between checkpoints."""
    validate_every: int
    """Steps between validations, where there is something to validate on."""
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class SynthesisTraining(TrainingSettings):
    """Settings of a training on synthesised sequences, mixed with videos where there are any."""

    phases: tuple[Phase, ...]
    max_objects: int
    video_share: float
    """Share of the sequences that come out of videos, where there are any."""
    scales: tuple[float, float]
    """Factors of the size at which videos are seen; with 1.0 a frame's shorter side is the phase's."""
    merge: float
    """Share of the videos' sequences onto which the objects of a second one are pasted."""
    long_gap: float
    """Share of batches whose further frames are far from the first one."""
    first_difficulty: float
    last_difficulty_at: float
    """Fraction of the steps at which the difficulty of the motion reaches 1."""
    recipe: SequenceRecipe

    def phase_at(self, step: int) -> Phase:
        """Return the phase that a step belongs to."""
        return next(p for p in reversed(self.phases) if step >= p.start * self.steps)

    def difficulty_at(self, step: int) -> float:
        """Return the difficulty of the motion at a step, rising linearly to 1."""
        rise = (1 - self.first_difficulty) * step / (self.last_difficulty_at * self.steps)
        return min(1.0, self.first_difficulty + rise)

    def with_batch(self, batch: int) -> SynthesisTraining:
        """Return the same with so many sequences in every batch."""
        return replace(self, phases=tuple(replace(phase, batch=batch) for phase in self.phases))


@dataclass(frozen=True, kw_only=True)
class VideoTraining(TrainingSettings):
    """Settings of a training on annotated videos alone."""

    size: int
    """Side of the square crops, in pixels."""
    short_edge: int
    frames: int
    batch: int
    max_objects: int
    merge: float
    """Share of sequences onto which the objects of a second one are pasted."""
    recipe: SequenceRecipe

    def with_batch(self, batch: int) -> VideoTraining:
        """Return the same with so many sequences in every batch."""
        return replace(self, batch=batch)


@dataclass(frozen=True, kw_only=True)
class RefinerTraining(TrainingSettings):
    """Settings of a training of the light refiner."""

    batch: int
    side: int
    """Of the crops, in pixels."""
    validation_crops: int
    """For each kind of prompts."""


Training = SynthesisTraining | VideoTraining

PUBLISHED_STAGE1 = SequenceRecipe(
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
    long_term_write=0.5,
    hard_pixels=0.15,
    hard_pixels_at=0.5,
    matching_weight=0.25,
    auxiliary_weight=1.0,
    auxiliary_until=0.1,
    loss_stride=1,
)
"""Stage 1 of AOT, DeAOT and VMOS."""

PUBLISHED_STAGE2 = replace(
    PUBLISHED_STAGE1, learning_rate=2e-4, weight_decay=0.07, own_masks_from=0.5, auxiliary_until=1.0
)
"""Stage 2 of AOT, DeAOT and VMOS."""

LIGHT_STAGE1 = SequenceRecipe(
    learning_rate=1.5e-3,
    final_rate=0.01,
    warmup=0.07,
    decay_start=0.35,
    encoder_rate=0.15,
    weight_decay=0.03,
    gradient_norm=1.0,
    ema_decay=0.998,
    own_masks_from=0.0,
    truth_fed_back=0.1,
    corrupted=True,
    identities_frozen=False,
    long_term_write=0.5,
    hard_pixels=0.25,
    hard_pixels_at=0.35,
    matching_weight=0.25,
    auxiliary_weight=0.0,
    auxiliary_until=1.0,
    loss_stride=2,
)
"""Stage 1 of the light model, on an encoder that knows ImageNet."""

LIGHT_STAGE2 = replace(
    LIGHT_STAGE1, learning_rate=2e-4, encoder_rate=0.1, warmup=0.03, decay_start=0.3, hard_pixels_at=0.01
)
"""Stage 2 of the light model: the encoder learns along slowly."""

_ON_IMAGES = SynthesisTraining(
    steps=100_000,
    phases=(Phase(0.0, 465, 5, 16),),
    max_objects=10,
    video_share=0.25,
    scales=(1.0, 2.0),
    merge=0.1,
    long_gap=0.0,
    first_difficulty=0.4,
    last_difficulty_at=0.45,
    checkpoint_every=1000,
    validate_every=5000,
    recipe=PUBLISHED_STAGE1,
)

_ON_VIDEOS = VideoTraining(
    steps=150_000,
    size=465,
    short_edge=480,
    frames=5,
    batch=16,
    max_objects=10,
    merge=0.3,
    checkpoint_every=1000,
    validate_every=5000,
    recipe=PUBLISHED_STAGE2,
)

_LIGHT_ON_IMAGES = SynthesisTraining(
    steps=20_000,
    phases=(Phase(0.0, 160, 4, 8), Phase(0.4, 208, 4, 8), Phase(0.77, 320, 4, 4)),
    max_objects=7,
    video_share=0.25,
    scales=(1.0, 2.0),
    merge=0.1,
    long_gap=0.45,
    first_difficulty=0.4,
    last_difficulty_at=0.45,
    checkpoint_every=100,
    validate_every=400,
    recipe=LIGHT_STAGE1,
)

_LIGHT_ON_VIDEOS = replace(
    _LIGHT_ON_IMAGES,
    steps=6000,
    phases=(Phase(0.0, 416, 6, 4),),
    max_objects=10,
    video_share=0.6,
    scales=(0.8, 1.4),
    merge=0.4,
    first_difficulty=1.0,
    recipe=LIGHT_STAGE2,
)
"""Mostly real videos, wider views, longer sequences."""

REFINER = RefinerTraining(
    steps=4000,
    batch=16,
    side=256,
    validation_crops=48,
    checkpoint_every=100,
    validate_every=200,
    recipe=Recipe(
        learning_rate=1e-3,
        final_rate=0.01,
        warmup=0.04,
        decay_start=0.3,
        encoder_rate=0.25,
        weight_decay=0.03,
        gradient_norm=5.0,
        ema_decay=0.99,
    ),
)
"""The light refiner."""

_PUBLISHED = ("deaot_internimage_t", "deaott", "ms_aot", "r50_aotl", "r50_deaotl", "vmos", "vmos_r50")

RECIPES: Mapping[tuple[str, int], Training] = {
    **{(network, 1): _ON_IMAGES for network in _PUBLISHED},
    **{(network, 2): _ON_VIDEOS for network in _PUBLISHED},
    ("vmos_light", 1): _LIGHT_ON_IMAGES,
    ("vmos_light", 2): _LIGHT_ON_VIDEOS,
}
"""How a network is trained in a stage."""


def training_of(
    network: str, stage: int, *, steps: int | None = None, batch: int | None = None, seed: int = 0
) -> Training:
    """Return the settings of a training.

    Args:
        network: A name that `hqtrack.nets.build` knows.
        stage: 1 or 2.
        steps: Instead of the recipe's.
        batch: Sequences in a step, instead of the recipe's.
        seed: Of everything random.

    Raises:
        InputError: There is no recipe for this network and stage.
    """
    if (network, stage) not in RECIPES:
        known = ", ".join(f"stage {number} of {name}" for name, number in sorted(RECIPES))
        raise InputError(f"there is no recipe for stage {stage} of {network}; there are {known}")
    training = RECIPES[network, stage]
    if batch is not None:
        training = training.with_batch(batch)
    return replace(training, steps=training.steps if steps is None else steps, seed=seed)


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Return the learning rate at a step: linear warm-up, constant, then a polynomial decay."""
    progress = step / steps
    if progress < recipe.warmup:
        height = (step + 1) / (recipe.warmup * steps + 1)
    elif progress <= recipe.decay_start:
        height = 1.0
    else:
        height = (1 - (progress - recipe.decay_start) / (1 - recipe.decay_start)) ** SCHEDULE_POWER
    return recipe.learning_rate * (recipe.final_rate + (1 - recipe.final_rate) * height)


def hard_pixel_share(recipe: SequenceRecipe, progress: float) -> float:
    """Return the share of pixels that the cross-entropy keeps: from all of them down to the hardest."""
    return max(recipe.hard_pixels, 1 - (1 - recipe.hard_pixels) * progress / recipe.hard_pixels_at)


def auxiliary_weight(recipe: SequenceRecipe, progress: float) -> float:
    """Return the weight of the auxiliary loss, falling linearly to 0."""
    return recipe.auxiliary_weight * max(0.0, 1 - progress / recipe.auxiliary_until)


def matching_weight(recipe: SequenceRecipe, progress: float) -> float:
    """Return the weight of the loss on masks that attention alone found."""
    return recipe.matching_weight * (1.0 if progress < 0.5 else 0.5)


def ema_decay(recipe: Recipe, steps: int) -> float:
    """Return the decay of the moving average of the weights."""
    return 1 - 1 / max(1.0, steps * 0.1) if recipe.ema_decay is None else recipe.ema_decay
