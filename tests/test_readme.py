"""The examples of the README and of docs/track.md, executed as they are written."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import av
import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner

from hqtrack.cli import app
from hqtrack.video.drawing import palette

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
FRAMES = 6


def section(file: str, title: str) -> str:
    """Return the text under a heading."""
    text = (ROOT / file).read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found, f"{file} has no section {title}"
    return found[1]


def code(text: str) -> str:
    """Return the indented block of a section."""
    blocks = re.findall(r"(?:^    .*\n|^\n)+", text, re.MULTILINE)
    return dedent(max(blocks, key=len)).strip("\n") + "\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, with the files that the examples name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HQTRACK_CACHE", str(tmp_path / "cache"))
    (tmp_path / "frames").mkdir()
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 112, "yuv420p"
        for index in range(FRAMES):
            image = np.random.default_rng(0).integers(0, 60, (112, 160, 3)).astype(np.uint8)
            image[45:85, 35 + index : 75 + index] = (220, 120, 60)
            image[24:56, 94:126] = (40, 180, 200)
            cv2.imwrite(str(tmp_path / "frames" / f"{index}.png"), image[..., ::-1])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())
    labels = np.zeros((112, 160), np.uint8)
    labels[45:85, 35:75] = 1
    mask = Pillow.fromarray(labels, "P")
    mask.putpalette(palette().tobytes())
    mask.save(tmp_path / "first.png")
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_the_example_in_python_tracks() -> None:
    example = code(section("README.md", "Use it from Python"))
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    areas = [int(area) for area in re.findall(r"\[(\d+)\]", done.stdout)]
    assert len(areas) == FRAMES
    assert all(1000 < area < 2200 for area in areas)  # it is 40 x 40


def test_the_commands_for_a_video_do_what_they_say(folder: Path) -> None:
    commands = [shlex.split(line) for line in code(section("README.md", "Use it on a video")).splitlines()]
    assert len(commands) == 4
    for command in commands:
        assert command[0] == "hqtrack"
        result = CliRunner().invoke(app, command[1:])
        assert result.exit_code == 0, result.output
    names = ("out", "boxes", "points", "later")
    seen = {name: {path.name for path in (folder / name).glob("[!.]*")} for name in names}
    assert seen == {
        "out": {"overlay.mp4"},
        "boxes": {"boxes.csv", "labels", "overlay.mp4"},
        "points": {"overlay.mp4"},
        "later": {"masks.json"},
    }


def test_the_example_of_a_whole_video_writes_outputs_and_tells_each_frame(folder: Path) -> None:
    example = code(section("docs/track.md", "From Python"))
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{FRAMES} frames in out/overlay.mp4 out/boxes.csv" in done.stdout
    assert done.stdout.count("(1, 112, 160)") == FRAMES
    with av.open(str(folder / "out" / "overlay.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == FRAMES
