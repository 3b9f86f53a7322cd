"""The frame on the page, and the tools with which a person points at objects in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from nicegui import run, ui

from hqtrack.errors import InputError
from hqtrack.masks import Mask
from hqtrack.video.drawing import MASK_OPACITY
from hqtrack.video.prompts import Prompt
from hqtrack.web.clicking import Clicks
from hqtrack.web.frame_view import FrameView
from hqtrack.web.pointing import Drag, Point, Tool, stroked
from hqtrack.web.service import TrackingService
from hqtrack.web.store import OpenSession
from hqtrack.web.styling import keep_arrows, press, show_error

TOOLS: dict[Tool, tuple[str, str, str]] = {
    "box": ("Box", "crop_free", "b"),
    "point": ("Point", "ads_click", "p"),
    "paint": ("Paint", "brush", "d"),
    "erase": ("Erase", "auto_fix_normal", "e"),
}
"""Label, icon and key of each."""

OBJECT_ROW = 18
"""Pixels of the screen that an object's row of the time line takes from the frame."""

SMALLEST_DRAG = 3
"""Pixels of a side; what is smaller was a click."""

Change = Callable[[Callable[[], Any]], Any]
"""Changes the session, and shows what cannot be changed."""


class Canvas:
    """A frame with its masks, to point at.

    Args:
        service: What all pages share.
        opened: The session with its frames.
        change: Changes the session.
        on_press: Called when something begins to be drawn.
    """

    def __init__(
        self, service: TrackingService, opened: OpenSession, *, change: Change, on_press: Callable[[], None]
    ) -> None:
        self._service, self._opened, self._session = service, opened, opened.session
        self._change = change
        height, width = self._session.size
        self._live = False
        """Whether the browser listens; before that, what the mouse does is lost."""
        self.frame = 0
        self.tool: Tool = "box"
        self.key: int | None = None
        """The chosen object; None draws a new one."""
        self.hidden: set[int] = set()
        """Objects whose masks are not shown."""
        self._brush = max(4, round(min(height, width) / 20))
        self._clicks: Clicks | None = None
        self._busy = False
        self._turn = asyncio.Lock()
        """Held by what is being done of what was drawn."""
        self._build_tools()
        self._view = FrameView(
            self._session.size, on_press=on_press, on_drawn=self._drawn, on_point=self._pointed
        )
        self._view.classes("mx-auto")
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
            self._size = size = ui.slider(min=1, max=max(8, min(self._session.size) // 4), value=self._brush)
            size.classes("w-32").props('aria-label="Size of the brush in pixels"')
            size.on_value_change(lambda event: self.resize_brush(int(event.value)))
            keep_arrows(size)
            ui.space()
            self._masks = ui.switch("Masks", value=True, on_change=self.show)
            self._opacity = ui.slider(min=0, max=100, value=round(MASK_OPACITY * 100), on_change=self.show)
            self._opacity.classes("w-24").props('aria-label="Opacity of the masks in percent"')
            self._opacity.tooltip("Opacity; 0 shows outlines only")
            keep_arrows(self._opacity)

    def wake(self) -> None:
        """Note that the browser listens now."""
        if not self._live:
            self._live = True
            self.update_hint()

    def look_at(self, frame: int) -> None:
        """Show another frame."""
        self.frame = frame
        self.show()

    def show(self) -> None:
        """Make the browser load the frame as it is now."""
        session, frame = self._session, self.frame
        recorded = int(frame < len(session.record))
        query = f"m={int(self._masks.value)}&v={session.version}.{recorded}"
        query += f"&o={int(self._opacity.value)}"
        query += f"&c={self.key}" if self.key is not None else ""
        query += f"&x={'.'.join(map(str, sorted(self.hidden)))}" if self.hidden else ""
        below = 258 + min(190, OBJECT_ROW * len(session.objects))
        height, width = session.size
        self._view.style(f"width: min(100%, calc((100vh - {below}px) * {width / height:.4f}))")
        address = f"/frames/{session.folder.name}/{frame}.jpg?{query}"
        self._view.show(frame, address, f"Frame {frame} of {session.title}")
        self._mark()
        self.update_hint()

    def show_masks(self, shown: bool) -> None:
        """Show the masks, or hide them."""
        self._masks.value = shown

    def toggle_masks(self) -> None:
        """Show or hide the masks."""
        self._masks.value = not self._masks.value

    def toggle_object(self, key: int) -> None:
        """Show an object's mask, or hide it."""
        self.hidden ^= {key}
        self.show()

    def toggle_solo(self) -> None:
        """Show the chosen object alone, or all objects again."""
        others = {item.key for item in self._session.objects} - {self.key}
        self.hidden = set() if self.hidden or self.key is None else others
        self.show()

    def update_hint(self) -> None:
        """Show what the mouse does."""
        session = self._session
        if self._busy or not self._live:
            self._hint.text = "Finding the object …" if self._busy else "Opening …"
            return
        what = "a new object" if self.key is None else session.find(self.key).title
        does = {
            "box": f"Drag a box around {what}.",
            "point": f"Click on {what}"
            + (". Right button: on what is not of it. A click on a point removes it." if self.key else "."),
            "paint": f"Paint {what}.",
            "erase": f"Erase what is not {what}." if self.key else "Choose the object from which to erase.",
        }[self.tool]
        if not session.objects:
            does += " Or choose another tool. When all objects have masks, press “Track”."
        elif self.key is not None:
            does += " N: a new object."
        self._hint.text = does

    def choose_tool(self, tool: Tool) -> None:
        """Take another tool."""
        self.tool = tool
        for name, button in self._tool_buttons.items():
            press(button, name == tool)
        self._view.use(tool, self._brush)
        self._mark()
        self.update_hint()

    def resize_brush(self, pixels: int) -> None:
        """Take a brush of another width."""
        self._brush = min(max(1, pixels), max(8, min(self._session.size) // 4))
        self._size.value = self._brush
        self._view.use(self.tool, self._brush)

    def widen_brush(self, factor: float) -> None:
        """Take a brush that is wider, or narrower, by at least a pixel."""
        changed = round(self._brush * factor)
        self.resize_brush(changed if changed != self._brush else self._brush + (1 if factor > 1 else -1))

    def fit(self) -> None:
        """Show the whole frame."""
        self._view.fit()

    def choose(self, key: int | None) -> None:
        """Choose an object, or None for a new one."""
        if self.key != key:
            self.key = key
            self.show()
        self.update_hint()

    async def _drawn(self, drag: Drag) -> None:
        """Take what was drawn; what comes meanwhile waits for its turn."""
        async with self._turn:
            if self.tool in ("paint", "erase"):
                self._change(partial(self._stroke, drag, self.tool == "paint" and not drag.exclude))
            elif self.tool == "box":
                await self._box(drag)
            else:
                await self._click(drag)

    def _stroke(self, drag: Drag, paint: bool) -> None:
        """Paint or erase along points; a new object is chosen then, for the strokes that follow."""
        session, key = self._session, self.key
        known = None if key is None else session.mask(key, drag.frame)
        if known is None:
            if not paint:
                raise InputError("choose the object from which to erase")
            known = np.zeros(session.size, bool)
        self._give(drag.frame, key, stroked(known, drag.points, self._brush, paint=paint))

    async def _box(self, drag: Drag) -> None:
        if min(drag.box[2:]) < SMALLEST_DRAG:
            ui.notify("Drag a box: press at one corner, and release at the opposite one.")
            return
        key, prompt = self.key, Prompt(drag.frame, box=drag.box)
        mask = await self._made(partial(self._found, prompt, None))
        if mask is not None:
            self._change(partial(self._give, drag.frame, key, mask))

    async def _click(self, drag: Drag) -> None:
        """Choose the object that is clicked on, or let the click change the chosen one."""
        session, place = self._session, drag.points[-1]
        if not drag.add and not drag.exclude:
            column, row = int(place[0]), int(place[1])
            under = [shown.object.key for shown in session.shown(drag.frame) if shown.mask[row, column]]
            if under and self.key not in under:
                self.choose(under[-1])
                return
        clicks = self._clicks_in(drag.frame)
        if clicks is None:
            base = None if self.key is None else session.mask(self.key, drag.frame)
            clicks = Clicks(drag.frame, self.key, base)
        if drag.exclude and clicks.base is None and not clicks.points:
            ui.notify(
                "Click on the object first; then, with the right button, on what does not belong to it."
            )
            return
        await self._refine(clicks.with_point(place, not drag.exclude))

    async def _pointed(self, index: int, place: Point | None) -> None:
        """Move a point, or remove it."""
        async with self._turn:
            clicks = self._clicks_in(self.frame)
            if clicks is not None and index < len(clicks.points):
                await self._refine(clicks.changed(index, place))

    async def _refine(self, clicks: Clicks) -> None:
        if not clicks.signed(True) and clicks.base is None:
            self._change(self._session.undo)  # the object had been made of the point that is removed
            return
        mask = await self._made(partial(clicks.mask, self._found))
        if mask is None:
            return

        def give() -> None:
            key = self._give(clicks.frame, clicks.key, mask)
            self._clicks = replace(clicks, key=key, made=mask)

        self._change(give)
        self._mark()

    def _clicks_in(self, frame: int) -> Clicks | None:
        """Return the points of the chosen object in a frame, unless it was changed otherwise since."""
        clicks = self._clicks
        if clicks is None or clicks.frame != frame or clicks.key is None or clicks.key != self.key:
            return None
        if clicks.key not in {item.key for item in self._session.objects}:
            return None
        now = self._session.mask(clicks.key, frame)
        same = now is not None and clicks.made is not None and np.array_equal(now, clicks.made)
        return clicks if same else None

    def _mark(self) -> None:
        clicks = self._clicks_in(self.frame)
        self._view.show_points(clicks.points if clicks and self.tool == "point" else ())

    async def _made(self, make: Callable[[], Mask | None]) -> Mask | None:
        """Return what the refiner makes, away from the page's own thread; None where it cannot."""
        self._busy = True
        self.update_hint()
        try:
            return await run.io_bound(make)
        except Exception as error:
            show_error(error)
            return None
        finally:
            self._busy = False
            self.update_hint()

    def _found(self, prompt: Prompt, base: Mask | None) -> Mask:
        return self._service.shared.mask(self._opened.frames.image(prompt.frame), prompt, base)

    def _give(self, frame: int, key: int | None, mask: Mask) -> int:
        """Change a mask, a new object's where there is no key; returns the object, which is chosen then."""
        if key is None:
            key = self._session.add(frame, mask).key
        else:
            self._session.set_mask(key, frame, mask)
        self.choose(key)
        return key
