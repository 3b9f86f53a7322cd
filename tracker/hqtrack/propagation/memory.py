"""What propagation remembers: the reference and long-term slots, and the frames just before.

Both stores know nothing of networks: they keep entries, which are tuples of keys and values with the tokens
of one frame along their third axis.
"""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

from hqtrack.nets.interface import Memory, MemoryEntry

ENTRIES_PER_GROWTH = 8
"""Entries for which storage is added at a time when nothing is discarded."""


class LongTermMemory:
    """The reference and a fixed number of further frames, some frames apart (paper section 3.2).

    Storage for all of them is allocated with the first reference. Later frames are written in place; when the
    slots are full, the oldest of them is overwritten, never a reference. References come first; attention
    does not care for the order of the others, so they stay where they were written.

    Args:
        slots: Frames kept besides the references; None discards none, and storage then grows in chunks.
        gap: From one kept frame to the next, or from a reference: 1 keeps every frame.
    """

    def __init__(self, slots: int | None, gap: int = 1) -> None:
        self._slots = slots
        self._gap = gap
        self._since_kept = 0
        self._storage: list[MemoryEntry] = []
        self._capacity = 0
        self._used = 0
        self._oldest_first: deque[int] = deque()
        self._pictures: list[Memory] = []

    def __len__(self) -> int:
        """Number of frames kept, references included."""
        return self._used

    @property
    def references(self) -> int:
        """Number of references, which are the first of the frames that are read."""
        return self._used - len(self._oldest_first)

    def add_reference(self, entry: Memory) -> None:
        """Keep a frame whose masks are known for as long as the memory lives.

        A further reference makes room for itself: storage is allocated again, once.
        """
        references = self.references
        if self._slots is None:
            self._make_room(entry)
        else:
            self._reserve(entry, references + 1 + self._slots)
        if self._oldest_first:
            # The frame that lies behind the references gives way.
            for stored in self._storage:
                for part in stored:
                    part[:, :, self._used].copy_(part[:, :, references])
            place = self._oldest_first.index(references)
            self._oldest_first[place] = self._used
        self._write(references, entry)
        self._used += 1
        self._since_kept = 0

    def add_picture(self, entry: Memory) -> None:
        """Keep a reference that is no frame of the video, and may have any number of tokens.

        The next frame that is propagated is kept, too: it is the first one of the video.
        """
        self._pictures.append(entry)
        self._since_kept = self._gap - 1

    def known_frames(self, frame: Memory) -> float:
        """Return how many frames of known masks are read first; pictures count by their tokens.

        Args:
            frame: An entry of the video's size.
        """
        if not self._pictures:
            return self.references
        tokens = sum(entry[0].key.shape[2] for entry in self._pictures)
        return self.references + tokens / frame[0].key.shape[2]

    def write(self, entry: Memory) -> None:
        """Keep a propagated frame if it is its turn, in place of the oldest one when all slots are taken.

        Called for every frame.
        """
        self._since_kept += 1
        if self._since_kept < self._gap:
            return
        self._since_kept = 0
        if self._slots is not None and len(self._oldest_first) == self._slots:
            if self._slots == 0:
                return
            index = self._oldest_first.popleft()
        else:
            self._make_room(entry)
            index = self._used
            self._used += 1
        self._write(index, entry)
        self._oldest_first.append(index)

    def read(self) -> Memory:
        """Return keys and values of all frames kept, side by side: views of the storage, no copies.

        Where there are pictures, they come first, in a copy of all.
        """
        kept = tuple(
            MemoryEntry(_tokens(key, self._used), _tokens(value, self._used)) for key, value in self._storage
        )
        if not self._pictures:
            return kept
        every = zip(*self._pictures, *([kept] if kept else []), strict=True)
        return tuple(
            MemoryEntry(
                torch.cat([each.key for each in layer], 2), torch.cat([each.value for each in layer], 2)
            )
            for layer in every
        )

    def _write(self, index: int, entry: Memory) -> None:
        for stored, new in zip(self._storage, entry, strict=True):
            stored.key[:, :, index].copy_(new.key)
            stored.value[:, :, index].copy_(new.value)

    def _make_room(self, like: Memory) -> None:
        if self._used == self._capacity:
            self._reserve(like, self._used + max(ENTRIES_PER_GROWTH, self._used // 2))

    def _reserve(self, like: Memory, capacity: int) -> None:
        """Allocate room for `capacity` frames of the shape of `like`, and move there what is kept."""
        if capacity <= self._capacity:
            return
        previous, self._storage = self._storage, []
        for layer, entry in enumerate(like):
            new = MemoryEntry(*(_room(part, capacity) for part in entry))
            for old_part, new_part in zip(previous[layer] if previous else (), new, strict=False):
                new_part[:, :, : self._used].copy_(old_part[:, :, : self._used])
            self._storage.append(new)
        self._capacity = capacity


def _room(part: Tensor, frames: int) -> Tensor:
    """Allocate (B, heads, frames, T, C) for keys or values (B, heads, T, C)."""
    batch, heads, tokens, channels = part.shape
    return part.new_empty(batch, heads, frames, tokens, channels)


def _tokens(room: Tensor, frames: int) -> Tensor:
    """View the first frames of (B, heads, frames, T, C) as (B, heads, frames * T, C)."""
    batch, heads, _, tokens, channels = room.shape
    return room[:, :, :frames].view(batch, heads, frames * tokens, channels)


class ShortTermMemory:
    """The frames just before; what is read is the entry of `distance` frames ago, or the oldest there is.

    Entries are kept as the network made them: no copy, and the oldest is let go as a new one comes.

    Args:
        distance: At least 1, which is the frame before.
    """

    def __init__(self, distance: int) -> None:
        self._entries: deque[Memory] = deque(maxlen=distance)

    def restart(self, entry: Memory) -> None:
        """Forget everything but this entry, which is a reference frame's."""
        self._entries.clear()
        self._entries.append(entry)

    def write(self, entry: Memory) -> None:
        """Keep the entry of the frame just propagated."""
        self._entries.append(entry)

    def read(self) -> Memory | None:
        """Return the entry of `distance` frames before the frame to come, or the oldest there is, if any."""
        return self._entries[0] if self._entries else None
