"""The same command twice gives the same bytes, after a kill -9 and --resume too."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from hostile.small_clip import FRAMES, hqtrack, outputs

pytestmark = pytest.mark.slow

OPTIONS = ("--labels", "--rle", "--csv", "--trajectories", "--max-long-edge", "64", "--precision", "float32")


def contents(out: Path) -> dict[str, bytes]:
    """Return the files of a run; of a video its pictures."""
    found = outputs(out)
    with av.open(str(out / "overlay.mp4")) as container:
        pictures = [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]
    assert len(pictures) == FRAMES
    found["overlay.mp4"] = np.stack(pictures).tobytes()
    return found


def assert_same(first: dict[str, bytes], second: dict[str, bytes]) -> None:
    assert first.keys() == second.keys()
    assert [name for name, content in first.items() if second[name] != content] == []


def test_the_same_command_twice_gives_the_same_bytes(clip: Path, mask: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        result = hqtrack("track", clip, "--mask", mask, "-o", tmp_path / name, *OPTIONS)
        assert result.exit_code == 0, result.output
    first = contents(tmp_path / "first")
    assert len(first) == FRAMES + 4
    assert_same(first, contents(tmp_path / "second"))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="of systems that can kill so")
def test_what_a_kill_left_is_resumed_to_the_same_bytes(clip: Path, mask: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    words = ("track", clip, "--mask", mask, "-o", first, *OPTIONS)
    paths = os.pathsep.join(filter(None, sys.path))
    command = [sys.executable, "-m", "hqtrack", *map(str, words)]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths}, stderr=subprocess.DEVNULL) as run:
        record = first / "unfinished.jsonl"
        while run.poll() is None and not (record.exists() and record.read_bytes().count(b"\n") >= 2):
            time.sleep(0.01)
        run.kill()
    if not record.exists():
        pytest.skip("the run ended before it was killed")
    shutil.copytree(first, second)
    for out in (first, second):
        result = hqtrack("track", clip, "-o", out, "--resume", "--precision", "float32")
        assert result.exit_code == 0, result.output
    assert_same(contents(first), contents(second))
