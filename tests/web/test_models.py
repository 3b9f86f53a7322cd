"""Cards as the page lists them, and downloads of their weights."""

import time
from pathlib import Path

import pytest

pytest.importorskip("nicegui", reason="the page needs NiceGUI: install hqtrack[web]")

from hqtrack.web.models import Pull, model_of, models
from hqtrack.zoo import card_names
from small_card import card_of
from zoo.file_server import FileServer, checkpoint, serving

CARD = """
name = "mine"
title = "a system of my own"
network = "vmos"
[weights]
file = "model.pth"
origin = "published"
url = "{url}"
"""


def finished(name: str) -> Pull:
    """Pull a card's weights, and wait for the end."""
    pull = Pull(name)
    until = time.monotonic() + 120
    while pull.state == "pulling":
        assert time.monotonic() < until
        time.sleep(0.01)
    return pull


def test_every_card_is_listed_with_how_its_weights_are_got(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HQTRACK_CACHE", str(tmp_path / "cache"))
    listed = {model.name: model for model in models()}
    assert set(listed) == set(card_names())
    assert listed["vmos-light"].readiness == "ready"
    assert listed["vmos-light"].megabytes > 1
    assert listed["cutie-base"].readiness == "to pull"
    assert listed["sam3-tracker"].readiness == "by hand"
    assert "hf auth login" in listed["sam3-tracker"].note


def test_a_card_without_its_library_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hqtrack.errors.find_spec", lambda module: None)
    for card, extra in (("edgetam", "sam2"), ("cutie-base", "cutie")):
        model = model_of(card)
        assert model.readiness == "by hand"
        assert f"hqtrack[{extra}]" in model.note


def test_weights_are_pulled_with_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HQTRACK_CACHE", str(tmp_path / "cache"))
    content = checkpoint(seed=1, numbers=75_000)
    with serving(FileServer(content)) as server:
        name = str(card_of(tmp_path, CARD.format(url=server.url)))
        assert model_of(name).readiness == "to pull"
        pull = finished(name)
    assert (pull.state, pull.share, pull.received) == ("done", 1.0, len(content))
    assert model_of(name).readiness == "ready"


def test_a_pull_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HQTRACK_CACHE", str(tmp_path / "cache"))
    with serving(FileServer(b"")) as server:
        url = server.url.replace("model.pth", "other.pth")
        pull = finished(str(card_of(tmp_path, CARD.format(url=url))))
    assert pull.state == "failed"
    assert "404" in pull.error
