"""The page on which a video is chosen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from nicegui import events, run, ui

from hqtrack.errors import InputError
from hqtrack.web.preferences import Preferences
from hqtrack.web.saved import SESSION_FILE, Saved
from hqtrack.web.service import TrackingService
from hqtrack.web.store import OpenSession
from hqtrack.web.styling import heading, icon_button, paint_page, show_error
from hqtrack.web.time_line import clock
from hqtrack.web.uploading import upload_script
from hqtrack.web.uploads import VIDEO_SUFFIXES

MOST_SESSIONS_LISTED = 50


class StartPage:
    """A list of videos, the demo's sequences, uploads, and what was begun before.

    Args:
        service: What all pages share.
        owner: Who looks.
        preferences: What the browser remembers.
    """

    def __init__(self, service: TrackingService, owner: str, preferences: Preferences) -> None:
        self._service, self._owner = service, owner
        paint_page(preferences.dark)
        with ui.header().classes("items-center py-2 bg-primary"):
            heading("HQTrack", 1).classes("text-white text-lg font-bold")
        with ui.column().classes("w-full max-w-3xl mx-auto gap-4"):
            ui.label(
                "Choose a video. Then point at what you want to follow, press “Track”, correct what is "
                "wrong, and export masks."
            )
            self._earlier = ui.column().classes("w-full")
            self._show_earlier()
            self._build_videos()
            self._build_upload()
            self._build_demo()

    def _section(self, title: str) -> ui.card:
        card = ui.card().classes("w-full p-4 gap-2")
        with card:
            heading(title, 2).classes("font-bold")
        return card

    def _build_videos(self) -> None:
        with self._section(f"In {self._service.store.root}"):
            videos = self._service.store.videos()
            if not videos:
                ui.label("There is no video or folder of images here. Start hqtrack web with another folder.")
            choice = ui.input("Video or folder, relative to this folder", autocomplete=videos)
            choice.classes("w-full").mark("path")
            choice.on("keydown.enter", lambda: self._open_path(choice.value))
            ui.button("Open", on_click=lambda: self._open_path(choice.value)).props("no-caps")
            with ui.row().classes("gap-1 max-h-48 overflow-auto"):
                for video in videos:
                    ui.button(video, on_click=partial(self._open_path, video)).props("flat dense no-caps")

    def _build_upload(self) -> None:
        store = self._service.store
        name = store.uploads.expect(self._owner)
        ui.context.client.on_delete(lambda: store.uploads.forget(name))
        with self._section("Upload"):
            ui.label(
                "Drop one video here, or images that are its frames, or choose them; "
                f"{store.uploads.limit >> 20} MB together."
            )
            accept = ",".join(("image/*", "video/*", *sorted(VIDEO_SUFFIXES)))
            picked = ui.html(
                f'<input class="hq-drop" type="file" multiple accept="{accept}" '
                'aria-label="Files to upload">',
                sanitize=False,
            ).classes("w-full")
            bar = ui.linear_progress(0, show_value=False).props('aria-label="Uploaded"')
            bar.set_visibility(False)
            button = ui.button("Upload and open", icon="upload").props("no-caps")

            async def send() -> None:
                button.disable()
                bar.set_visibility(True)
                ui.run_javascript(upload_script(picked.id, name, "video"))

            async def arrived(event: events.GenericEventArguments) -> None:
                button.enable()
                bar.set_visibility(False)
                title = str(event.args)
                uploads, owner = store.uploads, self._owner
                await self._open(lambda: store.create(owner, uploads.received(owner, name), title))
                store.uploads.clear(self._owner, name)

            def refused(event: events.GenericEventArguments) -> None:
                button.enable()
                bar.set_visibility(False)
                store.uploads.clear(self._owner, name)
                show_error(InputError(str(event.args)))

            button.on_click(send)
            ui.on("video-sent", lambda event: bar.set_value(float(event.args)))
            ui.on("video-uploaded", arrived)
            ui.on("video-refused", refused)

    def _build_demo(self) -> None:
        with self._section("The demo's sequences"):
            ui.label("Made when first opened, which takes some seconds.")
            with ui.row().classes("gap-1"):
                for name in self._service.demo_names:
                    opening = partial(self._open, partial(self._service.demo, self._owner, name))
                    ui.button(name, on_click=opening).props("flat dense no-caps")

    def _show_earlier(self) -> None:
        self._earlier.clear()
        earlier = self._service.store.of(self._owner)
        if not earlier:
            return
        with self._earlier, self._section("Sessions"):
            for name, saved in earlier[:MOST_SESSIONS_LISTED]:
                self._session_row(name, saved)

    def _session_row(self, name: str, saved: Saved) -> None:
        objects = f"{len(saved.objects)} object{'' if len(saved.objects) == 1 else 's'}"
        changed = datetime.fromtimestamp((self._service.store.folder / name / SESSION_FILE).stat().st_mtime)
        with ui.row(wrap=False).classes("items-center gap-3 w-full"):
            ui.html(
                f'<img src="/thumbnails/{name}" alt="" loading="lazy" width="80" '
                "onerror=\"this.style.visibility='hidden'\">",
                sanitize=False,
            )
            with ui.column().classes("gap-0 grow min-w-0"):
                length = "" if saved.seconds is None else f" ({clock(saved.seconds)})"
                text = f"{saved.title}: {saved.count} frames{length}, {objects}"
                ui.link(text, f"/session/{name}").classes("break-words")
                ui.label(f"Changed {changed:%d %B %Y, %H:%M}").classes("text-sm opacity-80")
            icon_button("edit", f"Rename {saved.title}", partial(self._rename, name, saved.title))
            icon_button("delete", f"Delete {saved.title}", partial(self._delete, name, saved.title))

    async def _rename(self, name: str, title: str) -> None:
        with ui.dialog().props('aria-label="Rename"') as dialog, ui.card():
            field = ui.input("Name", value=title)
            field.on("keydown.enter", lambda: dialog.submit(field.value))
            with ui.row():
                ui.button("Rename", on_click=lambda: dialog.submit(field.value)).props("no-caps")
                ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
        changed = await dialog
        if changed is not None:
            self._do(lambda: self._service.store.rename(self._owner, name, str(changed)))

    async def _delete(self, name: str, title: str) -> None:
        with ui.dialog().props('aria-label="Delete"') as dialog, ui.card():
            ui.label(f"Delete the session “{title}” with its masks and exports? This cannot be undone.")
            with ui.row():
                ui.button("Delete", on_click=lambda: dialog.submit(True)).props("no-caps color=negative")
                ui.button("Cancel", on_click=dialog.close).props("flat no-caps")
        if await dialog:
            self._do(lambda: self._service.delete(self._owner, name))

    def _do(self, change: Callable[[], None]) -> None:
        try:
            change()
        except Exception as error:
            show_error(error)
        self._show_earlier()

    async def _open_path(self, text: str) -> None:
        store = self._service.store
        await self._open(lambda: store.create(self._owner, path := store.path(text), path.name))

    async def _open(self, opening: Callable[[], OpenSession]) -> None:
        """Open a video away from the page's own thread, and go there."""
        waiting = ui.notification("Opening …", spinner=True, timeout=None)
        try:
            opened = await run.io_bound(opening)
        except Exception as error:
            show_error(error)
            return
        finally:
            waiting.dismiss()
        if opened is not None:  # else the server is being ended
            ui.navigate.to(f"/session/{opened.session.folder.name}")
