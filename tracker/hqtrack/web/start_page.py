"""The page on which a video is chosen."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nicegui import events, run, ui

from hqtrack.errors import InputError
from hqtrack.web.service import TrackingService
from hqtrack.web.store import VIDEO_SUFFIXES, OpenSession
from hqtrack.web.styling import heading, paint_page, show_error

UPLOAD_SCRIPT = """
const files = getHtmlElement(%(input)d).querySelector('input').files;
for (const file of files) {
  const address = '/upload/%(name)s?file=' + encodeURIComponent(file.name);
  const answer = await fetch(address, {method: 'POST', body: file});
  if (!answer.ok) { emitEvent('refused', await answer.text()); return; }
}
emitEvent('uploaded', files.length ? files[0].name : '');
"""


class StartPage:
    """A list of videos, the demo's sequences, uploads, and what was begun before.

    Args:
        service: What all pages share.
        owner: Who looks.
    """

    def __init__(self, service: TrackingService, owner: str) -> None:
        self._service, self._owner = service, owner
        paint_page()
        with ui.header().classes("items-center py-2 bg-primary"):
            heading("HQTrack", 1).classes("text-white text-lg font-bold")
        with ui.column().classes("w-full max-w-3xl mx-auto gap-4"):
            ui.label(
                "Choose a video. Then point at what you want to follow, press “Track”, correct what is "
                "wrong, and export masks."
            )
            self._build_videos()
            self._build_upload()
            self._build_demo()
            self._build_earlier()

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
        name = store.expect_upload(self._owner)
        ui.context.client.on_delete(lambda: store.forget_upload(name))
        with self._section("Upload"):
            ui.label(f"One video, or images that are its frames; {store.upload_limit >> 20} MB together.")
            accept = ",".join(("image/*", "video/*", *sorted(VIDEO_SUFFIXES)))
            picked = ui.html(
                f'<input type="file" multiple accept="{accept}" aria-label="Files to upload">',
                sanitize=False,
            )
            button = ui.button("Upload and open", icon="upload").props("no-caps")

            async def send() -> None:
                button.disable()
                ui.run_javascript(f"(async () => {{{UPLOAD_SCRIPT % {'input': picked.id, 'name': name}}}})()")

            async def arrived(event: events.GenericEventArguments) -> None:
                button.enable()
                title = str(event.args)
                await self._open(lambda: store.create(self._owner, store.uploaded(self._owner, name), title))
                store.clear_upload(self._owner, name)

            def refused(event: events.GenericEventArguments) -> None:
                button.enable()
                store.clear_upload(self._owner, name)
                show_error(InputError(str(event.args)))

            button.on_click(send)
            ui.on("uploaded", arrived)
            ui.on("refused", refused)

    def _build_demo(self) -> None:
        with self._section("The demo's sequences"):
            ui.label("Drawn when first opened, which takes some seconds.")
            with ui.row().classes("gap-1"):
                for name in self._service.demo_names:
                    opening = partial(self._open, partial(self._service.demo, self._owner, name))
                    ui.button(name, on_click=opening).props("flat dense no-caps")

    def _build_earlier(self) -> None:
        earlier = self._service.store.of(self._owner)
        if not earlier:
            return
        with self._section("Go on with"):
            for name, saved in earlier[:50]:
                objects = f"{len(saved.objects)} object{'' if len(saved.objects) == 1 else 's'}"
                ui.link(f"{saved.title}: {saved.count} frames, {objects}", f"/session/{name}")

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
