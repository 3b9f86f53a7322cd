"""The light network: its size, and what it knows from the references alone."""

import subprocess
import sys

import pytest
import torch

from hqtrack import nets
from hqtrack.nets.interface import MemoryEntry
from nets.random_frames import example

SIZE = (80, 112)


def test_it_is_small() -> None:
    network = nets.build("vmos_light")
    assert sum(parameter.numel() for parameter in network.parameters()) < 6e6


@torch.inference_mode()
def test_what_drifted_never_outvotes_the_references() -> None:
    network = nets.build("vmos_light").eval()
    first, second, one_hot = example(size=SIZE)
    features = network.encode(second)
    known = network.reference(network.encode(first), network.embed_identity(one_hot))
    drifted = network.reference(features, network.embed_identity(one_hot.flip(-1)))
    longer = tuple(
        MemoryEntry(torch.cat([a.key, b.key], 2), torch.cat([a.value, b.value], 2))
        for a, b in zip(known, drifted, strict=True)
    )
    alone = network.matched_masks(network.propagate(features, known, known))
    joined = network.matched_masks(network.propagate(features, longer, known))
    assert not torch.equal(alone[1], joined[1])
    for of_references, same in zip(alone[3:], joined[3:], strict=True):
        torch.testing.assert_close(of_references, same)


@torch.inference_mode()
def test_objects_whose_masks_were_exchanged_are_called_what_they_look_like() -> None:
    comparison = nets.build("vmos_light").get_submodule("comparison")
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    labels[:, :4, :4], labels[:, 4:, 4:] = 1, 2
    masks = torch.nn.functional.one_hot(labels, 11).permute(0, 3, 1, 2).float()
    fine = torch.nn.functional.one_hot(labels, 64).float().flatten(1, 2)
    coarse = fine.unflatten(1, (8, 8))[:, ::2, ::2].flatten(1, 2)
    shares = masks.flatten(2).transpose(1, 2)
    coarse_shares = shares.unflatten(1, (8, 8))[:, ::2, ::2].flatten(1, 2)
    exchanged = masks[:, [0, 2, 1, *range(3, 11)]]
    by_token, renamed = comparison(
        (coarse, fine), (coarse, fine), (coarse_shares, shares), exchanged, ((4, 4), (8, 8))
    )
    assert torch.equal(renamed.argmax(1), labels)
    assert torch.equal(by_token.argmax(1)[labels > 0], labels[labels > 0])
    assert (renamed[:, 3:] == 0).all()
    torch.testing.assert_close(renamed.sum(1), masks.sum(1))


@pytest.mark.slow
def test_the_light_system_starts_without_the_libraries_that_take_long_to_import() -> None:
    program = (
        "import sys, hqtrack.vot.session, hqtrack; hqtrack.HQTrack.from_card('hqtrack-light');"
        "sys.exit(' '.join({'timm', 'torchvision', 'sympy', 'torch._dynamo'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
