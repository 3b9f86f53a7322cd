"""What stands beside the frame: objects, corrections, export."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nicegui import run, ui

from hqtrack.video.drawing import colour_of
from hqtrack.video.objects import Colour
from hqtrack.video.writers import WRITERS
from hqtrack.web.canvas import Canvas, Change
from hqtrack.web.export import COMMAND_FILE, EXPORT_FOLDER, Settings, export
from hqtrack.web.session import Session, SessionObject
from hqtrack.web.styling import heading, icon_button, press, show_error


class ObjectList:
    """The objects: choose, name, colour, go to, delete.

    Rows come when a tab first follows the session, and stay while their objects do: what is being typed into
    them is not lost by what happens meanwhile.

    Args:
        session: Whose objects.
        canvas: Where the chosen object is known.
        change: Changes the session.
        go_to: Shows a frame.
    """

    def __init__(
        self, session: Session, canvas: Canvas, change: Change, go_to: Callable[[int], None]
    ) -> None:
        self._session, self._canvas, self._change, self._go_to = session, canvas, change, go_to
        self._rows: dict[int, ObjectRow] = {}
        with ui.card().classes("w-full p-3 gap-1"):
            heading("Objects", 2).classes("font-bold")
            self._fresh = ui.button("New object", icon="add", on_click=partial(canvas.choose, None))
            self._fresh.props("no-caps dense").classes("w-full").tooltip("N")
            self._list = ui.column().classes("w-full gap-1")

    def tick(self) -> None:
        """Show the objects as they are now."""
        objects = self._session.objects
        for key in self._rows.keys() - {item.key for item in objects}:
            self._rows.pop(key).line.delete()
        press(self._fresh, self._canvas.key is None)
        for number, item in enumerate(objects, start=1):
            if item.key not in self._rows:
                with self._list:
                    self._rows[item.key] = self._row(item.key)
                self._rows[item.key].line.move(target_index=number - 1)
            row = self._rows[item.key]
            row.show(number, item, item.colour or colour_of(number))
            press(row.pick, item.key == self._canvas.key)

    def _row(self, key: int) -> ObjectRow:
        session, change, row = self._session, self._change, ObjectRow()
        row.pick.on_click(partial(self._canvas.choose, key))
        row.picker.on_pick(lambda event: change(partial(session.recolour, key, _colour(event.color))))
        # With what the browser shows: what was typed may still be on its way.
        for kind in ("blur", "keydown.enter"):
            row.name.on(
                kind,
                lambda event: change(partial(session.rename, key, str(event.args))),
                js_handler="({key, target}) => { emit(target.value); if (key === 'Enter') target.blur(); }",
            )
        row.begin.on_click(lambda: self._go_to(session.find(key).first.frame))
        row.delete.on_click(partial(change, partial(session.delete, key)))
        return row


class ObjectRow:
    """A line of the list of objects."""

    def __init__(self) -> None:
        with ui.row(wrap=False).classes("items-center gap-1 w-full") as self.line:
            self.pick = ui.button().props("dense").classes("min-w-8")
            with ui.button().props("round dense size=xs") as self._swatch:
                self.picker = ui.color_picker()
            self.name = ui.input().props("dense borderless").classes("grow")
            self.begin = ui.button().props("flat dense size=sm").tooltip("Begins in this frame")
            self.delete = ui.button(icon="delete").props("flat round dense size=sm").tooltip("Delete")
        self._shown: tuple[int, SessionObject, Colour] | None = None

    def show(self, number: int, item: SessionObject, colour: Colour) -> None:
        """Show what is known of the object."""
        if self._shown == (number, item, colour):
            return
        if self._shown is None or self._shown[1].name != item.name:
            self.name.value = item.name
        self._shown = number, item, colour
        begin = item.first.frame
        self.pick.text, self.begin.text = str(number), str(begin)
        self._swatch.style(f"background: {_hex(colour)} !important")
        self.picker.set_color(_hex(colour))
        self.name.props(f'placeholder="object {number}"')
        for element, label in (
            (self.pick, f"Choose object {number}"),
            (self._swatch, f"Colour of object {number}"),
            (self.name, f"Name of object {number}"),
            (self.begin, f"Go to frame {begin}, in which object {number} begins"),
            (self.delete, f"Delete object {number}"),
        ):
            element.props(f'aria-label="{label}"')


class CorrectionList:
    """The corrections, and the frames in which tracking was gone on with.

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
            (region.frame, number, item.key, item.name or f"object {number}")
            for number, item in enumerate(session.objects, start=1)
            for region in item.corrections
        )
        if self._seen == (rows, restarts):
            return
        self._seen = rows, restarts
        self._list.clear()
        with self._list:
            for frame, number, key, name in rows:
                self._row(frame, number, key, name)
            for frame in restarts:
                ui.label(f"frame {frame}: went on from here").classes("text-sm opacity-80 pl-2")
            if not rows and not restarts:
                ui.label(
                    "None. Where an object is wrong, choose it, mend its mask, and go on from there."
                ).classes("text-sm opacity-80")

    def _row(self, frame: int, number: int, key: int, name: str) -> None:
        with ui.row(wrap=False).classes("items-center gap-1 w-full"):
            go = ui.button(f"frame {frame}: {name}", on_click=partial(self._go_to, frame, key))
            go.props("flat dense no-caps")
            ui.space()
            label = f"Take the correction of object {number} in frame {frame} back"
            withdraw = partial(self._session.remove_correction, key, frame)
            icon_button("close", label, partial(self._change, withdraw)).props("size=sm")


