"""The page of one session: a frame to point at, a time line, the objects, tracking, corrections, export."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from nicegui import events, ui

from hqtrack.web.canvas import TOOLS, Canvas
from hqtrack.web.correction_list import CorrectionList
from hqtrack.web.export_panel import ExportPanel
from hqtrack.web.object_list import ObjectList
from hqtrack.web.objects import keys_of
from hqtrack.web.preferences import THEME_COOKIE, Preferences, remember
from hqtrack.web.service import TrackingService
from hqtrack.web.store import OpenSession
from hqtrack.web.styling import heading, icon_button, paint_page, show_error
from hqtrack.web.time_line import TimeLine
from hqtrack.web.tracking import Tracking

KEYS = (
    ("space", "play or pause"),
    ("← →", "a frame back or on; with Shift ten"),
    ("Home End", "the first or last frame"),
    ("B P D E", "box, point, draw, erase"),
    ("N", "a new object"),
    ("1 … 9", "choose an object"),
    ("[ ]", "a narrower or wider brush"),
    ("0", "show the whole frame"),
    ("Enter", "on the frame: begin and end with arrow keys"),
    ("Escape", "cancel what is being drawn"),
    ("Ctrl+Z, Ctrl+Y", "undo, redo"),
    ("Delete", "delete the chosen object"),
    ("T", "track, go on, or stop"),
    ("H", "hide the masks while it is held"),
    ("M", "show or hide the masks"),
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
    """

    def __init__(self, service: TrackingService, opened: OpenSession, preferences: Preferences) -> None:
        self._service, self._opened, self._session = service, opened, opened.session
        self._version = self._session.version
        """What the frame was drawn of."""
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
                    self._canvas.choose_tool(preferences.tool)
                self._time_line = TimeLine(self._opened, self._canvas.look_at, preferences.frame)
            with ui.column().classes("hq-side gap-3"):
                self._build_tracking()
                self._objects = ObjectList(session, self._canvas, change, self._go_to)
                self._corrections = CorrectionList(session, change, self._go_to)
                self._export = ExportPanel(self._service, self._opened, change, preferences.outputs)
        self._show_progress()

    def _build_tracking(self) -> None:
        with ui.card().classes("w-full p-3 gap-2"):
            self._track_button = ui.button("Track", on_click=self.toggle_track)
            self._track_button.props("no-caps").classes("w-full")
            self._progress = ui.linear_progress(0, show_value=False).props('aria-label="Tracked"')
            self._status = ui.label().classes("text-sm").props("role=status aria-live=polite")

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
        self._objects.tick()
        self._corrections.tick()
        self._export.tick()
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
            label = "Track" if done == 0 else f"Go on from frame {start}"
        self._track_button.text = label
        self._track_button.set_enabled(active or start is not None)
        text = _status(tracking, done, session.count, session.stale())
        self._status.text = "; ".join([text, *self._objects.lost_lines()])

    def toggle_track(self) -> None:
        """Track, go on, or stop."""
        tracking = self._service.tracking(self._opened)
        if tracking is not None and tracking.active:
            tracking.stop()
        else:
            self._time_line.follow()
            self._change(partial(self._service.track, self._opened))

    def _on_key(self, event: events.KeyEventArguments) -> None:
        if str(event.key).lower() == "h" and not event.action.repeat:
            self._canvas.show_masks(not event.action.keydown)
        if not event.action.keydown:
            return
        session, canvas, time_line = self._session, self._canvas, self._time_line
        key, name = event.key, str(event.key).lower()
        if event.modifiers.ctrl or event.modifiers.meta:
            if name == "z" and not event.modifiers.shift:
                self._change(session.undo)
            elif name in ("y", "z"):
                self._change(session.redo)
            return
        tools = {short: tool for tool, (_, _, short) in TOOLS.items()}
        step = 10 if event.modifiers.shift else 1
        if key.arrow_left or key.arrow_right:
            time_line.step(step if key.arrow_right else -step)
        elif name in ("home", "end"):
            time_line.go_to(0 if name == "home" else session.count - 1)
        elif key.number == 0:
            canvas.fit()
        elif key.number is not None:
            if key.number in keys_of(session.objects):
                canvas.choose(key.number)
        elif name in ("[", "]"):
            canvas.widen_brush(1.25 if name == "]" else 0.8)
        elif event.action.repeat:
            return
        elif key.space:
            time_line.toggle_play()
        elif name in tools:
            canvas.choose_tool(tools[name])
        elif name == "delete" and canvas.key is not None:
            self._change(partial(session.delete, canvas.key))
        elif name == "n":
            canvas.choose(None)
        elif name == "?":
            self._keys.open()
        elif name == "t":
            self.toggle_track()
        elif name == "m":
            canvas.toggle_masks()


def _dialog_of_keys() -> ui.dialog:
    with ui.dialog().props('aria-label="Keys"') as dialog, ui.card():
        heading("Keys", 2).classes("text-lg")
        with ui.grid(columns=2).classes("gap-x-6 gap-y-1"):
            for key, meaning in KEYS:
                ui.label(key).classes("font-mono")
                ui.label(meaning)
        ui.button("Close", on_click=dialog.close).props("flat")
    return dialog


def _status(tracking: Tracking | None, done: int, count: int, stale: int | None) -> str:
    """Describe how far tracking is, and what became of it."""
    if tracking is not None and tracking.state == "waiting":
        return "waiting until another video is tracked"
    if tracking is not None and tracking.active:
        left = tracking.seconds_left
        parts = [
            f"frame {done} of {count}",
            f"{tracking.rate:.1f} frames/s" if tracking.rate else "starting …",
            *([] if left is None else [f"{_duration(left)} left"]),
        ]
        return ", ".join(parts)
    text = f"{done} of {count} frames tracked"
    if stale is not None:
        text += f"; out of date from frame {stale} on"
    if tracking is not None and tracking.state == "failed":
        text += f"; stopped: {tracking.error}"
    return text


def _duration(seconds: float) -> str:
    """Return a time as text.

    Example:
        >>> _duration(75)
        '1:15 min'
    """
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60}:{whole % 60:02d} min"
