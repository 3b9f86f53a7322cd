"""Sequential training of a propagation network (paper section 3; AOT's recipe).

A sequence's first frame is given with its masks; the network then tracks the further frames, fed with its
own masks, and every frame's logits are compared with the truth.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from hqtrack.images import MEAN, STD
from hqtrack.nets.interface import Identity, Memory, MemoryEntry, Propagation, PropagationNetwork
from hqtrack.nets.vmos_light import VMOSLight
from hqtrack.propagation.labels import most_likely
from hqtrack.training.losses import bootstrapped_cross_entropy, matching_loss, soft_jaccard_loss
from hqtrack.training.recipes import (
    Recipe,
    SequenceRecipe,
    auxiliary_weight,
    hard_pixel_share,
    learning_rate,
    matching_weight,
)

LEAST_TRACKED_PIXELS = 30
"""Pixels that an object must show in the first frame to be tracked."""


class Batch(NamedTuple):
    """What one step trains on."""

    frames: Tensor
    """(B, T, 3, H, W) uint8 RGB."""
    labels: Tensor
    """(B, T, H, W) uint8; 0 background."""
    second_given: bool = False
    """Whether the second frame is far from the first and comes with its masks."""
    skipped: Sequence[str] = ()
    """What could not be read."""

    def to(self, device: torch.device) -> Batch:
        """Move it to a device."""
        frames, labels = (t.to(device, non_blocking=True) for t in (self.frames, self.labels))
        return self._replace(frames=frames, labels=labels)


def normalise(frames: Tensor) -> Tensor:
    """Turn uint8 RGB (N, 3, H, W) into the float images that networks take."""
    mean = torch.tensor(MEAN, device=frames.device).view(3, 1, 1) * 255
    std = torch.tensor(STD, device=frames.device).view(3, 1, 1) * 255
    return ((frames.float() - mean) / std).contiguous(memory_format=torch.channels_last)


def shuffled_identities(
    batch: int, max_objects: int, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Return which identity each label takes, for each sequence: (B, max_objects + 1); background 0."""
    order = torch.rand(batch, max_objects, generator=generator).argsort(1) + 1
    return torch.cat([torch.zeros(batch, 1, dtype=torch.long), order], dim=1).to(device)


def identity_maps(labels: Tensor, identities: Tensor) -> Tensor:
    """Turn label maps (B, H, W) into one-hot identity maps (B, max_objects + 1, H, W), float."""
    batch, height, width = labels.shape
    index = identities.gather(1, labels.flatten(1).long()).view(batch, 1, height, width)
    maps = torch.zeros(batch, identities.shape[1], height, width, device=labels.device)
    return maps.scatter_(1, index, 1.0)


