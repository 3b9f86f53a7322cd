"""Tracking in a thread of its own, which continues without a browser."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hqtrack import errors
from hqtrack.errors import InputError
from hqtrack.images import Image
from hqtrack.masks import Mask, Masks
from hqtrack.tracker import HQTrack
from hqtrack.video.corrections import Correction, corrected
from hqtrack.video.direction import Mirrored
from hqtrack.video.frame_tracker import FrameTracker, ShotRules
from hqtrack.video.mask_maker import MaskMaker
from hqtrack.video.prompts import Prompt
from hqtrack.video.sources import open_frames
from hqtrack.web.objects import SessionObjects
from hqtrack.web.plan import Plan, references
from hqtrack.web.session import Session
from hqtrack.web.settings import Settings
from hqtrack.web.store import OpenSession

RATE_FRAMES = 30
"""Frames over which the speed is averaged."""


class SharedTracker:
    """The tracker and the mask maker, which all sessions share: one video is tracked at a time.

    Args:
        build: Builds both when they are first needed, with settings.
        settings: With what the server was started.
    """

    def __init__(
        self,
        build: Callable[[Settings], tuple[HQTrack, MaskMaker]],
        settings: Settings = Settings(),  # noqa: B008 - immutable
    ) -> None:
        self._build = build
        self._settings = self._of = settings
        self._built: tuple[HQTrack, MaskMaker] | None = None
        self._building = threading.Lock()
        self._making = threading.Lock()
        self.tracking = threading.Lock()
        """Held by who tracks."""

    def load(self, settings: Settings | None = None) -> tuple[HQTrack, MaskMaker]:
        """Return tracker and mask maker.

        Those of the last settings are kept. A session that is tracked keeps its own until it is done.

        Args:
            settings: With what; by default with what the server was started.

        Raises:
            HQTrackError: They cannot be built.
        """
        wanted = settings or self._settings
        with self._building:
            if self._built is None or wanted != self._of:
                self._built = None  # two systems may be too large for one device
                self._built, self._of = self._build(wanted), wanted
            return self._built

    def mask(
        self, image: Image, prompt: Prompt, base: Mask | None = None, settings: Settings | None = None
    ) -> Mask:
        """Turn a box or points into a mask (H, W), or change one by points, also while a video is tracked."""
        _, maker = self.load(settings)
        with self._making:
            if base is not None:
                return maker.changed(image, base, prompt)
            return maker.masks(image, [prompt])[0]


@dataclass(frozen=True)
class Course:
    """Where a session is tracked to."""

    since: int | None = None
    """The last frame that stays, where frames that are not out of date are tracked again; None: all stay."""
    until: int | None = None
    """The last frame that is tracked; None: that of the video."""
    backward: bool = False
    """True: from the last frame in which an object begins, to the start of the video."""

    def check(self, session: Session) -> None:
        """Check that there is something to track.

        Raises:
            InputError: There is not.
        """
        if not self.backward:
            start = session.plan(self.since).start
            if self.until is not None and self.until < start:
                raise InputError(f"frame {self.until} is tracked already; choose a frame from {start} on")
        elif not any(item.first.frame for item in session.objects):
            raise InputError("no object begins after the first frame: there is nothing to track backward")


TO_THE_END = Course()


class Tracking:
    """One session being tracked, from its last frame to the end of the video, or as its course says.

    Args:
        opened: The session with its frames.
        shared: What tracks.
        settings: With what; by default with what the server was started.
        course: Where to.

    Raises:
        InputError: There is nothing to track.
    """

    def __init__(
        self,
        opened: OpenSession,
        shared: SharedTracker,
        settings: Settings | None = None,
        course: Course = TO_THE_END,
    ) -> None:
        self._opened, self._shared, self._settings, self.course = opened, shared, settings, course
        course.check(opened.session)
        count = opened.session.count
        self._end = count if course.until is None else min(course.until + 1, count)
        self._stop = threading.Event()
        self.state = "waiting"
        """waiting for another session, tracking, or the end: done, stopped, failed."""
        self.error = ""
        self._times: deque[float] = deque(maxlen=RATE_FRAMES)
        self._thread = threading.Thread(target=self._run, name="hqtrack-tracking", daemon=True)
        self._thread.start()

    @property
    def active(self) -> bool:
        """Return whether it is not at its end."""
        return self.state in ("waiting", "tracking")

    @property
    def rate(self) -> float:
        """Frames per second at the moment; 0 before the second frame."""
        times = list(self._times)
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the end of its course, as it goes now."""
        done, end = self.counted
        return max(0, end - done) / self.rate if self.rate else None

    @property
    def counted(self) -> tuple[int, int]:
        """Frames that are done, and those at its end; backward they count from the last one."""
        session = self._opened.session
        if self.course.backward:
            return len(session.backward), session.backward.basis.last + 1
        return len(session.record), self._end

    def stop(self) -> None:
        """Stop after the frame at hand."""
        self._stop.set()

    def join(self, seconds: float | None = None) -> None:
        """Wait for its end."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            while not self._shared.tracking.acquire(timeout=0.1):
                if self._stop.is_set():
                    self.state = "stopped"
                    return
            try:
                self.state = "tracking"
                if self.course.backward:
                    self._track_backward()
                else:
                    self._track()
                self.state = "stopped" if self._stop.is_set() else "done"
            finally:
                self._shared.tracking.release()
        except Exception as error:
            self.error = message_of(error)
            self.state = "failed"

    def _track(self) -> None:
        session, frames = self._opened.session, self._opened.frames
        tracker, maker = self._shared.load(self._settings)
        plan = session.plan(self.course.since)
        objects = plan.tracked.objects
        prompts = prompts_of(session, objects)
        corrections = corrections_of(session, objects, plan.tracked.restarts)
        session.begin(plan, self._corrected(plan, corrections))
        course = FrameTracker(tracker, prompts, maker, corrections, ShotRules(doubt_masks=False))
        for index in references(plan):
            begun = [item.key for item in plan.tracked.objects if item.first.frame <= index]
            course.know(index, frames.image(index), session.masks(index, begun))
        if plan.start >= self._end:
            return
        for frame in open_frames(session.source, start=plan.start, end=self._end):
            if self._stop.is_set():
                return
            masks = course.step(frame.index, frame.image)
            session.append(frame.name, masks, course.scores, cut=course.at_cut)
            self._times.append(time.monotonic())

    def _track_backward(self) -> None:
        """Track as `hqtrack track --direction both` does before objects begin."""
        session = self._opened.session
        tracker, maker = self._shared.load(self._settings)
        session.begin_backward()
        objects = session.backward.basis.objects
        corrections = corrections_of(session, objects, session.tracked.restarts)
        frames = open_frames(session.source)
        mirrored = Mirrored(frames, prompts_of(session, objects), corrections, ShotRules())
        try:
            for tracked in mirrored.track(tracker, maker):
                if self._stop.is_set():
                    return
                session.append_backward(tracked)
                self._times.append(time.monotonic())
        finally:
            session.end_backward()

    def _corrected(self, plan: Plan, corrections: list[Correction]) -> Masks | None:
        """Return the masks of the frame before the first one, where that is recorded but corrected since."""
        if not plan.corrected:
            return None
        last, session = plan.start - 1, self._opened.session
        begun = [item.key for item in plan.tracked.objects if item.first.frame <= last]
        given = [
            (1 + begun.index(each.object), each.prompt.mask)
            for each in corrections
            if each.frame == last and each.object and each.prompt and each.prompt.mask is not None
        ]
        return corrected(session.masks(last, begun), given)


def prompts_of(session: Session, objects: SessionObjects) -> list[Prompt]:
    """Return the options of `hqtrack track` for where objects begin."""
    return [
        Prompt(
            each.first.frame,
            mask=each.first.mask(session.size),
            id=each.key,
            name=each.name,
            colour=each.colour,
        )
        for each in objects
    ]


def corrections_of(session: Session, objects: SessionObjects, restarts: Sequence[int]) -> list[Correction]:
    """Return the options of `hqtrack track` for corrected frames."""
    corrected_masks = [
        Correction(region.frame, item.key, Prompt(region.frame, mask=region.mask(session.size)))
        for item in objects
        for region in item.corrections
    ]
    return [*corrected_masks, *(Correction(frame) for frame in restarts)]


def message_of(error: Exception) -> str:
    """Return what a person reads of an error, in a line."""
    return errors.message_of(error) or f"{type(error).__name__}: {error}"
