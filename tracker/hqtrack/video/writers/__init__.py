"""What tracking a video leaves: overlay video, label images, COCO masks, VOT trajectories, table of boxes, …

One file a writer. It carries its own name, title, option and suffix; the command, its help and the page list
what is in `WRITERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hqtrack.errors import HQTrackError, naming
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers.coco import CocoMasks
from hqtrack.video.writers.compositing import AlphaVideo, CutOuts, FrameImages, GreenScreen, Mattes
from hqtrack.video.writers.crops import CropImages, CropVideos
from hqtrack.video.writers.hiding import BlackenedVideo, BlurredVideo, PixelatedVideo
from hqtrack.video.writers.labels import LabelImages
from hqtrack.video.writers.mots import MotsImages
from hqtrack.video.writers.overlay import OverlayVideo
from hqtrack.video.writers.table import BoxTable
from hqtrack.video.writers.tracks import CvatTracks, YouTubeVis
from hqtrack.video.writers.trajectories import Trajectories
from hqtrack.video.writers.writer import OutputLook, VideoFacts, Writer, facts_of
from hqtrack.video.writers.yolo import YoloOutlines

__all__ = [
    "WRITERS",
    "OutputLook",
    "Outputs",
    "VideoFacts",
    "Writer",
    "earlier_files",
    "facts_of",
    "open_writer",
]

WRITERS: dict[str, type[Writer]] = {
    writer.option: writer
    for writer in (
        *(OverlayVideo, LabelImages, CocoMasks, Trajectories, BoxTable),
        *(YouTubeVis, MotsImages, YoloOutlines, CvatTracks),
        *(CutOuts, AlphaVideo, GreenScreen, Mattes, FrameImages),
        *(BlurredVideo, PixelatedVideo, BlackenedVideo, CropImages, CropVideos),
    )
}
"""Kinds of output by their options, in the order in which they are listed."""


def open_writer(kind: str, folder: Path, facts: VideoFacts) -> Writer:
    """Open a writer of one of `WRITERS` in a folder that exists."""
    return WRITERS[kind](folder, facts)


def earlier_files(kind: str, folder: Path) -> list[Path]:
    """Return the files that an earlier run left of a kind of output."""
    writer = WRITERS[kind]
    path = folder / writer.name
    if path.is_dir():
        return sorted(file for file in path.rglob(f"*{writer.suffix}") if not file.is_dir())
    return [path] if path.exists() else []


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
