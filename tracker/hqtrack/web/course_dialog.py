"""The ways to track beside to the end: backward, again from here, to a frame."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from hqtrack.web.session import Session
from hqtrack.web.styling import heading, icon_button
from hqtrack.web.tracking import Course


class CourseDialog:
    """A button, and a dialog in which a course is chosen.

    Args:
        session: What is tracked.
        frame: Returns the frame that is looked at.
        track: Tracks along a course, and shows what cannot be.
    """

    def __init__(self, session: Session, frame: Callable[[], int], track: Callable[[Course], None]) -> None:
        self._frame, self._track, self._last = frame, track, session.count - 1
        icon_button("more_vert", "More ways to track", self._open)
        with ui.dialog().props('aria-label="More ways to track"') as self._dialog, ui.card():
            heading("More ways to track", 2).classes("text-lg")
            ui.label("Again after a frame, to another one. What is tracked later is replaced.").classes(
                "text-sm"
            )
            with ui.row().classes("items-center"):
                self._since = ui.number("After frame", value=0, precision=0, min=0, max=self._last)
                self._since.classes("w-28")
                self._until = ui.number("To frame", value=self._last, precision=0, min=0, max=self._last)
                self._until.classes("w-28")
            ui.button("Track these frames", on_click=self._go).props("no-caps")
            ui.label("From where objects begin, to the first frame.").classes("text-sm")
            ui.button("Track backward", on_click=self._go_backward).props("no-caps")
            ui.button("Cancel", on_click=self._dialog.close).props("flat no-caps")

    def _open(self) -> None:
        self._since.value = self._frame()
        self._dialog.open()

    def _go(self) -> None:
        self._dialog.close()
        since, until = self._since.value, self._until.value
        self._track(Course(int(since or 0), self._last if until is None else int(until)))

    def _go_backward(self) -> None:
        self._dialog.close()
        self._track(Course(backward=True))