class ExportPanel:
    """The choice of outputs, and what was exported.

    Args:
        session: What is exported.
        settings: With what it was tracked.
    """

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session, self._settings = session, settings
        with ui.card().classes("w-full p-3 gap-1"):
            heading("Export", 2).classes("font-bold")
            self._outputs = {
                kind: ui.checkbox(writer.title, value=kind in ("overlay", "labels")).props("dense")
                for kind, writer in WRITERS.items()
            }
            self._button = ui.button("Export", icon="download", on_click=self._export)
            self._button.props("no-caps outline").classes("w-full")
            self._bar = ui.linear_progress(0, show_value=False).props('aria-label="Exported"')
            self._bar.set_visibility(False)
            self._exported()

    @ui.refreshable_method
    def _exported(self) -> None:
        folder = self._session.folder / EXPORT_FOLDER
        if not (folder / COMMAND_FILE).is_file():
            return
        ui.label(f"In {folder}").classes("text-sm break-all")
        address = f"/export/{self._session.folder.name}/{EXPORT_FOLDER}.zip"
        ui.link("Download all (zip)", address).props(f'download="{EXPORT_FOLDER}.zip"')
        ui.label("The same without the page:").classes("text-sm")
        code = ui.code((folder / COMMAND_FILE).read_text(encoding="utf-8").strip(), language="bash")
        code.classes("w-full text-xs whitespace-pre-wrap break-all")

    def _show_done(self, share: float) -> None:
        self._bar.value = share

    async def _export(self) -> None:
        kinds = [kind for kind, box in self._outputs.items() if box.value]
        self._button.disable()
        self._bar.value = 0
        self._bar.set_visibility(True)
        try:
            await run.io_bound(export, self._session, kinds, self._settings, self._show_done)
        except Exception as error:
            show_error(error)
        else:
            ui.notify("Exported.", type="positive")
        finally:
            self._button.enable()
            self._bar.set_visibility(False)
            self._exported.refresh()


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _colour(text: str) -> Colour:
    """Return a colour of which a browser says "#rrggbb"."""
    digits = text.lstrip("#")
    red, green, blue = (int(digits[place : place + 2], 16) for place in (0, 2, 4))
    return red, green, blue
