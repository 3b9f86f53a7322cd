"""How long a person waits on the page of `hqtrack web`: for a mask, and for frames while scrubbing.

    python benchmarks/web_page.py --size 640x360 --size 1280x720

For each size a clip is made and `hqtrack web` is started on it. A real headless Chromium drags boxes, clicks,
paints, tracks, and scrubs through the result with the slider and with the arrow key held down. What is told
is what the browser sees: from the release of the mouse to the repaint in which the mask is shown, and frames
shown each second. The first ones are told apart, because a person meets them first.

It needs Playwright and Chromium (`HQTRACK_CHROMIUM` names another one than the path's).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from propagation import video
from whole_video import write_clip

OBJECTS = 2
"""In the clip; a third one is painted."""

WATCH = """
window.released = 0;
window.shown = [];
document.addEventListener('mouseup', () => { window.released = performance.now(); }, true);
document.addEventListener('framedrawn', (event) => {
  const source = event.detail;
  requestAnimationFrame(() => shown.push([performance.now(), source]));
}, true);
"""
"""Notes when the mouse was released, and when each frame was painted."""


@contextmanager
def served(clip: Path, out: Path) -> Iterator[str]:
    """Return the address of `hqtrack web` on a clip."""
    command = [sys.executable, "-m", "hqtrack.cli", "web", str(clip), "--out", str(out)]
    server = subprocess.Popen([*command, "--port", "0", "--no-browse"], stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        line = server.stderr.readline()
        found = re.search(r"http://[\w.:]+", line)
        assert found, line
        yield found[0]
    finally:
        server.kill()
        server.wait()


class Person:
    """Who points, and waits."""

    def __init__(self, page: Page, size: tuple[int, int]) -> None:
        self._page, (self._width, self._height) = page, size

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the frame is on the screen; both from 0 to 1."""
        image = self._page.locator("img").first.bounding_box()
        assert image is not None
        return image["x"] + x * image["width"], image["y"] + y * image["height"]

    def wait_for_mask(self, *points: tuple[float, float]) -> float:
        """Drag along points, and give the seconds from the release to the frame with the mask."""
        mouse = self._page.mouse
        mouse.move(*self.place(*points[0]))
        mouse.down()
        for point in points[1:]:
            mouse.move(*self.place(*point), steps=6)
        self._page.evaluate("shown.length = 0")
        mouse.up()
        self._page.wait_for_function("shown.length")
        return float(self._page.evaluate("(shown[0][0] - released) / 1000"))

    def masks(self, key: str, times: int, *points: tuple[float, float]) -> list[float]:
        """Take a tool by its key, make a new object several times, and give what `wait_for_mask` gives.

        All but the last are undone.
        """
        waited: list[float] = []
        for shortcut in ("n", key):
            self._page.keyboard.press(shortcut)
        while True:
            self._page.wait_for_timeout(400)
            waited.append(self.wait_for_mask(*points))
            if len(waited) == times:
                return waited
            self._page.wait_for_timeout(200)
            self._page.keyboard.press("Control+z")

    def scrub_by_slider(self, seconds: float) -> float:
        """Drag the slider from its start to its end; give frames shown per second."""
        slider = self._page.get_by_role("slider", name="Frame", exact=True).bounding_box()
        assert slider is not None
        self._page.wait_for_timeout(500)
        middle = slider["y"] + 10  # the ruler, above the rows with their marks
        self._page.mouse.move(slider["x"] + 30, middle)
        self._page.mouse.down()
        self._page.wait_for_timeout(500)
        self._page.evaluate("shown.length = 0")
        began = time.monotonic()
        while (done := (time.monotonic() - began) / seconds) < 1:
            self._page.mouse.move(slider["x"] + 30 + done * (slider["width"] - 32), middle)
            self._page.wait_for_timeout(20)
        self._page.mouse.up()
        return self._rate(seconds)

    def scrub_by_arrow(self, seconds: float) -> float:
        """Hold the arrow key down as long, with 25 repetitions a second; give frames shown per second."""
        self._page.keyboard.press("Home")
        self._page.wait_for_timeout(500)
        self._page.evaluate("shown.length = 0")
        for _ in range(round(25 * seconds)):
            began = time.monotonic()
            self._page.keyboard.down("ArrowRight")
            self._page.wait_for_timeout(max(1, 40 - 1000 * (time.monotonic() - began)))
        self._page.keyboard.up("ArrowRight")
        return self._rate(seconds)

    def _rate(self, seconds: float) -> float:
        shown = self._page.evaluate("shown")
        frames = {re.search(r"/(\d+)\.jpg", source)[1] for _, source in shown}  # type: ignore[index]
        return len(frames) / seconds


def measured(
    page: Page, address: str, size: tuple[int, int], frames: int, times: int
) -> Iterator[tuple[str, float]]:
    """Return all figures of one clip, as they come."""
    person = Person(page, size)
    page.add_init_script(WATCH)
    began = time.monotonic()
    page.goto(address)
    page.wait_for_function("window.shown.length")
    yield "page opened, s", time.monotonic() - began
    page.wait_for_timeout(5000)  # in which a person looks at the frame
    for name, key, points in (
        ("box", "b", ((0.14, 0.12), (0.37, 0.49))),
        ("click", "p", ((0.75, 0.7),)),
        ("brush", "d", ((0.70, 0.5), (0.75, 0.55), (0.78, 0.5))),
    ):
        waited = person.masks(key, times, *points)
        yield f"{name}, s: first", waited[0]
        yield f"{name}, s: median", statistics.median(waited)
        yield f"{name}, s: longest", max(waited)
    page.get_by_role("button", name="Track", exact=True).click()
    began = time.monotonic()
    page.get_by_text(f"{frames} of {frames} frames tracked", exact=True).wait_for(timeout=600_000)
    yield "tracked, frames/s", frames / (time.monotonic() - began)
    for turn in ("first", "again"):
        yield f"slider, frames/s: {turn}", person.scrub_by_slider(frames / 25)
    yield "arrow held, frames/s", person.scrub_by_arrow(frames / 25)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", action="append", metavar="WIDTHxHEIGHT")
    parser.add_argument("--frames", type=int, default=75)
    parser.add_argument("--times", type=int, default=7, help="Masks by each tool")
    options = parser.parse_args()
    chromium = os.environ.get("HQTRACK_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for text in options.size or ["640x360", "1280x720"]:
            width, height = (int(side) for side in text.split("x"))
            with tempfile.TemporaryDirectory() as folder:
                clip = Path(folder) / "clip.mp4"
                write_clip(clip, video(30, height, width, OBJECTS)[0], options.frames)
                with served(clip, Path(folder) / "sessions") as address:
                    page = browser.new_page(viewport={"width": 1366, "height": 768})
                    for name, value in measured(
                        page, address, (width, height), options.frames, options.times
                    ):
                        print(f"{text}  {name:28} {value:6.2f}", flush=True)
                    page.close()
        browser.close()


if __name__ == "__main__":
    main()
