"""A clip, servers that end with the test, and a real browser."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from web_server import Server, write_video

CHROMIUM = os.environ.get("HQTRACK_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
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


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Give what starts a server of a video or folder, with further options."""
    pytest.importorskip("nicegui", reason="the page needs NiceGUI: install hqtrack[web]")
    started: list[Server] = []

    def start_one(source: Path, *options: object) -> Server:
        started.append(Server(source, tmp_path / "sessions", *options))
        return started[-1]

    yield start_one
    for server in started:
        server.kill()


@pytest.fixture(scope="module")  # its event loop would be in the way of other tests
def browser() -> Iterator[Any]:
    driven = pytest.importorskip("playwright.sync_api", reason="these tests drive a browser with Playwright")
    if CHROMIUM is None:
        pytest.skip(
            "there is no Chromium here: install Debian's chromium, or set HQTRACK_CHROMIUM to its path"
        )
    with driven.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """Give a tab of a fresh browser on a laptop's screen, in which nothing may go wrong unseen."""
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
