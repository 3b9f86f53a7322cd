"""Where weight files are looked for."""

from pathlib import Path

import pytest
import torch

from hqtrack import WeightsError
from hqtrack.zoo import (
    card_names,
    find_weights,
    load_card,
    load_network,
    models_folder,
    verify,
    weights_of,
)
from small_card import MINIMAL, card_of


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HQTRACK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    "name", [name for name in card_names() if load_card(name).weights.origin == "embedded"]
)
def test_embedded_weights_are_the_ones_the_card_describes(name: str) -> None:
    card = load_card(name)
    assert "good" in verify(card.weights, find_weights(card.weights))
    assert next(load_network(card).parameters()).dtype == torch.float32


def test_weights_beside_a_card_of_ones_own_are_found(tmp_path: Path, cache: Path) -> None:
    path = card_of(tmp_path, MINIMAL)
    with pytest.raises(WeightsError, match=r"mine\.pth"):
        find_weights(load_card(path).weights)
    (tmp_path / "mine.pth").touch()
    assert find_weights(load_card(path).weights) == tmp_path / "mine.pth"


def test_weights_are_looked_for_explicitly_then_in_models_then_in_the_cache(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hqtrack.zoo.weights.models_folder", lambda: tmp_path / "models")
    weights = load_card("vmos").weights
    explicit, embedded, cached = (
        tmp_path / "explicit.pth",
        tmp_path / "models" / "weights" / weights.file,
        cache / weights.file,
    )
    for path, found in ((cached, cached), (embedded, embedded), (explicit, embedded)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        assert find_weights(weights) == found
    assert find_weights(weights, explicit) == explicit
    with pytest.raises(WeightsError, match=r"no weight file at .*other\.pth"):
        find_weights(weights, tmp_path / "other.pth")


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("vmos", "https://drive.google.com/drive/folders/"),
        ("hq-sam-vit-h", "https://huggingface.co/lkeab/hq-sam"),
        ("r50-deaotl", "https://github.com/yoxu515/aot-benchmark/blob/main/MODEL_ZOO.md"),
    ],
)
def test_missing_weights_give_the_command_the_page_and_the_place(cache: Path, name: str, page: str) -> None:
    (weights,) = weights_of(name)
    with pytest.raises(WeightsError) as caught:
        find_weights(weights)
    message = str(caught.value)
    assert f"hqtrack weights pull {name}" in message
    assert page in message
    assert str(cache) in message
    assert str(models_folder() / "weights") in message


def test_weights_behind_a_form_say_what_to_do(cache: Path) -> None:
    (weights,) = weights_of("sam3")
    with pytest.raises(WeightsError) as caught:
        find_weights(weights)
    assert "sign in at https://huggingface.co/facebook/sam3, accept the licence" in str(caught.value)
    assert "`hf auth login`" in str(caught.value)
    assert "hqtrack weights add FILE --name sam3" in str(caught.value)
