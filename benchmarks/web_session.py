"""A long session on the page of `hqtrack web`, done as a person would, with what one waits for measured.

    python benchmarks/web_session.py --size 640x360 --frames 300
    python benchmarks/web_session.py --size 1280x720 --jumps 10000 --keys 30

The first makes a clip of 30 frames a second and starts `hqtrack web` on it. A real headless Chromium gives
three objects (one of them in a later frame), tracks all frames, corrects two, deletes an object, tracks
another backward, plays the result, and exports five formats. With `--jumps` a video of so many frames is
opened, and the time from a click on the time line to the frame is told. `--keys` is the distance of its key
frames: 250 is what x264 makes unless it is told otherwise, cameras and phones make 15 to 60.

It needs Playwright and Chromium (`HQTRACK_CHROMIUM` names another one than the path's).
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import statistics
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from playwright.sync_api import Page, sync_playwright

from propagation import video
from web_page import WATCH, Person, served
from whole_video import there_and_back, write_clip

FORMATS = ("Overlay video", "Label images", "COCO masks", "Table of boxes", "Cut-outs")
RATE = 30

HAND_STEPS = 20
"""Places at which the mouse is seen on its way."""

HAND_RESTS = 100
"""Milliseconds from the last of them until the button goes down; people take 100 to 200."""


def write_long_clip(path: Path, clip: np.ndarray, frames: int, keys: int) -> None:
    """Write a clip as H.264 with a key frame every `keys` frames, the same ones again and again."""
    once = path.with_name("once.mp4")
    with av.open(str(once), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(RATE), options={"g": str(keys)})
        stream.height, stream.width, stream.pix_fmt = clip.shape[1], clip.shape[2], "yuv420p"
        for number in range(keys):
            picture = there_and_back(clip, number)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    with av.open(str(once)) as source, av.open(str(path), "w") as container:
        copied = container.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        contents = [(bytes(packet), packet.pts or 0, packet.dts or 0) for packet in packets]
        step = packets[0].duration or 1
        for number in range(frames):
            turn, place = divmod(number, keys)
            content, shown, decoded = contents[place]
            packet = av.Packet(content)
            packet.stream, packet.time_base = copied, packets[0].time_base
            packet.is_keyframe, packet.duration = place == 0, step
            packet.pts, packet.dts = shown + turn * keys * step, decoded + turn * keys * step
            container.mux(packet)


class Session:
    """A page, and a person in front of it."""

    def __init__(self, page: Page, size: tuple[int, int], frames: int) -> None:
        self._page, self._frames = page, frames
        self.hand = Person(page, size)

    def go_to(self, frame: int) -> None:
        keys = self._page.keyboard
        keys.press("Home")
        for _ in range(frame // 10):
            keys.press("PageDown")
        for _ in range(frame % 10):
            keys.press("ArrowRight")
        self._page.locator(f"img[src*='/{frame}.jpg']").wait_for()

    def box(self, *corners: tuple[float, float]) -> None:
        self._page.keyboard.press("b")
        self._page.wait_for_timeout(300)
        self.hand.wait_for_mask(*corners)

    def track(self) -> float:
        """Track what is left; return the seconds."""
        began = time.monotonic()
        self._page.get_by_role(
            "button", name=re.compile("^(Track$|Continue from|Re-track from)")
        ).first.click()
        done = self._page.get_by_text(re.compile(f"^{self._frames} of {self._frames} frames tracked$"))
        done.wait_for(timeout=900_000)
        return time.monotonic() - began

    def play(self, seconds: float) -> float:
        """Play from the start; return frames shown per second."""
        self._page.keyboard.press("Home")
        self._page.wait_for_timeout(1000)
        self._page.evaluate("shown.length = 0")
        self._page.keyboard.press("Space")
        self._page.wait_for_timeout(1000 * seconds)
        self._page.keyboard.press("Space")
        shown = self._page.evaluate("shown")
        first, last = shown[0][0], shown[-1][0]
        return float((len({source for _, source in shown}) - 1) / (last - first) * 1000)


def long_session(page: Page, size: tuple[int, int], frames: int) -> None:
    """Do it all, and print what is measured."""
    person = Session(page, size, frames)
    page.keyboard.press("n")
    person.box((0.13, 0.10), (0.37, 0.50))
    page.get_by_label("Choose object 1").wait_for()
    page.keyboard.press("n")
    person.box((0.62, 0.50), (0.88, 0.90))
    page.get_by_label("Choose object 2").wait_for()
    person.go_to(20)
    page.keyboard.press("n")
    person.box((0.53, 0.35), (0.80, 0.80))
    page.get_by_label("Choose object 3").wait_for()
    print(f"{frames} frames tracked with three objects: {person.track():.0f} s", flush=True)
    for frame, key in ((frames // 3, "1"), (2 * frames // 3, "2")):
        person.go_to(frame)
        page.keyboard.press(key)
        page.keyboard.press("d")
        page.wait_for_timeout(300)
        person.hand.wait_for_mask((0.3, 0.4), (0.35, 0.45))
        page.get_by_text(re.compile(f"^frame {frame}: ")).first.wait_for()
        print(f"corrected in frame {frame}, tracked on: {person.track():.0f} s", flush=True)
    page.get_by_label("Delete object 2").click()
    page.get_by_label("Choose object 2").wait_for(state="detached")
    page.get_by_role("button", name="More ways to track").click()
    page.get_by_role("button", name="Track backward").click()
    began = time.monotonic()
    page.get_by_text("backward: ").wait_for()
    page.get_by_text("backward: ").wait_for(state="detached", timeout=600_000)
    print(f"backward from frame 20: {time.monotonic() - began:.0f} s", flush=True)
    print(f"played with two objects: {person.play(8):.1f} frames/s of {RATE}", flush=True)
    for name in FORMATS:
        box = page.get_by_role("checkbox", name=name)
        if box.get_attribute("aria-checked") != "true":
            box.click()
    began = time.monotonic()
    page.get_by_role("button", name="Export", exact=True).click()
    page.get_by_text("Exported.", exact=True).wait_for(timeout=600_000)
    print(f"exported in {len(FORMATS)} formats: {time.monotonic() - began:.0f} s", flush=True)
    print(page.locator("pre", has_text="hqtrack track").inner_text())


def jumps(page: Page, count: int, *, by_hand: bool) -> None:
    """Press on the time line in random places, and print how long frames took.

    By hand: the mouse approaches, slower and slower, and rests before it presses. Else it presses at once.
    """
    line = page.get_by_role("slider", name="Frame", exact=True).bounding_box()
    assert line is not None
    waited = []
    draw = random.Random(0)
    last, middle = line["x"], line["y"] + line["height"] / 2
    for _ in range(30):
        page.wait_for_timeout(300)
        page.evaluate("shown.length = 0")
        place = line["x"] + line["width"] * draw.uniform(0.1, 0.95)
        for left in (*(0.8**step for step in range(1, HAND_STEPS)), 0) if by_hand else (0,):
            page.mouse.move(place + (last - place) * left, middle)
            page.wait_for_timeout(15 if by_hand else 0)
        page.wait_for_timeout(HAND_RESTS if by_hand else 0)
        last = place
        page.mouse.down()
        began = page.evaluate("performance.now()")
        page.mouse.up()
        page.wait_for_function("shown.length")
        waited.append((page.evaluate("shown[0][0]") - began) / 1000)
    waited.sort()
    how = "by hand" if by_hand else "pressed at once"
    print(
        f"jump in {count} frames, {how}: median {statistics.median(waited):.2f}, "
        f"90 % {waited[26]:.2f}, longest {waited[-1]:.2f} s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="640x360", metavar="WIDTHxHEIGHT")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--jumps", type=int, metavar="FRAMES", help="Measure jumps in a video of so many")
    parser.add_argument("--keys", type=int, default=250, help="Frames from one key frame to the next")
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    chromium = os.environ.get("HQTRACK_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        clip = Path(folder) / "clip.mp4"
        pixels = video(30, height, width, 2)[0]
        if options.jumps:
            write_long_clip(clip, pixels, options.jumps, options.keys)
        else:
            write_clip(clip, pixels, options.frames, RATE)
        with served(clip, Path(folder) / "sessions") as address:
            page = browser.new_page(viewport={"width": 1366, "height": 768})
            page.on("pageerror", lambda error: print("page error:", error))
            page.add_init_script(WATCH)
            page.goto(address)
            page.wait_for_function("window.shown.length")
            page.wait_for_timeout(5000)  # in which a person looks at the frame
            if options.jumps:
                jumps(page, options.jumps, by_hand=False)
                jumps(page, options.jumps, by_hand=True)
                print(
                    f"played: {Session(page, (width, height), options.jumps).play(8):.1f} frames/s of {RATE}"
                )
            else:
                long_session(page, (width, height), options.frames)
        browser.close()


if __name__ == "__main__":
    main()
