"""Tracking a whole video: objects join when their frames come, outputs and a record are written meanwhile.

    run = VideoRun(Job("clip.mp4", prompts=(Prompt(0, box=(30, 40, 60, 50)),)), Path("out"))
    outcome = run.track()

does what `hqtrack track` does. `hqtrack.video.frame_tracker` gives the masks alone, frame by frame.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hqtrack.errors import InputError
from hqtrack.tracker import HQTrack, Precision
from hqtrack.video.backlog import Backlog
from hqtrack.video.corrections import check_corrections, later_corrections
from hqtrack.video.direction import Mirrored, forward_prompts, join_directions
from hqtrack.video.folder import OutputFolder
from hqtrack.video.frame_tracker import ShotRules, track_frames
from hqtrack.video.job import Job, absolute, open_source
from hqtrack.video.journal import BACKWARD_FILE, FRAMES_FILE, ChangedSourceError, Journal, has_unfinished
from hqtrack.video.mask_maker import MaskMaker
from hqtrack.video.mask_record import MaskRecord
from hqtrack.video.prompts import check_frames, numbered, objects_of
from hqtrack.video.recorder import Recorder
from hqtrack.video.run_record import FinishedRun, RunRecord, forget_run
from hqtrack.video.shown import facts_for
from hqtrack.video.sources import FrameSource
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers import WRITERS, Outputs

MOST_WAITING_FRAMES = 4
"""Tracked frames that wait at most until they are written."""

HIGHEST_LABEL = (1 << 16) - 1
"""Of a label image of 16 bits."""


EarlierRun = Literal["refuse", "resume", "replace"]


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
    """True: it was stopped before the end of the video, and its record is kept to resume from."""
    paths: tuple[Path, ...]
    """File or folder of each output."""
    missing: int | None
    """Frame in which an object should have begun that never came; None if all did."""
    doubts: tuple[str, ...] = ()
    """A line for each object whose mask is doubtful in some frames."""
    cuts: tuple[int, ...] = ()
    """Frames with which other shots begin."""


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
        earlier: What happens to an earlier run in the folder. "refuse": it is an error. "resume": it is
            continued, with the job that `read_job` returns of it, perhaps with another end. "replace": the
            files that it wrote are replaced, and no others.
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
        earlier: EarlierRun = "refuse",
        inputs: Sequence[Path] = (),
    ) -> None:
        self.job = replace(job, source=absolute(job.source))
        self.out = out = Path(out)
        self.frames = open_source(self.job) if frames is None else frames
        if not job.outputs or not set(job.outputs) <= set(WRITERS):
            raise InputError(f"outputs {job.outputs}: name at least one of {', '.join(WRITERS)}")
        self._rules = ShotRules(job.cuts, job.overlap)
        self._check_prompts()
        self._check_ids()
        self._mirrored: Mirrored | None = None
        if job.direction != "forward":
            self._mirrored = Mirrored(self.frames, job.prompts, job.corrections, self._rules)
        self._earlier = earlier
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
                backend=job.backend,
                compile=job.compile or None,
            )
        self.tracker = tracker
        self.maker = MaskMaker.beside(tracker)
        self.recorded = 0
        """Frames in the record that was left for another run; 0 where none was."""

    @property
    def steps(self) -> int | None:
        """Frames that are gone through, in both directions together; None where that is unknown."""
        if self.frames.indices is None:
            return None
        return len(self.frames) + (0 if self._mirrored is None else len(self._mirrored))

    def _check_prompts(self) -> None:
        """Check that objects and corrections are in frames that are read, in the job's direction."""
        frames, job = self.frames, self.job
        end = frames.end if frames.indices is None else frames.indices.stop
        check_frames(job.prompts, frames.start, end, frames.stride, job.direction)
        check_corrections(job.corrections, job.prompts, frames.start, end, frames.stride, job.direction)
        if job.direction != "forward" and frames.live:
            raise InputError(
                f"direction {job.direction}: {frames} cannot be read backward; record it to a file first"
            )

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
        for kind in (WRITERS[each] for each in job.outputs):
            path = out / kind.name
            if path.exists() and path.is_dir() != kind.is_folder:
                found, wanted = ("file", "folder") if kind.is_folder else ("folder", "file")
                raise InputError(
                    f"{path}: is a {found}, where an output is to be a {wanted}; remove it, or name another "
                    "folder with -o"
                )
        taken = [os.path.realpath(out / WRITERS[each].name) for each in job.outputs]
        for file in self._inputs:
            real = os.path.realpath(file)
            if any(real == place or real.startswith(place + os.sep) for place in taken):
                raise InputError(f"{file}: would be overwritten by an output; name another folder with -o")
        if self._earlier != "refuse":
            return
        if has_unfinished(out):
            raise InputError(
                f"{out}: contains an unfinished run; resume it with --resume, or start over with --force"
            )
        present = [path for kind in job.outputs for path in WRITERS[kind].files_in(out)]
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
            self._make_ready(folder)
            journals: list[Journal] = []
            try:
                outcome = self._track_all(folder, journals, on_frame, stop)
            except BaseException as error:
                self._leave(journals, keep=True)
                if isinstance(error, ChangedSourceError):
                    self.recorded = 0  # the record is kept, but nobody can resume from it
                raise
            self._leave(journals, keep=outcome.unfinished)
        return outcome

    def _track_all(
        self,
        folder: OutputFolder,
        journals: list[Journal],
        on_frame: Callable[[TrackedFrame], None],
        stop: Callable[[], bool],
    ) -> RunResult:
        """Track backward where that is wanted, then forward; the records that are opened join `journals`."""
        job, mirrored, seconds, tracked = self.job, self._mirrored, 0.0, 0
        objects = objects_of(job.prompts)
        if mirrored is not None:
            journals.append(self._begin(BACKWARD_FILE, len(mirrored)))
            nothing = Outputs((), self.out, facts_for(job, self.frames, objects, {}))
            with Recorder(journals[0], nothing) as recorder:
                steps = (
                    (step, mirrored.restored(step))
                    for step in mirrored.track(self.tracker, self.maker, journals[0])
                )
                seconds, stopped = self._fill(recorder, steps, on_frame, stop)
                recorder.finish(stopped)
            tracked = recorder.tracked
            if stopped:
                speed = tracked / seconds
                return RunResult(0, len(objects), 0, speed, True, (), None)
        journal = None
        if not self.frames.live:
            count = None if self.frames.indices is None else len(self.frames)
            journal = self._begin(FRAMES_FILE, count)
            journals.append(journal)
        begins = {each.id or 0: each.frame for each in numbered(job.prompts)} if mirrored else {}
        outputs = Outputs(job.outputs, self.out, facts_for(job, self.frames, objects, begins), folder.note)
        record = None
        if not self.frames.live:
            record = RunRecord(self.out, FinishedRun(job, objects, begins))
        with Recorder(journal, outputs, job.cleaning, record) as recorder:
            more, stopped = self._fill(recorder, self._forward(journals), on_frame, stop)
            recorder.finish(stopped)
        if job.direction != "backward":
            seconds, tracked = seconds + more, tracked + recorder.tracked
        at_end = self.frames.indices is not None and recorder.frames == len(self.frames)
        missing = [each.frame for each in job.prompts if each.frame > recorder.last and not stopped]
        return RunResult(
            frames=recorder.frames,
            objects=recorder.objects,
            last=recorder.last,
            speed=tracked / seconds if seconds else 0.0,
            unfinished=stopped and journal is not None and not at_end,
            paths=outputs.paths,
            missing=min(missing, default=None),
            doubts=tuple(recorder.doubts.lines()),
            cuts=tuple(recorder.cuts),
        )

    def _forward(self, journals: Sequence[Journal]) -> Iterator[tuple[TrackedFrame, TrackedFrame]]:
        """Track forward; yields each frame as it is recorded, and as outputs have it."""
        job, mirrored = self.job, self._mirrored
        journal = journals[-1] if journals else None
        prompts = [] if job.direction == "backward" else forward_prompts(job.prompts)
        corrections = later_corrections(job.corrections, prompts)
        frames = track_frames(
            self.tracker, self.frames, prompts, self.maker, journal, corrections, self._rules
        )
        if mirrored is None:
            yield from ((tracked, tracked) for tracked in frames)
            return
        with closing(MaskRecord(journals[0].path)) as record:
            for tracked in frames:
                backward = mirrored.found(record, tracked.frame.index)
                yield tracked, join_directions(tracked, backward, mirrored.objects, mirrored.parts(record))

    def _fill(
        self,
        recorder: Recorder,
        frames: Iterable[tuple[TrackedFrame, TrackedFrame]],
        on_frame: Callable[[TrackedFrame], None],
        stop: Callable[[], bool],
    ) -> tuple[float, bool]:
        """Take all frames into a recorder; returns seconds, and whether it was stopped.

        Args:
            recorder: Takes them.
            frames: Each as it is recorded, and as outputs have it.
            on_frame: Called with each as outputs have it.
            stop: Asked after each frame.
        """
        stopped = False
        begin = time.perf_counter()

        def write(pair: tuple[TrackedFrame, TrackedFrame]) -> None:
            recorder.write(*pair)

        # Frames are read ahead and written behind, while the tracker is at the ones between.
        with Backlog(write, MOST_WAITING_FRAMES) as backlog:
            for count, pair in enumerate(frames, 1):
                backlog.hand_over(pair)
                if count == recorder.earlier:
                    begin = time.perf_counter()
                on_frame(pair[1])
                stopped = stop()
                if stopped:
                    break
        return time.perf_counter() - begin, stopped

    def _make_ready(self, folder: OutputFolder) -> None:
        """Protect what is others' in the folder, and remove what earlier runs wrote where all starts over."""
        names = {WRITERS[kind].name for kind in self.job.outputs}
        if self._earlier != "resume" or folder.has_list:
            folder.protect(names)
        if self._earlier != "resume":
            folder.remove_written(names)
            forget_run(self.out)
            (self.out / BACKWARD_FILE).unlink(missing_ok=True)

    def _begin(self, name: str, count: int | None) -> Journal:
        """Open a record.

        Args:
            name: Of its file.
            count: Frames that it can have at most, where that is known.
        """
        if self._earlier != "resume":
            return Journal.begin(self.out, self.job, name)
        return Journal.resume(self.out, name, job=self.job, most=count)

    def _leave(self, journals: Sequence[Journal], *, keep: bool) -> None:
        """Leave the records for another run, or remove those that are of no use."""
        self.recorded = sum(each.frames for each in journals) if keep else 0
        for journal in journals:
            if self.recorded:
                journal.close()
            else:
                journal.remove()
