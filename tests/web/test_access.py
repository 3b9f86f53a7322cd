"""Who cannot see, or has no mouse, can use all pages: axe finds nothing, in light and dark, at two widths."""

from typing import Any

import pytest

from web_hand import drag_around, open_video, press
from web_server import Server, orange

expect = pytest.importorskip("playwright.sync_api", reason="these tests drive a browser").expect
expect.set_options(timeout=120_000)  # a machine may be busy with other tests
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe judges the pages here")

pytestmark = pytest.mark.slow

LOOKS = [("light", 1366), ("dark", 1366), ("light", 390), ("dark", 390)]


IN_DIALOGS = ".q-dialog .q-btn"
"""Buttons whose contrast axe misjudges: it takes the dialog's backdrop for their ground."""

CONTRASTS = """
(buttons) => buttons.map((button) => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((each) => {
      const part = each / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return colour === "rgba(0, 0, 0, 0)" ? ground(element.parentElement) : colour;
  };
  const [dark, bright] = [light(getComputedStyle(button).color), light(ground(button))].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
})
"""
"""Returns the contrast of each button's text, as WCAG defines it."""


def found_by_axe(tab: Any, options: dict[str, Any], context: dict[str, Any] | None = None) -> list[Any]:
    alone = {"resultTypes": ["violations"]}
    return list(axe.Axe().run(tab, context=context, options=options | alone).response["violations"])


def violations(tab: Any) -> list[tuple[str, list[str]]]:
    """Return what axe finds in the page as it is: each rule with the elements that break it, and how."""
    buttons = tab.locator(IN_DIALOGS)
    if buttons.count() == 0:
        found = found_by_axe(tab, {})
    else:
        assert min(buttons.evaluate_all(CONTRASTS)) >= 4.5
        found = found_by_axe(tab, {"rules": {"color-contrast": {"enabled": False}}})
        found += found_by_axe(tab, {"runOnly": ["color-contrast"]}, {"exclude": [[IN_DIALOGS]]})
    return [(each["id"], [node["html"] + node["failureSummary"] for node in each["nodes"]]) for each in found]


def check_looks(tab: Any, looks: list[tuple[str, int]]) -> None:
    for theme, width in looks:
        tab.emulate_media(color_scheme=theme)
        tab.set_viewport_size({"width": width, "height": 768})
        expect(tab.locator(f"body.body--{theme}")).to_be_attached()
        tab.wait_for_timeout(400)  # what fades in has another contrast
        assert violations(tab) == [], (theme, width)


def test_all_pages_are_without_violations(tab: Any, server: Server) -> None:
    tab.emulate_media(reduced_motion="reduce")  # what fades in is pale for a moment
    tab.goto(f"{server.address}/session/nothing")
    tab.get_by_text("Choose a video").wait_for()
    assert violations(tab) == []
    open_video(tab, server, "one.mp4")
    drag_around(tab, orange(0))
    tab.get_by_label("Choose object 1").wait_for()
    press(tab, "Track")
    tab.get_by_text("1 of 1 frames tracked").wait_for()
    tab.keyboard.press("p")
    check_looks(tab, LOOKS)
    for name, content in (
        ("Keys", "play or pause"),
        ("Model", "Choose vmos-light"),
        ("Import masks", "Where files name no frame"),
        ("More ways to track", "Track backward"),
    ):
        press(tab, name)
        tab.mouse.move(2, 2)  # away from what has a tooltip
        expect(tab.locator(".q-tooltip")).to_have_count(0)
        dialog = tab.get_by_role("dialog", name=name)
        dialog.get_by_text(content).or_(dialog.get_by_label(content)).first.wait_for()
        check_looks(tab, LOOKS[::3])
        tab.keyboard.press("Escape")
        expect(tab.get_by_role("dialog")).to_have_count(0)
    press(tab, "Swap or merge object 1")
    tab.get_by_text("There is no other object").wait_for()
    tab.mouse.move(2, 2)
    expect(tab.locator(".q-tooltip")).to_have_count(0)
    check_looks(tab, LOOKS[::3])
    tab.keyboard.press("Escape")
    tab.get_by_role("link", name="HQTrack").click()
    tab.get_by_text("Sessions").wait_for()
    check_looks(tab, LOOKS)
    for button in ("Rename one.mp4", "Delete one.mp4"):
        press(tab, button)
        tab.get_by_role("dialog", name=button.split()[0]).wait_for()
        tab.wait_for_timeout(400)
        assert violations(tab) == [], button
        press(tab, "Cancel")
        expect(tab.get_by_role("dialog")).to_have_count(0)
