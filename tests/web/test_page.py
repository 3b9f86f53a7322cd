"""A person's session with the page, in a real browser."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow
from typer.testing import CliRunner

from hqtrack.cli import app
from hqtrack.masks import iou, masks_of
from web_server import COUNT, HEIGHT, WIDTH, Rectangle, Server, filled, green, orange

SHOTS = os.environ.get("HQTRACK_SCREENSHOTS")
"""Folder for the pictures of the documentation; unset, none are taken."""

Start = Callable[..., Server]


def at(tab: Any, x: float, y: float) -> tuple[float, float]:
    """Give where a pixel of the frame is on the screen."""
    place = tab.locator("img").first.bounding_box()
    return place["x"] + x * place["width"] / WIDTH, place["y"] + y * place["height"] / HEIGHT


def drag(tab: Any, *points: tuple[float, float]) -> None:
    tab.mouse.move(*at(tab, *points[0]))
    tab.mouse.down()
    for point in points[1:]:
        tab.mouse.move(*at(tab, *point), steps=4)
    tab.mouse.up()


def drag_around(tab: Any, place: Rectangle) -> None:
    x, y, width, height = place
    drag(tab, (x - 4, y - 4), (x + width + 4, y + height + 4))


def go_to(tab: Any, index: int) -> None:
    """Go to a frame by the keys."""
    tab.keyboard.press("Home")
    for _ in range(index // 10):
        tab.keyboard.press("Shift+ArrowRight")
    for _ in range(index % 10):
        tab.keyboard.press("ArrowRight")
    tab.wait_for_function(f"document.querySelector('img').src.includes('/{index}.jpg')")


def press(tab: Any, name: str) -> None:
    tab.get_by_role("button", name=name, exact=True).click()


def wait_until_tracked(tab: Any) -> None:
    tab.get_by_text(f"{COUNT} of {COUNT} frames tracked", exact=True).wait_for()


def shoot(tab: Any, name: str) -> None:
    if SHOTS:
        tab.wait_for_timeout(600)
        tab.screenshot(path=f"{SHOTS}/{name}.png")


def test_a_whole_session(tab: Any, clip: Path, start: Start, tmp_path: Path) -> None:
    tab.goto(start(clip).address)
    tab.get_by_text("When all objects have masks, press “Track”.").wait_for()
    assert tab.get_by_role("button", name="Track", exact=True).is_disabled()

    drag_around(tab, orange(0))
    tab.get_by_label("Choose object 1").wait_for()
    # The second is painted, and what is too much of it erased again.
    x, y, width, height = green()
    tab.keyboard.press("d")
    for row in range(y + 3, y + height, 4):
        drag(tab, (x + 2, row), (x + width + 6, row))
    tab.get_by_label("Choose object 2").wait_for()
    tab.keyboard.press("e")
    drag(tab, (x + width + 4, y - 4), (x + width + 4, y + height + 4))
    tab.keyboard.press("Control+z")
    tab.keyboard.press("Control+y")
    tab.get_by_label("Name of object 2").fill("door")
    tab.get_by_label("Name of object 2").press("Enter")

    shoot(tab, "objects")
    press(tab, "Track")
    wait_until_tracked(tab)
    shoot(tab, "tracked")

    # The orange square has a twin by now: only the upper one is the object.
    go_to(tab, 30)
    tab.keyboard.press("1")
    tab.keyboard.press("b")
    drag_around(tab, orange(30))
    tab.get_by_text("frame 30: object 1").wait_for()
    shoot(tab, "corrected")
    press(tab, "Go on from frame 30")
    wait_until_tracked(tab)

    press(tab, "Export")
    command = tab.locator("pre", has_text="hqtrack track")
    command.wait_for()
    shoot(tab, "exported")
    words = shlex.split(command.inner_text())
    exported = next((tmp_path / "sessions").glob("*/export"))
    assert words[:2] == ["hqtrack", "track"]
    assert f"frame=30,object=1,mask={exported / 'given' / 'object1-frame30.png'}" in words
    words[words.index("-o") + 1] = str(tmp_path / "again")
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, result.output
    ours, theirs = (sorted((folder / "labels").iterdir()) for folder in (exported, tmp_path / "again"))
    assert [path.name for path in ours] == [path.name for path in theirs]
    assert len(ours) == COUNT
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(ours, theirs, strict=True))
    for index in (0, 10, 30):
        first, second = masks_of(np.array(Pillow.open(ours[index])), 2)
        assert iou(first, filled(orange(index))) > 0.6
        assert iou(second, filled(green())) > 0.6
    with tab.expect_download() as download:
        tab.get_by_text("Download all").click()
    assert Path(download.value.path()).stat().st_size > 1000
