"""The reference clip, and what the published networks gave for it with weights made by a formula."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hqtrack.cards import MemorySettings
from hqtrack.nets.interface import PropagationNetwork
from nets.plain_engine import track

PARITY = Path(__file__).parents[1] / "data" / "parity"
CLIP = np.load(PARITY / "vmos_dev.npz")

ROUNDING = {"vmos": 4.3e-6, "r50_deaotl": 3e-6, "deaott": 0.7e-6, "r50_aotl": 1.4e-6, "ms_aot": 3e-6}
"""How far our float32 logits of this clip were from float64's: the scale of rounding.

VMOS takes minutes in float64: its number is how far it was from the recorded logits in the first frame.
"""
ROUNDINGS = 10
"""How many times as far the recorded logits, rounded elsewhere, may be in any frame on any processor."""

FRAMES = 5
"""In the last one VMOS's short-term memory is no longer the reference; the long-term one has grown twice."""


def assert_clip_is_tracked_as_published(
    network: PropagationNetwork, name: str, memory: MemorySettings, *, min_short_edge: int = 0
) -> None:
    """Check logits and labels of the clip's first frames against the published network's of this name.

    The published labels are remembered: a pixel that is rounded the other way stays one pixel.
    """
    expected = {key: values[:FRAMES] for key, values in np.load(PARITY / f"{name}_dev.npz").items()}
    frames = CLIP["frames"][: FRAMES + 1]
    tracked = track(
        network,
        frames,
        CLIP["first_mask"],
        memory,
        min_short_edge=min_short_edge,
        remembered=expected["labels"],
    )
    results = list(tracked)

    assert len(results) == len(expected["labels"]) == FRAMES
    for (logits, labels), expected_logits, expected_labels in zip(
        results, expected["logits"], expected["labels"], strict=True
    ):
        np.testing.assert_allclose(
            logits[:, ::8, ::8].numpy(), expected_logits, rtol=0, atol=ROUNDINGS * ROUNDING[name]
        )
        assert (labels.numpy() == expected_labels).mean() >= 0.999
