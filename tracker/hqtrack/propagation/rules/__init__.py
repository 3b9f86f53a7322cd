"""Rules: what a system knows of its objects besides what the network sees. Published systems have none."""

from __future__ import annotations

from collections.abc import Sequence

from hqtrack.cards import Card
from hqtrack.propagation.rules.motion import Expected, Hideouts, Motion
from hqtrack.propagation.rules.one_piece import OnePiece
from hqtrack.propagation.rules.rule import Rule, Rules, no_rules
from hqtrack.propagation.rules.search_region import SearchRegion
from hqtrack.propagation.rules.tiny import TinyKeptAlive

__all__ = ["Rule", "Rules", "build_rules", "no_rules"]


def build_rules(card: Card) -> Sequence[Rule]:
    """Make the rules of a card for one group of objects, in the order in which they judge."""
    rules: list[Rule] = []
    if card.search_margin is not None:
        rules.append(SearchRegion(card.search_margin))
    if card.motion_prior:
        motion = Motion()
        rules += [motion, Expected(motion), TinyKeptAlive(motion), Hideouts(motion)]
    if card.largest_gap is not None:
        rules.append(OnePiece(card.largest_gap))
    return rules
