"""Behaviour that every propagation network shares."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from formula_weights import formula_state_dict
from hqtrack import nets
from hqtrack.nets.interface import Features, Memory, MemoryEntry, PropagationNetwork
from nets.random_frames import example

NAMES = ["vmos", "deaott", "r50_aotl", "ms_aot"]


@pytest.fixture(scope="module", params=NAMES)
def network(request: pytest.FixtureRequest) -> PropagationNetwork:
    network = nets.build(request.param)
    network.load_state_dict(formula_state_dict(network.state_dict()))
    return network.eval()


def everything(batch: int) -> torch.Tensor:
    """Ask for all identities."""
    return torch.arange(11).expand(batch, -1)


def one_step(
    network: PropagationNetwork, first: Tensor, second: Tensor, one_hot: Tensor
) -> tuple[Tensor, Memory]:
    identity = network.embed_identity(one_hot)
    reference = network.reference(network.encode(first), identity)
    features = network.encode(second)
    propagation = network.propagate(features, reference, reference)
    return network.decode(features, propagation, everything(len(first))), network.memorize(
        propagation, identity
    )


def tensors_of(module: nn.Module) -> Iterator[tuple[str, str]]:
    for name, part in module.named_modules():
        for attribute, value in vars(part).items():
            yield name, f"{attribute}: {type(value)}"


@torch.inference_mode()
@pytest.mark.parametrize("size", [(81, 113), (65, 65), (49, 193), (17, 33)])
def test_logits_lie_on_a_quarter_of_the_input_grid(
    network: PropagationNetwork, size: tuple[int, int]
) -> None:
    logits, memory = one_step(network, *example(size=size))
    assert logits.shape == (1, 11, -(-size[0] // 4), -(-size[1] // 4))
    assert logits.isfinite().all()
    for layout, entry in zip(network.layouts, memory, strict=True):
        tokens = -(-size[0] // layout.stride) * -(-size[1] // layout.stride)
        assert entry.key.shape == (1, layout.heads, tokens, layout.key_channels)
        assert entry.value.shape == (1, layout.heads, tokens, layout.value_channels)


@torch.inference_mode()
def test_what_ran_before_leaves_no_trace(network: PropagationNetwork) -> None:
    before = set(tensors_of(network))
    first, _ = one_step(network, *example())
    one_step(network, *example(size=(49, 65), seed=1))
    again, _ = one_step(network, *example())
    assert torch.equal(first, again)
    assert set(tensors_of(network)) == before


@torch.inference_mode()
def test_a_batch_of_two_gives_what_each_gives_alone(network: PropagationNetwork) -> None:
    both, memory = one_step(network, *example(batch=2))
    for index in range(2):
        alone, memory_alone = one_step(network, *(x[index : index + 1] for x in example(batch=2)))
        torch.testing.assert_close(both[index : index + 1], alone, rtol=0, atol=1e-4)
        for entry, entry_alone in zip(memory, memory_alone, strict=True):
            torch.testing.assert_close(entry.value[index : index + 1], entry_alone.value, rtol=0, atol=1e-4)


@torch.inference_mode()
def test_the_order_of_remembered_frames_does_not_matter(network: PropagationNetwork) -> None:
    first, second, one_hot = example()
    identity = network.embed_identity(one_hot)
    features = network.encode(second)
    memories = [network.reference(network.encode(image), identity) for image in (first, first.flip(-1))]

    def logits(order: list[Memory]) -> Tensor:
        joined = tuple(
            MemoryEntry(torch.cat([e.key for e in entries], 2), torch.cat([e.value for e in entries], 2))
            for entries in zip(*order, strict=True)
        )
        return network.decode(
            features, network.propagate(features, joined, memories[0], len(order)), everything(1)
        )

    torch.testing.assert_close(logits(memories), logits(memories[::-1]), rtol=0, atol=1e-4)


@torch.inference_mode()
def test_logits_of_some_identities_are_those_of_all(network: PropagationNetwork) -> None:
    first, second, one_hot = example()
    reference = network.reference(network.encode(first), network.embed_identity(one_hot))
    features = network.encode(second)
    propagation = network.propagate(features, reference, reference)
    whole = network.decode(features, propagation, everything(1))
    some = network.decode(features, propagation, torch.tensor([[0, 7, 2]]))
    torch.testing.assert_close(some, whole[:, [0, 7, 2]])


@torch.inference_mode()
def test_a_reference_that_meets_its_own_memory_remembers_the_same(network: PropagationNetwork) -> None:
    first, _, one_hot = example()
    identity = network.embed_identity(one_hot)
    features = network.encode(first)
    reference = network.reference(features, identity)
    repeated = network.memorize(network.propagate(features, reference, reference), identity)
    for entry, entry_again in zip(reference, repeated, strict=True):
        torch.testing.assert_close(entry.key, entry_again.key)
        torch.testing.assert_close(entry.value, entry_again.value)


@torch.inference_mode()
def test_bfloat16_is_close_to_float32(network: PropagationNetwork) -> None:
    inputs = example()
    logits, _ = one_step(network, *inputs)
    halved = nets.build(name_of(network)).eval()
    halved.load_state_dict(network.state_dict())
    halved_logits, memory = one_step(halved.bfloat16(), *(x.bfloat16() for x in inputs))
    assert halved_logits.dtype == torch.bfloat16
    assert all(entry.value.dtype == torch.bfloat16 for entry in memory)
    # bfloat16 keeps 8 bits; through dozens of layers about one part in thirty of the logits' spread remains.
    assert (halved_logits.float() - logits).std() < 0.1 * logits.std()


def name_of(network: PropagationNetwork) -> str:
    return {"VMOS": "vmos", "DeAOT": "deaott", "AOT": "r50_aotl", "MSAOT": "ms_aot"}[type(network).__name__]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_training_reaches_every_layer_that_the_network_uses(name: str) -> None:
    torch.manual_seed(0)
    network = nets.build(name).train()
    first, second, one_hot = example(batch=2)
    logits, memory = one_step(network, first, second, one_hot)
    features: Features = network.encode(first)
    later = network.decode(features, network.propagate(features, memory, memory), everything(2))
    (logits.square().mean() + later.square().mean()).backward()
    untouched = {key for key, p in network.named_parameters() if p.requires_grad and p.grad is None}
    kept_for_the_checkpoint = {
        "vmos": ("decoder.", "LSTT.decoder_norms.", "LSTT.mask_token"),
        "ms_aot": ("patch_wise_id_banks.3.", "id_norms.3."),
    }.get(name, ("LSTT.mask_token",))
    assert all(key.startswith((*kept_for_the_checkpoint, "encoder.")) for key in untouched)


@pytest.mark.slow
def test_training_runs_under_automatic_mixed_precision() -> None:
    torch.manual_seed(0)
    network = nets.build("deaott").train()
    with torch.autocast("cpu", torch.bfloat16):
        logits, _ = one_step(network, *example(batch=2))
    logits.float().square().mean().backward()
    gradient = network.patch_wise_id_bank.weight.grad
    assert gradient is not None
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0
