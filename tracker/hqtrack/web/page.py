"""The page of one session: a frame to point at, a time line, the objects, tracking, corrections, export."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from nicegui import events, ui

from hqtrack.web.canvas import Canvas
from hqtrack.web.correction_list import CorrectionList
from hqtrack.web.course_dialog import CourseDialog
from hqtrack.web.export_panel import ExportPanel
from hqtrack.web.import_panel import ImportDialog
from hqtrack.web.model_panel import ModelPanel
from hqtrack.web.object_list import ObjectList
from hqtrack.web.objects import keys_of
from hqtrack.web.preferences import THEME_COOKIE, Preferences, remember
from hqtrack.web.progress_text import status
from hqtrack.web.service import TrackingService
from hqtrack.web.store import OpenSession
from hqtrack.web.styling import heading, icon_button, paint_page, show_error
from hqtrack.web.time_line import TimeLine
from hqtrack.web.tool_bar import TOOLS
from hqtrack.web.tracking import TO_THE_END, Course
from hqtrack.web.tracks import doubtful_stretches, marks

KEYS = (
    ("space", "play or pause"),
    ("← →", "a frame back or on"),
    ("Page ↑, Page ↓", "ten frames back or on"),
    ("Shift+← →", "the mark before or after: a first frame, a correction, a loss"),
    (", .", "the doubtful stretch before or after"),
    ("Home End", "the first or last frame"),
    ("B P D E", "box, point, draw, erase"),
    ("N", "a new object"),
    ("1 … 9", "choose an object"),
    ("X", "points that are not on the object, or that are"),
    ("[ ]", "a narrower or wider brush"),
    ("0", "show the whole frame"),
    ("Enter", "on the frame: begin and end with arrow keys"),
    ("Escape", "cancel the drawing"),
    ("Ctrl+Z, Ctrl+Y", "undo, redo"),
    ("Delete", "delete the chosen object"),
    ("T", "track, continue, or stop"),
    ("H", "hide the masks while it is held"),
    ("M", "show or hide the masks"),
    ("S", "show the chosen object alone, or all"),
    ("?", "these keys"),
)

SECONDS_PER_TICK = 0.08
"""Seconds between two looks at what happens."""


class SessionPage:
    """One tab's view of a session. Changes go into the session; this holds only what this tab shows.

    Args:
        service: What all pages share.
        opened: The session with its frames.
        preferences: What the browser remembers.
        owner: Who looks.
    """

    def __init__(
        self, service: TrackingService, opened: OpenSession, preferences: Preferences, owner: str
    ) -> None:
        self._service, self._opened, self._session = service, opened, opened.session
        self._version = self._session.version
        """What the frame was drawn of."""
        self._owner = owner
        self._build(preferences)
        ui.timer(SECONDS_PER_TICK, self._tick)  # which begins when the browser listens

    def _build(self, preferences: Preferences) -> None:
        self._dark = paint_page(preferences.dark)
        ui.keyboard(on_key=self._on_key)
        session, change = self._session, self._change
        self._keys = _dialog_of_keys()
        with ui.header().classes("items-center gap-3 py-2 bg-primary"):
            ui.link("HQTrack", "/videos").classes("text-white text-lg font-bold no-underline")
            heading(session.title, 1).classes("text-white ellipsis")
            ui.space()
            for icon, label, action in (
                ("undo", "Undo (Ctrl+Z)", partial(change, session.undo)),
                ("redo", "Redo (Ctrl+Y)", partial(change, session.redo)),
                ("dark_mode", "Theme", self._toggle_dark),
                ("keyboard", "Keys", self._keys.open),
            ):
                icon_button(icon, label, action).props("color=white")
        with ui.element().classes("hq-columns"):
            with ui.column().classes("hq-work gap-2"):
                self._canvas = Canvas(self._service, self._opened, change=change, on_press=self._stay)
                if preferences.tool in TOOLS:
                    self._canvas.tools.choose(preferences.tool)
                self._time_line = TimeLine(
                    self._opened,
                    self._canvas.player,
                    self._canvas.look_at,
                    self._canvas.choose,
                    preferences.frame,
                )
            with ui.column().classes("hq-side gap-3"):
                self._build_tracking()
                importing = ImportDialog(self._service, self._opened, self._owner, lambda: self._canvas.frame)
                self._objects = ObjectList(
                    self._service, self._opened, self._canvas, change, self._go_to, importing.open
                )
                self._corrections = CorrectionList(session, change, self._go_to)
                self._export = ExportPanel(self._service, self._opened, change, preferences.outputs)
        self._show_progress()

    def _build_tracking(self) -> None:
        with ui.card().classes("w-full p-3 gap-2"):
            with ui.row(wrap=False).classes("w-full items-center gap-1"):
                self._track_button = ui.button("Track", on_click=self.toggle_track)
                self._track_button.props("no-caps").classes("grow")
                CourseDialog(self._session, lambda: self._canvas.frame, self._track)
            self._progress = ui.linear_progress(0, show_value=False).props('aria-label="Tracked"')
            with ui.column().classes("gap-1 w-full").props("role=status aria-live=polite"):
                self._status = ui.label().classes("text-sm")
                self._lost = ui.row().classes("gap-1")
            self._lost_shown: object = None
            self._model = ModelPanel(self._service, self._opened, self._change)

    def _stay(self) -> None:
        self._time_line.stay()

    def _go_to(self, frame: int, key: int) -> None:
        self._canvas.choose(key)
        self._time_line.go_to(frame)

    async def _toggle_dark(self) -> None:
        is_dark = await ui.run_javascript("document.body.classList.contains('body--dark')")
        self._dark.value = not is_dark
        remember(THEME_COOKIE, "light" if is_dark else "dark")

    def _change(self, change: Callable[[], Any]) -> None:
        """Change the session, and show what cannot be changed."""
        try:
            change()
        except Exception as error:
            show_error(error)
        else:
            self._tick()

    def _tick(self) -> None:
        """Follow what happens: playing, tracking, and what other tabs do."""
        session, canvas = self._session, self._canvas
        canvas.wake()
        if canvas.key not in (None, *(item.key for item in session.objects)):
            canvas.choose(None)
        self._time_line.tick(len(session.record))
        if self._version != session.version:
            self._version = session.version
            canvas.show()
        self._time_line.show_chosen(canvas.key)
        self._objects.tick()
        self._corrections.tick()
        self._export.tick()
        self._model.tick()
        self._show_progress()

    def _show_progress(self) -> None:
        session, tracking = self._session, self._service.tracking(self._opened)
        done, start = len(session.record), session.next_frame()
        active = tracking is not None and tracking.active
        self._progress.value = done / session.count
        colour = "negative" if active else "primary" if start is not None else "grey-7"
        self._track_button.props(f"color={colour}")
        if active:
            label = "Stop"
        elif start is None and session.objects:
            label = "All tracked"
        else:
            again = "Re-track" if session.stale() is not None else "Continue"
            label = "Track" if done == 0 else f"{again} from frame {start}"
        self._track_button.text = label
        self._track_button.set_enabled(active or start is not None)
        self._status.text = status(tracking, done, session.count, session.stale())
        self._show_lost()

    def _show_lost(self) -> None:
        """Show buttons that lead to where objects are lost."""
        lost = self._objects.lost()
        if lost == self._lost_shown:
            return
        self._lost_shown = lost
        self._lost.clear()
        with self._lost:
            for key, title, frame in lost:
                go = ui.button(f"{title} lost since frame {frame}", on_click=partial(self._go_to, frame, key))
                go.props("flat dense no-caps size=sm color=negative icon=visibility_off")

    def toggle_track(self) -> None:
        """Track, continue, or stop."""
        tracking = self._service.tracking(self._opened)
        if tracking is not None and tracking.active:
            tracking.stop()
        else:
            self._track(TO_THE_END)

    def _track(self, course: Course) -> None:
        """Track along a course, and show the frames as they are finished."""
        if not course.backward:
            self._time_line.follow()
        self._change(partial(self._service.track, self._opened, course))

    def _on_key(self, event: events.KeyEventArguments) -> None:
        if str(event.key).lower() == "h" and not event.action.repeat:
            self._canvas.tools.show_masks(not event.action.keydown)
        key = event.key
        if key.space and not event.action.repeat:
            self._press_space(event.action.keydown)
        if not event.action.keydown:
            return
        name = str(key).lower() if key.number is None else str(key.number)
        if event.modifiers.ctrl or event.modifiers.meta:
            redo = name == "y" or (name == "z" and event.modifiers.shift)
            if redo or name == "z":
                self._change(self._session.redo if redo else self._session.undo)
            return
        actions = self._actions_while_held()
        if not event.action.repeat:
            actions |= self._actions()
        if event.modifiers.shift and name.startswith("arrow"):
            self._time_line.jump(marks(self._session), name == "arrowright")
        elif name in actions:
            actions[name]()

    def _press_space(self, down: bool) -> None:
        """Play or pause when space is released, unless the frame was moved meanwhile."""
        if down:
            self._canvas.panned = False
        elif not self._canvas.panned:
            self._time_line.toggle_play()

    def _actions_while_held(self) -> dict[str, Callable[[], Any]]:
        """Return what keys do that repeat while they are held."""
        canvas, time_line = self._canvas, self._time_line
        return {
            "arrowleft": partial(time_line.step, -1),
            "arrowright": partial(time_line.step, 1),
            "pageup": partial(time_line.step, -10),
            "pagedown": partial(time_line.step, 10),
            "home": partial(time_line.go_to, 0),
            "end": partial(time_line.go_to, self._session.count - 1),
            "[": partial(canvas.tools.widen_brush, 0.8),
            "]": partial(canvas.tools.widen_brush, 1.25),
            "0": canvas.fit,
            **{str(key): partial(canvas.choose, key) for key in keys_of(self._session.objects)},
        }

    def _actions(self) -> dict[str, Callable[[], Any]]:
        """Return what keys do once, however long they are held."""
        canvas = self._canvas
        return {
            "delete": self._delete_chosen,
            "n": partial(canvas.choose, None),
            "?": self._keys.open,
            "t": self.toggle_track,
            "x": canvas.tools.toggle_negative,
            "m": canvas.tools.toggle_masks,
            "s": canvas.toggle_solo,
            ",": partial(self._jump_to_doubt, False),
            ".": partial(self._jump_to_doubt, True),
            **{short: partial(canvas.tools.choose, tool) for tool, (_, _, short) in TOOLS.items()},
        }

    def _delete_chosen(self) -> None:
        if self._canvas.key is not None:
            self._change(partial(self._session.delete, self._canvas.key))

    def _jump_to_doubt(self, forward: bool) -> None:
        self._time_line.jump(doubtful_stretches(self._session), forward)


def _dialog_of_keys() -> ui.dialog:
    with ui.dialog().props('aria-label="Keys"') as dialog, ui.card():
        with ui.row(wrap=False).classes("items-center w-full"):
            heading("Keys", 2).classes("text-lg grow")
            icon_button("close", "Close", dialog.close)
        with ui.grid(columns=2).classes("gap-x-6 gap-y-1"):
            for key, meaning in KEYS:
                ui.label(key).classes("font-mono")
                ui.label(meaning)
    return dialog
