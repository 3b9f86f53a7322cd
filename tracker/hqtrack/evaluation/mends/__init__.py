"""Mends of the toolkit, in our own process: one fault each, found by looking and not by version.

Each module has a function `mend`, which does nothing where the fault is not there and returns whether it was.
`event_loop` is for the toolkit's own command alone, which runs in a process of its own (`toolkit.py`).
"""

from __future__ import annotations

from hqtrack.evaluation.mends import (
    channel,
    filter_tag,
    frame_rate,
    multistart,
    outlines,
    process_groups,
    realtime,
    redetection,
    stack_code,
    starting,
    supervised,
    updates,
)

MENDS = (
    stack_code,
    starting,
    process_groups,
    realtime,
    updates,
    multistart,
    supervised,
    redetection,
    filter_tag,
    frame_rate,
    channel,
    outlines,
)

_found: set[str] = set()


def mend_toolkit() -> list[str]:
    """Mend what is broken in the toolkit of this process; returns the names of the mends that were needed."""
    found = [module.__name__.rpartition(".")[2] for module in MENDS if module.mend()]
    _found.update(found)
    return found


def found_faults() -> frozenset[str]:
    """Return the names of all mends that this process needed so far."""
    return frozenset(_found)
