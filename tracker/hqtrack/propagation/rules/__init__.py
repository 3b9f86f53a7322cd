"""Rules: what a system knows of its objects besides what the network sees. Published systems have none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hqtrack.cards import RuleSettings
from hqtrack.propagation.rules.motion_prior import MotionPrior
from hqtrack.propagation.rules.one_piece import OnePiece
from hqtrack.propagation.rules.rule import Rule, Rules, no_rules
from hqtrack.propagation.rules.search_region import SearchRegion

__all__ = ["RULES", "Rule", "Rules", "build_rules", "no_rules"]

RULES: Mapping[str, Callable[[Any], Rule]] = {
    "search_margin": SearchRegion,
    "motion_prior": lambda on: MotionPrior(),
    "largest_gap": OnePiece,
}
"""Makes the rule of each setting that a card's `[rules]` may have, out of its value."""


def build_rules(settings: RuleSettings) -> Sequence[Rule]:
    """Make a card's rules for one group of objects, in the order in which the card has them."""
    return [RULES[name](value) for name, value in settings.items()]
