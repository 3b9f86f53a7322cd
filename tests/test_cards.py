"""Model cards: what they hold, which values are allowed, and what may be overridden."""

import re
from pathlib import Path

import pytest

from hqtrack import CardError, cards, nets
from hqtrack.cards import OVERRIDES, Card
from hqtrack.defaults import DEFAULT_CARD, LIGHT_REFINER_CARD
from hqtrack.engines import edgetam, sam3
from hqtrack.engines.cutie import NETWORKS
from hqtrack.zoo import (
    card_names,
    find_weights,
    load_card,
)
from hqtrack.zoo.hiera import HIERAS
from small_card import MINIMAL, card_of

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
    "vmos-light",
    "vmos-r50",
    "vmos-sam-h",
]


def test_every_system_of_the_paper_is_a_card() -> None:
    assert set(SYSTEMS) <= set(card_names())


NETWORKS_OF = {
    "vmos": nets.network_names(),
    "sam2": list(HIERAS),
    "dam-sam2": list(HIERAS),
    "edgetam": [edgetam.EDGETAM_NETWORK],
    "sam3-tracker": [sam3.SAM3_NETWORK],
    "cutie": list(NETWORKS),
}


@pytest.mark.parametrize("name", card_names())
def test_a_card_is_valid_and_complete(name: str) -> None:
    card = load_card(name)
    assert card.name == name
    assert card.network in NETWORKS_OF[card.engine]
    for weights in card.all_weights:
        if weights.origin != "to-be-trained":
            assert weights.licence
        if weights.origin == "published":
            assert weights.page
            assert weights.url or name == "sam3-tracker"  # which is behind a form


@pytest.mark.parametrize("name", card_names())
def test_weights_of_a_model_hub_are_those_of_one_revision_and_checked(name: str) -> None:
    for weights in load_card(name).all_weights:
        if "huggingface.co" in f"{weights.url}{weights.page}":
            assert weights.sha256, weights
        if weights.file.endswith(".safetensors") and weights.url is not None:
            assert re.search(r"/resolve/[0-9a-f]{40}/", weights.url), weights


@pytest.mark.parametrize("name", card_names())
def test_a_card_says_what_it_is_good_for(name: str) -> None:
    about = load_card(name).about
    assert about is not None
    assert about.good_for


def test_a_card_has_the_parameters_of_its_network() -> None:
    about = load_card("vmos-light").about
    assert about is not None
    millions = sum(value.numel() for value in nets.build("vmos_light").parameters()) / 1e6
    assert about.parameters == pytest.approx(millions, abs=0.05)


def test_what_a_card_is_good_for_is_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\ntitle = "Mine"\nbase = "vmos-light"\n')
    assert load_card(path).about is None
    path.write_text(path.read_text() + '[about]\nparameters = 3.9\nquality = "J&F 80"\n')
    with pytest.raises(CardError, match="quality and source go together"):
        load_card(path)


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
        ("search_margin", 0.5, lambda card: card.rules.get("search_margin")),
        ("largest_gap", 0.5, lambda card: card.rules.get("largest_gap")),
        ("motion_prior", True, lambda card: card.rules.get("motion_prior")),
        ("guided_outlines", True, lambda card: card.guided_outlines),
        ("paradigm", "separate", lambda card: card.paradigm),
    ],
)
def test_a_setting_is_overridden(setting: str, value: object, read: object) -> None:
    assert callable(read)
    assert read(load_card("hqtrack", **{setting: value})) == value
    assert read(load_card("hqtrack", **{setting: None})) == read(load_card("hqtrack"))


@pytest.mark.parametrize(
    ("setting", "read"),
    [
        ("rules", lambda card: card.rules),
        ("search_margin", lambda card: card.rules.get("search_margin")),
        ("motion_prior", lambda card: card.rules.get("motion_prior")),
        ("largest_gap", lambda card: card.rules.get("largest_gap")),
        ("guided_outlines", lambda card: card.guided_outlines),
        ("refiner", lambda card: card.refiner),
    ],
)
def test_a_setting_is_switched_off(setting: str, read: object) -> None:
    assert callable(read)
    assert read(load_card("hqtrack-light"))
    assert not read(load_card("hqtrack-light", **{setting: "off"}))
    assert not read(load_card("vmos", **{setting: "off"}))


