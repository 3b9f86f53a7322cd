"""Tracking a whole video: objects join when their frames come, outputs and a record are written meanwhile.

    run = VideoRun(Job("clip.mp4", prompts=(Prompt(0, box=(30, 40, 60, 50)),)), Path("out"))
    outcome = run.track()

does what `hqtrack track` does. `hqtrack.video.frame_tracker` gives the masks alone, frame by frame.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hqtrack.errors import InputError
from hqtrack.tracker import HQTrack, Precision
from hqtrack.video.backlog import Backlog
from hqtrack.video.corrections import check_corrections
from hqtrack.video.folder import OutputFolder
from hqtrack.video.frame_tracker import track_frames
from hqtrack.video.job import Job, absolute, open_source
from hqtrack.video.journal import ChangedSourceError, Journal, has_unfinished
from hqtrack.video.mask_maker import MaskMaker
from hqtrack.video.prompts import check_frames, objects_of
from hqtrack.video.recorder import Recorder
from hqtrack.video.sources import FrameSource
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers import WRITERS, Outputs, earlier_files, facts_of

MOST_WAITING_FRAMES = 4
"""Tracked frames that wait at most until they are written."""

HIGHEST_LABEL = (1 << 16) - 1
"""Of a label image of 16 bits."""


@dataclass(frozen=True)
class RunResult:
    """What a run has done."""

    frames: int
    """Frames in the outputs, those of an earlier run included."""
    objects: int
    last: int
    """Index of the last frame."""
    speed: float
    """Frames tracked per second."""
    unfinished: bool
    """Whether it was stopped before the end of the video, and its record is kept to go on with."""
    paths: tuple[Path, ...]
    """File or folder of each output."""
    missing: int | None
    """Frame in which an object should have begun that never came; None if all did."""
    doubts: tuple[str, ...] = ()
    """A line for each object whose mask is doubtful in some frames."""


class VideoRun:
    """One video on its way into a folder.

    What can be checked is checked here; nothing is written before `track`.

    Args:
        job: What to do.
        out: Folder for the outputs; made where there is none.
        frames: The job's frames, where they are open already.
        tracker: Tracks; by default the job's card is loaded.
        device: See `HQTrack`.
        precision: See `HQTrack`.
        resume: Go on with the unfinished video in the folder; `job` is what `read_job` gives of it.
        force: Replace the outputs of an earlier run: the files that it wrote, and no others.
        inputs: Files that the job was made of, such as masks; they are never overwritten, nor are the frames.

    Raises:
        InputError: Something of the job cannot be used, or would overwrite something.
        DataError: The video cannot be read.
        CardError: There is no such card.
        WeightsError: Weights are missing or damaged.
    """

    def __init__(
        self,
        job: Job,
        out: str | Path,
        *,
        frames: FrameSource | None = None,
        tracker: HQTrack | None = None,
        device: str = "auto",
        precision: Precision = "auto",
        resume: bool = False,
        force: bool = False,
        inputs: Sequence[Path] = (),
    ) -> None:
        self.job = replace(job, source=absolute(job.source))
        self.out = out = Path(out)
        self.frames = open_source(self.job) if frames is None else frames
        if not job.outputs or not set(job.outputs) <= set(WRITERS):
            raise InputError(f"outputs {job.outputs}: name at least one of {', '.join(WRITERS)}")
        self._check_prompts()
        self._check_ids()
        self._resume, self._force = resume, force
        self._inputs = [*self.frames.files, *inputs]
        self._check_outputs()
        OutputFolder(out).check_free()
        if tracker is None:
            tracker = HQTrack.from_card(
                job.card,
                weights=job.weights,
                device=device,
                precision=precision,
                max_long_edge=job.max_long_edge,
            )
        self.tracker = tracker
        self.maker = MaskMaker.beside(tracker)
        self.recorded = 0
        """Frames in the record that was left for another run; 0 where none was."""

    def _check_prompts(self) -> None:
        """Check that objects and corrections are in frames that are read."""
        frames, prompts = self.frames, self.job.prompts
        end = frames.end if frames.indices is None else frames.indices.stop
        check_frames(prompts, frames.start, end, frames.stride)
        check_corrections(self.job.corrections, prompts, frames.start, end, frames.stride)

    def _check_ids(self) -> None:
        """Check that label images can hold all ids."""
        highest = max(each.id for each in objects_of(self.job.prompts))
        if "labels" in self.job.outputs and highest > HIGHEST_LABEL:
            raise InputError(
                f"id {highest}: label images hold ids up to {HIGHEST_LABEL} (16 bits); leave out --labels or "
                "give the object a smaller id"
            )

    def _check_outputs(self) -> None:
        """Check that nothing is overwritten that should not be."""
        out, job = self.out, self.job
        if out.exists() and not out.is_dir():
            raise InputError(f"{out}: is a file; -o names a folder")
        for writer in (WRITERS[kind] for kind in job.outputs):
            path = out / writer.name
            if path.exists() and path.is_dir() != writer.is_folder:
                found, wanted = ("file", "folder") if writer.is_folder else ("folder", "file")
                raise InputError(
                    f"{path}: is a {found}, where an output is to be a {wanted}; remove it, or name another "
                    "folder with -o"
                )
        taken = [os.path.realpath(out / WRITERS[kind].name) for kind in job.outputs]
        for file in self._inputs:
            real = os.path.realpath(file)
            if any(real == place or real.startswith(place + os.sep) for place in taken):
                raise InputError(f"{file}: would be overwritten by an output; name another folder with -o")
        if self._resume or self._force:
            return
        if has_unfinished(out):
            raise InputError(
                f"{out}: holds an unfinished run; go on with --resume, or start anew with --force"
            )
        present = [path for kind in job.outputs for path in earlier_files(kind, out)]
        if present:
            raise InputError(f"{present[0]}: is there already; name another folder with -o, or use --force")

    def track(
        self,
        *,
        on_frame: Callable[[TrackedFrame], None] = lambda tracked: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> RunResult:
        """Track the video and write its outputs; whatever ends it, they hold the frames until then.

        After an error, `recorded` is the number of frames after which another run may resume.

        Args:
            on_frame: Called with each frame when it is tracked, those of an earlier run included.
            stop: Asked after each frame; True completes the outputs with the frames so far.

        Raises:
            InputError: Another run is writing into the folder.
            ChangedSourceError: The source is not the one that was tracked before.
        """
        folder = OutputFolder(self.out)
        with folder.claimed():
            self._check_outputs()  # another run may have ended since
            journal = self._begin(folder)
            try:
                facts = facts_of(self.frames, objects_of(self.job.prompts))
                outputs = Outputs(self.job.outputs, self.out, facts, folder.note)
                with Recorder(journal, outputs) as recorder:
                    speed, stopped = self._fill(recorder, journal, on_frame, stop)
                    recorder.finish(stopped)
            except BaseException as error:
                self._leave(journal, keep=True)
                if isinstance(error, ChangedSourceError):
                    self.recorded = 0  # the record is kept, but nobody can resume from it
                raise
            at_end = self.frames.indices is not None and recorder.frames == len(self.frames)
            unfinished = stopped and journal is not None and not at_end
            self._leave(journal, keep=unfinished)
        missing = [each.frame for each in self.job.prompts if each.frame > recorder.last and not stopped]
        return RunResult(
            frames=recorder.frames,
            objects=recorder.objects,
            last=recorder.last,
            speed=speed,
            unfinished=unfinished,
            paths=outputs.paths,
            missing=min(missing, default=None),
            doubts=tuple(recorder.doubts.lines()),
        )

    def _fill(
        self,
        recorder: Recorder,
        journal: Journal | None,
        on_frame: Callable[[TrackedFrame], None],
        stop: Callable[[], bool],
    ) -> tuple[float, bool]:
        """Track all frames into a recorder; returns frames per second, and whether it was stopped."""
        frames = track_frames(
            self.tracker, self.frames, self.job.prompts, self.maker, journal, self.job.corrections
        )
        stopped = False
        begin = time.perf_counter()
        # Frames are read ahead and written behind, while the tracker is at the ones between.
        with Backlog(recorder.write, MOST_WAITING_FRAMES) as backlog:
            for count, tracked in enumerate(frames, 1):
                backlog.hand_over(tracked)
                if count == recorder.earlier:
                    begin = time.perf_counter()
                on_frame(tracked)
                stopped = stop()
                if stopped:
                    break
        return recorder.tracked / (time.perf_counter() - begin), stopped

    def _begin(self, folder: OutputFolder) -> Journal | None:
        """Make the folder ready, and open the record; a live source has none."""
        names = {WRITERS[kind].name for kind in self.job.outputs}
        if not self._resume or folder.has_list:
            folder.protect(names)
        if self._resume:
            journal = Journal.resume(self.out)
            if self.frames.indices is not None and len(self.frames) < journal.left:
                journal.close()
                raise ChangedSourceError(
                    f"{self.frames}: has only {len(self.frames)} frames, but {journal.left} were tracked "
                    "before; restore it, or start anew with --force"
                )
            return journal
        folder.remove_written(names)
        return None if self.frames.live else Journal.begin(self.out, self.job)

    def _leave(self, journal: Journal | None, *, keep: bool) -> None:
        """Leave the record for another run, or remove one that is of no use."""
        if journal is None:
            return
        self.recorded = journal.frames if keep else 0
        if self.recorded:
            journal.close()
        else:
            journal.remove()
