"""All that the pages of one server share."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from hqtrack.errors import InputError
from hqtrack.scenes.dataset import SCENE_NAMES, write_sample
from hqtrack.web.export import Exporting, Settings
from hqtrack.web.store import OpenSession, Store
from hqtrack.web.tracking import SharedTracker, Tracking

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
        self._lock = threading.Lock()

    def tracking(self, opened: OpenSession) -> Tracking | None:
        """Return the last tracking of a session since the server started."""
        return self._trackings.get(opened.session.folder)

    def track(self, opened: OpenSession) -> None:
        """Track a session, or resume it.

        Raises:
            InputError: There is nothing to track, or it is being tracked already.
        """
        with self._lock:
            earlier = self.tracking(opened)
            if earlier is not None and earlier.active:
                raise InputError("tracking of this video is already running")
            self._trackings[opened.session.folder] = Tracking(opened, self.shared)

    def exporting(self, opened: OpenSession) -> Exporting | None:
        """Return the last export of a session since the server started."""
        return self._exports.get(opened.session.folder)

    def export(self, opened: OpenSession, kinds: Sequence[str]) -> None:
        """Export a session in the background.

        Raises:
            InputError: There is nothing to export, or it is being exported already.
        """
        with self._lock:
            earlier = self.exporting(opened)
            if earlier is not None and earlier.state == "exporting":
                raise InputError("the export of this video is already running")
            self._exports[opened.session.folder] = Exporting(opened.session, kinds, self.settings)

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
