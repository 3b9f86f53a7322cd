"""Sequential training of a propagation network (paper section 3; AOT's recipe).

A sequence's first frame is given with its masks; the network then tracks the further frames, fed with its
own masks, and every frame's logits are compared with the truth.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from hqtrack.nets.interface import Memory, MemoryEntry, PropagationNetwork

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Recipe:
    """Numbers of the optimisation."""

    learning_rate: float = 1.5e-3
    weight_decay: float = 0.03
    warmup_steps: int = 150
    decay_start: float = 0.35
    """Fraction of the steps after which the learning rate falls (to 1 % at the end)."""
    gradient_norm: float = 1.0
    ema_decay: float = 0.998
    truth_fed_back: float = 0.1
    """Share of frames whose true masks are fed back instead of the network's own."""
    long_term_write: float = 0.5
    """Probability that a tracked frame is added to the long-term memory."""
    hard_pixels: float = 0.25
    """Final share of pixels that the bootstrapped cross-entropy keeps."""
    hard_pixels_at: float = 0.35
    """Fraction of the steps at which that share is reached."""
    matching_weight: float = 0.25
    """Weight of the loss on masks that attention alone found; halved after half of the steps."""


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Give the learning rate at a step: linear warm-up, constant, then a polynomial (power 0.9) decay."""
    progress = step / steps
    decay = max(0.0, (progress - recipe.decay_start) / (1 - recipe.decay_start))
    return recipe.learning_rate * min(1.0, (step + 1) / recipe.warmup_steps) * max(0.01, (1 - decay) ** 0.9)


def normalise(frames: Tensor) -> Tensor:
    """Turn uint8 RGB (N, 3, H, W) into the float images that networks take."""
    mean = torch.tensor(IMAGE_MEAN, device=frames.device).view(3, 1, 1) * 255
    std = torch.tensor(IMAGE_STD, device=frames.device).view(3, 1, 1) * 255
    return ((frames.float() - mean) / std).contiguous(memory_format=torch.channels_last)


def shuffled_identities(batch: int, max_objects: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Give, for each sequence, which identity each label takes: (B, max_objects + 1); background stays 0."""
    order = torch.rand(batch, max_objects, generator=generator).argsort(1) + 1
    return torch.cat([torch.zeros(batch, 1, dtype=torch.long), order], dim=1).to(device)


def identity_maps(labels: Tensor, identities: Tensor) -> Tensor:
    """Turn label maps (B, H, W) into one-hot identity maps (B, max_objects + 1, H, W), float."""
    batch, height, width = labels.shape
    index = identities.gather(1, labels.flatten(1).long()).view(batch, 1, height, width)
    maps = torch.zeros(batch, identities.shape[1], height, width, device=labels.device)
    return maps.scatter_(1, index, 1.0)


