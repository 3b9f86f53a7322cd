"""A person's hands and eyes at the page, in a real browser."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from web_server import HEIGHT, WIDTH, Rectangle, Server


def at(tab: Any, x: float, y: float) -> tuple[float, float]:
    """Return where a pixel of the frame is on the screen."""
    tab.evaluate("window.scrollTo(0, 0)")  # the page may be scrolled, and then its head hides the frame
    place = tab.locator("img").first.bounding_box()
    return place["x"] + x * place["width"] / WIDTH, place["y"] + y * place["height"] / HEIGHT


def drag(tab: Any, *points: tuple[float, float]) -> None:
    tab.wait_for_function("(() => { const it = document.querySelector('img'); return it.naturalWidth; })()")
    tab.mouse.move(*at(tab, *points[0]))
    tab.mouse.down()
    for point in points[1:]:
        tab.mouse.move(*at(tab, *point), steps=4)
    tab.mouse.up()


def drag_around(tab: Any, place: Rectangle) -> None:
    x, y, width, height = place
    drag(tab, (x - 4, y - 4), (x + width + 4, y + height + 4))


def press(tab: Any, name: str) -> None:
    tab.get_by_role("button", name=name, exact=True).click()


def wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 120  # a machine may be busy with other tests
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def open_video(tab: Any, server: Server, name: str) -> None:
    tab.goto(f"{server.address}/videos")
    press(tab, name)
    tab.get_by_text("Drag a box around").wait_for()


def folder_of(tab: Any, server: Server) -> Path:
    """Return where the session that is shown is kept."""
    return server.out / tab.url.partition("?")[0].rpartition("/")[2]


def objects(tab: Any, server: Server) -> list[dict[str, Any]]:
    """Return the objects as the session's file has them."""
    return list(json.loads((folder_of(tab, server) / "session.json").read_text())["objects"])
