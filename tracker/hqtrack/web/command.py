"""The command that repeats a session without the page, and the masks that it reads."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from hqtrack.masks import Mask
from hqtrack.video.cleaning import AS_TRACKED, MaskCleaning
from hqtrack.video.writers import WRITERS
from hqtrack.web.history import Given
from hqtrack.web.identities import Identity, seen_objects
from hqtrack.web.objects import SessionObject, SessionObjects, keys_of
from hqtrack.web.session import Session
from hqtrack.web.settings import Settings


class GivenMasks:
    """The masks that a person gave, as images, and the options that name them.

    Args:
        session: Of which.
        given: What was given; a person may be changing it meanwhile.
        count: Frames that are exported.
        folder: Where the images are written; it is made.
        final: Where they will be.
    """

    def __init__(self, session: Session, given: Given, count: int, folder: Path, final: Path) -> None:
        self._session, self._folder, self._final = session, folder, final
        self.count = count
        self.identities = tuple(each for each in given.identities if each.first < count)
        """Swaps and merges in the frames that are exported."""
        objects = tuple(item for item in given.objects if item.first.frame < count)
        named = {key for each in self.identities for key in each.pair}
        gone = [each for each in session.tracked.objects if each.key in named - keys_of(objects)]
        self.removed = [each.key for each in gone]
        """Deleted objects whose masks are another's now: the command tracks them, and removes them."""
        together = sorted([*objects, *gone], key=lambda each: (each.first.frame, each.key))
        self.objects: SessionObjects = seen_objects(tuple(together), given.identities, ())
        """As they were tracked."""
        folder.mkdir()

    def options(self) -> list[str]:
        """Write the images; returns the options of `hqtrack track` for objects and corrections."""
        words, session = [], self._session
        for item in self.objects:
            file = self._write(item, item.first.frame, item.first.mask(session.size))
            words += ["--object", f"frame={item.first.frame},mask={file}{_marks(item)}"]
            for region in item.corrections:
                if region.frame < self.count:
                    words += self._correction(item, region.frame, region.mask(session.size))
        for frame in session.tracked.restarts:
            if frame < self.count:
                words += self._restart(frame)
        return words

    def _restart(self, frame: int) -> list[str]:
        """Return the options for a frame in which tracking was taken up again, with the masks as shown."""
        if not any(each.first <= frame < each.end for each in self._session.tracked.identities):
            return ["--correct", f"frame={frame}"]
        begun = [each for each in self.objects if each.first.frame < frame and not each.given(frame)]
        masks = self._session.masks(frame, [each.key for each in begun])
        return [
            word
            for item, mask in zip(begun, masks, strict=True)
            for word in self._correction(item, frame, mask)
        ]

    def _correction(self, item: SessionObject, frame: int, mask: Mask) -> list[str]:
        value = self._write(item, frame, mask) if mask.any() else "none"
        return ["--correct", f"frame={frame},object={item.key},mask={value}"]

    def _write(self, item: SessionObject, frame: int, mask: Mask) -> Path:
        name = f"object{item.key}-frame{frame}.png"
        Pillow.fromarray(mask.astype(np.uint8) * 255).save(self._folder / name)
        return self._final / name


def command_lines(
    masks: GivenMasks, session: Session, kinds: Sequence[str], settings: Settings, cleaning: MaskCleaning
) -> list[str]:
    """Return the commands that make the same files: one that tracks, and one for each swap and merge.

    Args:
        masks: What was given.
        session: What was tracked.
        kinds: The outputs.
        settings: With what it was tracked.
        cleaning: How the masks of outputs are cleaned.
    """
    out = f"{Path(session.source).stem}-again"
    words = ["hqtrack", "track", session.source, "-o", out, *masks.options()]
    if session.backward.holding(masks.objects, session.card):
        words += ["--direction", "both"]
    if masks.count < session.count:
        words += ["--end", str(masks.count)]
    words += [f"--{kind}" for kind in kinds if not WRITERS[kind].wanted]
    words += [f"--no-{kind}" for kind, each in WRITERS.items() if each.wanted and kind not in kinds]
    for name, default in vars(AS_TRACKED).items():
        value = getattr(cleaning, name)
        if value != default:
            option = f"--{name.replace('_', '-')}"
            words += [option] if value is True else [option, str(value)]
    lines = [[*words, *settings.options()]]
    lines += [["hqtrack", "edit", out, *_edit(each, masks.count)] for each in masks.identities]
    if masks.removed:
        lines.append(["hqtrack", "edit", out, *(w for key in masks.removed for w in ("--remove", str(key)))])
    return [shlex.join(line) for line in lines]


def _edit(identity: Identity, count: int) -> list[str]:
    """Return the options of `hqtrack edit`; where it ends before the others, swapped objects change back."""
    (one, other), first = identity.pair, identity.first
    words = [f"--{identity.kind}", f"{one},{other},frame={first}"]
    if identity.kind == "swap" and identity.end < count:
        words += ["--swap", f"{one},{other},frame={identity.end}"]
    return words


def _marks(item: SessionObject) -> str:
    """Return the parts of an option that keep an object's id, name and colour."""
    colour = ",colour=#{:02x}{:02x}{:02x}".format(*item.paint)
    # A comma would end the name.
    name = f",name={item.name.replace(',', ' ')}" if item.name else ""
    return f",id={item.key}{name}{colour}"
