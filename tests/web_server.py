"""A clip for the page, and the server as its command starts it."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

HEIGHT, WIDTH, COUNT = 120, 160, 40
TWIN = 26
"""Frame in which a second orange square appears, which is easily taken for the first one."""

Rectangle = tuple[int, int, int, int]
"""x, y, width, height."""


def orange(index: int) -> Rectangle:
    """Return where the orange square is."""
    return 10 + 2 * index, 20, 40, 40


def green() -> Rectangle:
    return 100, 84, 50, 28


def filled(place: Rectangle) -> np.ndarray:
    """Return the mask of a rectangle."""
    x, y, width, height = place
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y : y + height, x : x + width] = True
    return mask


def picture(index: int) -> np.ndarray:
    image = np.random.default_rng(3).integers(0, 50, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    image[filled(green())] = (20, 160, 40)
    image[filled(orange(index))] = (230, 180, 40)
    if index >= TWIN:
        image[filled((4, 66, 40, 40))] = (230, 180, 40)
    return image


def write_video(path: Path, count: int = COUNT) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index))))
        container.mux(stream.encode())
    return path


class Server:
    """`hqtrack web` in a process of its own."""

    def __init__(self, source: Path, out: Path, *options: object) -> None:
        words = [sys.executable, "-m", "hqtrack.cli", "web", source, "--out", out, "--port", 0, "--no-browse"]
        self._process = subprocess.Popen(
            [str(word) for word in (*words, *options)], stderr=subprocess.PIPE, text=True
        )
        self.out = out
        self.said = ""
        while (found := re.search(r"http://[\w.:\[\]]+", self.said)) is None:
            line = self.line()
            assert line, f"hqtrack web ended: {self.said}"
            self.said += line
        self.address = found[0]

    def line(self) -> str:
        """Return the next line that it says."""
        assert self._process.stderr is not None
        return self._process.stderr.readline()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Have it stand still for as long as the block runs."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def rest(self) -> str:
        """Return what it said since, once it has ended."""
        assert self._process.stderr is not None
        return self._process.stderr.read()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait()
