"""A clip, servers that end with the test, and a real browser."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from web_server import Server, picture, write_video

CHROMIUM = os.environ.get("HQTRACK_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
"""Where it is; None leaves it to Playwright, which may have one of its own."""

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

NO_PAGE = "the page needs NiceGUI: install hqtrack[web]"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Return what starts a server of a video or folder, with further options."""
    pytest.importorskip("nicegui", reason=NO_PAGE)
    started: list[Server] = []

    def start_one(source: Path, *options: object) -> Server:
        started.append(Server(source, tmp_path / "sessions", *options))
        return started[-1]

    yield start_one
    for server in started:
        server.kill()


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of what may be opened: clips, images of which one is damaged, and a text.

    Beside it is a video that may not.
    """
    folder = tmp_path_factory.mktemp("page") / "videos"
    (folder / "shots").mkdir(parents=True)
    for index in range(9):
        cv2.imwrite(str(folder / "shots" / f"{index}.png"), picture(index)[..., ::-1])
    (folder / "shots" / "6.png").write_bytes(b"damaged")
    (folder / "text.mp4").write_text("not a video")
    write_video(folder / "clip.mp4")
    write_video(folder / "one.mp4", 1)
    write_video(folder.parent / "secret.mp4", 1)
    return folder


@pytest.fixture(scope="module")
def server(videos: Path) -> Iterator[Server]:
    """Return a server of that folder, shared by all tests of a module: each browser has its own sessions."""
    pytest.importorskip("nicegui", reason=NO_PAGE)
    started = Server(videos, videos.parent / "sessions", "--max-upload", 1)
    yield started
    started.kill()


@pytest.fixture(scope="module")  # its event loop would be in the way of other tests
def browser() -> Iterator[Any]:
    driven = pytest.importorskip("playwright.sync_api", reason="these tests drive a browser with Playwright")
    with driven.sync_playwright() as driver:
        path = CHROMIUM or driver.chromium.executable_path
        if not Path(path).is_file():
            pytest.skip(f"there is no Chromium here: install Debian's, or set HQTRACK_CHROMIUM; not {path}")
        try:
            started = driver.chromium.launch(executable_path=path, args=FLAGS)
        except driven.Error as error:
            if CHROMIUM is not None:
                raise
            pytest.skip(f"Playwright's Chromium does not run here: {error.message.splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """Return a tab of a fresh browser on a laptop's screen, in which nothing may go wrong unseen."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    context.set_default_timeout(120_000)  # a machine may be busy with other tests
    asked: list[str] = []
    errors: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors
    assert all(url.startswith(("http://127.0.0.1:", "data:", "blob:")) for url in asked), (
        "nothing from elsewhere"
    )
