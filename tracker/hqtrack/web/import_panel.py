"""The dialog in which masks and annotations of other tools are taken as objects."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import events, run, ui

from hqtrack.errors import InputError
from hqtrack.web.imports import import_masks
from hqtrack.web.service import TrackingService
from hqtrack.web.store import OpenSession
from hqtrack.web.styling import heading, show_error
from hqtrack.web.uploading import upload_script
from hqtrack.web.uploads import MASK_SUFFIXES


class ImportDialog:
    """Takes label images, COCO, YOLO, CVAT and the like.

    Args:
        service: What all pages share.
        opened: The session with its frames.
        owner: Who looks.
        frame: Returns the frame that is looked at.
    """

    def __init__(
        self, service: TrackingService, opened: OpenSession, owner: str, frame: Callable[[], int]
    ) -> None:
        self._service, self._opened, self._owner, self._frame = service, opened, owner, frame
        self._uploads = service.store.masks
        name = self._name = self._uploads.expect(owner)
        ui.context.client.on_delete(lambda: self._uploads.forget(name))
        with ui.dialog().props('aria-label="Import masks"') as self._dialog, ui.card():
            heading("Import masks", 2).classes("text-lg")
            ui.label(
                "Label images, or annotations of other tools: COCO, CVAT, LabelMe, YOLO and all others that "
                "“hqtrack track --mask” reads."
            )
            self._place = ui.label().classes("text-sm")
            picked = ui.html(
                f'<input class="hq-drop" type="file" multiple accept="{",".join(sorted(MASK_SUFFIXES))}" '
                'aria-label="Masks to import">',
                sanitize=False,
            ).classes("w-full")
            with ui.row():
                self._button = ui.button("Import", icon="upload").props("no-caps")
                ui.button("Close", on_click=self._dialog.close).props("flat no-caps")

        def send() -> None:
            self._button.disable()
            ui.run_javascript(upload_script(picked.id, name, "mask"))

        self._button.on_click(send)
        ui.on("mask-uploaded", self._arrived)
        ui.on("mask-refused", self._refused)

    def open(self) -> None:
        """Ask for files."""
        self._place.text = (
            f"Where files name no frame, objects begin in frame {self._frame()}, which you see now."
        )
        self._dialog.open()

    async def _arrived(self, event: events.GenericEventArguments) -> None:
        try:
            path = self._uploads.received(self._owner, self._name)
            lines = await run.io_bound(import_masks, self._service, self._opened, path, self._frame())
        except Exception as error:
            show_error(error)
        else:
            self._dialog.close()
            close = {"label": "Close", "color": "white"}
            ui.notify("; ".join(lines or []), type="info", actions=[close], timeout=8000)
        finally:
            self._button.enable()
            self._uploads.clear(self._owner, self._name)

    def _refused(self, event: events.GenericEventArguments) -> None:
        self._button.enable()
        self._uploads.clear(self._owner, self._name)
        show_error(InputError(str(event.args)))
