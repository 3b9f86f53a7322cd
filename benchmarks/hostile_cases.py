"""One case of the campaign in `hostile.py`: how it is run, how it ended, and the clip that it tracks.

Processes are forked from a server that has imported everything, which saves seconds per case; they are killed
as any other process is.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 400.0
"""A case that takes longer is bad: it hangs."""

SECONDS_BETWEEN_LINES = 15.0
"""How often an area says how far it is."""

CONTEXT = multiprocessing.get_context("forkserver")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass
class Tally:
    """How the cases of one area ended."""

    area: str
    refused: int = 0
    recovered: int = 0
    bad: list[str] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    @property
    def tried(self) -> int:
        return self.refused + self.recovered + len(self.bad)

    def count(self, name: str, outcome: str) -> None:
        """Count a case: "refused", "recovered", or what is bad about it."""
        if outcome == "refused":
            self.refused += 1
        elif outcome == "recovered":
            self.recovered += 1
        else:
            self.bad.append(f"{name}: {outcome}")
            say(f"bad: {self.area}: {name}: {outcome}")
        if time.monotonic() - self.told > SECONDS_BETWEEN_LINES:
            self.told = time.monotonic()
            say(f"{self.area}: {self.tried} cases so far, {self.seconds:.0f} s")

    def attempt(self, name: str, action: Callable[[], object]) -> None:
        """Run a case in this process: an error of ours is clear, another one is bad."""
        from hqtrack.errors import HQTrackError

        begin = time.monotonic()
        try:
            action()
        except HQTrackError as error:
            outcome = "refused" if "\n" not in str(error) else f"an error of several lines: {error}"
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"
        else:
            outcome = "recovered"
        if time.monotonic() - begin > SECONDS:
            outcome = "took too long"
        self.count(name, outcome)


# --- processes


def _child(log: str, target: Callable[..., object], arguments: tuple[object, ...]) -> None:
    """Be a process of its own: a session, a log, an exit code."""
    import torch

    os.setsid()
    torch.set_num_threads(1)
    descriptor = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    target(*arguments)


def hqtrack_command(*arguments: str) -> None:
    """Run `hqtrack` as the command does."""
    from hqtrack.cli import main

    sys.argv = ["hqtrack", *arguments]
    main()


PROCESSES = threading.Lock()
"""Whoever starts a process asks how all others ended, and two must not ask of the same one at once."""


@dataclass
class Ended:
    """How a process ended."""

    code: int | None
    """Negative for a signal, None for a hang."""
    said: str
    seconds: float


def run(
    folder: Path, target: Callable[..., object], *arguments: object, kill_after: float | None = None
) -> Ended:
    """Run something in a process, and kill its whole session after a while."""
    log = folder / "log.txt"
    log.unlink(missing_ok=True)
    process = CONTEXT.Process(target=_child, args=(str(log), target, arguments))
    begin = time.monotonic()
    with PROCESSES:
        process.start()
    multiprocessing.connection.wait([process.sentinel], SECONDS if kill_after is None else kill_after)
    with PROCESSES:
        killed = process.is_alive()
        if killed:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid or 0, signal.SIGKILL)
            process.kill()
        process.join()
    said = log.read_text(errors="replace") if log.exists() else ""
    code = None if killed and kill_after is None else process.exitcode
    return Ended(code, said, time.monotonic() - begin)


def judged(ended: Ended) -> str:
    """Describe how a command ended that was not killed."""
    if ended.code is None:
        return "hangs"
    if "Traceback" in ended.said:
        return f"a traceback: {ended.said.strip().splitlines()[-1]}"
    if ended.code == 0:
        return "recovered"
    lines = [line for line in ended.said.splitlines() if line.strip()]
    if ended.code in (1, 2) and lines:
        return "refused"
    return f"exit code {ended.code}, saying {lines[-1:]}"


def refuse_all(tally: Tally, folder: Path, cases: Mapping[str, Sequence[str]]) -> None:
    """Yield commands that must be refused, in a line of bearable length."""
    for name, words in cases.items():
        ended = run(folder, hqtrack_command, *words)
        outcome = judged(ended)
        longest = max((len(line) for line in ended.said.splitlines()), default=0)
        if outcome == "recovered":
            outcome = "accepted"
        elif outcome == "refused" and longest > 12_000:
            outcome = "a message of a page"
        tally.count(name, outcome)


def must_be_refused(action: Callable[[], object]) -> None:
    """Do what must be refused."""
    action()
    raise AssertionError("it was accepted")


HYPOTHESIS = threading.Lock()
"""It examines one thing at a time."""


def examples(
    tally: Tally, name: str, strategy: Any, count: int, seed: int, read: Callable[[Any], object]
) -> None:
    """Try what Hypothesis thinks of."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import seed as seeded

    @seeded(seed)
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def case(value: Any) -> None:
        tally.attempt(f"{name} {str(value)[:200]}", lambda: read(value))

    with HYPOTHESIS:
        case()


# --- the clip

FRAMES = 20
OUTPUTS = ("--no-overlay", "--labels", "--csv", "--rle", "--trajectories")


def write_clip(folder: Path) -> tuple[Path, Path]:
    """Write a clip, in which a bright square moves over noise, and the square's first mask."""
    import cv2

    clip = folder / "clip"
    clip.mkdir(parents=True)
    ground = np.random.default_rng(3).integers(0, 50, (64, 96, 3)).astype(np.uint8)
    for index in range(FRAMES):
        image = ground.copy()
        image[16:40, 10 + index : 34 + index] = (40, 180, 230)
        cv2.imwrite(str(clip / f"{index:03d}.png"), image)
    mask = np.zeros((64, 96), np.uint8)
    mask[16:40, 10:34] = 255
    cv2.imwrite(str(folder / "mask.png"), mask)
    return clip, folder / "mask.png"


def labels_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "labels").glob("*.png"))}


def mean_iou(first: Path, second: Path) -> float:
    """Compare the label images of two runs."""
    import cv2

    from hqtrack.masks import iou

    names = sorted(path.name for path in (first / "labels").glob("*.png"))
    pairs = [
        [cv2.imread(str(out / "labels" / name), cv2.IMREAD_GRAYSCALE) for out in (first, second)]
        for name in names
    ]
    return float(np.mean([iou(a > 0, b > 0) for a, b in pairs]))


class WholeRun(NamedTuple):
    """A run of `hqtrack track` that nothing disturbed."""

    command: list[str]
    """Without its folder of outputs."""
    clip: Path
    out: Path
    seconds: float


def tracked_whole(folder: Path) -> WholeRun:
    """Track a clip to its end."""
    clip, mask = write_clip(folder)
    command = ["track", str(clip), "--mask", str(mask), "--max-long-edge", "96", *OUTPUTS]
    out = folder / "whole"
    first = run(folder, hqtrack_command, *command, "-o", str(out))
    assert first.code == 0, first.said
    return WholeRun(command, clip, out, first.seconds)


def next_command(command: list[str], clip: Path, out: Path) -> list[str]:
    """Return the command that goes on: with --resume where there is something to go on with."""
    if (out / "unfinished.json").exists():
        return ["track", str(clip), "-o", str(out), "--resume"]
    return [*command, "-o", str(out)]


def files_of(out: Path) -> dict[str, bytes]:
    """Return the outputs of a run."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and ".hqtrack" not in path.parts
    }
