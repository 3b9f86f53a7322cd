"""The server of the page: addresses, files, and who may see them."""

from __future__ import annotations

import asyncio
import secrets
import socket
import warnings
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse
from filelock import Timeout
from nicegui import ui
from starlette.requests import ClientDisconnect

from hqtrack import files
from hqtrack.errors import HQTrackError, InputError
from hqtrack.tracker import HQTrack
from hqtrack.video.mask_maker import MaskMaker
from hqtrack.web.export import EXPORT_FOLDER
from hqtrack.web.guard import Guard
from hqtrack.web.outlines import masks_in
from hqtrack.web.page import SessionPage
from hqtrack.web.pictures import jpeg, thumbnail_of
from hqtrack.web.playing import played
from hqtrack.web.preferences import Preferences
from hqtrack.web.service import TrackingService
from hqtrack.web.settings import Settings
from hqtrack.web.start_page import StartPage
from hqtrack.web.store import OpenSession, Store
from hqtrack.web.styling import heading, paint_page
from hqtrack.web.tracking import SharedTracker, message_of
from hqtrack.web.tracks import tracks_of
from hqtrack.web.uploads import MASK_PREFIX

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Options:
    """How the server is started."""

    root: Path
    """The video, or the folder of videos, that may be opened."""
    folder: Path
    """Where sessions are kept."""
    host: str = LOOPBACK
    port: int = 0
    """0 takes a free one."""
    upload_limit: int = 2 << 30
    """Bytes of all uploads to one session."""
    settings: Settings = field(default_factory=Settings)


