"""All that the pages of one server share."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from hqtrack.errors import InputError
from hqtrack.scenes.dataset import SCENE_NAMES, write_sample
from hqtrack.video.cleaning import AS_TRACKED, MaskCleaning
from hqtrack.web.export import Exporting
from hqtrack.web.models import Pull, check_card
from hqtrack.web.session import Session
from hqtrack.web.settings import Settings
from hqtrack.web.store import OpenSession, Store
from hqtrack.web.tracking import TO_THE_END, Course, SharedTracker, Tracking

DEMO_FOLDER = "demo-sequences"


class TrackingService:
    """Sessions, what tracks them, and which of them are being tracked.

    Args:
        store: The sessions.
        shared: What tracks.
        settings: With what.
    """

    demo_names = SCENE_NAMES

    def __init__(self, store: Store, shared: SharedTracker, settings: Settings) -> None:
        self.store, self.shared, self.settings = store, shared, settings
        self._trackings: dict[Path, Tracking] = {}
        self._exports: dict[Path, Exporting] = {}
        self._pulls: dict[str, Pull] = {}
        self._lock = threading.Lock()

    def tracking(self, opened: OpenSession) -> Tracking | None:
        """Return the last tracking of a session since the server started."""
        return self._trackings.get(opened.session.folder)

    def track(self, opened: OpenSession, course: Course = TO_THE_END) -> None:
        """Track a session, or resume it: to the end of the video, or where its course leads.

        A course may begin again after a frame, end at one, or lead backward. So
        `Course(since=here, until=there)` tracks from one frame to another.

        Raises:
            InputError: There is nothing to track, or it is being tracked already.
        """
        with self._lock:
            self._check_still(opened)
            settings = self.settings_of(opened.session)
            self._trackings[opened.session.folder] = Tracking(opened, self.shared, settings, course)

    def _check_still(self, opened: OpenSession) -> None:
        tracking = self.tracking(opened)
        if tracking is not None and tracking.active:
            raise InputError("tracking of this video is already running: stop it first")

    def identify(
        self, opened: OpenSession, kind: Literal["swap", "merge"], pair: tuple[int, int], frame: int
    ) -> None:
        """Swap two objects from a frame on, or make the first a part of the second; see `Session.identify`.

        Raises:
            InputError: That makes no sense there, or the session is being tracked.
        """
        with self._lock:
            self._check_still(opened)
            opened.session.identify(kind, pair, frame)

    def settings_of(self, session: Session) -> Settings:
        """Return with what a session is tracked."""
        return self.settings.with_choice(session.card, session.device)

    def choose(self, opened: OpenSession, card: str, device: str) -> None:
        """Choose with what a session is tracked from now on.

        Raises:
            HQTrackError: There is no such card or device, or the session is being tracked.
        """
        check_card(card, device)
        with self._lock:
            self._check_still(opened)
            opened.session.choose(card, device)

    def pulling(self, card: str) -> Pull | None:
        """Return the last download of a card's weights since the server started."""
        return self._pulls.get(card)

    def pull(self, card: str) -> None:
        """Download a card's weights in the background; does nothing while that is being done.

        Raises:
            HQTrackError: There is no such card.
        """
        with self._lock:
            earlier = self._pulls.get(card)
            if earlier is None or earlier.state != "pulling":
                self._pulls[card] = Pull(card)

    def exporting(self, opened: OpenSession) -> Exporting | None:
        """Return the last export of a session since the server started."""
        return self._exports.get(opened.session.folder)

    def export(self, opened: OpenSession, kinds: Sequence[str], cleaning: MaskCleaning = AS_TRACKED) -> None:
        """Export a session in the background, with clean masks where that is wanted.

        Raises:
            InputError: There is nothing to export, or it is being exported already.
        """
        with self._lock:
            earlier = self.exporting(opened)
            if earlier is not None and earlier.state == "exporting":
                raise InputError("the export of this video is already running")
            self._exports[opened.session.folder] = Exporting(
                opened.session, kinds, self.settings_of(opened.session), cleaning
            )

    def delete(self, owner: str, name: str) -> None:
        """Remove an owner's session.

        Raises:
            InputError: There is none of this name, or it is being tracked or exported.
            OSError: A file cannot be removed.
        """
        folder = self.store.folder / name
        with self._lock:
            tracking, exporting = self._trackings.get(folder), self._exports.get(folder)
            if (tracking and tracking.active) or (exporting and exporting.state == "exporting"):
                raise InputError("this session is being tracked or exported: stop that first")
            self.store.delete(owner, name)

    def demo(self, owner: str, name: str) -> OpenSession:
        """Open one of the demo's sequences; it is made when it is first wanted.

        Raises:
            InputError: There is none of this name.
            DataError: It cannot be made, because its photographs are missing.
        """
        if name not in self.demo_names:
            raise InputError(f"{name}: the demo has {', '.join(self.demo_names)}")
        with self._lock:
            folder = write_sample(self.store.folder / DEMO_FOLDER, name)
        return self.store.create(owner, folder / "color", name)

    def close(self) -> None:
        """Stop all tracking after the frames at hand."""
        for tracking in self._trackings.values():
            tracking.stop()
        for tracking in self._trackings.values():
            tracking.join(10)
