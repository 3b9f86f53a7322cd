"""The page of one session: a frame to point at, a time line, the objects, tracking, corrections, export."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import cv2
import numpy as np
from nicegui import events, run, ui

from hqtrack.errors import InputError
from hqtrack.masks import Mask
from hqtrack.video.outputs import WRITERS
from hqtrack.video.prompts import Prompt
from hqtrack.web.desk import Desk
from hqtrack.web.export import COMMAND, EXPORT, export
from hqtrack.web.session import Session
from hqtrack.web.store import Open
from hqtrack.web.tracking import told

Point = tuple[float, float]
Tool = Literal["box", "point", "paint", "erase"]

TOOLS: dict[Tool, tuple[str, str, str]] = {
    "box": ("Box", "crop_free", "b"),
    "point": ("Point", "ads_click", "p"),
    "paint": ("Paint", "brush", "d"),
    "erase": ("Erase", "auto_fix_normal", "e"),
}
"""Label, icon and key of each."""

OUTPUT_NAMES = {
    "overlay": "Overlay video",
    "labels": "Label images",
    "rle": "COCO masks",
    "trajectories": "VOT trajectories",
    "csv": "Table of boxes",
}

PRIMARY = "#2b6cb0"
"""White on it, and it on white, can be read: their contrast is 5.4."""

DARK_STYLE = """@layer quasar_importants {
  .body--dark .text-primary { color: #90cdf4 !important }
}"""
"""On black the first colour is too dark to be read."""

SMALLEST_BOX = 3
"""Pixels of a side; what is smaller was a click."""

PLAYED_RATE = 25
"""Frames per second at most while playing."""

KEYS = (
    ("space", "play or pause"),
    ("← →", "a frame back or on; with Shift ten"),
    ("Home End", "the first or last frame"),
    ("B P D E", "box, point, draw, erase"),
    ("1 … 9, 0", "choose an object, or a new one"),
    ("Ctrl+Z, Ctrl+Y", "undo, redo"),
    ("Delete", "delete the chosen object"),
    ("T", "track, go on, or stop"),
    ("M", "show or hide the masks"),
)

RELEASE_FOCUS = """<script>document.addEventListener('pointerup', () => setTimeout(() => {
  const it = document.activeElement;
  if (it && (it.tagName === 'BUTTON' || it.classList.contains('q-slider'))) it.blur();
}, 0));</script>"""
"""After a click the keys are the page's again; who moves by Tab keeps the focus."""


@dataclass
class Drag:
    """A box or stroke that is being drawn, in pixels of the frame."""

    frame: int
    points: list[Point] = field(default_factory=list)


@dataclass(frozen=True)
class Clicks:
    """The points of which an object's mask was made last: more of them can be added."""

    frame: int
    key: int
    points: tuple[tuple[float, ...], ...]
    """On the object."""
    beside: tuple[tuple[float, ...], ...]
    """Not on it."""


class SessionPage:
    """One tab's view of a session. What is said goes into the session; here is only what this tab looks at.

    Args:
        desk: What all pages share.
        name: The session's.
        opened: The session with its frames.
    """

    def __init__(self, desk: Desk, name: str, opened: Open) -> None:
        self._desk, self._name, self._opened = desk, name, opened
        self._session: Session = opened.session
        height, width = self._session.size
        self._scale = width / opened.frames.reduced_size[1]
        self.index = 0
        self.tool: Tool = "box"
        self.key: int | None = None
        """The chosen object; None draws a new one."""
        self._brush = max(4, round(min(height, width) / 20))
        self._masks_shown = True
        self._drag: Drag | None = None
        self._clicks: Clicks | None = None
        self._busy = False
        self._playing: tuple[float, int] | None = None
        """When playing began, and with which frame."""
        self._following = True
        """Whether to show the frame that was tracked last."""
        self._latest = len(self._session.record) - 1
        self._seen: dict[str, object] = {}
        """What each part of the page was built of."""
        self._build()
        self.choose_tool("box")
        self.go(0)
        self._tick()
        ui.timer(0.08, self._tick)

    # The page

    def _build(self) -> None:
        ui.add_head_html(RELEASE_FOCUS)
        paint_page()
        ui.keyboard(on_key=self._on_key)
        self._dark = ui.dark_mode(None)  # as the system has it
        with ui.header().classes("items-center gap-3 py-2 bg-primary"):
            ui.link("HQTrack", "/").classes("text-white text-lg font-bold no-underline")
            ui.label(self._session.title).classes("text-white ellipsis").props("role=heading aria-level=1")
            ui.space()
            self._icon_button("undo", "Undo (Ctrl+Z)", self._undo).props("color=white")
            self._icon_button("redo", "Redo (Ctrl+Y)", self._redo).props("color=white")
            self._icon_button("dark_mode", "Light or dark", self._toggle_dark).props("color=white")
            self._icon_button("keyboard", "Keys", self._open_keys).props("color=white")
        with ui.dialog() as self._keys, ui.card():
            ui.label("Keys").classes("text-lg").props("role=heading aria-level=2")
            with ui.grid(columns=2).classes("gap-x-6 gap-y-1"):
                for key, meaning in KEYS:
                    ui.label(key).classes("font-mono")
                    ui.label(meaning)
            ui.button("Close", on_click=self._keys.close).props("flat")
        with ui.row(wrap=False).classes("w-full gap-4 items-start"):
            with ui.column().classes("grow gap-2 min-w-0"):
                self._build_tools()
                self._build_frame()
                self._build_time_line()
            with ui.column().classes("w-80 shrink-0 gap-3"):
                self._build_tracking()
                self._objects()
                self._corrections()
                self._build_export()

    def _open_keys(self) -> None:
        self._keys.open()

    def _icon_button(self, icon: str, label: str, action: Any) -> ui.button:
        button = ui.button(icon=icon, on_click=action).props(f'flat round dense aria-label="{label}"')
        return button.tooltip(label)

    def _build_tools(self) -> None:
        with ui.row().classes("items-center gap-2 w-full"):
            self._tool_buttons = {}
            for tool, (label, icon, key) in TOOLS.items():
                button = ui.button(label, icon=icon, on_click=partial(self.choose_tool, tool))
                self._tool_buttons[tool] = button.props("dense no-caps padding='4px 10px'").tooltip(
                    key.upper()
                )
            ui.label("Brush").classes("ml-3")
            size = ui.slider(min=1, max=max(8, min(self._session.size) // 4), value=self._brush)
            size.classes("w-32").props('aria-label="Size of the brush in pixels"')
            size.on_value_change(lambda event: setattr(self, "_brush", int(event.value)))
            self._keep_arrows(size)
            ui.space()
            masks = ui.switch("Masks", value=True, on_change=lambda event: self._show_masks(event.value))
            self._mask_switch = masks

    def _build_frame(self) -> None:
        height, width = self._session.size
        self._image = ui.interactive_image(
            on_mouse=self._on_mouse, events=["mousedown", "mousemove", "mouseup"], sanitize=False
        )
        fit = f"width: min(100%, calc((100vh - 215px) * {width / height:.4f})); cursor: crosshair"
        self._image.style(fit).classes("mx-auto").props('role="img"').mark("frame")
        self._hint = ui.label().classes("text-sm opacity-80").props("role=status aria-live=polite")

    def _build_time_line(self) -> None:
        last = self._session.count - 1
        with ui.row(wrap=False).classes("items-center gap-2 w-full"):
            self._play_button = self._icon_button("play_arrow", "Play (space)", self.toggle_play)
            self._icon_button("chevron_left", "A frame back", lambda: self.go(self.index - 1))
            self._icon_button("chevron_right", "A frame on", lambda: self.go(self.index + 1))
            self._slider = ui.slider(min=0, max=max(1, last), value=0, on_change=self._on_slider)
            self._slider.classes("grow").props('aria-label="Frame"')
            self._slider.set_enabled(last > 0)
            self._keep_arrows(self._slider)
            self._place = ui.label().classes("w-28 text-right tabular-nums")

    def _keep_arrows(self, slider: ui.slider) -> None:
        """Let arrow keys in a slider move only the slider."""
        slider.on("keydown", js_handler="(event) => event.stopPropagation()")

    def _build_tracking(self) -> None:
        with ui.card().classes("w-full p-3 gap-2"):
            self._track_button = (
                ui.button("Track", on_click=self.toggle_track).props("no-caps").classes("w-full")
            )
            self._progress = ui.linear_progress(0, show_value=False).props('aria-label="Tracked"')
            self._status = ui.label().classes("text-sm").props("role=status aria-live=polite")

    @ui.refreshable_method
    def _objects(self) -> None:
        with ui.card().classes("w-full p-3 gap-1"):
            ui.label("Objects").classes("font-bold").props("role=heading aria-level=2")
            fresh = ui.button("New object", icon="add", on_click=partial(self.choose, None))
            fresh.props(
                f"no-caps dense {'outline' if self.key is not None else ''} aria-pressed={self.key is None}"
            )
            fresh.classes("w-full").tooltip("0")
            for number, thing in enumerate(self._session.things, start=1):
                self._object_row(number, thing.key)

    def _object_row(self, number: int, key: int) -> None:
        thing = self._session.thing(key)
        chosen = key == self.key
        shown = self._session.colour_of(key)
        with ui.row(wrap=False).classes("items-center gap-1 w-full"):
            pick = ui.button(str(number), on_click=partial(self.choose, key))
            pick.props(f'dense {"" if chosen else "outline"} aria-label="Choose object {number}"')
            pick.props(f"aria-pressed={chosen}").classes("min-w-8")
            with ui.button().props(f'round dense size=xs aria-label="Colour of object {number}"') as swatch:
                swatch.style(f"background: {_hex(shown)} !important")
                picker = ui.color_picker(
                    on_pick=lambda event: self._say(partial(self._recolour, key, event.color))
                )
                picker.set_color(_hex(shown))
            name = ui.input(value=thing.name, placeholder=f"object {number}").props("dense borderless")
            name.props(f'aria-label="Name of object {number}"').classes("grow")
            name.on("blur", lambda: self._say(partial(self._session.rename, key, name.value)))
            name.on("keydown.enter", lambda: self._say(partial(self._session.rename, key, name.value)))
            begin = thing.first.frame
            go = ui.button(f"{begin}", on_click=partial(self.go, begin)).props("flat dense size=sm")
            go.props(f'aria-label="Go to frame {begin}, in which object {number} begins"')
            go.tooltip("Begins in this frame")
            self._icon_button("delete", f"Delete object {number}", partial(self._delete, key)).props(
                "size=sm"
            )

    @ui.refreshable_method
    def _corrections(self) -> None:
        with ui.card().classes("w-full p-3 gap-1"):
            ui.label("Corrections").classes("font-bold").props("role=heading aria-level=2")
            rows = sorted(
                (region.frame, number, thing.key)
                for number, thing in enumerate(self._session.things, start=1)
                for region in thing.corrections
            )
            for frame, number, key in rows:
                with ui.row(wrap=False).classes("items-center gap-1 w-full"):
                    text = f"frame {frame}: {self._session.name_of(key)}"
                    ui.button(text, on_click=partial(self._go_to, frame, key)).props("flat dense no-caps")
                    ui.space()
                    label = f"Take the correction of object {number} in frame {frame} back"
                    withdraw = partial(self._session.withdraw, key, frame)
                    self._icon_button("close", label, partial(self._say, withdraw)).props("size=sm")
            for frame in self._session.tracked.gone_on:
                ui.label(f"frame {frame}: went on from here").classes("text-sm opacity-80 pl-2")
            if not rows and not self._session.tracked.gone_on:
                ui.label(
                    "None. Where an object is wrong, choose it, mend its mask, and go on from there."
                ).classes("text-sm opacity-80")

    def _build_export(self) -> None:
        with ui.card().classes("w-full p-3 gap-1"):
            ui.label("Export").classes("font-bold").props("role=heading aria-level=2")
            self._outputs = {
                kind: ui.checkbox(OUTPUT_NAMES[kind], value=kind in ("overlay", "labels")).props("dense")
                for kind in WRITERS
            }
            self._export_button = ui.button("Export", icon="download", on_click=self._export).props(
                "no-caps outline"
            )
            self._export_button.classes("w-full")
            self._export_bar = ui.linear_progress(0, show_value=False).props('aria-label="Exported"')
            self._export_bar.set_visibility(False)
            self._exported()

    @ui.refreshable_method
    def _exported(self) -> None:
        folder = self._session.folder / EXPORT
        if not (folder / COMMAND).is_file():
            return
        ui.label(f"In {folder}").classes("text-sm break-all")
        ui.link("Download all (zip)", f"/export/{self._name}/{EXPORT}.zip").props(f'download="{EXPORT}.zip"')
        ui.label("The same without the page:").classes("text-sm")
        code = ui.code((folder / COMMAND).read_text(encoding="utf-8").strip(), language="bash")
        code.classes("w-full text-xs whitespace-pre-wrap break-all").mark("command")

    # Looking

    def go(self, index: int) -> None:
        """Show a frame."""
        self.index = min(max(0, index), self._session.count - 1)
        if self._slider.value != self.index:
            self._slider.value = self.index
        self._place.text = f"{self.index} / {self._session.count - 1}"
        self._show()

    def _show(self) -> None:
        """Let the browser load the frame as it is now."""
        recorded = int(self.index < len(self._session.record))
        query = f"m={int(self._masks_shown)}&v={self._session.version}.{recorded}"
        self._image.set_source(f"/frames/{self._name}/{self.index}.jpg?{query}")
        self._image.props(f'aria-label="Frame {self.index} of {self._session.title}"')
        self._tell_what_to_do()

    def _tell_what_to_do(self) -> None:
        session = self._session
        if self._busy:
            self._hint.text = "Finding the object …"
            return
        what = "a new object" if self.key is None else session.name_of(self.key)
        does = {
            "box": f"Drag a box around {what}.",
            "point": f"Click on {what}. With Shift: one more point on it; with Alt: one beside it.",
            "paint": f"Paint {what}.",
            "erase": f"Erase what is not {what}." if self.key else "Choose the object from which to erase.",
        }[self.tool]
        if not session.things:
            does += " Or choose another tool. When all objects have masks, press “Track”."
        self._hint.text = does

    def _go_to(self, frame: int, key: int) -> None:
        self.choose(key)
        self._following = False
        self.go(frame)

    def _on_slider(self, event: events.ValueChangeEventArguments[float | None]) -> None:
        index = int(event.value or 0)
        if index != self.index:
            self._playing, self._following = None, False
            self.go(index)

    def _show_masks(self, shown: bool) -> None:
        self._masks_shown = shown
        self._show()

    def toggle_play(self) -> None:
        """Play from here (at the end: from the start), or pause."""
        if self._playing is None and self._session.count > 1:
            if self.index == self._session.count - 1:
                self.go(0)
            self._playing, self._following = (time.monotonic(), self.index), False
        else:
            self._playing = None

    async def _toggle_dark(self) -> None:
        is_dark = await ui.run_javascript("document.body.classList.contains('body--dark')")
        self._dark.value = not is_dark

    def _tick(self) -> None:
        """Follow what happens: playing, tracking, and what other tabs do."""
        session, tracking = self._session, self._desk.tracking(self._opened)
        active = tracking is not None and tracking.active
        if self._playing is not None:
            began, first = self._playing
            rate = min(PLAYED_RATE, float(self._opened.fps))
            self.go(first + int((time.monotonic() - began) * rate))
            if self.index == session.count - 1:
                self._playing = None
        latest = len(session.record) - 1
        if latest != self._latest and self._drag is None:
            self._latest = latest
            if self._following and latest >= 0:
                self.go(latest)
        self._play_button.props(f"icon={'pause' if self._playing else 'play_arrow'}")
        if self.key is not None and all(thing.key != self.key for thing in session.things):
            self.key = None
        things = session.things
        objects = self.key, [(thing.key, thing.name, thing.colour, thing.first.frame) for thing in things]
        said = [(thing.key, thing.name, [each.frame for each in thing.corrections]) for thing in things]
        # Lists are built anew only when they differ: somebody may be typing a name.
        for part, now, build in (
            ("objects", objects, self._objects.refresh),
            ("corrections", (said, session.tracked.gone_on), self._corrections.refresh),
            ("frame", session.version, self._show),
        ):
            if self._seen.get(part) != now:
                self._seen[part] = now
                build()
        self._tell_progress(active)

    def _tell_progress(self, active: bool) -> None:
        session, tracking = self._session, self._desk.tracking(self._opened)
        done, stale, start = len(session.record), session.stale(), session.next_frame()
        self._progress.value = done / session.count
        label = "Stop" if active else ("Track" if done == 0 else f"Go on from frame {start}")
        self._track_button.text = (
            label if active or start is not None or not session.things else "All tracked"
        )
        self._track_button.set_enabled(active or start is not None)
        text = f"{done} of {session.count} frames tracked"
        if tracking is not None and active:
            left = tracking.seconds_left
            text = f"frame {done} of {session.count}"
            text += f", {tracking.rate:.1f} frames/s" if tracking.rate else ", starting …"
            text += f", {_duration(left)} left" if left is not None else ""
            if tracking.state == "waiting":
                text = "waiting until another video is tracked"
        elif stale is not None:
            text += f"; from frame {stale} on older than your last change"
        if tracking is not None and tracking.state == "failed":
            text += f". Stopped: {tracking.error}"
        self._status.text = text

    # Saying

    def choose_tool(self, tool: Tool) -> None:
        """Take another tool."""
        self.tool = tool
        for name, button in self._tool_buttons.items():
            button.props(f"aria-pressed={name == tool} {'' if name == tool else 'outline'}")
            button.props(remove="outline" if name == tool else "")
        self._tell_what_to_do()

    def choose(self, key: int | None) -> None:
        """Choose an object, or None for a new one."""
        self.key, self._clicks = key, None
        self._tell_what_to_do()

    def _say(self, say: Any) -> bool:
        """Say something; what cannot be said is told."""
        try:
            say()
        except Exception as error:
            tell(error)
            return False
        self._tick()
        return True

    def _recolour(self, key: int, colour: str) -> None:
        digits = colour.lstrip("#")[:6]
        red, green, blue = (int(digits[place : place + 2], 16) for place in (0, 2, 4))
        self._session.recolour(key, (red, green, blue))

    def _delete(self, key: int) -> None:
        self._say(partial(self._session.delete, key))

    def _undo(self) -> None:
        self._say(self._session.undo)

    def _redo(self) -> None:
        self._say(self._session.redo)

    def _on_mouse(self, event: events.MouseEventArguments) -> Any:
        height, width = self._session.size
        x = min(max(0.0, event.image_x * self._scale), width - 1.0)
        y = min(max(0.0, event.image_y * self._scale), height - 1.0)
        if event.type == "mousedown" and event.button == 0 and not self._busy:
            self._playing, self._following = None, False
            self._drag = Drag(self.index, [(x, y)])
        elif self._drag is not None and event.type == "mousemove" and event.buttons & 1:
            self._drag.points.append((x, y))
        elif self._drag is not None:  # released, here or outside
            drag, self._drag = self._drag, None
            self._image.content = ""
            if event.type == "mouseup":
                drag.points.append((x, y))
            if self.tool in ("paint", "erase"):
                self._say(partial(self._stroke, drag, self.tool == "paint"))
                return None
            return self._show_to_refiner(drag, add=event.shift, exclude=event.alt)
        self._image.content = "" if self._drag is None else self._drawn(self._drag)
        return None

    def _drawn(self, drag: Drag) -> str:
        """Give the SVG of what is being drawn, in pixels of the image that is shown."""
        points = [(x / self._scale, y / self._scale) for x, y in drag.points]
        if self.tool == "box":
            (x0, y0), (x1, y1) = points[0], points[-1]
            place = f'x="{min(x0, x1)}" y="{min(y0, y1)}" width="{abs(x1 - x0)}" height="{abs(y1 - y0)}"'
            dash = 'stroke-width="2" vector-effect="non-scaling-stroke"'
            return (
                f'<rect {place} fill="none" stroke="black" {dash} />'
                f'<rect {place} fill="none" stroke="white" stroke-dasharray="6 4" {dash} />'
            )
        if self.tool == "point":
            return ""
        colour = "white" if self.tool == "paint" else "black"
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (points if len(points) > 1 else points * 2))
        return (
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-opacity="0.5" '
            f'stroke-width="{self._brush / self._scale:.1f}" stroke-linecap="round" />'
        )

    async def _show_to_refiner(self, drag: Drag, *, add: bool, exclude: bool) -> None:
        """Let a box or points become a mask, and say it.

        Args:
            drag: From the first corner to the last, or to the point.
            add: The point is one more on the object that was clicked on before.
            exclude: It is one beside that object.
        """
        key = self.key
        points: tuple[tuple[float, ...], ...] = ()
        beside: tuple[tuple[float, ...], ...] = ()
        (x0, y0), (x1, y1) = drag.points[0], drag.points[-1]
        if self.tool == "box":
            box = min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)
            if min(box[2:]) < SMALLEST_BOX:
                ui.notify("Drag a box: press at one corner, and release at the opposite one.")
                return
            prompt = Prompt(drag.frame, box=box)
        else:
            if (add or exclude) and self._clicks is not None and self._clicks.frame == drag.frame:
                key, points, beside = self._clicks.key, self._clicks.points, self._clicks.beside
            elif exclude:
                ui.notify("Click on the object first; then, with Alt, on what does not belong to it.")
                return
            points, beside = (points, (*beside, (x1, y1))) if exclude else ((*points, (x1, y1)), beside)
            prompt = Prompt(drag.frame, points=points, beside=beside)
        self._busy = True
        self._tell_what_to_do()
        try:
            mask = await run.io_bound(self._found, prompt)
            if mask is None:  # the server is being ended
                return
        except Exception as error:
            tell(error)
            return
        finally:
            self._busy = False
            self._tell_what_to_do()
        self._say(partial(self._give, prompt, key, mask))

    def _found(self, prompt: Prompt) -> Mask:
        return self._desk.engine.mask(self._opened.frames.image(prompt.frame), prompt)

    def _give(self, prompt: Prompt, key: int | None, mask: Mask) -> None:
        """Say the mask that was made of a prompt; a new object's where there is no key."""
        if key is None:
            key = self._session.add(prompt.frame, mask).key
        else:
            self._session.say(key, prompt.frame, mask)
        if prompt.box is None:
            self._clicks = Clicks(prompt.frame, key, prompt.points, prompt.beside)

    def _stroke(self, drag: Drag, paint: bool) -> None:
        """Paint or erase along points; a new object is chosen then, for the strokes that follow."""
        frame, key = drag.frame, self.key
        known = None if key is None else self._session.mask(key, frame)
        if known is None and not paint:
            raise InputError("choose the object from which to erase")
        canvas = np.zeros(self._session.size, np.uint8)
        if known is not None:
            canvas[known] = 1
        path = np.round(np.array(drag.points)).astype(np.int32)
        if len(path) == 1 or (path == path[0]).all():
            cv2.circle(canvas, path[0].tolist(), self._brush // 2, int(paint), -1)
        else:
            cv2.polylines(canvas, [path.reshape(-1, 1, 2)], False, int(paint), self._brush)
        mask = canvas.astype(bool)
        if key is None:
            self.key = self._session.add(frame, mask).key
        else:
            self._session.say(key, frame, mask)

    # Tracking and export

    def toggle_track(self) -> None:
        """Track, go on, or stop."""
        tracking = self._desk.tracking(self._opened)
        if tracking is not None and tracking.active:
            tracking.stop()
        else:
            self._playing, self._following = None, True
            self._say(partial(self._desk.track, self._opened))

    def _show_exported(self, share: float) -> None:
        self._export_bar.value = share

    async def _export(self) -> None:
        kinds = [kind for kind, box in self._outputs.items() if box.value]
        self._export_button.disable()
        self._export_bar.value = 0
        self._export_bar.set_visibility(True)
        try:
            await run.io_bound(export, self._session, kinds, self._desk.settings, self._show_exported)
        except Exception as error:
            tell(error)
        else:
            ui.notify("Exported.", type="positive")
        finally:
            self._export_button.enable()
            self._export_bar.set_visibility(False)
            self._exported.refresh()

    def _on_key(self, event: events.KeyEventArguments) -> None:
        if not event.action.keydown:
            return
        key, name = event.key, str(event.key).lower()
        if event.modifiers.ctrl or event.modifiers.meta:
            if name == "z" and not event.modifiers.shift:
                self._undo()
            elif name in ("y", "z"):
                self._redo()
            return
        tools = {short: tool for tool, (_, _, short) in TOOLS.items()}
        step = 10 if event.modifiers.shift else 1
        if key.space:
            self.toggle_play()
        elif key.arrow_left or key.arrow_right:
            self._playing, self._following = None, False
            self.go(self.index + (step if key.arrow_right else -step))
        elif name in ("home", "end"):
            self._playing, self._following = None, False
            self.go(0 if name == "home" else self._session.count - 1)
        elif key.number is not None:
            things = self._session.things
            if key.number == 0:
                self.choose(None)
            elif key.number <= len(things):
                self.choose(things[key.number - 1].key)
        elif name in tools and not event.action.repeat:
            self.choose_tool(tools[name])
        elif name == "delete" and self.key is not None:
            self._delete(self.key)
        elif name == "t" and not event.action.repeat:
            self.toggle_track()
        elif name == "m":
            self._mask_switch.value = not self._mask_switch.value


def paint_page() -> None:
    """Give a page its colours."""
    ui.colors(primary=PRIMARY)
    ui.add_css(DARK_STYLE)


def tell(error: Exception) -> None:
    """Show an error until it is closed, or long enough to be read."""
    close = {"label": "Close", "color": "white"}
    ui.notify(told(error), type="negative", actions=[close], timeout=8000)


def _hex(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _duration(seconds: float) -> str:
    """Say a time.

    Example:
        >>> _duration(75)
        '1:15 min'
    """
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60}:{whole % 60:02d} min"
