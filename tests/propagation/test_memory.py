"""The two stores of propagation, without any network."""

import pytest
import torch

from hqtrack.nets.interface import Memory, MemoryEntry
from hqtrack.propagation import LongTermMemory, ShortTermMemory

LAYERS = ((1, 6, 4, 8), (2, 24, 2, 3))
"""(heads, tokens, key channels, value channels) of a made-up network's two layers."""


def entry(frame: int) -> Memory:
    """Return a memory entry all of whose numbers are the frame's."""
    return tuple(
        MemoryEntry(
            torch.full((1, heads, tokens, keys), float(frame)),
            torch.full((1, heads, tokens, values), float(frame)),
        )
        for heads, tokens, keys, values in LAYERS
    )


def frames_in(memory: Memory) -> list[int]:
    """Return which frames a memory holds, after checking that every layer holds them whole, in one order."""
    orders = []
    for (heads, tokens, keys, values), kept in zip(LAYERS, memory, strict=True):
        assert kept.key.shape[:2] == kept.value.shape[:2] == (1, heads)
        assert (kept.key.shape[3], kept.value.shape[3]) == (keys, values)
        by_frame = (
            torch.cat([kept.key, kept.value], -1).unflatten(2, (-1, tokens))[0].movedim(1, 0).flatten(1)
        )
        assert (by_frame == by_frame[:, :1]).all()
        orders.append(by_frame[:, 0].int().tolist())
    assert orders[0] == orders[1]
    return sorted(orders[0])


def places(memory: Memory) -> list[int]:
    return [part.data_ptr() for kept in memory for part in kept]


def test_the_oldest_frame_gives_way_and_the_reference_never() -> None:
    memory = LongTermMemory(slots=3)
    memory.add_reference(entry(0))
    kept = []
    for frame in range(1, 9):
        memory.write(entry(frame))
        kept.append(frames_in(memory.read()))
    assert kept[:3] == [[0, 1], [0, 1, 2], [0, 1, 2, 3]]
    assert kept[3:] == [[0, 2, 3, 4], [0, 3, 4, 5], [0, 4, 5, 6], [0, 5, 6, 7], [0, 6, 7, 8]]
    assert len(memory) == 4


def test_storage_is_allocated_once_and_read_without_copying() -> None:
    memory = LongTermMemory(slots=4)
    memory.add_reference(entry(0))
    first = memory.read()
    store = [part.untyped_storage() for kept in first for part in kept]
    assert [s.nbytes() for s in store] == [
        4 * 5 * heads * tokens * channels
        for heads, tokens, keys, values in LAYERS
        for channels in (keys, values)
    ]
    for frame in range(1, 20):
        memory.write(entry(frame))
        assert places(memory.read()) == places(first)
    assert frames_in(memory.read()) == [0, 16, 17, 18, 19]


def test_a_written_entry_is_no_longer_needed() -> None:
    memory = LongTermMemory(slots=2)
    given = entry(5)
    memory.add_reference(given)
    for kept in given:
        kept.key.zero_()
        kept.value.zero_()
    assert frames_in(memory.read()) == [5]


def test_further_references_stay_too_and_find_room() -> None:
    memory = LongTermMemory(slots=2)
    memory.add_reference(entry(0))
    for frame in range(1, 4):
        memory.write(entry(frame))
    memory.add_reference(entry(100))
    assert frames_in(memory.read()) == [0, 2, 3, 100]
    for frame in range(4, 7):
        memory.write(entry(frame))
    assert frames_in(memory.read()) == [0, 5, 6, 100]
    memory.add_reference(entry(101))
    memory.write(entry(7))
    assert frames_in(memory.read()) == [0, 6, 7, 100, 101]


def test_references_are_read_first() -> None:
    memory = LongTermMemory(slots=3)
    memory.add_reference(entry(100))
    for frame in range(1, 6):
        memory.write(entry(frame))
    memory.add_reference(entry(101))
    memory.write(entry(6))
    assert memory.references == 2
    assert memory.read()[0].key[0, 0, ::6, 0].tolist()[:2] == [100, 101]
    assert frames_in(memory.read()) == [4, 5, 6, 100, 101]


def test_a_reference_may_come_before_the_slots_are_full() -> None:
    memory = LongTermMemory(slots=3)
    memory.add_reference(entry(0))
    memory.write(entry(1))
    memory.add_reference(entry(100))
    for frame in range(2, 6):
        memory.write(entry(frame))
    assert frames_in(memory.read()) == [0, 3, 4, 5, 100]


def test_without_slots_only_references_are_kept() -> None:
    memory = LongTermMemory(slots=0)
    memory.add_reference(entry(0))
    for frame in range(1, 4):
        memory.write(entry(frame))
    assert frames_in(memory.read()) == [0]


def test_without_a_limit_everything_is_kept_and_storage_seldom_moves() -> None:
    memory = LongTermMemory(slots=None)
    memory.add_reference(entry(0))
    moves, place = 0, places(memory.read())
    for frame in range(1, 101):
        memory.write(entry(frame))
        moves += places(memory.read()) != place
        place = places(memory.read())
    memory.add_reference(entry(200))
    assert frames_in(memory.read()) == [*range(101), 200]
    assert moves <= 8


@pytest.mark.parametrize("distance", [1, 2, 4])
def test_short_term_memory_is_the_frame_of_a_distance_ago_or_the_oldest(distance: int) -> None:
    memory = ShortTermMemory(distance)
    memory.restart(entry(0))
    for frame in range(1, 12):
        assert frames_in(memory.read()) == [max(0, frame - distance)]
        memory.write(entry(frame))


def test_short_term_memory_starts_anew_with_a_reference() -> None:
    memory = ShortTermMemory(3)
    memory.restart(entry(0))
    for frame in range(1, 6):
        memory.write(entry(frame))
    memory.restart(entry(6))
    assert frames_in(memory.read()) == [6]
    memory.write(entry(7))
    assert frames_in(memory.read()) == [6]


def test_of_frames_one_in_every_gap_is_kept_counted_from_the_last_reference() -> None:
    memory = LongTermMemory(slots=4, gap=3)
    memory.add_reference(entry(0))
    kept = []
    for number in range(1, 8):
        memory.write(entry(number))
        kept.append(len(memory) - 1)
    assert kept == [0, 0, 1, 1, 1, 2, 2]
    memory.add_reference(entry(8))
    memory.write(entry(9))
    memory.write(entry(10))
    assert len(memory) == 4
    memory.write(entry(11))
    assert len(memory) == 5
