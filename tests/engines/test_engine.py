"""Engines are found by a card's `engine`: the package's own, and those of other packages."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from hqtrack import CardError, HQTrack
from hqtrack.engines import engine_names, load_engine
from hqtrack.errors import InputError, MissingExtraError
from hqtrack.zoo import load_card

ROOT = Path(__file__).parents[2]
CARD = """
name = "flow"
title = "Optical flow"
engine = "{engine}"
network = "dis"
[weights]
file = "none"
origin = "embedded"
"""


@pytest.fixture
def another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install the example as another package would be: a module, and its metadata beside it."""
    shutil.copy(ROOT / "examples" / "optical_flow.py", tmp_path)
    metadata = tmp_path / "hqtrack_flow-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hqtrack-flow\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[hqtrack.engines]\noptical-flow = optical_flow:load\n")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def card_of(folder: Path, engine: str) -> Path:
    path = folder / "flow.toml"
    path.write_text(CARD.format(engine=engine))
    return path


def test_an_engine_of_another_package_tracks(another_package: Path) -> None:
    assert "optical-flow" in engine_names()
    rng = np.random.default_rng(1)
    ground = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    masks = np.zeros((2, 160, 200), bool)
    masks[0, 20:60, 30:80] = True
    masks[1, 90:140, 100:160] = True

    tracker = HQTrack.from_card(card_of(another_package, "optical-flow"))
    tracker.initialize(ground[:160, 20:220], masks)
    for step in range(1, 6):  # the camera moves: everything goes two pixels to the right in every frame
        found = tracker.track(np.ascontiguousarray(ground[:160, 20 - 2 * step : 220 - 2 * step]))
        expected = np.roll(masks, 2 * step, axis=2)
        overlap = (found & expected).sum((1, 2)) / (found | expected).sum((1, 2))
        assert overlap.min() > 0.9, step
    with pytest.raises(InputError, match="return_probabilities: the engine optical-flow does not compute"):
        tracker.track(np.ascontiguousarray(ground[:160, 8:208]), return_probabilities=True)


def test_the_example_forgets_objects(another_package: Path) -> None:
    card = load_card(card_of(another_package, "optical-flow"))
    engine = load_engine(card, device=torch.device("cpu"), dtype=torch.float32)()
    engine.add(np.zeros((40, 60, 3), np.uint8), np.arange(3, dtype=np.uint8).repeat(800).reshape(40, 60), 2)
    engine.remove([1])
    assert engine.count == 1
    assert np.unique(engine.find(np.zeros((40, 60, 3), np.uint8)).labels).tolist() == [0, 1]


def test_an_unknown_engine_names_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"engine = 'sam9'.*vmos, sam2"):
        HQTrack.from_card(card_of(tmp_path, "sam9"))


def test_an_unknown_network_of_sam_2_names_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"network = 'dis'.*sam2\.1-hiera-tiny"):
        HQTrack.from_card(card_of(tmp_path, "sam2"))


def test_settings_of_another_engine_are_refused() -> None:
    for setting in ({"long_term_gap": 25}, {"max_long_edge": 640}, {"paradigm": "separate"}):
        with pytest.raises(CardError, match=f"{next(iter(setting))}.*sam2"):
            HQTrack.from_card("sam2.1-tiny", **setting)


def test_a_package_of_another_major_version_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "importlib.metadata.version", lambda name: {"transformers": "4.57.6", "rf-cutie": "2.0"}[name]
    )
    for card, words in (
        ("sam2.1-tiny", r"needs transformers<6,>=5.24, but transformers 4.57.6 is.*hqtrack\[sam2\]"),
        ("cutie-base", r"needs rf-cutie<2,>=1.0.1, but rf-cutie 2.0 is installed.*hqtrack\[cutie\]"),
    ):
        with pytest.raises(MissingExtraError, match=words):
            load_engine(load_card(card), device=torch.device("cpu"), dtype=torch.float32)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hqtrack.errors.find_spec", lambda module: None)
    for card, extra in (("sam2.1-tiny", "sam2"), ("dam-sam2.1-large", "sam2"), ("cutie-base", "cutie")):
        with pytest.raises(MissingExtraError, match=rf"hqtrack\[{extra}\]"):
            load_engine(load_card(card), device=torch.device("cpu"), dtype=torch.float32)
