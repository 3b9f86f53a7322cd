"""With what a session is tracked: a card, a device, and the downloads of weights."""

from __future__ import annotations

from functools import partial

from nicegui import run, ui

from hqtrack.web.canvas import Change
from hqtrack.web.models import Model, Pull, devices, models
from hqtrack.web.service import TrackingService
from hqtrack.web.store import OpenSession
from hqtrack.web.styling import heading, show_error


class ModelPanel:
    """The card and the device, and a dialog in which others are chosen.

    Args:
        service: What all pages share.
        opened: The session.
        change: Changes the session.
    """

    def __init__(self, service: TrackingService, opened: OpenSession, change: Change) -> None:
        self._service, self._opened, self._change = service, opened, change
        self._models: list[Model] = []
        self._rows: dict[str, ModelRow] = {}
        with ui.row(wrap=False).classes("items-center gap-2 w-full"):
            self._label = ui.label().classes("text-sm ellipsis grow")
            button = ui.button("Model", icon="memory", on_click=self._open).props("flat dense no-caps")
            button.tooltip("Choose the card and the device")
        with ui.dialog().props('aria-label="Model"') as self._dialog, ui.card().classes("w-full max-w-3xl"):
            heading("Model", 2).classes("text-lg")
            ui.label(
                "What was tracked with another card is out of date. It is up to date again when you choose "
                "that card again."
            ).classes("text-sm")
            self._device = ui.select([], label="Device", on_change=lambda: self._choose("")).classes("w-40")
            self._list = ui.column().classes("w-full gap-2")
            ui.button("Close", on_click=self._dialog.close).props("flat no-caps")
        self.tick()

    def tick(self) -> None:
        """Show what is chosen, and how far downloads are."""
        settings = self._service.settings_of(self._opened.session)
        self._label.text = f"{settings.card} on {settings.device}"
        if not self._dialog.value:
            return
        for name, row in self._rows.items():
            if row.show(self._service.pulling(name)):
                ui.timer(0, self._load, once=True)

    async def _open(self) -> None:
        self._dialog.open()
        await self._load()

    async def _load(self) -> None:
        """List the cards; away from the page's own thread, as files and packages are looked for."""
        try:
            found = await run.io_bound(models, self._service.settings.card) or []
            known = await run.io_bound(devices) or []
        except Exception as error:
            show_error(error)
            return
        settings = self._service.settings_of(self._opened.session)
        self._device.set_options(known if settings.device in known else [*known, settings.device])
        self._device.value = settings.device
        self._list.clear()
        self._rows = {}
        with self._list:
            for model in found:
                row = self._rows[model.name] = ModelRow(model, model.name == settings.card)
                row.use.on_click(partial(self._choose, model.name))
                row.pull.on_click(partial(self._pull, model.name))

    def _choose(self, card: str) -> None:
        """Track with a card, or where none is named with the device that is chosen."""
        settings = self._service.settings_of(self._opened.session)
        device = str(self._device.value)
        if (card or settings.card, device) != (settings.card, settings.device):
            self._change(partial(self._service.choose, self._opened, card or settings.card, device))
            ui.timer(0, self._load, once=True)

    def _pull(self, card: str) -> None:
        self._change(partial(self._service.pull, card))


class ModelRow:
    """A card in the list."""

    def __init__(self, model: Model, chosen: bool) -> None:
        with ui.column().classes("w-full gap-0"):
            with ui.row(wrap=False).classes("items-center gap-2 w-full"):
                with ui.column().classes("gap-0 grow min-w-0"):
                    ui.label(f"{model.name}: {model.title}").classes("font-bold break-words")
                    size = f", {model.megabytes} MB" if model.megabytes else ""
                    note = model.note[:1].upper() + model.note[1:]
                    ui.label(f"{_STATES[model.readiness]}{size}. {note}").classes("text-sm break-words")
                self.use = ui.button("Chosen" if chosen else "Choose").props("dense no-caps outline")
                self.use.props["aria-label"] = f"Choose {model.name}"
                self.use.set_enabled(not chosen and model.readiness == "ready")
                self.use.set_visibility(model.readiness == "ready")
                self.pull = ui.button("Pull", icon="download").props("dense no-caps outline")
                self.pull.props["aria-label"] = f"Pull {model.name}"
                self.pull.set_visibility(model.readiness == "to pull")
            self._bar = ui.linear_progress(0, show_value=False)
            self._bar.props["aria-label"] = f"Received of {model.name}"
            self._note = ui.label().classes("text-sm text-negative break-words").props("role=status")
        self._bar.set_visibility(False)
        self._note.set_visibility(False)
        self._was_pulling = False

    def show(self, pull: Pull | None) -> bool:
        """Show how far a download is; returns whether it has just ended."""
        state, share = (pull.state, pull.share) if pull else (None, None)
        pulling = state == "pulling"
        self._bar.set_visibility(pulling)
        self._bar.value = round(share or 0, 3)
        self._bar.props(f"indeterminate={str(share is None).lower()}")
        self.pull.set_enabled(not pulling)
        self._note.text = f"Not pulled: {pull.error}" if pull and state == "failed" else ""
        self._note.set_visibility(state == "failed")
        ended = self._was_pulling and state == "done"
        self._was_pulling = pulling
        return ended


_STATES = {"ready": "Installed", "to pull": "Not installed", "by hand": "Not installed"}
