"""The choice of outputs, and what was exported."""

from __future__ import annotations

from collections.abc import Collection

from nicegui import ui

from hqtrack.video.cleaning import MOST_GROWN, MaskCleaning
from hqtrack.video.writers import WRITERS
from hqtrack.web.canvas import Change
from hqtrack.web.export import COMMAND_FILE, EXPORT_FOLDER, STATE_FILE, state_of
from hqtrack.web.preferences import OUTPUTS_COOKIE, remember
from hqtrack.web.service import TrackingService
from hqtrack.web.store import OpenSession
from hqtrack.web.styling import heading

CLEANING = (
    ("fill_holes", "Fill holes of so many pixels", 0),
    ("drop_specks", "Drop specks of fewer pixels", 0),
    ("grow", "Grow by pixels (below 0: shrink)", -MOST_GROWN),
)
"""Setting, label and least value of each way to clean masks."""

MOST_CLEANED = 10**9


class ExportPanel:
    """The choice of outputs, and what was exported.

    Args:
        service: What all pages share.
        opened: What is exported.
        change: Changes the session.
        chosen: The kinds of output that are chosen first.
    """

    def __init__(
        self, service: TrackingService, opened: OpenSession, change: Change, chosen: Collection[str]
    ) -> None:
        self._service, self._opened, self._session, self._change = service, opened, opened.session, change
        self._seen: object = None
        """What the panel shows of the session."""
        with ui.card().classes("w-full p-3 gap-1"):
            with ui.row(wrap=False).classes("items-center w-full"):
                heading("Export", 2).classes("font-bold grow")
                self._button = ui.button("Export", icon="download", on_click=self._export)
                self._button.props("no-caps outline dense padding='4px 8px'")
            self._outputs = {
                option: ui.checkbox(kind.title, value=option in chosen, on_change=self._remember).props(
                    "dense"
                )
                for option, kind in WRITERS.items()
            }
            with ui.expansion("Clean masks").classes("w-full").props("dense"):
                self._largest = ui.checkbox("Largest part alone").props("dense")
                self._pixels = {
                    name: ui.number(label, value=0, precision=0, min=least, max=MOST_CLEANED)
                    .props("dense")
                    .classes("w-full")
                    for name, label, least in CLEANING
                }
            self._bar = ui.linear_progress(0, show_value=False).props('aria-label="Exported"')
            self._note = ui.label().classes("text-sm").props("role=status aria-live=polite")
            self._files = ui.column().classes("w-full gap-1")
        self.tick()

    def tick(self) -> None:
        """Follow an export, and mark what it made as out of date where the session has changed since."""
        session, exporting = self._session, self._service.exporting(self._opened)
        active = exporting is not None and exporting.state == "exporting"
        self._bar.set_visibility(active)
        if exporting is not None:
            self._bar.value = round(exporting.share, 3)
        state = session.version, len(session.record), exporting, active
        if state == self._seen:
            return
        self._seen = state
        self._button.set_enabled(not active)
        if active:
            self._note.text = "Exporting …"
        elif exporting is not None and exporting.state == "failed":
            self._note.text = f"Not exported: {exporting.error}"
        else:
            self._note.text = ""
        self._files.clear()
        with self._files:
            self._show_files()

    def _show_files(self) -> None:
        session = self._session
        folder = session.folder / EXPORT_FOLDER
        stale = session.stale()
        if stale:
            ui.label(f"Frames 0 to {stale - 1} can be exported; later ones are out of date.").classes(
                "text-sm"
            )
        if not (folder / COMMAND_FILE).is_file():
            return
        state = folder / STATE_FILE
        if not state.is_file() or state.read_text(encoding="utf-8") != state_of(session):
            with ui.row(wrap=False).classes("items-center gap-1 text-sm"):
                ui.icon("warning", color="warning")
                ui.label("Out of date: the files below are older than your last change.")
        else:
            ui.label("Exported.").classes("text-sm")
        ui.label(f"In {folder}").classes("text-sm break-all")
        address = f"/export/{session.folder.name}/{EXPORT_FOLDER}.zip"
        ui.link("Download all (zip)", address).props(f'download="{EXPORT_FOLDER}.zip"')
        if session.tracked.identities:
            ui.label(
                "Objects were swapped or merged, and tracked further: masks of the command can differ."
            ).classes("text-sm")
        ui.label("The same without the page:").classes("text-sm")
        code = ui.code((folder / COMMAND_FILE).read_text(encoding="utf-8").strip(), language="bash")
        code.classes("w-full text-xs hq-command")
        deleted = session.tracked.without(session.objects)
        if deleted:
            names = ", ".join(str(key) for key in deleted)
            ui.label(
                f"Deleted after tracking: {names}. The command tracks without, so masks can differ where "
                "they touched."
            ).classes("text-sm")

    def _kinds(self) -> list[str]:
        return [kind for kind, box in self._outputs.items() if box.value]

    def _remember(self) -> None:
        remember(OUTPUTS_COOKIE, ".".join(self._kinds()))

    def _export(self) -> None:
        self._change(lambda: self._service.export(self._opened, self._kinds(), self._cleaning()))

    def _cleaning(self) -> MaskCleaning:
        pixels = {name: int(field.value or 0) for name, field in self._pixels.items()}
        return MaskCleaning(largest_part=bool(self._largest.value), **pixels)
