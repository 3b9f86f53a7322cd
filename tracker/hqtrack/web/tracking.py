"""Tracking in a thread of its own, which continues without a browser."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from hqtrack import errors
from hqtrack.images import Image
from hqtrack.masks import Mask, Masks
from hqtrack.tracker import HQTrack
from hqtrack.video.corrections import Correction, corrected
from hqtrack.video.frame_tracker import FrameTracker, ShotRules
from hqtrack.video.mask_maker import MaskMaker
from hqtrack.video.prompts import Prompt
from hqtrack.video.sources import open_frames
from hqtrack.web.objects import SessionObjects
from hqtrack.web.plan import Plan, references
from hqtrack.web.session import Session
from hqtrack.web.store import OpenSession

RATE_FRAMES = 30
"""Frames over which the speed is averaged."""


class SharedTracker:
    """The tracker and the mask maker, which all sessions share: one video is tracked at a time.

    Args:
        build: Builds both when they are first needed.
    """

    def __init__(self, build: Callable[[], tuple[HQTrack, MaskMaker]]) -> None:
        self._build = build
        self._built: tuple[HQTrack, MaskMaker] | None = None
        self._building = threading.Lock()
        self._making = threading.Lock()
        self.tracking = threading.Lock()
        """Held by who tracks."""

    def load(self) -> tuple[HQTrack, MaskMaker]:
        """Return tracker and mask maker.

        Raises:
            HQTrackError: They cannot be built.
        """
        with self._building:
            if self._built is None:
                self._built = self._build()
            return self._built

    def mask(self, image: Image, prompt: Prompt, base: Mask | None = None) -> Mask:
        """Turn a box or points into a mask (H, W), or change one by points, also while a video is tracked."""
        _, maker = self.load()
        with self._making:
            if base is not None:
                return maker.changed(image, base, prompt)
            return maker.masks(image, [prompt])[0]


class Tracking:
    """One session being tracked, from its last frame to the end of the video.

    Args:
        opened: The session with its frames.
        shared: What tracks.

    Raises:
        InputError: There is nothing to track.
    """

    def __init__(self, opened: OpenSession, shared: SharedTracker) -> None:
        self._opened, self._shared = opened, shared
        opened.session.plan()
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
        """Seconds to the end of the video, as it goes now."""
        session = self._opened.session
        return (session.count - len(session.record)) / self.rate if self.rate else None

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
                self._track()
                self.state = "stopped" if self._stop.is_set() else "done"
            finally:
                self._shared.tracking.release()
        except Exception as error:
            self.error = message_of(error)
            self.state = "failed"

    def _track(self) -> None:
        session, frames = self._opened.session, self._opened.frames
        tracker, maker = self._shared.load()
        plan = session.plan()
        prompts, corrections = prompts_of(session, plan.tracked.objects), corrections_of(session, plan)
        session.begin(plan, self._corrected(plan, corrections))
        course = FrameTracker(tracker, prompts, maker, corrections, ShotRules(doubt_masks=False))
        for index in references(plan):
            begun = [item.key for item in plan.tracked.objects if item.first.frame <= index]
            course.know(index, frames.image(index), session.masks(index, begun))
        if plan.start >= session.count:
            return
        for frame in open_frames(session.source, start=plan.start):
            if self._stop.is_set():
                return
            masks = course.step(frame.index, frame.image)
            session.append(frame.name, masks, course.scores, cut=course.at_cut)
            self._times.append(time.monotonic())

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


def corrections_of(session: Session, plan: Plan) -> list[Correction]:
    """Return the options of `hqtrack track` for corrected frames."""
    corrected_masks = [
        Correction(region.frame, item.key, Prompt(region.frame, mask=region.mask(session.size)))
        for item in plan.tracked.objects
        for region in item.corrections
    ]
    return [*corrected_masks, *(Correction(frame) for frame in plan.tracked.restarts)]


def message_of(error: Exception) -> str:
    """Return what a person reads of an error, in a line."""
    return errors.message_of(error) or f"{type(error).__name__}: {error}"
