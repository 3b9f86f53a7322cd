"""Whatever stands in a card, a prompt, a mask or a header: it is read, or refused in one clear line."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostile.strategies import SIZE, is_clear, prompts, quick, run_lengths, tables
from hqtrack.cards import Card, card_from_table, read_card
from hqtrack.errors import HQTrackError
from hqtrack.masks import label_map, masks_of, rle_decode, rle_encode
from hqtrack.video.prompts import Prompt, read_box, read_object, read_point
from hqtrack.video.timecode import move_timecode


@quick
@given(tables())
def test_a_card_is_valid_or_refused(content: dict[str, Any]) -> None:
    try:
        card = card_from_table(content, "mine.toml")
    except HQTrackError as error:
        assert is_clear(error)
    else:
        assert isinstance(card, Card)
        assert card.title.isprintable()
        assert 64 <= card.max_long_edge <= 16384


@quick
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_a_card_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    try:
        read_card(path)
    except HQTrackError as error:
        assert "mine.toml" in str(error)


DEEP = 20_000


@pytest.mark.parametrize(
    "content",
    [
        ".".join("a" * DEEP) + " = 1",
        " . ".join("a" * DEEP) + " = 1",
        ".".join(['"a.b"'] * DEEP) + " = 1",
        "x = {" + ".".join("a" * DEEP) + " = 1}",
        "[" + ".".join("a" * DEEP) + "]",
        "[[" + ".".join("a" * DEEP) + "]]",
        "x = " + "[" * DEEP,
        "x = " + "{a = " * DEEP,
        "a" * (2 << 20),
    ],
    ids=["dotted", "spaced", "quoted", "inline", "section", "sections", "lists", "tables", "long"],
)
def test_a_card_that_is_nested_without_end_is_refused_at_once(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(content)
    tracemalloc.start()
    with pytest.raises(HQTrackError, match=r"mine\.toml"):
        read_card(path)
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_card_that_is_no_file_is_refused_and_not_waited_for(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "mine.toml")
    with pytest.raises(HQTrackError, match=r"mine\.toml"):
        read_card(tmp_path / "mine.toml")


@quick
@given(prompts)
def test_a_prompt_is_an_object_within_the_frame_or_refused(text: str) -> None:
    for read in (read_box, read_point, lambda text, size: read_object(text, 0, size)):
        try:
            result = read(text, SIZE)
        except HQTrackError:
            continue
        found = result if isinstance(result, list) else [Prompt(0, box=result if len(result) == 4 else None)]
        for prompt in found:
            assert 0 <= prompt.frame < 10**9
            if prompt.box is not None:
                x, y, width, height = prompt.box
                assert 0 <= x < x + width <= SIZE[1]
                assert 0 <= y < y + height <= SIZE[0]


@quick
@given(st.integers(0, 6), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_masks_come_back_from_label_maps_and_run_lengths(
    count: int, height: int, width: int, seed: int
) -> None:
    masks = np.random.default_rng(seed).random((count, height, width)) < 0.4
    labels = label_map(masks)
    merged = masks_of(labels, count)
    assert (merged.sum(0) <= 1).all()
    assert (merged.any(0) == masks.any(0)).all()
    for mask in masks:
        np.testing.assert_array_equal(rle_decode(rle_encode(mask)), mask)


@quick
@given(run_lengths)
def test_run_lengths_are_a_mask_or_refused(rle: Any) -> None:
    try:
        mask = rle_decode(rle)
    except HQTrackError:
        return
    assert mask.dtype == bool
    assert list(mask.shape) == [int(side) for side in rle["size"]]


@quick
@given(
    st.text(max_size=20)
    | st.lists(st.integers(0, 99), min_size=4, max_size=4).map(lambda p: ":".join(map(str, p))),
    st.integers(0, 10**9),
    st.fractions(0, 1000),
    st.integers(1, 10**9),
)
def test_a_timecode_moves_or_there_is_none(text: str, frames: int, fps: Any, stride: int) -> None:
    moved = move_timecode(text, frames, fps, stride)
    assert moved is None or len(moved) >= 11
