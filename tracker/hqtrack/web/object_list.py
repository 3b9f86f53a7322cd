"""The list of objects."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal
from zlib import crc32

from nicegui import events, ui

from hqtrack.video.objects import Colour
from hqtrack.web.canvas import Canvas, Change
from hqtrack.web.objects import SessionObject
from hqtrack.web.service import TrackingService
from hqtrack.web.store import OpenSession
from hqtrack.web.styling import heading, press


class ObjectList:
    """The objects: choose, name, colour, go to, delete.

    Rows come when a tab first follows the session, and stay while their objects do: what is being typed into
    them is not lost by what happens meanwhile.

    Args:
        service: What all pages share.
        opened: The session whose objects they are.
        canvas: Where the chosen object is known.
        change: Changes the session.
        go_to: Shows a frame, with an object chosen.
        import_masks: Asks for masks of other tools.
    """

    def __init__(
        self,
        service: TrackingService,
        opened: OpenSession,
        canvas: Canvas,
        change: Change,
        go_to: Callable[[int, int], None],
        import_masks: Callable[[], None],
    ) -> None:
        self._service, self._opened, self._session = service, opened, opened.session
        self._canvas, self._change, self._go_to = canvas, change, go_to
        self._rows: dict[int, ObjectRow] = {}
        self._state: object = None
        self._lost: dict[int, int | None] = {}
        with ui.card().classes("w-full p-3 gap-1"):
            heading("Objects", 2).classes("font-bold")
            with ui.row(wrap=False).classes("gap-1 w-full"):
                self._fresh = ui.button("New object", icon="add", on_click=partial(canvas.choose, None))
                self._fresh.props("no-caps dense no-wrap").classes("grow").tooltip("N")
                taking = ui.button("Import masks", icon="upload_file", on_click=import_masks)
                taking.props("no-caps dense flat no-wrap")
            self._list = ui.column().classes("w-full gap-1 hq-objects")

    def tick(self) -> None:
        """Show the objects as they are now."""
        session = self._session
        objects = sorted(session.objects, key=lambda item: item.key)
        state = session.version, len(session.record)
        if state != self._state:
            self._state, self._lost = state, {item.key: session.lost(item.key) for item in objects}
        for key in self._rows.keys() - {item.key for item in objects}:
            self._rows.pop(key).line.delete()
        press(self._fresh, self._canvas.key is None)
        for place, item in enumerate(objects):
            if item.key not in self._rows:
                with self._list:
                    self._rows[item.key] = self._row(item.key)
                self._rows[item.key].line.move(target_index=place)
            row = self._rows[item.key]
            row.show(item, self._lost.get(item.key))
            chosen = item.key == self._canvas.key
            press(row.pick, chosen)
            row.line.classes(add="hq-chosen") if chosen else row.line.classes(remove="hq-chosen")
            hidden = item.key in self._canvas.hidden
            row.eye.props(
                f"icon={'visibility_off' if hidden else 'visibility'} aria-pressed={str(not hidden).lower()}"
            )

    def lost(self) -> list[tuple[int, str, int]]:
        """Return the number and title of each object that is lost, and the frame since which it is."""
        objects = {item.key: item for item in self._session.objects}
        return [
            (key, objects[key].title, frame)
            for key, frame in self._lost.items()
            if frame is not None and key in objects
        ]

    def _row(self, key: int) -> ObjectRow:
        session, change = self._session, self._change
        row = ObjectRow(f"/thumbnails/{session.folder.name}")
        row.pick.on_click(partial(self._canvas.choose, key))
        row.swatch.on(
            "change",
            lambda event: change(partial(session.recolour, key, _colour(str(event.args)))),
            js_handler="({target}) => { emit(target.value); target.blur(); }",
        )

        def rename(event: events.GenericEventArguments) -> None:
            row.forget()
            change(partial(session.rename, key, str(event.args)))

        # With what the browser shows: what was typed may still be on its way.
        for kind in ("blur", "keydown.enter"):
            row.name.on(
                kind,
                rename,
                js_handler="({key, target}) => { emit(target.value); if (key === 'Enter') target.blur(); }",
            )
        row.begin.on_click(lambda: self._go_to(session.find(key).first.frame, key))
        row.lost.on_click(lambda: self._go_to(self._lost.get(key) or 0, key))
        row.eye.on_click(partial(self._canvas.toggle_object, key))
        row.delete.on_click(partial(change, partial(session.delete, key)))
        row.menu.on("show", partial(self._fill_menu, row, key))
        return row

    def _fill_menu(self, row: ObjectRow, key: int) -> None:
        """Offer to swap or merge an object with each other one, from the frame on that is looked at."""
        frame = self._canvas.frame
        others = [item for item in self._session.objects if item.key != key]
        row.menu.clear()
        with row.menu:
            for item in others:
                swap = partial(self._identify, "swap", (key, item.key), frame)
                _choice(f"Swap with {item.title} from frame {frame} on", swap)
            for item in others:
                merge = partial(self._identify, "merge", (key, item.key), frame)
                _choice(f"Make part of {item.title} from frame {frame} on", merge)
            if not others:
                ui.label("There is no other object").classes("p-3")
        # It opened empty, and Quasar shows none that is still empty after a twentieth of a second.
        row.menu.run_method("updatePosition")

    def _identify(self, kind: Literal["swap", "merge"], pair: tuple[int, int], frame: int) -> None:
        self._change(partial(self._service.identify, self._opened, kind, pair, frame))


class ObjectRow:
    """An object in the list: a line, and a second one where it is lost.

    Args:
        thumbnails: Address of the objects' small pictures.
    """

    def __init__(self, thumbnails: str) -> None:
        self._thumbnails = thumbnails
        with ui.column().classes("w-full gap-0") as self.line:
            with ui.row(wrap=False).classes("items-center gap-1 w-full"):
                self.pick = ui.button().props("dense padding=2px").classes("hq-pick shrink-0")
                with self.pick:
                    self._thumbnail = ui.element("img").props('alt=""').classes("hq-thumbnail")
                    self._number = ui.label().classes("px-1")
                self.swatch = ui.element("input").props("type=color").classes("hq-swatch")
                self.name = ui.input().props("dense borderless").classes("grow")
                self.begin = ui.button().props("flat dense no-caps no-wrap size=sm").classes("shrink-0")
                self.begin.tooltip("The frame in which it begins")
                self.eye = (
                    ui.button(icon="visibility").props("flat round dense size=sm").tooltip("Show or hide")
                )
                self._more = ui.button(icon="more_vert").props("flat round dense size=sm")
                with self._more:
                    self.menu = ui.menu().props("role=dialog")
                self.delete = ui.button(icon="delete").props("flat round dense size=sm").tooltip("Delete")
            self.lost = ui.button(icon="visibility_off").props("flat dense no-caps size=sm color=negative")
        self._shown: tuple[SessionObject, int | None] | None = None

    def forget(self) -> None:
        """Show all anew next time, the name too: the browser shows what was typed, and that may be undone."""
        self._shown = None

    def show(self, item: SessionObject, lost: int | None) -> None:
        """Show what is known of the object, and the frame since which it is lost."""
        if self._shown == (item, lost):
            return
        if self._shown is None or self._shown[0].name != item.name:
            self.name.value = item.name
        self._shown = item, lost
        number, begin, colour = item.key, item.first.frame, hex_of(item.paint)
        self._number.text, self.begin.text = str(number), f"from {begin}"
        self._thumbnail.props["src"] = f"{self._thumbnails}/{number}?v={crc32(item.first.counts.encode())}"
        self.lost.set_visibility(lost is not None)
        self.lost.text = f"Lost since frame {lost}"
        self.swatch.props["value"] = colour
        self.name.props(f'placeholder="object {number}"')
        for element, label in (
            (self.pick, f"Choose object {number}"),
            (self.swatch, f"Colour of object {number}"),
            (self.name, f"Name of object {number}"),
            (self.begin, f"Go to frame {begin}, in which object {number} begins"),
            (self.lost, f"Object {number} is lost since frame {lost}: go there"),
            (self.eye, f"Show or hide object {number}"),
            (self._more, f"Swap or merge object {number}"),
            (self.menu, f"Swap or merge object {number}"),
            (self.delete, f"Delete object {number}"),
        ):
            element.props(f'aria-label="{label}"')


def _choice(text: str, action: Callable[[], None]) -> None:
    """Add a choice to a menu; without its role it would be an item of a list that there is not."""
    ui.menu_item(text, action).props("role=button")


def hex_of(colour: Colour) -> str:
    """Return a colour as "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _colour(text: str) -> Colour:
    """Return the colour of a browser's "#rrggbb"."""
    digits = text.lstrip("#")
    red, green, blue = (int(digits[place : place + 2], 16) for place in (0, 2, 4))
    return red, green, blue