def test_without_rules_one_of_them_can_be_had() -> None:
    assert load_card("vmos-light", rules="off", largest_gap=2).rules == {"largest_gap": 2.0}


def test_every_override_is_in_the_page_of_cards() -> None:
    page = (Path(__file__).parents[1] / "docs" / "cards.md").read_text("utf-8")
    for name, override in OVERRIDES.items():
        assert f"| `{name}` | {override.meaning} |" in page


def test_all_long_term_entries_can_be_kept() -> None:
    assert load_card("vmos", long_term_slots="all").memory.long_term_slots is None
    assert load_card("vmos", long_term_slots=0).memory.long_term_slots == 0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"slots": 5}, r"slots = 5: no such setting; allowed are backend, compile, guided_outlines"),
        ({"long_term_gap": 0}, r"memory.long_term_gap = 0: .* greater than or equal to 1"),
        ({"long_term_slots": -1}, r"memory.long_term_slots = -1: .* greater than or equal to 0"),
        ({"short_term_distance": 1.5}, r"memory.short_term_distance = 1.5: "),
        ({"iou_threshold": 2}, r"refiner.iou_threshold = 2: .* less than or equal to 1"),
        ({"iou_threshold": float("nan")}, r"refiner.iou_threshold = nan"),
        ({"max_long_edge": "wide"}, r"max_long_edge = 'wide': .* valid integer"),
        ({"motion_prior": "maybe"}, r"rules.motion_prior = 'maybe': .* valid boolean"),
        ({"search_margin": "wide"}, r"rules.search_margin = 'wide': .* valid number"),
        ({"search_margin": True}, r"rules.search_margin = True: must be a number, or off"),
        ({"rules": "some"}, r"rules = 'some': .* valid dictionary"),
        ({"refiner": "light"}, r"refiner = 'light': "),
        ({"guided_outlines": 3}, r"guided_outlines = 3: .* valid boolean"),
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
    with pytest.raises(CardError, match="hqtrack has no refiner"):
        load_card("hqtrack", refiner="off", iou_threshold=0.2)


def test_the_default_card_needs_nothing_that_does_not_come_with_the_package() -> None:
    assert {weights.origin for weights in load_card(DEFAULT_CARD).all_weights} == {"embedded"}
    refiner = load_card(LIGHT_REFINER_CARD).refiner
    assert refiner is not None
    assert (refiner.kind, refiner.weights.origin) == ("light", "embedded")


BUILT = """
name = "mine"
title = "a system of my own"
base = "vmos-light"
"""


def test_a_card_has_what_the_card_has_that_it_builds_on(tmp_path: Path) -> None:
    card, base = load_card(card_of(tmp_path, BUILT)), load_card("vmos-light")
    assert (card.name, card.title) == ("mine", "a system of my own")
    assert (card.network, card.weights, card.memory, card.rules) == (
        base.network,
        base.weights,
        base.memory,
        base.rules,
    )


def test_a_card_replaces_single_settings_of_its_base_and_weights_as_a_whole(tmp_path: Path) -> None:
    own = """
[weights]
file = "mine.pth"
origin = "published"
[memory]
long_term_gap = 9
[rules]
search_margin = "off"
largest_gap = 2
"""
    card, base = load_card(card_of(tmp_path, BUILT + own)), load_card("vmos-light")
    assert card.weights.sha256 is None
    assert card.memory.long_term_gap == 9
    assert card.memory.long_term_slots == base.memory.long_term_slots
    assert list(card.rules.items()) == [("motion_prior", True), ("largest_gap", 2.0)]


def test_a_card_switches_off_sections_of_its_base(tmp_path: Path) -> None:
    text = BUILT.replace("vmos-light", "hqtrack-light") + 'refiner = "off"\nrules = "off"\n'
    card = load_card(card_of(tmp_path, text))
    assert card.refiner is None
    assert not card.rules


