"""Where tracked frames go: into the record first, then into the outputs."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType

from hqtrack.errors import HQTrackError
from hqtrack.video.cleaning import AS_TRACKED, MaskCleaning
from hqtrack.video.doubts import Doubts
from hqtrack.video.journal import Journal
from hqtrack.video.run_record import RunRecord
from hqtrack.video.shown import as_shown
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers import Outputs


class Recorder:
    """Takes every tracked frame; whatever ends the run, the outputs hold the frames until then.

    Use it as a context: leaving it by an error completes the outputs with the frames so far.

    Args:
        journal: The record; None for a live source, which has none.
        outputs: The outputs.
        cleaning: How their masks are cleaned.
        record: What is kept of the run for later edits.
    """

    def __init__(
        self,
        journal: Journal | None,
        outputs: Outputs,
        cleaning: MaskCleaning = AS_TRACKED,
        record: RunRecord | None = None,
    ) -> None:
        self._journal, self._outputs, self._cleaning, self._record = journal, outputs, cleaning, record
        self.earlier = 0 if journal is None else journal.left
        """Frames that an earlier run recorded; they come first."""
        self.frames = 0
        """Frames in the outputs."""
        self.objects = 0
        self.last = 0
        """Index of the last frame."""
        self.doubts = Doubts()
        """Frames that a person should look at."""
        self.cuts: list[int] = []
        """Frames with which other shots begin."""
        self._finished = False

    @property
    def tracked(self) -> int:
        """Frames that this run has added."""
        return max(0, self.frames - self.earlier)

    def write(self, tracked: TrackedFrame, shown: TrackedFrame | None = None) -> None:
        """Take the next frame.

        Args:
            tracked: As it was tracked, for the record.
            shown: As outputs have it; by default the same.
        """
        shown = tracked if shown is None else shown
        if self._journal is not None and self.frames >= self.earlier:
            self._journal.append(tracked)
        if self._record is not None:
            self._record.write(shown)
        self._outputs.write(as_shown(shown, self._cleaning))
        self.doubts.see(shown)
        if shown.cut:
            self.cuts.append(shown.frame.index)
        self.frames, self.objects, self.last = self.frames + 1, len(shown.masks), shown.frame.index

    def finish(self, stopped: bool) -> None:
        """Complete the outputs.

        Args:
            stopped: Before the last frame. If this was among the frames of an earlier run, its outputs stay:
                they hold more.
        """
        self._finished = True
        if stopped and not self.tracked:
            self._outputs.discard()
        else:
            self._outputs.finish()
            if self._record is not None and not stopped:
                self._record.finish()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A second Ctrl+C is in a hurry. And what could not be finished is not tried again.
        hurried = isinstance(error, KeyboardInterrupt) or self._finished
        if error is not None and self.tracked and not hurried:
            with suppress(OSError, HQTrackError):
                self._outputs.finish()
        if error is not None:
            self._outputs.discard()
        if self._record is not None:
            self._record.discard()
