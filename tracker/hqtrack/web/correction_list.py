"""The list of corrections."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nicegui import ui

from hqtrack.web.canvas import Change
from hqtrack.web.session import Session
from hqtrack.web.styling import heading, icon_button


class CorrectionList:
    """The corrections, and the frames from which tracking continued.

    Args:
        session: Whose.
        change: Changes the session.
        go_to: Shows a frame with an object.
    """

    def __init__(self, session: Session, change: Change, go_to: Callable[[int, int], None]) -> None:
        self._session, self._change, self._go_to = session, change, go_to
        self._seen: object = None
        with ui.card().classes("w-full p-3 gap-1"):
            heading("Corrections", 2).classes("font-bold")
            self._list = ui.column().classes("w-full gap-1")
        self.tick()

    def tick(self) -> None:
        """Show the corrections as they are now."""
        session = self._session
        restarts = session.tracked.restarts
        rows = sorted(
            (region.frame, item.key, item.title) for item in session.objects for region in item.corrections
        )
        if self._seen == (rows, restarts):
            return
        self._seen = rows, restarts
        self._list.clear()
        with self._list:
            for frame, key, name in rows:
                self._row(frame, key, name)
            for frame in restarts:
                ui.label(f"frame {frame}: tracking continued here").classes("text-sm opacity-80 pl-2")
            if not rows and not restarts:
                ui.label(
                    "None. Where an object is wrong, choose it, correct its mask, and track again from there."
                ).classes("text-sm opacity-80")

    def _row(self, frame: int, key: int, name: str) -> None:
        with ui.row(wrap=False).classes("items-center gap-1 w-full"):
            go = ui.button(f"frame {frame}: {name}", on_click=partial(self._go_to, frame, key))
            go.props("flat dense no-caps")
            ui.space()
            label = f"Take the correction of object {key} in frame {frame} back"
            remove_correction = partial(self._session.remove_correction, key, frame)
            icon_button("close", label, partial(self._change, remove_correction)).props("size=sm")