def test_a_card_builds_on_a_file_beside_it_and_on_what_that_builds_on(tmp_path: Path) -> None:
    (tmp_path / "first.toml").write_text(BUILT + "max_long_edge = 320\n")
    card = load_card(card_of(tmp_path, BUILT.replace("vmos-light", "./first.toml")))
    assert card.max_long_edge == 320
    assert card.rules == load_card("vmos-light").rules


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "colour = 1\n" + MINIMAL,
            r"unknown key colour = 1; allowed are about, backend, base, compile, engine, guided_outlines, ",
        ),
        (
            MINIMAL + "[rules]\nmargin = 3",
            r"unknown key rules.margin = 3; allowed are largest_gap, motion_prior",
        ),
        ("base = 'nobody'\n" + MINIMAL, "base = 'nobody': there is no such card"),
        ("base = 'mine.toml'\n" + MINIMAL, "base = 'mine.toml': the card builds on itself"),
        ("base = 3\n" + MINIMAL, "base = 3: "),
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
        (
            "max_long_edge = 1" + "0" * 24 + "\n" + MINIMAL,
            "max_long_edge = 1000.*less than",
        ),
        ("max_long_edge = 0x" + "f" * 9000 + "\n" + MINIMAL, "max_long_edge = a int too long to show"),
        (MINIMAL.replace("a system", "\\u001b[31ma system"), r"title = '\\x1b.* must be one line without"),
        ('"a\\u001b[1m" = 1\n' + MINIMAL, r"unknown key 'a\\x1b\[1m' = 1"),
        (MINIMAL.replace('"vmos"', '"vmoss"'), "network = 'vmoss': there is none; choose of .*vmos"),
        *(
            (MINIMAL.replace("mine.pth", name), "weights.file = .*: must be the name of a file")
            for name in ("", ".", "..", "sub/dir/m.pth", "../m.pth", "C:\\\\m.pth")
        ),
        (MINIMAL.replace("mine.pth", "m" * 300), "at most 200 bytes"),
    ],
)
def test_a_wrong_card_names_key_value_and_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    path = card_of(tmp_path, text)
    with pytest.raises(CardError, match=message) as caught:
        load_card(path)
    assert str(path) in str(caught.value)


def test_a_card_may_begin_with_a_mark_of_its_encoding(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINIMAL, encoding="utf-8-sig")
    assert load_card(path).name == "mine"


def test_a_card_may_name_a_weight_file_by_its_full_path(tmp_path: Path) -> None:
    path = card_of(tmp_path, MINIMAL.replace("mine.pth", str(tmp_path / "w.pth")))
    (tmp_path / "w.pth").touch()
    assert find_weights(load_card(path).weights) == tmp_path / "w.pth"


def test_an_override_does_not_hide_a_wrong_card(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="memory = 3"):
        load_card(card_of(tmp_path, "memory = 3\n" + MINIMAL), long_term_gap=5)


def test_a_card_cannot_be_changed() -> None:
    card: Card = load_card("vmos")
    with pytest.raises(AttributeError):
        card.network = "other"  # type: ignore[misc]


def test_the_default_cards_name_stands_in_one_place() -> None:
    package = Path(cards.__file__).parent
    pattern = re.compile(r"^\s*(DEFAULT_CARD|LIGHT_REFINER_CARD)\b.*= ?[\"']", re.MULTILINE)
    found = {file.name for file in package.rglob("*.py") if pattern.search(file.read_text("utf-8"))}
    assert found == {"defaults.py"}


def test_weights_beside_a_base_card_in_another_folder_are_found(tmp_path: Path) -> None:
    for folder in ("base", "mine"):
        (tmp_path / folder).mkdir()
    weights = tmp_path / "base" / "base.safetensors"
    weights.write_bytes(b"weights")
    (tmp_path / "base" / "base.toml").write_text(
        'name = "base"\ntitle = "Base"\nnetwork = "vmos_light"\n'
        '[weights]\nfile = "base.safetensors"\norigin = "embedded"\n'
    )
    mine = tmp_path / "mine" / "mine.toml"
    mine.write_text('name = "mine"\ntitle = "Mine"\nbase = "../base/base.toml"\n')
    assert load_card(mine).weights.file == str(weights)
    own = tmp_path / "mine" / "base.safetensors"
    own.write_bytes(b"own weights")
    assert load_card(mine).weights.file == str(own)
