"""Masks and annotations of other tools, taken as objects of a session."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident

import numpy as np

from hqtrack.errors import InputError
from hqtrack.images import IMAGE_SUFFIXES
from hqtrack.masks import Mask
from hqtrack.video.job import frame_names
from hqtrack.video.prompts import Prompt, read_mask_file
from hqtrack.video.sources import open_frames
from hqtrack.web.service import TrackingService
from hqtrack.web.session import Begun
from hqtrack.web.store import OpenSession


def import_masks(service: TrackingService, opened: OpenSession, path: Path, frame: int) -> list[str]:
    """Add the objects of label images or annotations, by the readers of `hqtrack track --mask`.

    Args:
        service: What makes masks of boxes and points.
        opened: The session with its frames.
        path: A file, or a folder of several; one image alone is of `frame`.
        frame: The frame in which objects begin for which the files name none.

    Returns:
        What was guessed, a line each.

    Raises:
        InputError: What the file says does not fit the video, or there is no object.
        DataError: The file cannot be read.
    """
    session = opened.session
    names = frame_names(open_frames(session.source))
    if path.is_dir() and len(files := [*path.iterdir()]) == 1 and files[0].suffix in IMAGE_SUFFIXES:
        path = files[0]
    with _notices(path) as notices:
        prompts = read_mask_file(path, session.size, frame, frames=names)
    late = next((each.frame for each in prompts if each.frame >= session.count), None)
    if late is not None:
        raise InputError(f"{path.name}: names frame {late}; the last one is {session.count - 1}")
    settings = service.settings_of(session)

    def mask_of(prompt: Prompt) -> Mask:
        if prompt.mask is not None:
            return np.ascontiguousarray(prompt.mask)
        return service.shared.mask(opened.frames.image(prompt.frame), prompt, None, settings)

    found = [Begun(each.frame, mask_of(each), each.name, each.id, each.colour) for each in prompts]
    empty = sum(not each.mask.any() for each in found)
    items = session.add_all([each for each in found if each.mask.any()])
    if not items:
        raise InputError(f"{path.name}: shows no object")
    left_out = [f"{empty} objects without a pixel are left out"] if empty else []
    return [f"{len(items)} objects added", *left_out, *notices]


@contextmanager
def _notices(path: Path) -> Iterator[list[str]]:
    """Collect what readers report of a file in this thread; on the page files have names, not places."""
    lines: list[str] = []
    thread = get_ident()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                lines.append(record.getMessage().replace(str(path), path.name))

    collector = Collector(logging.WARNING)
    log = logging.getLogger("hqtrack.video.prompts")
    log.addHandler(collector)
    try:
        yield lines
    finally:
        log.removeHandler(collector)
