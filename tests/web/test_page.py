"""A person's session with the page, in a real browser."""

import os
import re
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
from web_hand import at, drag, drag_around, folder_of, objects, open_video, press, wait_for
from web_server import COUNT, Rectangle, Server, filled, green, orange, picture, write_video

expect = pytest.importorskip("playwright.sync_api", reason="these tests drive a browser").expect
expect.set_options(timeout=120_000)  # a machine may be busy with other tests

SHOTS = os.environ.get("HQTRACK_SCREENSHOTS")
"""Folder for the pictures of the documentation; unset, none are taken."""

pytestmark = pytest.mark.slow

Start = Callable[..., Server]


def go_to(tab: Any, index: int) -> None:
    """Go to a frame by the keys."""
    tab.keyboard.press("Home")
    for _ in range(index // 10):
        tab.keyboard.press("PageDown")
    for _ in range(index % 10):
        tab.keyboard.press("ArrowRight")
    tab.wait_for_function(f"document.querySelector('img').src.includes('/{index}.jpg')")


def wait_until_tracked(tab: Any) -> None:
    tab.get_by_text(f"{COUNT} of {COUNT} frames tracked", exact=True).wait_for()


def repeated(tab: Any, session: Path, again: Path) -> list[tuple[Path, Path]]:
    """Export, run the printed command, and give the label images of both."""
    press(tab, "Export")
    tab.get_by_text("Exported.").wait_for()
    words = shlex.split(tab.locator("pre", has_text="hqtrack track").inner_text())
    words[words.index("-o") + 1] = str(again)
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, result.output
    ours = sorted(session.glob("export/labels/*"))
    return list(zip(ours, sorted((again / "labels").iterdir()), strict=True))


def shoot(tab: Any, name: str) -> None:
    if SHOTS:
        tab.wait_for_timeout(600)
        tab.screenshot(path=f"{SHOTS}/{name}.png")


def test_a_whole_session(tab: Any, server: Server, tmp_path: Path) -> None:
    open_video(tab, server, "clip.mp4")
    tab.get_by_text("When all objects have masks, press “Track”.").wait_for()
    assert tab.get_by_role("button", name="Track", exact=True).is_disabled()

    drag_around(tab, orange(0))
    tab.get_by_label("Choose object 1").wait_for()
    # The second is clicked on, twice, and beside; then painted, and what is too much of it erased again.
    x, y, width, height = green()
    tab.keyboard.press("n")
    tab.keyboard.press("p")
    tab.get_by_text("Click on a new object").wait_for()
    tab.mouse.click(*at(tab, x + width / 3, y + height / 2))
    tab.get_by_label("Choose object 2").wait_for()
    tab.mouse.click(*at(tab, x + width * 2 / 3, y + height / 2))
    tab.mouse.click(*at(tab, x - 20, y), button="right")
    expect(tab.locator("svg circle[r]")).to_have_count(3)
    tab.keyboard.press("2")
    tab.keyboard.press("d")
    for row in range(y + 3, y + height, 4):
        drag(tab, (x + 2, row), (x + width + 6, row))
    tab.keyboard.press("e")
    drag(tab, (x + width + 4, y - 4), (x + width + 4, y + height + 4))
    tab.keyboard.press("Control+z")
    tab.keyboard.press("Control+y")
    expect(tab.locator(".bg-negative")).to_have_count(0)  # no stroke was refused
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
    press(tab, "Re-track from frame 30")
    wait_until_tracked(tab)

    pairs = repeated(tab, folder_of(tab, server), tmp_path / "again")
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
    tab.get_by_text("Drag a box around").wait_for()
    drag_around(tab, orange(0))
    tab.get_by_label("Choose object 1").wait_for()
    press(tab, "Track")
    sessions = tmp_path / "sessions"
    wait_for(lambda: recorded(sessions) >= 1)
    with server.paused():  # however quick the machine is, the page closes before the last frame
        tab.goto("about:blank")
        before = recorded(sessions)
    wait_for(lambda: recorded(sessions) >= max(before + 3, 8))  # it goes on, though nobody looks
    server.kill()
    done = recorded(sessions)
    assert 8 <= done < COUNT

    after = start(clip)
    second = tab.context.new_page()
    for page in (tab, second):
        page.goto(after.address)
        page.get_by_text(f"{done} of {COUNT} frames tracked").wait_for()
    name = second.get_by_label("Name of object 1")
    name.fill("cat")
    name.press("Enter")
    expect(tab.get_by_label("Name of object 1")).to_have_value("cat")
    # What one tab starts, the other shows.
    press(second, f"Continue from frame {done}")
    second.close()
    wait_until_tracked(tab)
    tab.get_by_text(f"frame {done - 1}: tracking continued here").wait_for()
    for ours, theirs in repeated(tab, folder_of(tab, after), tmp_path / "again"):
        assert ours.read_bytes() == theirs.read_bytes(), ours.name


def paint(tab: Any, place: Rectangle) -> None:
    """Paint something into an object."""
    x, y, width, height = place
    tab.keyboard.press("d")
    tab.get_by_text(re.compile("^Draw .")).wait_for()
    for row in range(y + 4, y + height - 3, 6):
        drag(tab, (x + 4, row), (x + width - 4, row))


def test_objects_are_chosen_named_coloured_deleted_and_all_of_it_undone(tab: Any, server: Server) -> None:
    open_video(tab, server, "clip.mp4")
    for number, place in ((1, orange(0)), (2, green())):
        tab.keyboard.press("n")
        paint(tab, place)
        tab.get_by_label(f"Choose object {number}").wait_for()
    tab.keyboard.press("1")
    expect(tab.get_by_label("Choose object 1")).to_have_attribute("aria-pressed", "true")
    tab.keyboard.press("2")
    expect(tab.get_by_label("Choose object 1")).to_have_attribute("aria-pressed", "false")
    expect(tab.get_by_label("Choose object 2")).to_have_attribute("aria-pressed", "true")

    # Names that are typed one after the other, and as soon as the page is there again, are kept.
    first, second = tab.get_by_label("Name of object 1"), tab.get_by_label("Name of object 2")
    first.press_sequentially("cat")
    first.press("Tab")
    second.press_sequentially("door")
    second.press("Enter")
    expect(first).to_have_value("cat")
    expect(second).to_have_value("door")
    tab.reload()
    second.fill("gate")
    second.press("Enter")
    wait_for(lambda: [each["name"] for each in objects(tab, server)] == ["cat", "gate"])
    expect(second).to_have_value("gate")

    mask = tab.locator("svg path[data-object='1']")
    expect(mask).to_have_attribute("fill", "#e69f00")
    tab.get_by_label("Colour of object 1").fill("#3366cc")
    wait_for(lambda: objects(tab, server)[0]["colour"] == [0x33, 0x66, 0xCC])
    expect(mask).to_have_attribute("fill", "#3366cc")

    tab.get_by_label("Delete object 1").click()
    expect(tab.get_by_label("Choose object 1")).to_have_count(0)
    expect(second).to_have_value("gate")
    press(tab, "Undo (Ctrl+Z)")
    expect(first).to_have_value("cat")
    expect(second).to_have_value("gate")
    tab.keyboard.press("2")
    expect(tab.get_by_label("Choose object 2")).to_have_attribute("aria-pressed", "true")
    tab.keyboard.press("Delete")
    expect(tab.get_by_label("Choose object 2")).to_have_count(0)
    expect(tab.get_by_label("Colour of object 1")).to_have_value("#3366cc")
    for keys, count in (("Control+z", 2), ("Control+y", 1), ("Control+Shift+z", 1)):
        tab.keyboard.press(keys)
        expect(tab.locator("[aria-label^='Choose object']")).to_have_count(count)


def test_a_lost_object_and_an_old_export_are_seen(tab: Any, server: Server) -> None:
    open_video(tab, server, "clip.mp4")
    for number, place in ((1, orange(0)), (2, green())):
        tab.keyboard.press("n")
        paint(tab, place)
        tab.get_by_label(f"Choose object {number}").wait_for()
    press(tab, "Track")
    wait_until_tracked(tab)
    # Erased in the last frames, the object is not seen from there on.
    go_to(tab, 36)
    tab.keyboard.press("2")
    tab.keyboard.press("e")
    tab.get_by_text("Erase what is not object 2.").wait_for()
    x, y, width, height = green()
    for row in range(y - 6, y + height + 7, 4):
        drag(tab, (x - 6, row), (x + width + 6, row))
    tab.get_by_text("out of date from frame 36 on").wait_for()
    tab.get_by_text("Frames 0 to 35 can be exported").wait_for()
    press(tab, "Re-track from frame 36")
    wait_until_tracked(tab)
    for leads in ("Object 2 is lost since frame 36: go there", "object 2 lost since frame 36"):
        tab.keyboard.press("1")
        tab.keyboard.press("Home")
        expect(tab.get_by_label("Choose object 1")).to_have_attribute("aria-pressed", "true")
        tab.get_by_role("button", name=leads, exact=True).click()
        tab.locator("img[src*='/36.jpg']").wait_for()
        expect(tab.get_by_label("Choose object 2")).to_have_attribute("aria-pressed", "true")
    press(tab, "Export")
    tab.get_by_text("Exported.", exact=True).wait_for()
    tab.keyboard.press("Delete")
    expect(tab.get_by_label("Choose object 2")).to_have_count(0)
    tab.get_by_text(f"{COUNT} of {COUNT} frames tracked", exact=True).wait_for()  # nothing to track again
    tab.get_by_text("older than your last change").wait_for()
    tab.get_by_text("Deleted after tracking: 2.").wait_for()
    press(tab, "Export")
    tab.get_by_text("Exported.", exact=True).wait_for()


def test_it_is_played_looked_through_and_read_in_light_and_dark(tab: Any, server: Server) -> None:
    open_video(tab, server, "clip.mp4")
    place = tab.get_by_text(re.compile("^frame [0-9]+ · "))
    button = tab.get_by_role("button", name="Play (space)")
    tab.keyboard.press("Space")
    expect(place).to_have_text(f"frame {COUNT - 1} · 0:01.56")
    expect(button).to_contain_text("play_arrow")
    for key, index in (("Home", 0), ("ArrowRight", 1), ("PageDown", 11), ("ArrowLeft", 10)):
        tab.keyboard.press(key)
        expect(place).to_have_text(re.compile(f"^frame {index} ·"))
    tab.wait_for_function("document.querySelector('img').src.includes('/10.jpg')")
    player = tab.locator("canvas[aria-hidden]")
    expect(player).to_be_hidden()
    tab.keyboard.press("Space")
    expect(place).not_to_have_text(re.compile("^frame 10 ·"))
    tab.keyboard.press("Space")
    expect(button).to_contain_text("play_arrow")
    expect(player).to_be_hidden()
    stopped = place.inner_text().split()[1]
    expect(tab.locator("img").first).to_have_attribute("src", re.compile(f"/{stopped}.jpg"))
    tab.route("**/played/**", lambda route: (time.sleep(1), route.continue_()))  # a slow connection
    for key in ("Home", "Space"):
        tab.keyboard.press(key)
    expect(place).to_have_text(re.compile(f"^frame {COUNT - 1} ·"))
    expect(button).to_contain_text("play_arrow")
    tab.unroute("**/played/**")
    for _ in range(5):
        tab.get_by_role(
            "slider", name="Frame", exact=True
        ).click()  # after which the keys are the page's again
        expect(place).to_have_text(re.compile("^frame (19|20) ·"))
        tab.keyboard.press("Home")
        tab.wait_for_timeout(200)  # in which the click has its last word
        expect(place).to_have_text(re.compile("^frame 0 ·"))
    tab.keyboard.press("m")
    expect(tab.locator("svg path[data-object]")).to_have_count(0)

    body = tab.locator("body")
    tab.emulate_media(color_scheme="dark")
    expect(body).to_have_class(re.compile("body--dark"))
    press(tab, "Theme")
    expect(body).to_have_class(re.compile("body--light"))
    press(tab, "Theme")
    expect(body).to_have_class(re.compile("body--dark"))
    press(tab, "Keys")
    tab.get_by_text("choose an object").wait_for()
    press(tab, "Close")
    expect(tab.get_by_role("dialog")).to_have_count(0)
    for key, pattern in (("Home", "^frame 0 ·"), ("Space", "^frame [1-9]")):  # keys are the page's again
        tab.keyboard.press(key)
        expect(place).to_have_text(re.compile(pattern))
    tab.keyboard.press("Space")
    unnamed = "button:not([aria-label])"
    assert all(text.strip() for text in tab.locator(unnamed).all_inner_texts()), "a button without a name"
    tab.set_viewport_size({"width": 1280, "height": 720})
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it fits a laptop's screen"


def test_what_cannot_be_read_is_told_and_what_was_tracked_stays(
    tab: Any, server: Server, videos: Path, tmp_path: Path
) -> None:
    tab.goto(server.address)
    press(tab, "text.mp4")
    tab.get_by_text("text.mp4: not a readable video").wait_for()
    for path, answer in (("../secret.mp4", "is outside"), ("clip.mov", "there is no such video")):
        tab.get_by_label("Video or folder, relative to this folder").fill(path)
        press(tab, "Open")
        tab.get_by_text(answer).wait_for()
    shoot(tab, "start")

    open_video(tab, server, "one.mp4")
    tab.get_by_text("frame 0 · ").wait_for()
    drag_around(tab, orange(0))
    tab.get_by_label("Choose object 1").wait_for()
    press(tab, "Track")
    tab.get_by_text("1 of 1 frames tracked").wait_for()

    open_video(tab, server, "shots")
    drag_around(tab, orange(0))
    tab.get_by_label("Choose object 1").wait_for()
    press(tab, "Track")
    tab.get_by_text("6 of 9 frames tracked").wait_for()
    tab.get_by_text("6.png: ").wait_for()
    cv2.imwrite(str(videos / "shots" / "6.png"), picture(6)[..., ::-1])
    press(tab, "Continue from frame 6")
    tab.get_by_text("9 of 9 frames tracked").wait_for()

    # An object without a pixel is refused where it begins.
    tab.keyboard.press("Home")
    tab.get_by_text("frame 0 · ").wait_for()
    tab.keyboard.press("1")
    tab.keyboard.press("e")
    tab.get_by_text("Erase what is not object 1.").wait_for()
    for row in range(14, 72, 4):
        drag(tab, (2, row), (70, row))
    tab.get_by_text("object 1 needs a pixel in the frame in which it begins").first.wait_for()

    tab.goto(f"{server.address}/videos")
    (tmp_path / "large.mp4").write_bytes(bytes((1 << 20) + 1))
    tab.get_by_label("Files to upload").set_input_files(tmp_path / "large.mp4")
    press(tab, "Upload and open")
    tab.get_by_text("large.mp4: uploads may have 1 MB together").wait_for()
    tab.get_by_label("Files to upload").set_input_files(write_video(tmp_path / "mine.mp4", 5))
    press(tab, "Upload and open")
    tab.get_by_text("frame 0 · ").wait_for()
    tab.goto(f"{server.address}/videos")
    tab.get_by_text(re.compile(r"^mine\.mp4: 5 frames.*, 0 objects$")).wait_for()


def test_what_is_done_while_the_network_drops_is_there_when_it_is_back(tab: Any, server: Server) -> None:
    open_video(tab, server, "clip.mp4")
    drag_around(tab, orange(0))
    tab.get_by_label("Choose object 1").wait_for()
    masks = tab.locator("svg path[data-object]")
    expect(masks).to_have_count(1)
    tab.evaluate("window.sameTab = true")
    tab.context.set_offline(True)
    tab.evaluate("window.socket.io.engine.close()")  # which a browser notices late
    tab.get_by_text("Connection lost").wait_for()
    tab.keyboard.press("n")
    drag_around(tab, green())
    assert len(objects(tab, server)) == 1
    tab.context.set_offline(False)
    tab.get_by_label("Choose object 2").wait_for()
    expect(masks).to_have_count(2)
    expect(tab.get_by_text("Connection lost")).to_be_hidden()
    assert len(objects(tab, server)) == 2
    tab.keyboard.press("Control+z")
    expect(masks).to_have_count(1)
    assert tab.evaluate("window.sameTab"), "nothing was reloaded"


def test_a_reload_keeps_frame_tool_theme_and_outputs(tab: Any, server: Server) -> None:
    open_video(tab, server, "clip.mp4")
    tab.keyboard.press("p")
    go_to(tab, 12)
    press(tab, "Theme")
    expect(tab.locator("body")).to_have_class(re.compile("body--dark"))
    tab.get_by_role("checkbox", name="COCO masks").click()
    tab.wait_for_url("**/session/*?frame=12&tool=point")
    wait_for(lambda: any("rle" in each["value"] for each in tab.context.cookies()))
    tab.reload()
    tab.get_by_text("frame 12 · 0:00.48").wait_for()
    tab.get_by_text("Click on a new object").wait_for()
    expect(tab.locator("body")).to_have_class(re.compile("body--dark"))
    expect(tab.get_by_role("checkbox", name="COCO masks")).to_be_checked()


def test_sessions_are_renamed_and_deleted_on_the_start_page(tab: Any, server: Server) -> None:
    open_video(tab, server, "clip.mp4")
    tab.get_by_role("link", name="HQTrack").click()  # one click away
    tab.get_by_role("link", name=re.compile(r"^clip\.mp4: 40 frames.*, 0 objects$")).wait_for()
    wait_for(lambda: tab.evaluate("document.querySelector('img[src^=\"/thumbnails\"]').naturalWidth") == 160)
    press(tab, "Rename clip.mp4")
    tab.get_by_label("Name", exact=True).fill('"<b>cats</b>"')
    press(tab, "Rename")
    tab.get_by_role("link", name=re.compile("cats.*: 40 frames.*, 0 objects$")).wait_for()
    press(tab, 'Delete "<b>cats</b>"')
    press(tab, "Delete")
    expect(tab.get_by_role("link", name="cats")).to_have_count(0)


def test_the_time_line_shows_what_is_tracked_and_leads_to_marks(tab: Any, server: Server) -> None:
    open_video(tab, server, "clip.mp4")
    for number, place in ((1, orange(0)), (2, green())):
        tab.keyboard.press("n")
        paint(tab, place)
        tab.get_by_label(f"Choose object {number}").wait_for()
        if number == 1:
            go_to(tab, 5)
    press(tab, "Track")
    wait_until_tracked(tab)
    session = tab.url.partition("?")[0].rpartition("/")[2]
    read = tab.request.get(f"{server.address}/tracks/{session}").json()
    assert (read["recorded"], read["stale"]) == (COUNT, None)
    assert [(row["key"], row["first"], row["spans"][-1][1]) for row in read["rows"]] == [
        (1, 0, 40),
        (2, 5, 40),
    ]
    line = tab.get_by_role("slider", name="Frame", exact=True)
    assert line.bounding_box()["height"] >= 22 + 2 * 18
    tab.keyboard.press("End")
    tab.keyboard.press("1")
    expect(line).to_have_attribute("aria-valuenow", "39")
    # A click near the mark of the second object's first frame leads there, and chooses the object.
    width = line.bounding_box()["width"]
    x = 28 + 5.5 / COUNT * (width - 28)
    line.click(position={"x": x + 2, "y": 22 + 18 + 8})
    expect(line).to_have_attribute("aria-valuenow", "5")
    expect(tab.get_by_label("Choose object 2")).to_have_attribute("aria-pressed", "true")
    for key, frame in (("Home", 0), ("Shift+ArrowRight", 5), ("Shift+ArrowLeft", 0), ("Shift+ArrowLeft", 0)):
        tab.keyboard.press(key)
        expect(line).to_have_attribute("aria-valuenow", str(frame))
    with tab.expect_request("**/frames/*/20/expected") as ready:
        line.hover(position={"x": 28 + (width - 28) / 2 + 1, "y": 10})
    assert ready.value.response().status == 204
    tab.mouse.wheel(0, -2000)  # frames 10 to 29 fill the width
    line.click(position={"x": 28 + (width - 28) * 0.51, "y": 10})
    expect(line).to_have_attribute("aria-valuetext", "frame 20 · 0:00.80")
    shoot(tab, "time-line")


def test_masks_are_shown_alone_hidden_and_as_outlines(tab: Any, server: Server) -> None:
    open_video(tab, server, "clip.mp4")
    for number, place in ((1, orange(0)), (2, green())):
        tab.keyboard.press("n")
        paint(tab, place)
        tab.get_by_label(f"Choose object {number}").wait_for()
    masks = tab.locator("svg path[data-object]")
    expect(masks).to_have_count(2)
    tab.keyboard.press("s")
    expect(masks).to_have_count(1)
    expect(masks).to_have_attribute("data-object", "2")
    expect(tab.get_by_label("Show or hide object 1")).to_have_attribute("aria-pressed", "false")
    tab.keyboard.press("s")
    expect(masks).to_have_count(2)
    tab.get_by_label("Show or hide object 2").click()
    expect(masks).to_have_count(1)  # of two none can be asked
    expect(masks).to_have_attribute("data-object", "1")
    tab.get_by_label("Opacity of the masks in percent").click(position={"x": 1, "y": 10})
    expect(masks).to_have_attribute("fill-opacity", re.compile("^0(.0[0-3])?$"))
    tab.keyboard.down("h")
    expect(masks).to_have_count(0)
    tab.keyboard.up("h")
    expect(masks).to_have_count(1)
    line = tab.get_by_role("slider", name="Frame", exact=True).bounding_box()
    assert line["y"] + line["height"] <= 768, "the time line is seen without scrolling"
    shoot(tab, "looks")
