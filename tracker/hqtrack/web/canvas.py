"""The frame on the page, and what comes of what a person draws on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from nicegui import run, ui

from hqtrack.errors import HQTrackError, InputError
from hqtrack.masks import Mask
from hqtrack.video.prompts import Prompt
from hqtrack.web.clicking import Clicks
from hqtrack.web.frame_player import FramePlayer
from hqtrack.web.frame_view import FrameView
from hqtrack.web.hints import hint
from hqtrack.web.outlines import path_of
from hqtrack.web.pointing import Drag, Point, stroked
from hqtrack.web.preview import Pace
from hqtrack.web.service import TrackingService
from hqtrack.web.store import OpenSession
from hqtrack.web.styling import show_error, show_note
from hqtrack.web.tool_bar import ToolBar

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
        self._live = False
        """Whether the browser listens; before that, what the mouse does is lost."""
        self.frame = 0
        self.key: int | None = None
        """The chosen object; None draws a new one."""
        self.panned = False
        """True once the frame was moved; who starts to watch for that sets it to False."""
        self.hidden: set[int] = set()
        """Objects whose masks are not shown."""
        self._clicks: Clicks | None = None
        self._busy = False
        self._turn = asyncio.Lock()
        """Held by what is being done of what was drawn."""
        self._pace = Pace()
        self.tools = ToolBar(self._session.size, self._take_tool, self._look)
        self._view = FrameView(
            self._session.size,
            on_press=on_press,
            on_pan=self._note_pan,
            on_drawn=self._drawn,
            on_point=self._pointed,
            on_hover=self.preview,
        )
        self._view.classes("w-full")
        with self._view:
            self.player = FramePlayer(opened)
        self._hint = ui.label().classes("text-sm opacity-80").props("role=status aria-live=polite")
        self._take_tool()

    def wake(self) -> None:
        """Note that the browser listens now."""
        if not self._live:
            self._live = True
            self.update_hint()

    def _note_pan(self) -> None:
        self.panned = True

    def look_at(self, frame: int, playing: bool) -> None:
        """Show another frame, or note the one that the player shows."""
        self.frame = frame
        self._view.set_playing(playing)
        if not playing:
            self.show()

    def show(self) -> None:
        """Make the browser load the frame and its masks as they are now."""
        session, frame = self._session, self.frame
        name, tracked = session.folder.name, len(session.record)
        masks = f"/masks/{name}/{frame}?v={session.version}.{int(frame < tracked)}"
        below = 258 + min(190, OBJECT_ROW * len(session.objects))
        height, width = session.size
        self._view.fit_into(f"min(100%, max(240px, calc((100vh - {below}px) * {width / height:.4f})))")
        self._view.show(frame, f"/frames/{name}/{frame}.jpg", masks, f"Frame {frame} of {session.title}")
        self._look()
        self._mark()
        self.update_hint()

    def _look(self) -> None:
        """Have masks look as chosen."""
        looks: dict[str, Any] = {"opacity": self.tools.opacity, "masked": self.tools.masks_shown}
        looks |= {"chosen": self.key or 0, "hidden": sorted(self.hidden)}
        self._view.look(looks)
        self.player.look(looks)

    def toggle_object(self, key: int) -> None:
        """Show an object's mask, or hide it."""
        self.hidden ^= {key}
        self._look()

    def toggle_solo(self) -> None:
        """Show the chosen object alone, or all objects again."""
        others = {item.key for item in self._session.objects} - {self.key}
        self.hidden = set() if self.hidden or self.key is None else others
        self._look()

    def update_hint(self) -> None:
        """Show what the mouse does."""
        session = self._session
        if self._busy or not self._live:
            self._hint.text = "Finding the object …" if self._busy else "Opening …"
            return
        chosen = None if self.key is None else session.find(self.key).title
        self._hint.text = hint(self.tools, chosen, begun=bool(session.objects))

    def _take_tool(self) -> None:
        self._view.use(self.tools.tool, self.tools.brush, negative=self.tools.negative)
        self._mark()
        self.update_hint()

    def fit(self) -> None:
        """Show the whole frame."""
        self._view.fit()

    def choose(self, key: int | None) -> None:
        """Choose an object, or None for a new one."""
        if self.key != key:
            self.key = key
            self._look()
            self._mark()
        self.update_hint()

    async def _drawn(self, drag: Drag) -> None:
        """Take what was drawn; what comes meanwhile waits for its turn."""
        async with self._turn:
            tool = self.tools.tool
            if tool in ("paint", "erase"):
                self._change(partial(self._stroke, drag, tool == "paint" and not drag.exclude))
            elif tool == "box":
                await self._box(drag)
            else:
                await self._click(drag)

    def _stroke(self, drag: Drag, paint: bool) -> None:
        """Paint or erase along points; a new object is chosen then, for the strokes that follow."""
        session, key = self._session, self.key
        if not paint and (under := self._under(drag)) and key not in under:
            key = under[-1]
        known = None if key is None else session.mask(key, drag.frame)
        if known is None:
            if not paint:
                raise InputError("choose the object from which to erase, or begin on it")
            known = np.zeros(session.size, bool)
        self._give(drag.frame, key, stroked(known, drag.points, self.tools.brush, paint=paint))

    def _under(self, drag: Drag) -> list[int]:
        """Return the objects on whose masks it begins, the uppermost one last."""
        column, row = int(drag.points[0][0]), int(drag.points[0][1])
        shown = [each for each in self._session.shown(drag.frame) if each.object.key not in self.hidden]
        return [each.object.key for each in shown if each.mask[row, column]]

    async def _box(self, drag: Drag) -> None:
        if min(drag.box[2:]) < SMALLEST_DRAG:
            show_note("Drag a box: press at one corner, and release at the opposite one.")
            return
        key, prompt = self.key, Prompt(drag.frame, box=drag.box)
        mask = await self._made(partial(self._found, prompt, None))
        if mask is not None:
            self._change(partial(self._give, drag.frame, key, mask))

    async def _click(self, drag: Drag) -> None:
        """Choose the object that is clicked on, or let the click change the chosen one."""
        if (other := self._chosen_by(drag)) is not None:
            self.choose(other)
            return
        clicks = self._clicked(drag)
        if clicks is None:
            show_note(
                "Click on the object first; then, with the right button, on what does not belong to it."
            )
            return
        await self._refine(clicks)

    def _chosen_by(self, drag: Drag) -> int | None:
        """Return the object that a click chooses; None where it changes the one that is chosen."""
        under = [] if drag.add or drag.exclude else self._under(drag)
        return under[-1] if under and self.key not in under else None

    def _clicked(self, drag: Drag) -> Clicks | None:
        """Return the points with one more; None where there is nothing that it can be taken from."""
        clicks = self._clicks_in(drag.frame)
        if clicks is None:
            base = None if self.key is None else self._session.mask(self.key, drag.frame)
            clicks = Clicks(drag.frame, self.key, base)
        if drag.exclude and clicks.base is None and not clicks.points:
            return None
        return clicks.with_point(drag.points[-1], not drag.exclude)

    async def preview(self, drag: Drag) -> None:
        """Show what a click would make, where masks are made quickly enough."""
        shown = ""
        if not self._turn.locked() and self._pace.quick and self._chosen_by(drag) is None:
            clicks = self._clicked(drag)
            if clicks is not None:
                async with self._turn:
                    shown = await run.io_bound(self._previewed, clicks) or ""
        self._view.preview(shown)

    def _previewed(self, clicks: Clicks) -> str:
        try:
            mask = self._pace.timed(partial(clicks.mask, self._found))
        except HQTrackError:
            return ""  # nothing is found there, which a click reports
        return "" if mask is None else path_of(mask)

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
        self._view.show_points(clicks.points if clicks and self.tools.tool == "point" else ())

    async def _made(self, make: Callable[[], Mask | None]) -> Mask | None:
        """Return what the refiner makes, away from the page's own thread; None where it cannot."""
        self._busy = True
        self.update_hint()
        try:
            return await run.io_bound(partial(self._pace.timed, make))
        except Exception as error:
            show_error(error)
            return None
        finally:
            self._busy = False
            self.update_hint()

    def _found(self, prompt: Prompt, base: Mask | None) -> Mask:
        image = self._opened.frames.image(prompt.frame)
        return self._service.shared.mask(image, prompt, base, self._service.settings_of(self._session))

    def _give(self, frame: int, key: int | None, mask: Mask) -> int:
        """Change a mask, a new object's where there is no key; returns the object, which is chosen then."""
        if key is None:
            key = self._session.add(frame, mask).key
        else:
            self._session.set_mask(key, frame, mask)
        self.choose(key)
        return key
