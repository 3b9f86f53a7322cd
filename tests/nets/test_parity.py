"""Networks give the numbers recorded from the published implementations, on weights made by a formula."""

from pathlib import Path

import numpy as np
import pytest

from formula_weights import formula_state_dict
from hqtrack import nets
from hqtrack.cards import MemorySettings
from nets.plain_engine import input_size, network_input, track

PARITY = Path(__file__).parents[1] / "data" / "parity"
CLIP = np.load(PARITY / "vmos_dev.npz")

ROUNDING = {"vmos": 4.3e-6, "r50_deaotl": 3e-6, "deaott": 0.7e-6, "r50_aotl": 1.4e-6, "ms_aot": 3e-6}
"""How far our float32 logits of this clip were from float64's: the scale of rounding.

VMOS takes minutes in float64: its number is how far it was from the recorded logits in the first frame.
"""
ROUNDINGS = 10
"""How many times as far the recorded logits, rounded elsewhere, may be in any frame on any processor."""

# VMOS is published with frames enlarged to a short edge of 480; DeAOT and AOT take them as they are.
VMOS = MemorySettings(long_term_slots=8, long_term_gap=2, short_term_distance=4), {"min_short_edge": 480}
DEAOT = MemorySettings(long_term_slots=None, long_term_gap=2, short_term_distance=1), {}
# Seven frames: the whole clip is tracked by VMOS in tests/propagation/test_published_labels.py.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings"),
    [("vmos", VMOS), ("r50_deaotl", DEAOT), ("deaott", DEAOT), ("r50_aotl", DEAOT), ("ms_aot", DEAOT)],
)
def test_a_clip_is_tracked_as_by_the_published_network(
    name: str, settings: tuple[MemorySettings, dict[str, int]]
) -> None:
    expected = {key: values[:7] for key, values in np.load(PARITY / f"{name}_dev.npz").items()}
    network = nets.build(name).eval()
    network.load_state_dict(formula_state_dict(network.state_dict()))
    frames = CLIP["frames"][: len(expected["labels"]) + 1]

    atol = ROUNDINGS * ROUNDING[name]
    # With the published labels as memory: a pixel that is rounded the other way stays one pixel.
    memory, sizes = settings
    tracked = track(network, frames, CLIP["first_mask"], memory, **sizes, remembered=expected["labels"])
    results = list(tracked)

    assert len(results) == len(expected["labels"])
    for (logits, labels), expected_logits, expected_labels in zip(
        results, expected["logits"], expected["labels"], strict=True
    ):
        np.testing.assert_allclose(logits[:, ::8, ::8].numpy(), expected_logits, rtol=0, atol=atol)
        assert (labels.numpy() == expected_labels).mean() >= 0.999


def test_frames_are_prepared_as_published() -> None:
    height, width = CLIP["frames"].shape[1:3]
    size = input_size(height, width, min_short_edge=480)
    assert size == tuple(CLIP["input0_shape"][2:])
    prepared = network_input(CLIP["frames"][0], size)[0, :, ::8, ::8]
    np.testing.assert_allclose(prepared.numpy(), CLIP["input0"], rtol=0, atol=1e-5)
