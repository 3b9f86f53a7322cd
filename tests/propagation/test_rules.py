"""Rules: what they learn, what they may change, and in which order they are asked."""

from typing import get_type_hints

import pytest
import torch
from torch import Tensor

from hqtrack.cards import MemorySettings, RuleSettings
from hqtrack.propagation.groups import ObjectGroup
from hqtrack.propagation.rules import RULES, Rule, build_rules
from hqtrack.zoo import card_names, load_card
from propagation.colour_network import ColourNetwork

SIZE = (64, 96)
FEATURES = ColourNetwork().encode(torch.zeros(1, 3, *SIZE))


class Note(Rule):
    """Writes down what it is asked, adds one to every logit, and leaves the frame's first row open."""

    def __init__(self, name: str, calls: list[tuple[str, str, tuple[int, ...]]]) -> None:
        self.name = name
        self.calls = calls

    def refer(self, masks: Tensor) -> None:
        self.calls.append((self.name, "refer", tuple(masks.shape)))

    def see(self, masks: Tensor) -> Tensor:
        self.calls.append((self.name, "see", tuple(masks.shape)))
        left_open = torch.zeros(masks.shape[1:]).bool()
        left_open[0] = True
        return left_open

    def judge(self, logits: Tensor) -> Tensor:
        self.calls.append((self.name, "judge", tuple(logits.shape)))
        return logits + 1


class Identities(ColourNetwork):
    """Keeps the one-hot masks that it was last told."""

    def embed_identity(self, one_hot: Tensor) -> tuple[Tensor, ...]:
        self.told = one_hot
        return super().embed_identity(one_hot)


def group_with(*rules: Rule, network: ColourNetwork | None = None) -> ObjectGroup:
    memory = MemorySettings(long_term_slots=2, long_term_gap=1, short_term_distance=1)
    return ObjectGroup(network or ColourNetwork(), memory=memory, rules=rules)


def two_objects() -> Tensor:
    labels = torch.zeros(64, 96, dtype=torch.uint8)
    labels[16:32, :16], labels[32:48, 16:32] = 1, 2
    return labels


def test_rules_are_told_and_asked_one_after_another() -> None:
    calls: list[tuple[str, str, tuple[int, ...]]] = []
    group = group_with(Note("first", calls), Note("second", calls))
    group.add_reference(FEATURES, two_objects(), [1, 2])
    propagation = group.propagate(FEATURES, SIZE)
    group.logits(FEATURES, propagation)
    group.remember(FEATURES, propagation, two_objects())
    masks, logits = (2, 64, 96), (3, 16, 24)
    assert calls == [
        (name, step, shape)
        for step, shape in (("refer", masks), ("judge", logits), ("see", masks))
        for name in ("first", "second")
    ]


def test_each_rule_judges_what_those_before_it_left() -> None:
    plain, judged = group_with(), group_with(Note("one", []), Note("two", []))
    found = []
    for group in (plain, judged):
        group.add_reference(FEATURES, two_objects(), [1, 2])
        found.append(group.logits(FEATURES, group.propagate(FEATURES, SIZE)))
    torch.testing.assert_close(found[0] + 2, found[1])


def test_what_a_rule_leaves_open_is_remembered_as_nobodys() -> None:
    network = Identities()
    group = group_with(Note("one", []), network=network)
    group.add_reference(FEATURES, two_objects(), [1, 2])
    assert network.told.sum(1).all()
    group.remember(FEATURES, group.propagate(FEATURES, SIZE), two_objects())
    assert not network.told[0, :, 0].any()
    assert network.told[0, :, 1:].sum(0).all()


def test_a_rule_that_says_nothing_changes_nothing() -> None:
    masks, logits = torch.ones(1, 8, 8).bool(), torch.randn(2, 2, 2)
    rule = Rule()
    rule.refer(masks)
    assert rule.see(masks) is None
    assert rule.judge(logits) is logits


@pytest.mark.parametrize("name", card_names())
def test_published_systems_have_no_rules(name: str) -> None:
    ours = {"hqtrack-light", "vmos-light"}
    assert bool(build_rules(load_card(name).rules)) == (name in ours)


def names(settings: RuleSettings) -> list[str]:
    return [type(rule).__name__ for rule in build_rules(settings)]


def test_rules_judge_in_the_order_of_the_card() -> None:
    assert names(load_card("vmos-light").rules) == ["SearchRegion", "MotionPrior", "OnePiece"]
    assert names({"largest_gap": 0.5, "search_margin": 0.5}) == ["OnePiece", "SearchRegion"]


def test_every_setting_of_rules_has_its_rule() -> None:
    assert RULES.keys() == get_type_hints(RuleSettings).keys()


def test_every_group_has_rules_of_its_own() -> None:
    settings = load_card("vmos-light").rules
    first, second = build_rules(settings), build_rules(settings)
    assert not {id(rule) for rule in first} & {id(rule) for rule in second}
