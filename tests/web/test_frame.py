"""Pointing at objects in the frame: clicks that refine, and all ways to draw, in a real browser."""

import re
from typing import Any

import numpy as np
import pytest

from hqtrack.masks import iou, rle_decode
from web_hand import at, drag, drag_around, objects, open_video, press, wait_for
from web_server import HEIGHT, WIDTH, Server, filled, green, orange

expect = pytest.importorskip("playwright.sync_api", reason="these tests drive a browser").expect

expect.set_options(timeout=120_000)  # a machine may be busy with other tests

pytestmark = pytest.mark.slow


def mask(tab: Any, server: Server, number: int = 1) -> np.ndarray:
    """Return an object's first mask, as the session keeps it."""
    counts = objects(tab, server)[number - 1]["first"]["counts"]
    return rle_decode({"size": [HEIGHT, WIDTH], "counts": counts})


def test_clicks_change_the_chosen_object(tab: Any, server: Server) -> None:
    open_video(tab, server, "clip.mp4")
    x, y, width, height = orange(0)
    tab.keyboard.press("d")
    tab.get_by_text("Draw a new object").wait_for()
    for row in range(y + 4, y + height - 3, 6):
        drag(tab, (x + 3, row), (x + width / 3, row))
    expect(tab.get_by_label("Choose object 1")).to_have_attribute("aria-pressed", "true")
    painted = mask(tab, server)
    tab.keyboard.press("p")
    tab.mouse.click(*at(tab, x + width - 5, y + height / 2))
    wait_for(lambda: mask(tab, server)[y + height // 2, x + width - 5])
    assert iou(mask(tab, server), filled(orange(0))) > iou(painted, filled(orange(0))) + 0.2
    assert len(objects(tab, server)) == 1
    tab.mouse.click(*at(tab, x + 8, y + 8), button="right")
    wait_for(lambda: not mask(tab, server)[y + 8, x + 8])
    points = tab.locator("svg g circle")
    expect(points).to_have_count(2)
    drag(tab, (x + 8, y + 8), (x + 12, y + 30))  # the point is moved
    wait_for(lambda: not mask(tab, server)[y + 30, x + 12] and mask(tab, server)[y + 8, x + 8])
    expect(points).to_have_count(2)
    tab.mouse.click(*at(tab, x + 12, y + 30))  # on the point, which goes
    wait_for(lambda: mask(tab, server)[y + 30, x + 12])
    expect(points).to_have_count(1)
    press(tab, "Negative point")
    tab.get_by_text("Negative point: click on what is not object 1.").wait_for()
    tab.mouse.click(*at(tab, x + 8, y + 8))
    wait_for(lambda: not mask(tab, server)[y + 8, x + 8])
    expect(points).to_have_count(2)
    tab.keyboard.press("x")
    tab.get_by_text("Click on object 1.").wait_for()
    assert len(objects(tab, server)) == 1
    # What the mouse hovers over shows what the page answers; how quickly it can is the machine's affair.
    view = tab.get_by_role("application")
    tab.mouse.move(*at(tab, x + 60, y + 60))
    number = int(view.get_attribute("id").removeprefix("c"))
    tab.wait_for_timeout(100)  # in which the mouse rests
    tab.wait_for_function(f"getElement({number}).asked === 0")
    tab.evaluate(f"getElement({number}).answer('M10 10L10 40L40 40Z')")
    expect(tab.locator("[data-preview]")).to_have_attribute("d", "M10 10L10 40L40 40Z")
    tab.mouse.move(5, 5)
    expect(tab.locator("[data-preview]")).to_have_count(0)
    # Without a chosen object, the eraser takes from the one on which it begins.
    tab.keyboard.press("n")
    tab.keyboard.press("e")
    tab.get_by_text("Erase from the object on which you begin.").wait_for()
    drag(tab, (x + 20, y + 20), (x + 26, y + 20))
    wait_for(lambda: not mask(tab, server)[y + 20, x + 23])
    expect(tab.get_by_label("Choose object 1")).to_have_attribute("aria-pressed", "true")


def test_quick_clicks_all_count_and_a_click_on_another_mask_chooses_it(tab: Any, server: Server) -> None:
    open_video(tab, server, "clip.mp4")
    drag_around(tab, orange(0))
    tab.get_by_label("Choose object 1").wait_for()
    tab.keyboard.press("n")
    tab.keyboard.press("p")
    tab.get_by_text("Click on a new object").wait_for()
    x, y, width, height = green()
    for part in (0.25, 0.5, 0.75):
        tab.mouse.click(*at(tab, x + width * part, y + height / 2))
    expect(tab.locator("svg g circle")).to_have_count(3)
    assert len(objects(tab, server)) == 2
    tab.mouse.click(*at(tab, orange(0)[0] + 20, orange(0)[1] + 20))
    expect(tab.get_by_label("Choose object 1")).to_have_attribute("aria-pressed", "true")
    assert len(objects(tab, server)) == 2


def test_a_drag_is_cancelled_and_may_begin_and_end_outside(tab: Any, server: Server) -> None:
    open_video(tab, server, "clip.mp4")
    tab.locator("img[src*='/0.jpg']").wait_for()
    tab.mouse.move(*at(tab, 10, 20))
    tab.mouse.down()
    tab.mouse.move(*at(tab, 60, 60), steps=3)
    expect(tab.locator("svg rect")).to_have_count(2)
    tab.keyboard.press("Escape")
    expect(tab.locator("svg rect")).to_have_count(0)
    tab.mouse.up()
    left, top = at(tab, 0, 0)
    tab.mouse.move(left - 40, top - 6)
    tab.mouse.down()
    tab.mouse.move(*at(tab, 60, 66), steps=3)
    tab.mouse.up()
    tab.get_by_label("Choose object 1").wait_for()
    tab.mouse.move(*at(tab, 95, 80))
    tab.mouse.down()
    tab.mouse.move(at(tab, WIDTH, 0)[0] + 150, at(tab, 0, HEIGHT)[1] + 100, steps=3)
    tab.keyboard.press("n")
    tab.mouse.up()
    tab.get_by_label("Choose object 2").wait_for()
    assert len(objects(tab, server)) == 2


def test_an_object_is_made_by_keyboard_alone(tab: Any, server: Server) -> None:
    open_video(tab, server, "clip.mp4")
    tab.get_by_role("application").focus()
    tab.keyboard.press("Enter")  # a cursor in the middle of the frame
    for _ in range(8):
        tab.keyboard.press("Shift+ArrowLeft")
    for _ in range(5):
        tab.keyboard.press("Shift+ArrowUp")
    tab.keyboard.press("Enter")
    for key, times in (("Shift+ArrowRight", 6), ("Shift+ArrowDown", 6)):
        for _ in range(times):
            tab.keyboard.press(key)
    tab.keyboard.press("Enter")
    tab.get_by_label("Choose object 1").wait_for()
    tab.get_by_text("frame 0 · ").wait_for()  # arrow keys moved the cursor, not the time
    assert iou(mask(tab, server), filled(orange(0))) > 0.6


def test_undo_leaves_a_name_alone_and_enter_leaves_its_field(tab: Any, server: Server) -> None:
    open_video(tab, server, "clip.mp4")
    drag_around(tab, orange(0))
    name = tab.get_by_label("Name of object 1")
    name.press_sequentially("cat")
    name.press("Enter")
    expect(name).not_to_be_focused()
    wait_for(lambda: objects(tab, server)[0]["name"] == "cat")
    tab.keyboard.press("Control+z")
    wait_for(lambda: objects(tab, server)[0]["name"] == "")
    expect(name).to_have_value("")
    tab.keyboard.press("Control+y")
    expect(name).to_have_value("cat")


def test_the_wheel_zooms_and_a_key_shows_all_again(tab: Any, server: Server) -> None:
    open_video(tab, server, "clip.mp4")
    image = tab.locator("img").first
    before = image.bounding_box()["width"]
    tab.mouse.move(*at(tab, 30, 40))
    tab.mouse.wheel(0, -500)
    wait_for(lambda: image.bounding_box()["width"] > before * 2)
    drag_around(tab, (28, 38, 6, 6))  # within what is seen
    tab.get_by_label("Choose object 1").wait_for()
    assert mask(tab, server)[40, 30]
    left = image.bounding_box()["x"]
    tab.keyboard.down("Space")
    tab.mouse.move(*at(tab, 30, 40))
    tab.mouse.down()
    x, y = at(tab, 33, 40)
    tab.mouse.move(x, y, steps=3)
    tab.mouse.up()
    tab.keyboard.up("Space")
    wait_for(lambda: image.bounding_box()["x"] > left + 5)
    assert len(objects(tab, server)) == 1
    tab.keyboard.press("0")
    tab.wait_for_timeout(200)  # in which it would play
    tab.get_by_text("frame 0 · ").wait_for(timeout=2000)
    # All of it is seen, and a little smaller: the object has a row on the time line now.
    wait_for(lambda: before * 0.8 < image.bounding_box()["width"] < before + 1)


def test_who_draws_while_it_plays_draws_on_the_frame_that_is_seen(tab: Any, server: Server) -> None:
    open_video(tab, server, "clip.mp4")
    tab.keyboard.press("d")
    tab.get_by_text("Draw a new object").wait_for()
    tab.keyboard.press("Space")
    expect(tab.locator("canvas[aria-hidden]")).to_be_visible()
    drag(tab, (20, 30), (40, 50))
    tab.get_by_label("Choose object 1").wait_for()
    expect(tab.locator("canvas[aria-hidden]")).to_be_hidden()
    frame = objects(tab, server)[0]["first"]["frame"]
    expect(tab.get_by_text(re.compile("^frame [0-9]+ · "))).to_have_text(re.compile(f"^frame {frame} ·"))
    expect(tab.locator("img").first).to_have_attribute("src", re.compile(f"/{frame}.jpg"))


@pytest.mark.parametrize("width", [360, 390, 800, 1366, 2560])
def test_every_width_shows_a_frame_to_draw_on_by_touch(browser: Any, server: Server, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 768}, has_touch=True)
    tab = context.new_page()
    try:
        open_video(tab, server, "clip.mp4")
        tab.locator("img[src*='/0.jpg']").wait_for()
        image = tab.locator("img").first.bounding_box()
        assert image["width"] > min(280, width * 0.6)
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        touch = context.new_cdp_session(tab)
        for kind, places in (
            ("touchStart", [at(tab, 6, 16)]),
            ("touchMove", [at(tab, 30, 40)]),
            ("touchMove", [at(tab, 54, 64)]),
            ("touchEnd", []),
        ):
            points = [{"x": x, "y": y} for x, y in places]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        tab.get_by_label("Choose object 1").wait_for()
        assert iou(mask(tab, server), filled(orange(0))) > 0.6
        if width == 390:
            wide = tab.locator("img").first.bounding_box()["width"]
            for kind, apart in (("touchStart", 10), ("touchMove", 30), ("touchMove", 60), ("touchEnd", 0)):
                middle = at(tab, 80, 60)
                fingers = [
                    {"x": middle[0] + side * apart, "y": middle[1], "id": side + 1} for side in (-1, 1)
                ]
                points = fingers if apart else []
                touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            wait_for(lambda: tab.locator("img").first.bounding_box()["width"] > 2 * wide)
            assert len(objects(tab, server)) == 1, "two fingers draw nothing"
        assert tab.evaluate("document.documentElement.lang") == "en"
        assert tab.title() == "clip.mp4 - HQTrack"
    finally:
        context.close()


def test_the_list_of_keys_opens_by_a_key(tab: Any, server: Server) -> None:
    open_video(tab, server, "clip.mp4")
    tab.keyboard.press("?")
    tab.get_by_role("dialog", name="Keys").wait_for()
    press(tab, "Close")
