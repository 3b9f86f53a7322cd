"""What Hypothesis makes for parsers: settings, cards, prompts and run lengths, most of them wrong."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from hqtrack.errors import HQTrackError

quick = settings(
    deadline=None,
    derandomize=True,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

SIZE = (48, 64)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def is_clear(error: HQTrackError) -> bool:
    """Return whether a message is one line that a terminal shows as it is."""
    return bool(str(error)) and str(error).isprintable() and len(str(error)) < 2000


def table() -> dict[str, Any]:
    return {
        "name": "mine",
        "title": "a system",
        "network": "vmos",
        "max_long_edge": 640,
        "weights": {"file": "mine.pth", "origin": "published"},
        "memory": {"long_term_slots": 5},
        "refiner": {"kind": "sam-vit-b", "weights": {"file": "sam.pth", "origin": "published"}},
    }


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """A card of which one to three values or keys are something else."""
    card = table()
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from([card, card["weights"], card["memory"], card["refiner"]]))
        if not isinstance(place, dict):
            continue
        key = (
            draw(st.sampled_from(sorted(place)) | st.text(max_size=12))
            if place
            else draw(st.text(max_size=9))
        )
        if draw(st.booleans()):
            place[key] = draw(anything)
        else:
            place.pop(key, None)
        card = (
            card
            if all(isinstance(card.get(part), dict) for part in ("weights", "memory", "refiner"))
            else table()
        )
    return card


numbers = st.integers() | st.floats() | st.text(max_size=4)

prompts = st.one_of(
    st.text(max_size=40),
    st.lists(numbers, max_size=5).map(lambda parts: ",".join(map(str, parts))),
    st.tuples(
        st.sampled_from(["frame", "box", "point", "mask", "", "frame=1,box"]), st.text(max_size=20)
    ).map("=".join),
    st.tuples(st.integers(), st.lists(st.integers(0, 40), min_size=2, max_size=4)).map(
        lambda pair: (
            f"frame={pair[0]},{'box' if len(pair[1]) == 4 else 'point'}={','.join(map(str, pair[1]))}"
        )
    ),
)

run_lengths = (
    st.fixed_dictionaries(
        {"size": st.lists(st.integers(-1, 20) | st.integers(), max_size=3) | anything},
        optional={
            "counts": st.text(max_size=20) | st.lists(st.integers() | st.floats(), max_size=5) | anything
        },
    )
    | anything
)
