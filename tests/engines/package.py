"""Another package with engines: those of this one on small random networks, and the example's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "optical_flow.py"
PACKAGED = ("small-sam2", "small-dam", "small-edgetam", "small-sam3", "small-cutie", "small-flow")
"""Names of its engines."""
CARD = """
name = "{name}"
title = "{name}: random weights"
engine = "{name}"
network = "random"
[weights]
file = "none"
origin = "embedded"
"""
PACKAGE = """
# Each tracker is a process, and imports what it needs alone.


def load_flow(*args, **settings):
    from optical_flow import load

    return load(*args, **settings)


def present(model):
    import torch

    with torch.no_grad():  # random weights call every object absent
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(5.0)
    return model


def of_sam2():
    import transformers
    from hqtrack.zoo.hiera import Hiera, configuration

    SMALL = Hiera(16, 1, (1, 1, 2, 1), (3, 3, 3), (4, 4, 4, 4), 4)
    return present(transformers.Sam2VideoModel(configuration(SMALL, image_size=64)))


def load_sam2(card, weights, *, device, dtype):
    from hqtrack.engines import sam2

    return sam2.starter(of_sam2(), device=device, dtype=dtype)


def load_dam(card, weights, *, device, dtype):
    from hqtrack.engines import dam_sam2

    return dam_sam2.starter(of_sam2(), device=device, dtype=dtype)


def load_edgetam(card, weights, *, device, dtype):
    import transformers
    from hqtrack.engines import edgetam, sam2

    config = edgetam.configuration(image_size=128, latents=16)
    model = present(transformers.EdgeTamVideoModel(config))
    return sam2.starter_of(sam2.SAM2, model, device=device, dtype=dtype)


def load_sam3(card, weights, *, device, dtype):
    import transformers
    from hqtrack.engines import sam3

    encoder = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "global_attn_indexes": [1],
        "window_size": 4,
        "pretrain_image_size": 56,
    }
    config = sam3.configuration(image_size=112, encoder=encoder)
    model = present(transformers.Sam3TrackerVideoModel(config))
    return sam3.starter(model, device=device, dtype=dtype)


def load_cutie(card, weights, *, device, dtype):
    from hqtrack.engines import cutie

    config = cutie.configuration("cutie-small")
    config.top_k = 16  # places of memory that every place reads: small frames have few
    return cutie.starter(cutie.build(config), config, device=device, dtype=dtype)
"""


def install_engines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have processes that are started find the package, and write a card of each engine.

    Args:
        folder: What the package and the cards `NAME.toml` are put into.
        monkeypatch: Of the test.

    Returns:
        The folder.
    """
    metadata = folder / "hqtrack_small-1.0.dist-info"
    metadata.mkdir(parents=True)
    shutil.copy(EXAMPLE, folder)
    (folder / "hqtrack_small.py").write_text(PACKAGE)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hqtrack-small\nVersion: 1.0\n")
    points = [f"{name} = hqtrack_small:load_{name.removeprefix('small-')}" for name in PACKAGED]
    (metadata / "entry_points.txt").write_text("\n".join(["[hqtrack.engines]", *points]) + "\n")
    for name in PACKAGED:
        (folder / f"{name}.toml").write_text(CARD.format(name=name))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder
