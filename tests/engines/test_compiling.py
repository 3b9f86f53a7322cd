"""`torch.compile` as a setting of a card: it is used, masks stay; where it cannot work there is a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from engines.small import small_sam2
from hqtrack import CardError, HQTrack, InputError
from hqtrack.cli import app
from hqtrack.engines import compiling, sam2
from hqtrack.zoo import load_card

FRAMES = np.random.default_rng(5).integers(0, 256, (4, 48, 64, 3), dtype=np.uint8)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights of a small network, which stands for that of the card sam2.1-tiny."""
    model = small_sam2()
    save_file(model.state_dict(), tmp_path / "small.safetensors")
    monkeypatch.setattr(sam2, "configuration", lambda _: model.config)
    return tmp_path / "small.safetensors"


def tracked(weights: Path, **settings: Any) -> np.ndarray:
    tracker = HQTrack.from_card("sam2.1-tiny", weights=weights, device="cpu", precision="float32", **settings)
    mask = np.zeros((1, 48, 64), bool)
    mask[0, 10:30, 20:45] = True
    tracker.initialize(FRAMES[0], mask)
    return np.stack([tracker.track(frame) for frame in FRAMES[1:]])


@pytest.mark.slow
def test_a_compiled_encoder_finds_the_same_masks(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs: list[torch.fx.GraphModule] = []

    def compiler(graph: torch.fx.GraphModule, _inputs: list[torch.Tensor]) -> Any:
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(compiling, "BACKEND", compiler)
    plain = tracked(weights)
    assert not graphs
    np.testing.assert_array_equal(tracked(weights, compile=True), plain)
    assert sum(len(graph.graph.nodes) for graph in graphs) > 100  # an encoder, not the trial alone
    assert plain.any()


def test_a_compiler_that_does_not_work_is_a_line(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_graph: torch.fx.GraphModule, _inputs: list[torch.Tensor]) -> Any:
        raise RuntimeError("no C++ compiler\nin the path")

    monkeypatch.setattr(compiling, "BACKEND", broken)
    with pytest.raises(
        InputError, match=r"compile = true: .*on cpu here: .*install it, or leave compile out"
    ):
        tracked(weights, compile=True)


def test_the_commands_option_reaches_the_compiler(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_graph: torch.fx.GraphModule, _inputs: list[torch.Tensor]) -> Any:
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(compiling, "BACKEND", broken)
    clip = tmp_path / "clip"
    clip.mkdir()
    for number, frame in enumerate(FRAMES):
        Image.fromarray(frame).save(clip / f"{number}.png")
    mask = np.zeros(FRAMES.shape[1:3], np.uint8)
    mask[10:30, 20:45] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    words = [
        *(
            "track",
            str(clip),
            "-o",
            str(tmp_path / "out"),
            "--mask",
            str(tmp_path / "mask.png"),
            "--device",
            "cpu",
        ),
        *("--card", "sam2.1-tiny", "--weights", str(weights), "--precision", "float32", "--labels"),
    ]
    refused = CliRunner().invoke(app, [*words, "--compile"])
    assert refused.exit_code == 2
    assert refused.stderr.count("compile = true: torch.compile does not work on cpu here") == 1
    assert "Traceback" not in refused.stderr
    assert CliRunner().invoke(app, words).exit_code == 0


def test_an_engine_that_is_not_compiled_refuses_the_setting() -> None:
    with pytest.raises(CardError, match="compile = true: the engine vmos of the card vmos-light"):
        HQTrack.from_card("vmos-light", device="cpu", compile=True)
    assert load_card("sam2.1-tiny", compile="true").compile  # as trackers.ini gives it
