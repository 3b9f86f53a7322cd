"""The cards that are here, by their names."""

from pathlib import Path

import pytest

from hqtrack import CardError
from hqtrack.zoo import (
    card_names,
    known_weights,
    load_card,
    weights_of,
)


def test_weights_of_one_name_are_the_same_in_every_card() -> None:
    cards = [load_card(name) for name in card_names()]
    for known in known_weights():
        assert {each for card in cards for each in card.all_weights if each.label == known.label} == {known}


def test_an_unknown_card_suggests_one() -> None:
    with pytest.raises(CardError, match=r"did you mean hqtrack-light\?"):
        load_card("hqtrack-ligth")


def test_a_card_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"nothing\.toml: not a readable model card"):
        load_card(tmp_path / "nothing.toml")


def test_a_name_stands_for_all_weights_of_a_card_or_for_one_file() -> None:
    labels = [weights.label for weights in weights_of("hqtrack")]
    assert labels == ["vmos", "hq-sam-vit-h"]
    assert weights_of("sam_hq_vit_h.pth") == weights_of("hq-sam-vit-h")
    with pytest.raises(CardError, match="no weights or card named 'sam9'"):
        weights_of("sam9")
