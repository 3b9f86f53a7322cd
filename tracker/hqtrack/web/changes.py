"""Changes that a person makes to the objects of a session: pure functions that check what makes sense."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from hqtrack.errors import InputError
from hqtrack.masks import Mask
from hqtrack.web.history import Given
from hqtrack.web.identities import Identity, Regions, corrections_of_pair, seen_objects
from hqtrack.web.objects import Region, SessionObject, SessionObjects

LETTERS_OF_NAME = 60


def clean_name(text: str, longest: int = LETTERS_OF_NAME) -> str:
    """Return a name in one line, with so many letters at most.

    Example:
        >>> clean_name("  a  long\\nname ")
        'a long name'
    """
    return " ".join(text.split())[:longest].strip()


def find(objects: SessionObjects, key: int) -> SessionObject:
    """Return the object of a number.

    Raises:
        InputError: It was deleted.
    """
    found = next((item for item in objects if item.key == key), None)
    if found is None:
        raise InputError("this object was deleted")
    return found


def altered(
    objects: SessionObjects, key: int, change: Callable[[SessionObject], SessionObject]
) -> SessionObjects:
    """Return objects with one of them changed.

    Raises:
        InputError: It was deleted.
    """
    new = change(find(objects, key))
    return tuple(new if each.key == key else each for each in objects)


def with_mask(objects: SessionObjects, key: int, frame: int, mask: Mask, known: bool) -> SessionObjects:
    """Return objects of which one has another mask in a frame.

    Args:
        objects: The objects.
        key: Number of the one.
        frame: The frame; before the object begins, it begins there from now on.
        mask: (H, W) bool.
        known: Whether its mask in the frame is known.

    Raises:
        InputError: It begins later, its first mask would be empty, or the frame was not tracked yet.
    """
    item = find(objects, key)
    name, begin = item.title, item.first.frame
    if frame < begin and not known:
        raise InputError(
            f"{name} begins in frame {begin}; go there, or choose “New object” to begin one here"
        )
    if frame <= begin and not mask.any():
        raise InputError(f"{name} needs a pixel in the frame in which it begins; or delete it")
    if not known:
        raise InputError(f"{name} was not tracked to frame {frame} yet: track first, then correct")
    region = Region.of(frame, mask)
    if frame >= begin:
        return altered(objects, key, lambda each: each.with_region(region))
    earlier = replace(item, first=region, corrections=item.regions)
    return tuple(
        sorted(
            (earlier if each.key == key else each for each in objects),
            key=lambda each: (each.first.frame, each.key),
        )
    )


def check_pair(objects: SessionObjects, pair: tuple[int, int], frame: int, up_to_date: int) -> None:
    """Check that two objects can be swapped or merged from a frame on.

    Raises:
        InputError: One was deleted or begins later, or the frame was not tracked or is out of date.
    """
    if pair[0] == pair[1]:
        raise InputError("choose two objects")
    for item in (find(objects, key) for key in pair):
        if item.first.frame >= frame:
            raise InputError(
                f"{item.title} begins in frame {item.first.frame}: go to a later one, where both are tracked"
            )
    if frame >= up_to_date:
        raise InputError(f"frame {frame} is not tracked, or out of date: track it first")


def identified(
    given: Given,
    kind: Literal["swap", "merge"],
    pair: tuple[int, int],
    frames: tuple[int, int],
    mask: Callable[[int, int], Mask | None],
) -> Given:
    """Return what is given after two objects are swapped or merged.

    Args:
        given: What was given.
        kind: What is done with them.
        pair: Their numbers. Merged, the first becomes part of the second.
        frames: The first frame in which they are, and the one after the last.
        mask: Returns an object's mask in a frame.
    """
    merged: list[tuple[Regions, Regions]] = []
    if kind == "merge":
        for one, other in corrections_of_pair(given.objects, pair, range(*frames)):
            known = one or other
            if known is not None:
                merged.append(((one, other), (None, _together(known.frame, pair, mask))))
    identity = Identity(kind, pair, *frames, tuple(merged))
    identities = (*given.identities, identity)
    return Given(seen_objects(given.objects, given.identities, identities), identities)


def _together(frame: int, pair: tuple[int, int], mask: Callable[[int, int], Mask | None]) -> Region:
    found = [each for each in (mask(key, frame) for key in pair) if each is not None]
    return Region.of(frame, found[0] | found[-1])
