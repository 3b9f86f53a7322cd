"""A toolkit that talks nonsense to a tracker: raw messages of TraX, right ones that were broken, and none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from hostile.corruptions import corrupted

SECONDS = 120


MASK = "mask:2,2,5,4,6,3,2,3"
"""A region as it is sent: column, row, width, height, and run lengths."""

STATES = 3
"""Answers to a right session: to the first frame and the two that follow."""


def right_session(folder: Path, region: str = MASK) -> bytes:
    """Return the messages of a short session with one object, and a picture that exists."""
    path = folder / "frame.png"
    if not path.exists():
        Pillow.fromarray(np.zeros((12, 16, 3), np.uint8)).save(path)
    frame = f'@@TRAX:frame "file://{path}"'
    return f'@@TRAX:initialize "{region}"\n{frame}\n{frame}\n{frame}\n@@TRAX:quit\n'.encode()


def messages(folder: Path) -> dict[str, bytes]:
    """Return what a toolkit may send, by what is odd about it.

    Left out are regions without a letter, and masks larger than memory: on these the library of vot-trax
    4.0.2 ends the process itself.
    """
    right = right_session(folder)
    first, line, *_ = right.split(b"\n")
    return {
        "nothing": b"",
        "no protocol": b"hello\n" * 9,
        "zeros": bytes(4096),
        "quit at once": b"@@TRAX:quit\n",
        "a frame before all": line + b"\n",
        "an unknown message": b'@@TRAX:nonsense "a"\n',
        "a message without end": b'@@TRAX:initialize "',
        "a first mask without its frame": first + b"\n",
        "a frame that is not there": right.replace(b"frame.png", b"gone.png"),
        "a frame that is a pipe": line.replace(b"file://" + str(folder).encode(), b"file:///dev/stdin"),
        "a folder as frame": right.replace(b"/frame.png", b""),
        "an address as frame": right.replace(b"file://", b"http://127.0.0.1:9"),
        "a rectangle": right_session(folder, "2,2,4,3"),
        "a rectangle of nan": right_session(folder, "nan,nan,nan,nan"),
        "a rectangle of inf": right_session(folder, "inf,0,inf,1e30"),
        "a rectangle partly beyond": right_session(folder, "-3,-3,9,9"),
        "a polygon": right_session(folder, "2,2,6,2,4,5"),
        "a polygon far away": right_session(folder, "1e9,1e9,2e9,1e9,1e9,2e9"),
        "a special region": right_session(folder, "0"),
        "a word as region": right_session(folder, "word"),
        "a mask beyond the frame": right_session(folder, "mask:100,100,5,4,6,3,2,3"),
        "an empty mask": right_session(folder, "mask:0,0,4,3,12"),
        "a mask of nothing": right_session(folder, "mask:0,0,0,0,0"),
        "a mask too short": right_session(folder, "mask:2,2,5,4,6"),
        "a negative mask": right_session(folder, "mask:0,0,-5,-4,6,3"),
        "two first masks": first + b"\n" + right,
        "two quits": right + b"@@TRAX:quit\n",
        "two sequences": right.replace(b"@@TRAX:quit\n", b"") + right,
    }


def talk(content: bytes, module: str = "hqtrack.vot.first_mask") -> tuple[int, str]:
    """Send bytes to a tracker and close its input; returns its exit code and what it said.

    Raises:
        subprocess.TimeoutExpired: It does not end.
    """
    paths = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=content,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": paths},
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def broken(folder: Path, seed: int) -> bytes:
    """Return a session of which something went wrong on its way."""
    return corrupted(right_session(folder), seed)


def verdict(code: int, said: str) -> str:
    """Return what is wrong with the end of a session; empty where nothing is."""
    if "Traceback" in said or "a fault of the tracker" in said:
        return said.strip().splitlines()[-1]
    if code not in (0, 1):
        return f"exit code {code}: {said[-200:]}"
    return ""
