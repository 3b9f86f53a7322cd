"""Whatever a toolkit sends, a tracker answers, or ends with its reason; it never hangs."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostile.trax_talk import STATES, messages, right_session, talk, verdict

pytestmark = pytest.mark.slow


def test_a_right_session_is_answered(tmp_path: Path) -> None:
    code, said = talk(right_session(tmp_path))
    assert code == 0, said
    assert said.count("@@TRAX:state") == STATES


ODD = ("zeros", "a frame before all", "a frame that is not there", "a negative mask", "a special region")
"""Each of another kind; `benchmarks/hostile.py` tries all, and right sessions that were broken."""


@pytest.mark.parametrize("name", ODD)
def test_an_odd_message_is_answered_or_ends_the_tracker_with_its_reason(tmp_path: Path, name: str) -> None:
    assert verdict(*talk(messages(tmp_path)[name])) == ""
