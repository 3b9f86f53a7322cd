"""The ways to track beside to the end: backward, again from here, to a frame."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nicegui import ui

from hqtrack.web.session import Session
from hqtrack.web.styling import heading, icon_button
from hqtrack.web.tracking import Course


class CourseMenu:
    """A menu of courses.

    Args:
        session: What is tracked.
        frame: Returns the frame that is looked at.
        track: Tracks along a course, and shows what cannot be.
    """

    def __init__(self, session: Session, frame: Callable[[], int], track: Callable[[Course], None]) -> None:
        self._session, self._frame, self._track = session, frame, track
        button = icon_button("more_vert", "More ways to track", lambda: None)
        with button:
            self._menu = ui.menu()
        self._menu.on("show", self._fill)
        with ui.dialog().props('aria-label="Track to a frame"') as self._dialog, ui.card():
            heading("Track to a frame", 2).classes("text-lg")
            count = session.count
            self._since = ui.number("From", value=0, precision=0, min=0, max=count - 1)
            self._until = ui.number("To", value=count - 1, precision=0, min=0, max=count - 1)
            with ui.row():
                ui.button("Track", on_click=self._go).props('no-caps aria-label="Track to this frame"')
                ui.button("Cancel", on_click=self._dialog.close).props("flat no-caps")

    def _fill(self) -> None:
        frame = self._frame()
        self._menu.clear()
        with self._menu:
            ui.menu_item("Track backward, to the first frame", partial(self._track, Course(backward=True)))
            ui.menu_item(f"Track again from frame {frame}", partial(self._track, Course(since=frame)))
            ui.menu_item("From here to a frame …", self._ask)

    def _ask(self) -> None:
        self._since.value = self._frame()
        self._dialog.open()

    def _go(self) -> None:
        self._dialog.close()
        since, until = self._since.value, self._until.value
        last = self._session.count - 1
        self._track(Course(int(since or 0), last if until is None else int(until)))
