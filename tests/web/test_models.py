"""Cards as the page lists them, with how each is got."""

from pathlib import Path

import pytest

pytest.importorskip("nicegui", reason="the page needs NiceGUI: install hqtrack[web]")

from hqtrack.web.models import model_of, models
from hqtrack.zoo import card_names


def test_every_card_is_listed_with_how_its_weights_are_got(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HQTRACK_CACHE", str(tmp_path / "cache"))
    listed = {model.name: model for model in models()}
    assert set(listed) == set(card_names())
    assert listed["vmos-light"].readiness == "ready"
    assert listed["vmos-light"].megabytes > 1
    assert listed["vmos"].readiness == "to pull"


def test_weights_behind_a_form_are_pulled_with_an_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers", reason="needs hqtrack[sam2]")
    monkeypatch.setenv("HQTRACK_CACHE", str(tmp_path / "cache"))
    model = model_of("sam3-tracker")
    assert model.readiness == "to pull"
    assert "behind a form: sign in at https://huggingface.co/facebook/sam3" in model.note
    assert "hf auth login" in model.note


def test_a_card_without_its_library_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hqtrack.errors.find_spec", lambda module: None)
    for card, extra in (("edgetam", "sam2"), ("cutie-base", "cutie")):
        model = model_of(card)
        assert model.readiness == "by hand"
        assert f"hqtrack[{extra}]" in model.note