def serve(
    options: Options,
    build: Callable[[Settings], tuple[HQTrack, MaskMaker]],
    *,
    report: Callable[[str], None],
    browse: bool,
) -> None:
    """Serve the page until Ctrl+C.

    Args:
        options: See there.
        build: Builds tracker and mask maker when they are first needed.
        report: Receives the address, and the password where there is one.
        browse: Whether to open a browser.

    Raises:
        InputError: The address cannot be used, or another server uses the folder.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    lock = files.lock(options.folder / ".lock")
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{options.folder}: another hqtrack web uses this folder; end it, or name another with --out"
        ) from None
    try:
        listener = _listen(options.host, options.port)
        password = None if _is_loopback(options.host) else secrets.token_urlsafe(24)
        store = Store(
            options.folder,
            options.root,
            upload_limit=options.upload_limit,
            card=options.settings.card,
        )
        address = f"http://{_in_url(options.host)}:{listener.getsockname()[1]}/?token={store.token()}"
        report(f"the page is at {address} (Ctrl+C ends it)")
        if password is not None:
            report(f"its password, which is not shown again: {password}")
        service = TrackingService(store, SharedTracker(build, options.settings), options.settings)
        Thread(target=_load_ahead, args=[service.shared], name="hqtrack-load", daemon=True).start()
        if browse:
            webbrowser.open(address)
        config = uvicorn.Config(
            _app(service, options, password),
            log_level="warning",
            timeout_graceful_shutdown=2,
            ws_max_size=1 << 20,
        )
        # NiceGUI looks at every object of the process, deprecated ones of others included.
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"nicegui\.")
        try:
            asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))
        finally:
            service.close()
    finally:
        lock.release()


def _load_ahead(shared: SharedTracker) -> None:
    """Load the networks before the first mask needs them; what fails is reported then."""
    with suppress(Exception):
        shared.load()


def _app(service: TrackingService, options: Options, password: str | None) -> Guard:
    """Put pages and files together."""
    app = FastAPI(openapi_url=None)
    _serve_pictures(app, service)
    _serve_files(app, service)
    _serve_pages(service)
    ui.run_with(
        app,
        title="HQTrack",
        favicon="🎯",
        dark=None,
        show_welcome_message=False,
        reconnect_timeout=120,  # seconds for which a tab is waited for: a network may drop for a minute
    )
    hosts = frozenset({"127.0.0.1", "localhost", "::1"}) if password is None else None
    return Guard(
        app,
        hosts=hosts,
        password=password,
        upload_path=r"/upload/[\w.-]+",
        token=service.store.token(),
        on_link=service.store.hand_over,
    )


def _opened(service: TrackingService, request: Request, name: str) -> OpenSession:
    return service.store.get(request.state.owner, name)


def _serve_pictures(app: FastAPI, service: TrackingService) -> None:
    """Add the addresses of frames, masks and tracks, and the answers to wrong ones."""

    @app.exception_handler(HQTrackError)
    def refuse(request: Request, error: Exception) -> Response:
        return PlainTextResponse(str(error), 404 if isinstance(error, InputError) else 422)

    @app.get("/frames/{name}/{index}.jpg")
    def frame(request: Request, name: str, index: int) -> Response:
        content = jpeg(_opened(service, request, name), index)
        caching = {"Cache-Control": "private, max-age=3600"}  # masks are drawn by the browser
        return Response(content, media_type="image/jpeg", headers=caching)

    @app.post("/frames/{name}/{index}/expected")
    def expected(request: Request, name: str, index: int) -> Response:
        _opened(service, request, name).frames.expect(index)
        return Response(status_code=204)

    @app.get("/masks/{name}/{index}")
    def masks(request: Request, name: str, index: int) -> Response:
        return JSONResponse(masks_in(_opened(service, request, name).session, index))

    @app.get("/played/{name}")
    def frames_played(request: Request, name: str, first: int, count: int, step: int, width: int) -> Response:
        content = played(_opened(service, request, name), first, count=count, step=step, width=width)
        return Response(content, headers={"Cache-Control": "no-store"})

    @app.get("/tracks/{name}")
    def tracks(request: Request, name: str) -> Response:
        return JSONResponse(tracks_of(_opened(service, request, name).session))

    @app.get("/thumbnails/{name}")
    def thumbnail(request: Request, name: str) -> Response:
        return FileResponse(service.store.thumbnail(request.state.owner, name), media_type="image/jpeg")

    @app.get("/thumbnails/{name}/{key}")
    def object_thumbnail(request: Request, name: str, key: int) -> Response:
        content = thumbnail_of(_opened(service, request, name), key)
        caching = {"Cache-Control": "private, max-age=3600"}  # the address has the mask
        return Response(content, media_type="image/jpeg", headers=caching)


def _serve_files(app: FastAPI, service: TrackingService) -> None:
    """Add the addresses of exported files and uploads."""

    @app.get("/export/{name}/{file}")
    def exported(request: Request, name: str, file: str) -> Response:
        folder = _opened(service, request, name).session.folder / EXPORT_FOLDER
        if file not in {path.name for path in folder.glob("*") if path.is_file()}:
            raise InputError(f"{file}: is no exported file")
        return FileResponse(folder / file)

    @app.post("/upload/{name}")
    async def upload(request: Request, name: str, file: str) -> Response:
        try:
            store = service.store
            uploads = store.masks if name.startswith(MASK_PREFIX) else store.uploads
            await uploads.receive(request.state.owner, name, file, request.stream())
        except ClientDisconnect:  # what came of the file is removed already
            return PlainTextResponse("the upload was cut off: try again", 400)
        except (HQTrackError, OSError) as error:
            return PlainTextResponse(message_of(error), 413 if isinstance(error, InputError) else 507)
        return PlainTextResponse("")


def _serve_pages(service: TrackingService) -> None:
    """Add the addresses of the pages."""

    @ui.page("/", title="HQTrack")
    def start(request: Request) -> Response | None:
        if request.url.path == "/" and (only := _only_video(service, request.state.owner)) is not None:
            return RedirectResponse(f"/session/{only}")
        StartPage(service, request.state.owner, preferences_of(request))
        return None

    @ui.page("/videos", title="HQTrack")
    def videos(request: Request) -> None:
        StartPage(service, request.state.owner, preferences_of(request))

    @ui.page("/session/{name}", title="HQTrack")
    def session(request: Request, name: str) -> None:
        try:
            found = _opened(service, request, name)
        except HQTrackError as error:
            paint_page(preferences_of(request).dark)
            heading("There is no such session here", 1).classes("text-lg font-bold")
            ui.label(message_of(error))
            ui.label("In another browser, open the link that hqtrack web printed.")
            ui.link("Choose a video", "/videos")
            return
        ui.page_title(f"{found.session.title} - HQTrack")
        SessionPage(service, found, preferences_of(request), request.state.owner)


def preferences_of(request: Request) -> Preferences:
    """Return what a browser remembers."""
    return Preferences.of(request.query_params, request.cookies)


def _only_video(service: TrackingService, owner: str) -> str | None:
    """Return the session of the only video that may be opened: the last one, or else a new one."""
    store = service.store
    if not store.root.is_file() and store.videos() != ["."]:
        return None
    for name, saved in store.of(owner):
        if saved.source == str(store.root):
            return name
    return store.create(owner, store.root, store.root.name).session.folder.name


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(64)
    except OSError as error:
        raise InputError(f"{host}:{port}: cannot be used: {error.strerror or error}") from error
    return listener


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
