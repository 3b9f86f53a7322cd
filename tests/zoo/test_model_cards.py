from pathlib import Path

import pytest
import torch

from hqtrack import CardError, WeightsError, nets
from hqtrack.cards import OVERRIDES, Card
from hqtrack.zoo import (
    card_names,
    find_weights,
    known_weights,
    load_card,
    load_network,
    models_folder,
    verify,
    weights_of,
)

SYSTEMS = [
    "aot-l-joint",
    "aot-l-separate",
    "deaot-internimage-t",
    "deaot-r50",
    "hqtrack",
    "hqtrack-light",
    "ms-aot-joint",
    "ms-aot-separate",
    "vmos",
    "vmos-r50",
    "vmos-sam-h",
]

MINIMAL = """
name = "mine"
title = "a system of my own"
network = "vmos"
[weights]
file = "mine.pth"
origin = "published"
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HQTRACK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def card_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def test_every_system_of_the_paper_is_a_card() -> None:
    assert set(SYSTEMS) <= set(card_names())


@pytest.mark.parametrize("name", card_names())
def test_a_card_is_valid_and_complete(name: str) -> None:
    card = load_card(name)
    assert card.name == name
    assert card.network in nets.network_names()
    for weights in card.all_weights:
        if weights.origin != "to-be-trained":
            assert weights.licence
        if weights.origin == "published":
            assert weights.page
            assert weights.url


@pytest.mark.parametrize(
    "name", [name for name in card_names() if load_card(name).weights.origin == "embedded"]
)
def test_embedded_weights_are_the_ones_the_card_describes(name: str) -> None:
    card = load_card(name)
    assert "good" in verify(card.weights, find_weights(card.weights))
    assert next(load_network(card).parameters()).dtype == torch.float32


def test_weights_of_one_name_are_the_same_in_every_card() -> None:
    cards = [load_card(name) for name in card_names()]
    for known in known_weights():
        assert {each for card in cards for each in card.all_weights if each.label == known.label} == {known}


def test_hqtrack_is_as_in_the_paper() -> None:
    card = load_card("hqtrack")
    assert card.memory.long_term_slots == 8
    assert card.memory.long_term_gap == 50
    assert card.memory.short_term_distance == 4
    assert card.max_long_edge == 1040
    assert card.refiner is not None
    assert (card.refiner.kind, card.refiner.iou_threshold) == ("hq-sam-vit-h", 0.1)


@pytest.mark.parametrize("family", ["ms-aot", "aot-l"])
def test_the_paradigms_of_table_1_differ_in_the_paradigm_alone(family: str) -> None:
    joint, separate = load_card(f"{family}-joint"), load_card(f"{family}-separate", paradigm="joint")
    assert (joint.network, joint.weights, joint.memory) == (
        separate.network,
        separate.weights,
        separate.memory,
    )
    assert load_card(f"{family}-separate").paradigm == "separate"


def test_table_1_is_of_the_multi_scale_network() -> None:
    assert load_card("ms-aot-joint").network == "ms_aot"
    assert load_card("aot-l-joint").network == "r50_aotl"


@pytest.mark.parametrize(
    ("setting", "value", "read"),
    [
        ("long_term_slots", 5, lambda card: card.memory.long_term_slots),
        ("long_term_gap", 7, lambda card: card.memory.long_term_gap),
        ("short_term_distance", 1, lambda card: card.memory.short_term_distance),
        ("iou_threshold", 0.35, lambda card: card.refiner.iou_threshold),
        ("max_long_edge", 512, lambda card: card.max_long_edge),
        ("paradigm", "separate", lambda card: card.paradigm),
    ],
)
def test_a_setting_is_overridden(setting: str, value: object, read: object) -> None:
    assert callable(read)
    assert read(load_card("hqtrack", **{setting: value})) == value
    assert read(load_card("hqtrack", **{setting: None})) == read(load_card("hqtrack"))


def test_every_override_is_tested() -> None:
    assert len(OVERRIDES) == 6


def test_all_long_term_entries_can_be_kept() -> None:
    assert load_card("vmos", long_term_slots="all").memory.long_term_slots is None
    assert load_card("vmos", long_term_slots=0).memory.long_term_slots == 0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"slots": 5}, r"slots = 5: no such setting; allowed are iou_threshold, long_term_gap"),
        ({"long_term_gap": 0}, r"memory.long_term_gap = 0: .* greater than or equal to 1"),
        ({"long_term_slots": -1}, r"memory.long_term_slots = -1: .* greater than or equal to 0"),
        ({"short_term_distance": 1.5}, r"memory.short_term_distance = 1.5: "),
        ({"iou_threshold": 2}, r"refiner.iou_threshold = 2: .* less than or equal to 1"),
        ({"iou_threshold": float("nan")}, r"refiner.iou_threshold = nan"),
        ({"max_long_edge": "wide"}, r"max_long_edge = 'wide': .* valid integer"),
        ({"paradigm": "both"}, r"paradigm = 'both': .* 'joint' or 'separate'"),
    ],
)
def test_a_wrong_override_names_key_value_and_what_is_allowed(
    overrides: dict[str, object], message: str
) -> None:
    with pytest.raises(CardError, match=message):
        load_card("hqtrack", **overrides)


def test_a_threshold_without_a_refiner_is_an_error() -> None:
    with pytest.raises(CardError, match="vmos has no refiner"):
        load_card("vmos", iou_threshold=0.2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 1\n" + MINIMAL, r"unknown key colour = 1; allowed are max_long_edge, memory, "),
        (MINIMAL + "[memory]\nslots = 3", r"unknown key memory.slots = 3; allowed are long_term_gap"),
        (MINIMAL + "md5 = 'x'", r"unknown key weights.md5 = 'x'; allowed are file"),
        (MINIMAL + "sha256 = 'ABC'", r"weights.sha256 = 'ABC'"),
        (
            MINIMAL + "[refiner]\nkind = 'sam'\n[refiner.weights]\nfile='a'\norigin='published'",
            "refiner.kind = 'sam'",
        ),
        ("title = 'no more'", "key name is missing"),
        ("name = ", "not a readable model card"),
        ("memory = 3\n" + MINIMAL, "memory = 3"),
    ],
)
def test_a_wrong_card_names_key_value_and_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    path = card_of(tmp_path, text)
    with pytest.raises(CardError, match=message) as caught:
        load_card(path)
    assert str(path) in str(caught.value)


def test_an_override_does_not_hide_a_wrong_card(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="memory = 3"):
        load_card(card_of(tmp_path, "memory = 3\n" + MINIMAL), long_term_gap=5)


def test_an_unknown_card_suggests_one() -> None:
    with pytest.raises(CardError, match=r"did you mean hqtrack-light\?"):
        load_card("hqtrack-ligth")


def test_a_card_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"nothing\.toml: not a readable model card"):
        load_card(tmp_path / "nothing.toml")


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


def test_a_name_stands_for_all_weights_of_a_card_or_for_one_file() -> None:
    labels = [weights.label for weights in weights_of("hqtrack")]
    assert labels == ["vmos", "hq-sam-vit-h"]
    assert weights_of("sam_hq_vit_h.pth") == weights_of("hq-sam-vit-h")
    with pytest.raises(CardError, match="no weights or card named 'sam3'"):
        weights_of("sam3")


def test_a_card_cannot_be_changed() -> None:
    card: Card = load_card("vmos")
    with pytest.raises(AttributeError):
        card.network = "other"  # type: ignore[misc]