def corrupt(labels: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Imitate drift in fed-back masks: parts of an object are lost, blobs near it or anywhere are added.

    Args:
        labels: (B, H, W) long, 0 to count.
        count: Number of objects.
        generator: CPU source of randomness.
    """
    batch, height, width = labels.shape
    device = labels.device

    def rand(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator).to(device)

    cells = int(torch.randint(3, 9, (), generator=generator))
    noise = torch.randn(batch, 3, cells, cells, generator=generator).to(device)
    noise = F.interpolate(noise, size=(height // 4, width // 4), mode="bicubic", align_corners=False)
    noise = F.interpolate(noise, size=(height, width), mode="bilinear", align_corners=False)
    chosen = 1 + torch.randint(0, max(count, 1), (batch, 1, 1), generator=generator).to(device)
    chosen_mask = (labels == chosen).float()[:, None]
    reach = int(torch.randint(1, 7, (), generator=generator)) * 4
    near = F.max_pool2d(F.max_pool2d(chosen_mask, 4), reach // 2 + 1, 1, reach // 4)
    near = F.interpolate(near, size=(height, width))[:, 0] > 0
    grown = (noise[:, 0] > 0.35) & near & (rand(batch, 1, 1) < 0.45)
    # Once taken for the object, something far away stays so unless its looks are compared with the reference.
    grown |= (noise[:, 2] > 1.2) & (rand(batch, 1, 1) < 0.3)
    dropped = (noise[:, 1] > 1.0) & (rand(batch, 1, 1) < 0.3)
    labels = torch.where(grown, chosen, labels)
    return torch.where(dropped, torch.zeros_like(labels), labels)


def exchange(labels: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Imitate confused identities in fed-back masks: who is who can then be known from the reference alone.

    In some sequences two objects exchange their numbers, altogether or in a part of the frame, or one takes
    the other's pixels, or is lost.

    Args:
        labels: (B, H, W) long, 0 to count.
        count: Number of objects.
        generator: CPU source of randomness.
    """
    height, width = labels.shape[1:]
    changed = []
    for one in labels:
        kind = float(torch.rand((), generator=generator))
        order = (1 + torch.randperm(count, generator=generator)).tolist()
        first, second = order[0], order[-1]
        table = torch.arange(count + 1, device=labels.device)
        if kind < 0.13 and count > 1:
            table[first], table[second] = second, first
        elif kind < 0.19 and count > 1:
            table[first] = second
        elif 0.19 <= kind < 0.23:
            table[first] = 0
        renamed = table[one]
        if 0.05 < kind < 0.16:  # in a part of the frame only
            direction = torch.randn(2, generator=generator).tolist()
            y = torch.arange(height, device=labels.device)[:, None] / height - 0.5
            x = torch.arange(width, device=labels.device)[None] / width - 0.5
            offset = 0.5 * (float(torch.rand((), generator=generator)) - 0.5)
            renamed = torch.where(y * direction[0] + x * direction[1] > offset, renamed, one)
        changed.append(renamed)
    return torch.stack(changed)


def join(memories: list[Memory]) -> Memory:
    """Put frames' memories side by side along the token axis."""
    if len(memories) == 1:
        return memories[0]
    return tuple(
        MemoryEntry(torch.cat([e.key for e in layer], 2), torch.cat([e.value for e in layer], 2))
        for layer in zip(*memories, strict=True)
    )


def sequence_loss(
    network: PropagationNetwork,
    frames: Tensor,
    labels: Tensor,
    recipe: SequenceRecipe,
    *,
    progress: float,
    generator: torch.Generator,
    second_given: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Track a batch of sequences and compare with the truth.

    Args:
        network: In training mode.
        frames: (B, T, 3, H, W) uint8.
        labels: (B, T, H, W) uint8; 0 background. Objects absent from the first frame are background.
        recipe: Numbers of the optimisation.
        progress: Fraction of the training that is over, in [0, 1].
        generator: CPU source of randomness.
        second_given: The second frame is far from the first; its true masks, corrupted, are the short-term
            memory.

    Returns:
        The loss and what is worth logging (scalars, detached).
    """
    batch, length = frames.shape[:2]
    truth = labels.long()
    count = min(network.max_objects, max(1, int(truth[:, 0].max())))
    truth = torch.where(truth <= count, truth, 0)
    area = F.one_hot(truth[:, 0], count + 1).sum((1, 2))
    known = area >= LEAST_TRACKED_PIXELS
    known[:, 0] = True
    truth = torch.where(known.gather(1, truth.flatten(1)).view_as(truth), truth, 0)

    identities = shuffled_identities(batch, network.max_objects, generator, frames.device)
    slots = identities[:, : count + 1]
    pyramid = network.encode(normalise(frames.transpose(0, 1).flatten(0, 1)))
    features = [tuple(level.unflatten(0, (length, batch))[t] for level in pyramid) for t in range(length)]
    own_masks = progress >= recipe.own_masks_from
    kept = hard_pixel_share(recipe, progress)

    def embedded(shown: Tensor) -> Identity:
        with torch.set_grad_enabled(not (recipe.identities_are_frozen(progress))):
            return network.embed_identity(identity_maps(shown, identities))

    def compared(t: int, propagation: Propagation) -> FrameLoss:
        logits = network.decode(features[t], propagation, slots).float()
        logits = logits.masked_fill(~known[:, :, None, None], -1e4)
        return frame_loss(
            logits, truth[:, t], known, kept, recipe.loss_stride, network.align_corners, generator
        )

    reference = network.reference(features[0], embedded(truth[:, 0]))
    long_term, short_term = [reference], reference
    if second_given:
        shown = exchange(corrupt(truth[:, 1], count, generator), count, generator)
        short_term = network.reference(features[1], embedded(shown))
        if torch.rand((), generator=generator) < 0.3:
            long_term.append(short_term)

    zero = frames.new_zeros((), dtype=torch.float32)
    cross_entropy, jaccard, matching, iou, auxiliary = zero, zero, zero, zero, zero
    extra = auxiliary_weight(recipe, progress)
    if extra > 0:
        found = compared(0, network.propagate(features[0], reference, reference))
        auxiliary = found.cross_entropy + found.jaccard
    tracked = range(2 if second_given else 1, length)
    for t in tracked:
        propagation = network.propagate(features[t], join(long_term), short_term)
        found = compared(t, propagation)
        cross_entropy, jaccard = cross_entropy + found.cross_entropy, jaccard + found.jaccard
        iou = iou + found.iou
        masks = network.matched_masks(propagation) if isinstance(network, VMOSLight) else ()
        if masks:
            quarter = F.avg_pool2d(identity_maps(truth[:, t], identities), 4)
            matching = matching + torch.stack([matching_loss(m, quarter) for m in masks]).sum()
        if t < length - 1:
            shown = found.labels
            if not own_masks or torch.rand((), generator=generator) < recipe.truth_fed_back:
                shown = truth[:, t]
            if recipe.corrupted:
                shown = exchange(corrupt(shown, count, generator), count, generator)
            short_term = network.memorize(propagation, embedded(shown))
            if torch.rand((), generator=generator) < recipe.long_term_write:
                long_term.append(short_term)

    steps = len(tracked)
    weight = matching_weight(recipe, progress)
    loss = (cross_entropy + jaccard + weight * matching) / steps + extra * auxiliary
    record = {
        "loss": loss,
        "cross_entropy": cross_entropy / steps,
        "jaccard": jaccard / steps,
        "matching": matching / steps,
        "auxiliary": auxiliary,
        "iou": iou / steps,
    }
    return loss, {name: value.detach() for name, value in record.items()}


def batch_loss(
    network: PropagationNetwork,
    batch: Batch,
    progress: float,
    generator: torch.Generator,
    *,
    recipe: SequenceRecipe,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return `sequence_loss` of a batch, in mixed precision."""
    with torch.autocast(batch.frames.device.type, torch.bfloat16):
        return sequence_loss(
            network,
            batch.frames,
            batch.labels,
            recipe,
            progress=progress,
            generator=generator,
            second_given=batch.second_given,
        )


class FrameLoss(NamedTuple):
    """What comparing a frame with the truth gives."""

    cross_entropy: Tensor
    jaccard: Tensor
    iou: Tensor
    """Mean IoU over the objects that are there."""
    labels: Tensor
    """(B, H, W) long, the label map that was found."""


def frame_loss(
    logits: Tensor,
    target: Tensor,
    known: Tensor,
    kept: float,
    stride: int,
    align_corners: bool,
    generator: torch.Generator,
) -> FrameLoss:
    """Compare a frame's masks with the truth.

    Args:
        logits: (B, S, h, w), any size.
        target: (B, H, W) long, 0 to S - 1.
        known: (B, S) bool, which labels exist in a sequence.
        kept: Share of pixels that the cross-entropy keeps.
        stride: The losses look at every Nth row and column, from a random one on: sub-pixel borders
            are still learned, at a fraction of the cost.
        align_corners: How logits are resized to the target.
        generator: CPU source of randomness.
    """
    phase = torch.randint(0, stride, (2,), generator=generator).tolist()
    sampled = np.s_[..., phase[0] :: stride, phase[1] :: stride]
    upsampled = F.interpolate(logits, size=target.shape[-2:], mode="bilinear", align_corners=align_corners)
    coarse = target[sampled]
    log_probs = upsampled[sampled].log_softmax(1)
    one_hot = F.one_hot(coarse, logits.shape[1]).permute(0, 3, 1, 2)[:, 1:].float()
    present = known[:, 1:] & (one_hot.sum((2, 3)) > 5)
    with torch.no_grad():
        labels = most_likely(upsampled).long()
        hit = F.one_hot(labels[sampled], logits.shape[1]).permute(0, 3, 1, 2)[:, 1:] > 0
        overlap = (hit & (one_hot > 0)).sum((2, 3)) / (hit | (one_hot > 0)).sum((2, 3)).clamp(min=1)
        iou = (overlap * present).sum() / present.sum().clamp(min=1)
    return FrameLoss(
        bootstrapped_cross_entropy(log_probs, coarse, kept),
        soft_jaccard_loss(log_probs[:, 1:].exp(), one_hot, present),
        iou,
        labels,
    )


class Ema:
    """Exponential moving average of a network's parameters and buffers (used for evaluation and export)."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network: Any = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network; early steps move faster, so that the start is forgotten."""
        rate = 1 - min(self.decay, (step + 1) / (step + 20))
        own, new = self.network.state_dict(), network.state_dict()
        floats = [name for name, value in own.items() if value.is_floating_point()]
        torch._foreach_lerp_([own[n] for n in floats], [new[n].detach() for n in floats], rate)


def build_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """Build AdamW; vectors and scalars (norms, biases, temperatures) are not decayed.

    An encoder whose rate is 0 rests: it gets no gradients, which are half of the light model's steps.

    A group's `rate` is its learning rate as a fraction of the others', its `identity` whether it is the
    identity bank, which some recipes freeze.
    """
    if recipe.encoder_rate == 0:
        network.get_submodule("encoder").requires_grad_(False)
    groups: dict[tuple[bool, bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            encoder = recipe.encoder_rate != 1 and name.startswith("encoder.")
            identity = "id_bank" in name
            groups.setdefault((identity, encoder, parameter.dim() <= 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": groups[key],
                "weight_decay": 0.0 if key[2] else recipe.weight_decay,
                "rate": recipe.encoder_rate if key[1] else 1.0,
                "identity": key[0],
            }
            for key in sorted(groups)
        ],
        lr=recipe.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, recipe: Recipe, step: int, steps: int) -> None:
    """Set every group's learning rate for a step."""
    rate = learning_rate(recipe, step, steps)
    frozen = recipe.identities_are_frozen(step / steps)
    for group in optimizer.param_groups:
        # Checkpoints from before these keys existed have neither.
        still = frozen and group.get("identity", False)
        group["lr"] = 0.0 if still else rate * group.get("rate", 1.0)


def average_gradients(network: nn.Module) -> None:
    """Average gradients over all processes, in one message."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


Loss = Callable[[Any, Any, float, torch.Generator], tuple[Tensor, dict[str, Tensor]]]
"""Gives a network's loss on a batch, and scalars worth logging.

Takes the network, the batch, the fraction of the training that is over, and a CPU source of randomness.
"""


def training_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Any,
    recipe: Recipe,
    loss_of: Loss,
    *,
    step: int,
    steps: int,
) -> dict[str, float]:
    """Do one optimisation step; a step whose gradient is not finite changes nothing."""
    rank = dist.get_rank() if dist.is_initialized() else 0
    set_learning_rate(optimizer, recipe, step, steps)
    # The step's number is the seed, so that a resumed run sees what an uninterrupted one would have seen.
    generator = torch.Generator().manual_seed(step * 1024 + rank)
    torch.manual_seed(step * 1024 + rank)  # layers that drop paths at random
    network.train()
    loss, record = loss_of(network, batch, step / steps, generator)
    loss.backward()
    if dist.is_initialized():
        average_gradients(network)
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.gradient_norm)
    if math.isfinite(float(norm)):
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return {**{name: float(value) for name, value in record.items()}, "gradient_norm": float(norm)}
