"""From a model card that names the light HQ-SAM, through the tracker, to refined masks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hqtrack import HQTrack, nets
from hqtrack.nets.vmos_light import LongTermMatch, ShortTermMatch

pytestmark = pytest.mark.slow

HEIGHT, WIDTH = 90, 160

CARD = """
name = "light-refined"
title = "The light network and the light HQ-SAM"
network = "vmos_light"
max_long_edge = 160

[weights]
file = "network.safetensors"
origin = "embedded"

[memory]
long_term_slots = 2
long_term_gap = 2
short_term_distance = 1

[refiner]
kind = "hq-sam-vit-tiny"
iou_threshold = 0.0

[refiner.weights]
file = "sam_hq_vit_tiny.pth"
origin = "published"
page = "https://example.org/hq-sam"
"""


@pytest.fixture
def card(tmp_path: Path, light_checkpoint: Path) -> Path:
    """Return a card whose weights lie beside it."""
    torch.manual_seed(0)
    network = nets.build("vmos_light")
    with torch.no_grad():
        for part in network.modules():
            if isinstance(
                part, LongTermMatch | ShortTermMatch
            ):  # an untrained network that finds its objects
                part.no_match.fill_(-20)
                part.log_scale.fill_(4)
    save_file(network.state_dict(), tmp_path / "network.safetensors")
    (tmp_path / "sam_hq_vit_tiny.pth").symlink_to(light_checkpoint)
    path = tmp_path / "light-refined.toml"
    path.write_text(CARD)
    return path


def test_a_card_that_names_a_refiner_gives_refined_masks(card, calls, picture):
    tracker = HQTrack.from_card(card, device="cpu")
    frame = picture(HEIGHT, WIDTH)
    first = np.zeros((3, HEIGHT, WIDTH), bool)
    first[0, :, :70] = first[1, :, 74:140] = first[2, :, 144:] = True
    tracker.initialize(frame, first)
    assert (calls.encoded, calls.decoded) == (0, 0)

    masks = tracker.track(frame)
    assert (calls.encoded, calls.decoded) == (1, 1)
    assert masks.shape == first.shape
    assert int(masks.sum(0).max()) == 1
    report = tracker.refinement_report
    assert report is not None
    assert len(report.objects) == 3
    assert any(one.kept for one in report.objects)

    unrefined = HQTrack.from_card(card, device="cpu", refiner="off")
    unrefined.initialize(frame, first)
    propagated = unrefined.track(frame)
    assert [one.visible for one in report.objects] == propagated.any((1, 2)).tolist()
    assert (masks != propagated).any()
