"""Networks give the numbers recorded from the published implementations, on weights made by a formula.

VMOS's are in tests/propagation/test_published_labels.py, where the whole clip is tracked with it.
"""

import numpy as np
import pytest

from formula_weights import formula_state_dict
from hqtrack import nets
from hqtrack.cards import MemorySettings
from nets.parity import CLIP, assert_clip_is_tracked_as_published
from nets.plain_engine import input_size, network_input


@pytest.mark.slow
@pytest.mark.parametrize("name", ["r50_deaotl", "deaott", "r50_aotl", "ms_aot"])
def test_a_clip_is_tracked_as_by_the_published_network(name: str) -> None:
    network = nets.build(name).eval()
    network.load_state_dict(formula_state_dict(network.state_dict()))
    memory = MemorySettings(long_term_slots=None, long_term_gap=2, short_term_distance=1)
    assert_clip_is_tracked_as_published(network, name, memory)


def test_frames_are_prepared_as_published() -> None:
    height, width = CLIP["frames"].shape[1:3]
    size = input_size(height, width, min_short_edge=480)
    assert size == tuple(CLIP["input0_shape"][2:])
    prepared = network_input(CLIP["frames"][0], size)[0, :, ::8, ::8]
    np.testing.assert_allclose(prepared.numpy(), CLIP["input0"], rtol=0, atol=1e-5)
