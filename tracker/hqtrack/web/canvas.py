"""The frame on the page, and the tools with which a person points at things in it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from nicegui import events, run, ui

from hqtrack.errors import InputError
from hqtrack.masks import Mask
from hqtrack.video.prompts import Prompt
from hqtrack.web.desk import Desk
from hqtrack.web.look import keep_arrows, press, tell
from hqtrack.web.pointing import Clicks, Drag, Points, Tool, stroked, svg_of
from hqtrack.web.store import Open

TOOLS: dict[Tool, tuple[str, str, str]] = {
    "box": ("Box", "crop_free", "b"),
    "point": ("Point", "ads_click", "p"),
    "paint": ("Paint", "brush", "d"),
    "erase": ("Erase", "auto_fix_normal", "e"),
}
"""Label, icon and key of each."""

SMALLEST_BOX = 3
"""Pixels of a side; what is smaller was a click."""

Say = Callable[[Callable[[], Any]], Any]
"""Says something to the session, and tells what cannot be said."""


class Canvas:
    """A frame with its masks, to point at.

    Args:
        desk: What all pages share.
        opened: The session with its frames.
        say: See there.
        on_press: Called when the mouse is pressed on the frame.
    """

    def __init__(self, desk: Desk, opened: Open, *, say: Say, on_press: Callable[[], None]) -> None:
        self._desk, self._opened, self._session = desk, opened, opened.session
        self._say, self._on_press = say, on_press
        height, width = self._session.size
        self._scale = width / opened.frames.reduced_size[1]
        self._live = False
        """Whether the browser listens; before that, what the mouse does is lost."""
        self.frame = 0
        self.tool: Tool = "box"
        self.key: int | None = None
        """The chosen object; None draws a new one."""
        self._brush = max(4, round(min(height, width) / 20))
        self._drag: Drag | None = None
        self._clicks: Clicks | None = None
        self._busy = False
        self._build_tools()
        self._image = ui.interactive_image(
            on_mouse=self._on_mouse, events=["mousedown", "mousemove", "mouseup"], sanitize=False
        )
        fit = f"width: min(100%, calc((100vh - 215px) * {width / height:.4f})); cursor: crosshair"
        self._image.style(fit).classes("mx-auto").props('role="img"')
        self._hint = ui.label().classes("text-sm opacity-80").props("role=status aria-live=polite")
        self.choose_tool("box")

    def _build_tools(self) -> None:
        with ui.row().classes("items-center gap-2 w-full"):
            self._tool_buttons = {}
            for tool, (label, icon, key) in TOOLS.items():
                button = ui.button(label, icon=icon, on_click=partial(self.choose_tool, tool))
                button.props("dense no-caps padding='4px 10px'").tooltip(key.upper())
                self._tool_buttons[tool] = button
            ui.label("Brush").classes("ml-3")
            size = ui.slider(min=1, max=max(8, min(self._session.size) // 4), value=self._brush)
            size.classes("w-32").props('aria-label="Size of the brush in pixels"')
            size.on_value_change(lambda event: setattr(self, "_brush", int(event.value)))
            keep_arrows(size)
            ui.space()
            self._masks = ui.switch("Masks", value=True, on_change=self.show)

    def wake(self) -> None:
        """Be told that the browser listens now."""
        if not self._live:
            self._live = True
            self.tell_what_to_do()

    @property
    def drawing(self) -> bool:
        """Whether a box or stroke is being drawn."""
        return self._drag is not None

    def look_at(self, frame: int) -> None:
        """Show another frame."""
        self.frame = frame
        self.show()

    def show(self) -> None:
        """Let the browser load the frame as it is now."""
        session, frame = self._session, self.frame
        recorded = int(frame < len(session.record))
        query = f"m={int(self._masks.value)}&v={session.version}.{recorded}"
        self._image.set_source(f"/frames/{session.folder.name}/{frame}.jpg?{query}")
        self._image.props(f'aria-label="Frame {frame} of {session.title}"')
        self.tell_what_to_do()

    def toggle_masks(self) -> None:
        """Show or hide the masks."""
        self._masks.value = not self._masks.value

    def tell_what_to_do(self) -> None:
        """Return what the mouse does."""
        session = self._session
        if self._busy or not self._live:
            self._hint.text = "Finding the object …" if self._busy else "Opening …"
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

    def choose_tool(self, tool: Tool) -> None:
        """Take another tool."""
        self.tool = tool
        for name, button in self._tool_buttons.items():
            press(button, name == tool)
        self.tell_what_to_do()

    def choose(self, key: int | None) -> None:
        """Choose an object, or None for a new one."""
        self.key, self._clicks = key, None
        self.tell_what_to_do()

    def _on_mouse(self, event: events.MouseEventArguments) -> Any:
        height, width = self._session.size
        x = min(max(0.0, event.image_x * self._scale), width - 1.0)
        y = min(max(0.0, event.image_y * self._scale), height - 1.0)
        if event.type == "mousedown" and event.button == 0 and not self._busy:
            self._on_press()
            self._drag = Drag(self.frame, [(x, y)])
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
        drag_now = self._drag
        self._image.content = (
            "" if drag_now is None else svg_of(drag_now, self.tool, brush=self._brush, scale=self._scale)
        )
        return None

    def _stroke(self, drag: Drag, paint: bool) -> None:
        """Paint or erase along points; a new object is chosen then, for the strokes that follow."""
        session, key = self._session, self.key
        known = None if key is None else session.mask(key, drag.frame)
        if known is None:
            if not paint:
                raise InputError("choose the object from which to erase")
            known = np.zeros(session.size, bool)
        mask = stroked(known, drag.points, self._brush, paint=paint)
        if key is None:
            self.key = session.add(drag.frame, mask).key
        else:
            session.say(key, drag.frame, mask)

    async def _show_to_refiner(self, drag: Drag, *, add: bool, exclude: bool) -> None:
        """Let a box or points become a mask, and say it.

        Args:
            drag: From the first corner to the last, or to the point.
            add: The point is one more on the object that was clicked on before.
            exclude: It is one beside that object.
        """
        key = self.key
        if self.tool == "box":
            if min(drag.box[2:]) < SMALLEST_BOX:
                ui.notify("Drag a box: press at one corner, and release at the opposite one.")
                return
            prompt = Prompt(drag.frame, box=drag.box)
        else:
            earlier = self._clicks if self._clicks and self._clicks.frame == drag.frame else None
            if exclude and earlier is None:
                ui.notify("Click on the object first; then, with Alt, on what does not belong to it.")
                return
            points: Points = ()
            beside: Points = ()
            if earlier is not None and (add or exclude):
                key, points, beside = earlier.key, earlier.points, earlier.beside
            place = drag.points[-1]
            points, beside = (points, (*beside, place)) if exclude else ((*points, place), beside)
            prompt = Prompt(drag.frame, points=points, beside=beside)
        self._busy = True
        self.tell_what_to_do()
        try:
            mask = await run.io_bound(self._found, prompt)
        except Exception as error:
            tell(error)
            return
        finally:
            self._busy = False
            self.tell_what_to_do()
        if mask is not None:  # else the server is being ended
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
