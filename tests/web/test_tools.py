"""What the page does beside selecting and tracking, in a real browser: cards, imports, identities, export."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from hqtrack.installed import models_folder
from web_hand import drag_around, folder_of, objects, open_video, press, wait_for
from web_server import Server, filled, green, orange
from zoo.file_server import FileServer, serving

expect = pytest.importorskip("playwright.sync_api", reason="these tests drive a browser").expect
expect.set_options(timeout=120_000)  # a machine may be busy with other tests

pytestmark = pytest.mark.slow


def write_masks(path: Path) -> Path:
    """Write a label image of both rectangles as they are in the first frame."""
    labels = filled(orange(0)).astype(np.uint8) + filled(green()).astype(np.uint8) * 2
    Pillow.fromarray(labels).save(path)
    return path


def test_another_card_is_chosen_and_others_are_listed(tab: Any, server: Server) -> None:
    open_video(tab, server, "clip.mp4")
    press(tab, "Model")
    tab.get_by_role("button", name="Choose hqtrack-light").click()
    tab.get_by_text("hqtrack-light on auto", exact=True).wait_for()
    expect(tab.get_by_role("button", name=re.compile("^(Pull|Choose) edgetam$"))).to_be_visible()
    tab.get_by_role("button", name="Choose vmos-light").click()
    tab.get_by_text("vmos-light on auto", exact=True).wait_for()


def test_missing_weights_are_pulled_and_used_and_wrong_ones_refused(
    tab: Any, clip: Path, start: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HQTRACK_CACHE", str(tmp_path / "cache"))
    right = (models_folder() / "weights" / "vmos-light.safetensors").read_bytes()
    card = tmp_path / "mine.toml"
    with serving(FileServer(b"wrong" * 1000)) as source:
        card.write_text(
            f"""
            name = "mine"
            title = "a system of my own"
            network = "vmos_light"
            paradigm = "joint"
            [weights]
            name = "mine"
            file = "mine.safetensors"
            origin = "published"
            url = "{source.url}"
            page = "https://a.page"
            sha256 = "{hashlib.sha256(right).hexdigest()}"
            """
        )
        tab.goto(start(clip, "--card", card).address)
        tab.get_by_text("Drag a box around").wait_for()
        drag_around(tab, orange(0))
        tab.get_by_text("the weights mine (mine.safetensors) are missing").wait_for()
        press(tab, "Model")
        pull = tab.get_by_role("button", name=re.compile("^Pull .*mine.toml$"))
        pull.click()
        refusal = tab.get_by_text(re.compile("^Not pulled: the download of mine .* its SHA-256 is "))
        refusal.wait_for()
        assert "\n" not in refusal.inner_text()
        source.content, source.stall_after = right, 2 << 20
        pull.click()
        bar = tab.get_by_role("progressbar", name=re.compile("^Received of .*mine.toml$"))
        expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^0\.[1-9]"))
        source.released.set()
        expect(bar).to_have_count(0)
        expect(pull).to_have_count(0)
        expect(tab.get_by_role("button", name=re.compile("^Choose .*mine.toml$"))).to_have_text("Chosen")
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("dialog")).to_have_count(0)
    drag_around(tab, orange(0))
    tab.get_by_label("Choose object 1").wait_for()


def test_masks_are_imported_tracked_swapped_and_exported_clean(
    tab: Any, server: Server, tmp_path: Path
) -> None:
    open_video(tab, server, "clip.mp4")
    press(tab, "Import masks")
    tab.get_by_label("Masks to import").set_input_files(write_masks(tmp_path / "first.png"))
    press(tab, "Import")
    tab.get_by_text("2 objects added").wait_for()
    text = tmp_path / "notes.json"
    text.write_text("{}")
    press(tab, "Import masks")
    tab.get_by_label("Masks to import").set_input_files(text)
    press(tab, "Import")
    tab.locator(".bg-negative").get_by_text("notes.json").wait_for()
    tab.get_by_role("dialog", name="Import masks").get_by_role("button", name="Close").click()
    assert len(objects(tab, server)) == 2

    press(tab, "Track")
    tab.get_by_text("40 of 40 frames tracked", exact=True).wait_for()
    tab.keyboard.press("Home")
    tab.keyboard.press("PageDown")
    tab.locator("img[src*='/10.jpg']").wait_for()
    press(tab, "Swap or merge object 1")
    tab.get_by_text("Swap with object 2 from frame 10 on").click()
    folder = folder_of(tab, server)
    wait_for(lambda: len(json.loads((folder / "session.json").read_text())["identities"]) == 1)
    tab.get_by_text("40 of 40 frames tracked", exact=True).wait_for()  # nothing to track again

    name = tab.get_by_label("Name of object 1")
    name.fill("<b>bold</b>" + "long" * 75)  # which is text, and is cut
    name.press("Enter")
    press(tab, "Swap or merge object 2")
    tab.get_by_text("Make part of <b>bold</b>long").wait_for()
    tab.keyboard.press("Escape")
    assert tab.locator("b").count() == 0
    name.fill("cat, or dog")
    name.press("Enter")
    tab.get_by_role("checkbox", name="Overlay video").click()
    tab.get_by_text("Clean masks").click()
    tab.get_by_role("checkbox", name="Largest part alone").click()
    tab.get_by_label("Drop specks of fewer pixels").fill("4")
    press(tab, "Export")
    tab.get_by_text("Exported.", exact=True).wait_for()
    command = tab.locator("pre", has_text="hqtrack track").inner_text()
    assert "--largest-part" in command
    assert "--drop-specks 4" in command
    # The command makes the same files: the masks where swapped objects are, and before.
    again = tmp_path / "again"
    lines = command.replace("clip-again", str(again)).replace("hqtrack ", f"{sys.executable} -m hqtrack ")
    subprocess.run(lines, shell=True, check=True, capture_output=True)
    ours = sorted((folder / "export" / "labels").iterdir())
    theirs = sorted((again / "labels").iterdir())
    assert [each.name for each in ours] == [each.name for each in theirs]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(ours, theirs, strict=True))
    before, after = (np.array(Pillow.open(ours[index])) for index in (9, 10))
    x, y, width, height = green()
    assert np.median(before[y : y + height, x : x + width]) == 2
    assert np.median(after[y : y + height, x : x + width]) == 1


def test_it_is_tracked_backward_and_again_from_here(tab: Any, server: Server, tmp_path: Path) -> None:
    open_video(tab, server, "clip.mp4")
    tab.keyboard.press("PageDown")
    tab.locator("img[src*='/10.jpg']").wait_for()
    drag_around(tab, orange(10))
    tab.get_by_label("Choose object 1").wait_for()
    press(tab, "More ways to track")
    tab.get_by_label("To frame", exact=True).fill("15")
    press(tab, "Track these frames")
    tab.get_by_text("16 of 40 frames tracked", exact=True).wait_for()
    press(tab, "More ways to track")
    press(tab, "Track backward")
    folder = folder_of(tab, server)
    wait_for(lambda: lines_of(folder / "backward.jsonl") == 11)
    tab.keyboard.press("Home")
    expect(tab.locator("path[data-object='1']")).to_have_count(1)


def lines_of(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0