def corrupt(labels: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Imitate drift in fed-back masks: blobs near an object are added to it, parts of objects are dropped.

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
    noise = torch.randn(batch, 2, cells, cells, generator=generator).to(device)
    noise = F.interpolate(noise, size=(height // 4, width // 4), mode="bicubic", align_corners=False)
    noise = F.interpolate(noise, size=(height, width), mode="bilinear", align_corners=False)
    chosen = 1 + torch.randint(0, max(count, 1), (batch, 1, 1), generator=generator).to(device)
    chosen_mask = (labels == chosen).float()[:, None]
    reach = int(torch.randint(1, 7, (), generator=generator)) * 4
    near = F.max_pool2d(F.max_pool2d(chosen_mask, 4), reach // 2 + 1, 1, reach // 4)
    near = F.interpolate(near, size=(height, width))[:, 0] > 0
    grown = (noise[:, 0] > 0.35) & near & (rand(batch, 1, 1) < 0.45)
    dropped = (noise[:, 1] > 1.0) & (rand(batch, 1, 1) < 0.3)
    labels = torch.where(grown, chosen, labels)
    return torch.where(dropped, torch.zeros_like(labels), labels)


def bootstrapped_cross_entropy(log_probs: Tensor, labels: Tensor, kept: float) -> Tensor:
    """Average the cross-entropy over the hardest pixels of each image.

    Args:
        log_probs: (B, S, H, W).
        labels: (B, H, W) long.
        kept: Share of pixels that count, in (0, 1].
    """
    loss = -log_probs.gather(1, labels[:, None]).flatten(1)
    if kept >= 1:
        return loss.mean()
    return loss.topk(max(64, int(loss.shape[1] * kept)), dim=1).values.mean()


def soft_jaccard_loss(probs: Tensor, one_hot: Tensor, present: Tensor) -> Tensor:
    """Give 1 - soft IoU, averaged over objects that are present.

    Args:
        probs: (B, N, H, W), objects only.
        one_hot: The truth, same shape.
        present: (B, N) bool.
    """
    intersection = (probs * one_hot).sum((2, 3))
    union = (probs + one_hot - probs * one_hot).sum((2, 3))
    loss = (1 - (intersection + 1) / (union + 1)) * present
    return loss.sum() / present.sum().clamp(min=1)


def most_likely(logits: Tensor) -> Tensor:
    """Give the index of the highest channel, (B, S, H, W) to (B, H, W) long.

    The same as `argmax(1)`, which is many times slower on a CPU for a few channels far apart in memory.
    """
    best = logits[:, 0]
    index = torch.zeros_like(best, dtype=torch.long)
    for channel in range(1, logits.shape[1]):
        better = logits[:, channel] > best
        best = torch.where(better, logits[:, channel], best)
        index.masked_fill_(better, channel)
    return index


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
    recipe: Recipe,
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
        second_given: The second frame is far from the first; its true masks, corrupted, are the short-term memory.

    Returns:
        The loss and what is worth logging (scalars, detached).
    """
    batch, length, _, height, width = frames.shape
    truth = labels.long()
    count = max(1, int(truth[:, 0].max()))
    truth = torch.where(truth <= count, truth, 0)
    area = F.one_hot(truth[:, 0], count + 1).sum((1, 2))
    known = area >= 30
    known[:, 0] = True
    truth = torch.where(known.gather(1, truth.flatten(1)).view_as(truth), truth, 0)

    identities = shuffled_identities(batch, network.max_objects, generator, frames.device)
    slots = identities[:, : count + 1]
    pyramid = network.encode(normalise(frames.transpose(0, 1).flatten(0, 1)))
    features = [tuple(level.unflatten(0, (length, batch))[t] for level in pyramid) for t in range(length)]

    def remembered(t: int, shown: Tensor) -> Memory:
        return network.reference(features[t], network.embed_identity(identity_maps(shown, identities)))

    reference = remembered(0, truth[:, 0])
    long_term, short_term = [reference], reference
    if second_given:
        short_term = remembered(1, corrupt(truth[:, 1], count, generator))
        if torch.rand((), generator=generator) < 0.3:
            long_term.append(short_term)

    kept = max(recipe.hard_pixels, 1 - (1 - recipe.hard_pixels) * progress / recipe.hard_pixels_at)
    zero = frames.new_zeros((), dtype=torch.float32)
    cross_entropy, jaccard, matching, iou = zero, zero, zero, zero
    tracked = range(2 if second_given else 1, length)
    for t in tracked:
        propagation = network.propagate(features[t], join(long_term), short_term)
        logits = network.decode(features[t], propagation).float()
        logits = logits.gather(1, slots[:, :, None, None].expand(-1, -1, *logits.shape[-2:]))
        logits = logits.masked_fill(~known[:, :, None, None], -1e4)
        target = truth[:, t]
        # Half resolution with a random phase: sub-pixel borders are learned at a quarter of the cost.
        phase = torch.randint(0, 2, (2,), generator=generator).tolist()
        half = target[:, phase[0] :: 2, phase[1] :: 2]
        upsampled = F.interpolate(logits, size=(height, width), mode="bilinear", align_corners=network.align_corners)
        log_probs = upsampled[:, :, phase[0] :: 2, phase[1] :: 2].log_softmax(1)
        one_hot = F.one_hot(half, count + 1).permute(0, 3, 1, 2)[:, 1:].float()
        present = known[:, 1:] & (one_hot.sum((2, 3)) > 5)
        cross_entropy = cross_entropy + bootstrapped_cross_entropy(log_probs, half, kept)
        jaccard = jaccard + soft_jaccard_loss(log_probs[:, 1:].exp(), one_hot, present)
        quarter: Tensor | None = None
        for masks in network.matched_masks(propagation):
            if quarter is None:
                quarter = F.avg_pool2d(identity_maps(target, identities), 4)
            matching = matching - (quarter * torch.log(masks.float() + 0.02)).sum(1).mean()

        with torch.no_grad():
            predicted = most_likely(upsampled)
            hit = F.one_hot(predicted[:, phase[0] :: 2, phase[1] :: 2], count + 1).permute(0, 3, 1, 2)[:, 1:] > 0
            overlap = (hit & (one_hot > 0)).sum((2, 3)) / (hit | (one_hot > 0)).sum((2, 3)).clamp(min=1)
            iou = iou + (overlap * present).sum() / present.sum().clamp(min=1)
            if torch.rand((), generator=generator) < recipe.truth_fed_back:
                predicted = target
            fed_back = corrupt(predicted, count, generator)
        if t < length - 1:
            identity = network.embed_identity(identity_maps(fed_back, identities))
            short_term = network.memorize(propagation, identity)
            if torch.rand((), generator=generator) < recipe.long_term_write:
                long_term.append(short_term)

    steps = len(tracked)
    weight = recipe.matching_weight * (1.0 if progress < 0.5 else 0.5)
    loss = (cross_entropy + jaccard + weight * matching) / steps
    record = {
        "loss": loss,
        "cross_entropy": cross_entropy / steps,
        "jaccard": jaccard / steps,
        "matching": matching / steps,
        "iou": iou / steps,
    }
    return loss, {name: value.detach() for name, value in record.items()}


class Ema:
    """Exponential moving average of a network's parameters and buffers (used for evaluation and export)."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network; early steps move faster, so that the start is forgotten."""
        rate = 1 - min(self.decay, (step + 1) / (step + 20))
        own, new = self.network.state_dict(), network.state_dict()
        floats = [name for name, value in own.items() if value.is_floating_point()]
        torch._foreach_lerp_([own[n] for n in floats], [new[n].detach() for n in floats], rate)


def build_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """Build AdamW; vectors and scalars (norms, biases, temperatures) are not decayed."""
    decayed = [p for p in network.parameters() if p.requires_grad and p.dim() > 1]
    plain = [p for p in network.parameters() if p.requires_grad and p.dim() <= 1]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)


def average_gradients(network: nn.Module) -> None:
    """Average gradients over all processes, in one message."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def training_step(
    network: PropagationNetwork,
    optimizer: torch.optim.Optimizer,
    frames: Tensor,
    labels: Tensor,
    recipe: Recipe,
    *,
    step: int,
    steps: int,
    second_given: bool,
) -> dict[str, float]:
    """Do one optimisation step; a step whose gradient is not finite changes nothing."""
    rank = dist.get_rank() if dist.is_initialized() else 0
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(recipe, step, steps)
    # The step's number is the seed, so that a resumed run sees what an uninterrupted one would have seen.
    generator = torch.Generator().manual_seed(step * 1024 + rank)
    network.train()
    with torch.autocast(frames.device.type, torch.bfloat16):
        loss, record = sequence_loss(
            network,
            frames,
            labels,
            recipe,
            progress=step / steps,
            generator=generator,
            second_given=second_given,
        )
    loss.backward()
    if dist.is_initialized():
        average_gradients(network)
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.gradient_norm)
    if math.isfinite(float(norm)):
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return {**{name: float(value) for name, value in record.items()}, "gradient_norm": float(norm)}
