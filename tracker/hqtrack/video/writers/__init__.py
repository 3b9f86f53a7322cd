"""What tracking a video leaves: overlay video, label images, COCO masks, VOT trajectories, table of boxes, …

One file a writer. `WRITERS` lists them for the command, its help and the page; a writer is loaded when it is
opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hqtrack.errors import HQTrackError, naming
from hqtrack.video.writers.kinds import WRITERS, WriterKind
from hqtrack.video.writers.writer import OutputLook, VideoFacts, Writer, facts_of

if TYPE_CHECKING:
    from hqtrack.video.tracked_frame import TrackedFrame

__all__ = [
    "WRITERS",
    "OutputLook",
    "Outputs",
    "VideoFacts",
    "Writer",
    "WriterKind",
    "facts_of",
    "open_writer",
]


def open_writer(kind: str, folder: Path, facts: VideoFacts) -> Writer:
    """Open a writer of one of `WRITERS` in a folder that exists."""
    found = WRITERS[kind]
    return found.writer()(folder / found.name, facts)


class Outputs:
    """All outputs of a video, side by side.

    Args:
        kinds: Keys of `WRITERS`.
        folder: Where they are made; it exists.
        facts: What is known of the video.
        note: Called with every file before it gets its name.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        folder: Path,
        facts: VideoFacts,
        note: Callable[[Path], None] | None = None,
    ) -> None:
        self._writers: list[Writer] = []
        try:
            for kind in kinds:
                self._writers.append(open_writer(kind, folder, facts))
                self._writers[-1].note = note
        except BaseException:
            self.discard()
            raise

    @property
    def paths(self) -> tuple[Path, ...]:
        """File or folder of each output."""
        return tuple(writer.path for writer in self._writers)

    def write(self, tracked: TrackedFrame) -> None:
        """Write the next frame to each of them."""
        for writer in self._writers:
            with naming(writer.path):
                writer.write(tracked)

    def finish(self) -> None:
        """Complete all of them; one that cannot be is discarded, and its error raised at the end."""
        failure: Exception | None = None
        for writer in self._writers:
            try:
                with naming(writer.path):
                    writer.finish()
            except (OSError, HQTrackError) as error:
                writer.discard()
                failure = failure or error
        if failure is not None:
            raise failure

    def discard(self) -> None:
        """Remove what is unfinished; never raises."""
        for writer in self._writers:
            writer.discard()
