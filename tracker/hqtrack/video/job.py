"""What is to be done with a video: which frames, which objects, with which system, to which outputs."""

from __future__ import annotations

import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict
from pydantic.dataclasses import dataclass

from hqtrack.cards import Backend
from hqtrack.defaults import DEFAULT_CARD
from hqtrack.errors import InputError
from hqtrack.video.cleaning import AS_TRACKED, MaskCleaning
from hqtrack.video.corrections import Correction
from hqtrack.video.cuts import Cuts
from hqtrack.video.presence import NUMBER, PIPE, is_stream, split_address
from hqtrack.video.prompts import FrameNames, Prompt
from hqtrack.video.sources import FrameSource, ImageFrames, open_frames

Direction = Literal["forward", "backward", "both"]

ContestedPixels = Literal["later", "keep"]
"""Whose the pixels are where given masks overlap: the later object's, or a whole keeps those of its parts."""


def _as_text(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


TextOrPath = Annotated[str, BeforeValidator(_as_text)]
"""A text, or a path in its place."""


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True))
class Job:
    """Which video is tracked, how, and to which outputs."""

    source: TextOrPath
    """As for `hqtrack.video.sources.open_frames`, like the next five."""
    start: int | str | None = None
    end: int | str | None = None
    stride: int = 1
    first_number: int | Literal["auto"] = 0
    fps: float | None = None
    card: TextOrPath = DEFAULT_CARD
    """Name or path of a card."""
    weights: TextOrPath | None = None
    """File instead of the card's weights."""
    max_long_edge: int | None = None
    """Instead of the card's."""
    backend: Backend | None = None
    """Instead of the card's."""
    compile: bool = False
    """True has `torch.compile` compile the image encoder; False leaves it to the card."""
    outputs: tuple[str, ...] = ("overlay",)
    """Keys of `hqtrack.video.writers.WRITERS`."""
    opacity: float = 0.45
    """Opacity of masks in the overlay, 0 to 1. 0 draws outlines only."""
    texts: bool = True
    """True: the overlay has names or numbers on objects."""
    sound: bool = True
    """True: videos keep the source's sound."""
    prompts: tuple[Prompt, ...] = ()
    """The objects, in the order of the frames in which they begin."""
    corrections: tuple[Correction, ...] = ()
    direction: Direction = "forward"
    """From the frames in which objects are given to the end of the video, to its start, or to both."""
    left_out: tuple[str, ...] = ()
    """Files that are no frames, wherever they are."""
    cuts: Cuts = "search"
    """At a cut: search objects in the new shot, end them, or track on as if there were none."""
    overlap: ContestedPixels = "later"
    """Whose the pixels are where given masks overlap."""
    cleaning: MaskCleaning = AS_TRACKED
    """How the masks of outputs are cleaned; those that are tracked are not."""
    hide_rest: bool = False
    """True: what hides objects hides everything but them."""
    levels: tuple[float, float] | None = None
    """Values of images of more than 8 bits that become black and white; None takes the first frame's."""

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        prompts = [prompt.as_json() for prompt in self.prompts]
        corrections = [correction.as_json() for correction in self.corrections]
        return {**asdict(self), "prompts": prompts, "corrections": corrections}

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Job:
        """Read what `as_json` returned.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: It is something else.
        """
        prompts = tuple(Prompt.from_json(prompt) for prompt in entry["prompts"])
        corrections = tuple(Correction.from_json(each) for each in entry.get("corrections", ()))
        lists = {"prompts": prompts, "corrections": corrections}
        cleaning = {"cleaning": MaskCleaning(**entry.get("cleaning", {}))}
        names = {
            key: tuple(entry[key]) for key in ("outputs", "left_out", "levels") if entry[key] is not None
        }
        return cls(**{**entry, **lists, **names, **cleaning})


def absolute(source: str) -> str:
    """Return a source's path from the root, which means the same wherever a run is resumed."""
    named = is_stream(source) or (source.isdecimal() and not Path(source).exists())
    return source if named else os.path.abspath(source)


def default_folder(source: str) -> Path:
    """Return the folder of the outputs of a source where none is named: NAME-hqtrack.

    Example:
        >>> [str(default_folder(name)) for name in ("a/clip.mp4", "shots/x.%04d.png", "0", "-")]
        ['clip-hqtrack', 'x-hqtrack', 'camera-0-hqtrack', 'pipe-hqtrack']
        >>> [str(default_folder(name)) for name in ("shots/*.png", "rtsp://me:secret@cam:554/")]
        ['shots-hqtrack', 'cam-hqtrack']
    """
    path = Path(source)
    if source == PIPE:
        name = "pipe"
    elif is_stream(source):
        address = split_address(source)
        name = Path(address.path).stem or address.hostname or "stream"
    elif absolute(source) == source and source.isdecimal():
        name = f"camera-{source}"
    else:
        whole = Path(os.path.abspath(source))
        stem = whole.name if path.is_dir() else whole.stem
        name = (
            NUMBER.sub("", re.sub(r"[*?]|\[.*?\]", "", stem)).strip(".-_ ") or whole.parent.name or "frames"
        )
    return Path(f"{name}-hqtrack")


def open_source(job: Job) -> FrameSource:
    """Open a job's frames.

    Raises:
        InputError: A setting is out of range, or does not fit the source.
        DataError: There is no such source.
    """
    frames = open_frames(
        job.source,
        start=job.start,
        end=job.end,
        stride=job.stride,
        first_number=job.first_number,
        fps=job.fps,
        left_out=job.left_out,
        levels=job.levels,
    )
    if job.fps is not None and not isinstance(frames, ImageFrames):
        raise InputError(f"fps = {job.fps:g}: is for images; {frames} has a frame rate of its own")
    return frames


def frame_names(frames: FrameSource) -> FrameNames:
    """Return how the frames of a source are named, by which annotations find theirs."""
    return FrameNames(frames.stems, frames.positions, frames.total, frames.first, frames.number_of)
