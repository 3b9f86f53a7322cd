"""Foreign bytes of every kind are read, or refused in one line.

`benchmarks/hostile.py --only fuzzing --minutes 600` tries for longer.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from hostile.fuzzing import TARGETS, attempt

EXAMPLES = int(os.environ.get("HQTRACK_EXAMPLES", "40"))


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_foreign_bytes_are_read_or_refused_in_a_line(name: str) -> None:
    target = TARGETS[name]

    @settings(
        deadline=None,
        derandomize=True,
        database=None,
        max_examples=EXAMPLES,
        suppress_health_check=list(HealthCheck),
    )
    @given(target.values)
    def case(value: Any) -> None:
        attempt(target, value)

    case()
