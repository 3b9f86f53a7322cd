"""One step of a training: losses, masks that are fed back, gradients."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from hqtrack import nets
from hqtrack.training import on_synthetic
from hqtrack.training.recipes import LIGHT_STAGE1, PUBLISHED_STAGE2
from hqtrack.training.step import (
    Batch,
    batch_loss,
    build_optimizer,
    corrupt,
    exchange,
    sequence_loss,
    training_step,
)
from hqtrack.training.synthesis import RegionImages
from training.tiny import fresh, tiny


def test_a_step_with_a_gradient_that_is_not_finite_changes_nothing(images: RegionImages) -> None:
    batch = on_synthetic.SyntheticBatches(images, tiny(1))[0]
    network = fresh()
    with torch.no_grad():
        network.decoder.identity_logits.weight[0] = float("inf")
    before = {name: value.clone() for name, value in network.named_parameters()}
    training_step(
        network,
        build_optimizer(network, LIGHT_STAGE1),
        batch,
        LIGHT_STAGE1,
        partial(batch_loss, recipe=LIGHT_STAGE1),
        step=0,
        steps=10,
    )
    assert all(torch.equal(value, before[name]) for name, value in network.named_parameters())


@pytest.mark.slow
def test_the_loss_falls_when_one_batch_is_repeated(images: RegionImages) -> None:
    batch = on_synthetic.SyntheticBatches(images, tiny(1, long_gap=0.0))[0]
    network, recipe = fresh(), replace(LIGHT_STAGE1, warmup=0.0, decay_start=1.0)
    optimizer = build_optimizer(network, recipe)
    loss = partial(batch_loss, recipe=recipe)
    losses = []
    for _ in range(14):
        record = training_step(network, optimizer, batch, recipe, loss, step=0, steps=1000)
        losses.append(record["loss"])
    assert sum(losses[-3:]) < 0.75 * sum(losses[:3])


def published_batch() -> tuple[torch.Tensor, torch.Tensor]:
    frames = torch.randint(0, 256, (1, 3, 3, 65, 65), dtype=torch.uint8)
    labels = torch.zeros(1, 3, 65, 65, dtype=torch.uint8)
    labels[..., 16:48, 16:48] = 1
    return frames, labels


@pytest.mark.slow
def test_a_published_network_trains_and_its_identity_bank_rests_in_the_second_half() -> None:
    torch.manual_seed(0)
    network = nets.build("deaott")
    recipe = PUBLISHED_STAGE2
    optimizer = build_optimizer(network, recipe)
    frames, labels = published_batch()
    changed = []
    loss = partial(batch_loss, recipe=recipe)
    for step in (1, 6):
        before = {name: value.detach().clone() for name, value in network.named_parameters()}
        training_step(
            network,
            optimizer,
            Batch(frames, labels),
            recipe,
            loss,
            step=step,
            steps=10,
        )
        changed.append({n for n, value in network.named_parameters() if not torch.equal(value, before[n])})
    names = [name for name, _ in network.named_parameters()]
    bank = {name for name in names if "id_bank" in name or name.startswith("id_norm")}
    assert bank
    assert changed[0] - changed[1] == bank
    assert changed[1] <= changed[0]


def test_masks_are_fed_back_from_the_time_on_that_the_recipe_says(
    images: RegionImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = on_synthetic.SyntheticBatches(images, tiny(1, long_gap=0.0))[0]
    network = fresh().train()
    shown: list[torch.Tensor] = []
    real = network.embed_identity

    def embed(one_hot: torch.Tensor) -> object:
        shown.append(one_hot[:, 0] < 0.5)
        return real(one_hot)

    monkeypatch.setattr(network, "embed_identity", embed)
    recipe = replace(LIGHT_STAGE1, own_masks_from=0.5, truth_fed_back=0.0, corrupted=False)
    agrees = []
    for progress in (0.4, 0.6):
        shown.clear()
        generator = torch.Generator().manual_seed(0)
        sequence_loss(network, batch.frames, batch.labels, recipe, progress=progress, generator=generator)
        known = [label for label in range(1, int(batch.labels[:, 0].max()) + 1)]
        truth = torch.isin(batch.labels[:, 1], torch.tensor(known, dtype=torch.uint8))
        agrees.append(torch.equal(shown[1], truth))
    assert agrees == [True, False]


def test_corruption_changes_masks_near_objects_and_far_and_is_repeatable() -> None:
    labels = torch.zeros(16, 64, 64, dtype=torch.long)
    labels[:, 20:40, 20:40] = 1
    first, second = (corrupt(labels, 1, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, labels)
    assert int(first.max()) == 1
    far = torch.ones(64, 64, dtype=torch.bool)
    far[:48, :48] = False
    assert first[:, far].any(1).any()
    assert not first[:, far].any(1).all()


def test_more_objects_than_identities_do_not_stop_the_training() -> None:
    frames = torch.randint(0, 256, (1, 2, 3, 64, 64), dtype=torch.uint8)
    labels = torch.arange(16, dtype=torch.uint8).repeat_interleave(16).view(1, 1, 4, 64)
    labels = labels.repeat_interleave(16, dim=2).expand(1, 2, 64, 64).contiguous()
    loss, _ = sequence_loss(
        fresh().train(),
        frames,
        labels,
        LIGHT_STAGE1,
        progress=0.5,
        generator=torch.Generator().manual_seed(0),
    )
    assert torch.isfinite(loss)


def test_confused_identities_change_who_is_where_but_add_nothing_to_the_background() -> None:
    labels = torch.zeros(200, 8, 8, dtype=torch.long)
    labels[:, :4, :4], labels[:, 4:, 4:], labels[:, :2, 6:] = 1, 2, 3
    confused = exchange(labels, 3, torch.Generator().manual_seed(0))
    assert torch.equal(confused, exchange(labels, 3, torch.Generator().manual_seed(0)))
    assert (confused[labels == 0] == 0).all()
    changed = [k for k in range(200) if not torch.equal(confused[k], labels[k])]
    assert 20 < len(changed) < 80
    lost = [k for k in changed if (confused[k] == 0).sum() > (labels[k] == 0).sum()]
    assert 0 < len(lost) < len(changed) / 2


def test_a_single_object_may_be_lost_but_not_confused() -> None:
    labels = torch.ones(100, 4, 4, dtype=torch.long)
    sizes = exchange(labels, 1, torch.Generator().manual_seed(0)).sum((1, 2))
    assert set(sizes.tolist()) == {0, 16}


def test_an_encoder_whose_rate_is_0_stays_as_it_is() -> None:
    network = nets.build("vmos_light")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = build_optimizer(network, replace(LIGHT_STAGE1, encoder_rate=0.0))
    frames = torch.randint(0, 256, (1, 3, 3, 64, 64), dtype=torch.uint8)
    labels = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    labels[..., 8:40, 8:40] = 1
    loss = partial(batch_loss, recipe=LIGHT_STAGE1)
    training_step(network, optimizer, Batch(frames, labels), LIGHT_STAGE1, loss, step=5, steps=10)
    changed = {
        name.split(".")[0]
        for name, value in network.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert "encoder" not in changed
    assert {"layer1", "layer2", "decoder"} <= changed
