"""A person's session with the page, in a real browser."""

import os
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner

from hqtrack.cli import app
from hqtrack.masks import iou, masks_of
from web_server import COUNT, HEIGHT, WIDTH, Rectangle, Server, filled, green, orange, picture, write_video

SHOTS = os.environ.get("HQTRACK_SCREENSHOTS")
"""Folder for the pictures of the documentation; unset, none are taken."""

pytestmark = pytest.mark.slow

Start = Callable[..., Server]


def at(tab: Any, x: float, y: float) -> tuple[float, float]:
    """Give where a pixel of the frame is on the screen."""
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


def repeated(tab: Any, sessions: Path, again: Path) -> list[tuple[Path, Path]]:
    """Export, run the printed command, and give the label images of both."""
    press(tab, "Export")
    tab.get_by_text("Exported.").wait_for()
    words = shlex.split(tab.locator("pre", has_text="hqtrack track").inner_text())
    words[words.index("-o") + 1] = str(again)
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, result.output
    ours = sorted(next(sessions.glob("*/export")).glob("labels/*"))
    return list(zip(ours, sorted((again / "labels").iterdir()), strict=True))


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
    # The second is clicked on, twice, and beside; then painted, and what is too much of it erased again.
    x, y, width, height = green()
    tab.keyboard.press("p")
    tab.mouse.click(*at(tab, x + width / 3, y + height / 2))
    tab.get_by_label("Choose object 2").wait_for()
    for key, place in (("Shift", (x + width * 2 / 3, y + height / 2)), ("Alt", (x - 20, y))):
        tab.get_by_text("Click on").wait_for()
        tab.keyboard.down(key)
        tab.mouse.click(*at(tab, *place))
        tab.keyboard.up(key)
    tab.get_by_text("Click on a new object.").wait_for()
    tab.keyboard.press("2")
    tab.keyboard.press("d")
    for row in range(y + 3, y + height, 4):
        drag(tab, (x + 2, row), (x + width + 6, row))
    tab.keyboard.press("e")
    drag(tab, (x + width + 4, y - 4), (x + width + 4, y + height + 4))
    tab.keyboard.press("Control+z")
    tab.keyboard.press("Control+y")
    tab.get_by_label("Name of object 2").fill("door")
    tab.get_by_label("Name of object 2").press("Enter")
    tab.get_by_text("Erase what is not door.").wait_for()
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

    pairs = repeated(tab, tmp_path / "sessions", tmp_path / "again")
    shoot(tab, "exported")
    assert len(pairs) == COUNT
    assert all(a.name == b.name and a.read_bytes() == b.read_bytes() for a, b in pairs)
    for index in (0, 10, 30):
        first, second = masks_of(np.array(Pillow.open(pairs[index][0])), 2)
        assert iou(first, filled(orange(index))) > 0.6
        assert iou(second, filled(green())) > 0.6
    with tab.expect_download() as download:
        tab.get_by_text("Download all").click()
    assert Path(download.value.path()).stat().st_size > 1000


def recorded(sessions: Path) -> int:
    return sum(file.read_bytes().count(b"\n") for file in sessions.glob("*/record.jsonl"))


def test_a_closed_page_and_a_killed_process_go_on_where_they_were(
    tab: Any, clip: Path, start: Start, tmp_path: Path
) -> None:
    server = start(clip)
    tab.goto(server.address)
    drag_around(tab, orange(0))
    tab.get_by_label("Choose object 1").wait_for()
    press(tab, "Track")
    tab.get_by_role("button", name="Stop", exact=True).wait_for()
    tab.goto("about:blank")
    before = recorded(tmp_path / "sessions")
    while recorded(tmp_path / "sessions") < max(before + 3, 8):
        time.sleep(0.01)  # it goes on, though nobody looks
    server.kill()
    done = recorded(tmp_path / "sessions")
    assert 8 <= done < COUNT

    after = start(clip)
    second = tab.context.new_page()
    for page in (tab, second):
        page.goto(after.address)
        page.get_by_text(f"{done} of {COUNT} frames tracked").wait_for()
    # What one tab starts, the other shows.
    press(second, f"Go on from frame {done}")
    second.close()
    wait_until_tracked(tab)
    tab.get_by_text(f"frame {done - 1}: went on from here").wait_for()
    for ours, theirs in repeated(tab, tmp_path / "sessions", tmp_path / "again"):
        assert ours.read_bytes() == theirs.read_bytes(), ours.name


def test_what_cannot_be_read_is_told_and_what_was_tracked_stays(
    tab: Any, start: Start, tmp_path: Path
) -> None:
    videos = tmp_path / "videos"
    (videos / "shots").mkdir(parents=True)
    for index in range(9):
        cv2.imwrite(str(videos / "shots" / f"{index}.png"), picture(index)[..., ::-1])
    (videos / "shots" / "6.png").write_bytes(b"damaged")
    (videos / "text.mp4").write_text("not a video")
    write_video(videos / "one.mp4", 1)
    server = start(videos, "--max-upload", 1)
    tab.goto(server.address)
    press(tab, "text.mp4")
    tab.get_by_text("text.mp4: not a readable video").wait_for()
    tab.get_by_label("Video or folder, relative to this folder").fill("../clip.mp4")
    press(tab, "Open")
    tab.get_by_text("../clip.mp4: there is no such video").wait_for()
    shoot(tab, "start")

    press(tab, "one.mp4")
    tab.get_by_text("0 / 0").wait_for()
    drag_around(tab, orange(0))
    tab.get_by_label("Choose object 1").wait_for()
    press(tab, "Track")
    tab.get_by_text("1 of 1 frames tracked").wait_for()

    tab.goto(f"{server.address}/videos")
    press(tab, "shots")
    tab.get_by_text("0 / 8").wait_for()
    drag_around(tab, orange(0))
    tab.get_by_label("Choose object 1").wait_for()
    press(tab, "Track")
    tab.get_by_text("6 of 9 frames tracked").wait_for()
    tab.get_by_text("6.png: ").wait_for()
    cv2.imwrite(str(videos / "shots" / "6.png"), picture(6)[..., ::-1])
    press(tab, "Go on from frame 6")
    tab.get_by_text("9 of 9 frames tracked").wait_for()

    # An object without a pixel is refused where it begins.
    tab.keyboard.press("Home")
    tab.get_by_text("0 / 8").wait_for()
    tab.keyboard.press("1")
    tab.keyboard.press("e")
    tab.get_by_text("Erase what is not object 1.").wait_for()
    for row in range(14, 72, 4):
        drag(tab, (2, row), (70, row))
    tab.get_by_text("object 1 needs a pixel in the frame in which it begins").first.wait_for()

    tab.goto(f"{server.address}/videos")
    (tmp_path / "large.mp4").write_bytes(bytes(2 << 20))
    tab.get_by_label("Files to upload").set_input_files(tmp_path / "large.mp4")
    press(tab, "Upload and open")
    tab.get_by_text("large.mp4: uploads may have 1 MB together").wait_for()
    tab.get_by_label("Files to upload").set_input_files(write_video(tmp_path / "mine.mp4", 5))
    press(tab, "Upload and open")
    tab.get_by_text("0 / 4").wait_for()
    tab.goto(f"{server.address}/videos")
    tab.get_by_text("mine.mp4: 5 frames, 0 objects").wait_for()
