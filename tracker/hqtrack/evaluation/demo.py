"""The demo: the VOT toolkit on our light tracker and a baseline, from sample sequences to a submission.

The toolkit's own commands do the work. They exit with 0 even when a tracker failed, so what they should have
written is checked after each.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from vot.dataset import Sequence as VotSequence
from vot.tracker import Tracker
from vot.tracker.results import Trajectory
from vot.workspace import Workspace

from hqtrack.errors import DataError
from hqtrack.evaluation.measures import Measures, read_measures
from hqtrack.images import Image
from hqtrack.masks import Masks
from hqtrack.scenes.dataset import FRAMES_PER_SECOND
from hqtrack.video.drawing import contact_sheet, draw_masks
from hqtrack.video.outputs import OverlayVideo, VideoFacts
from hqtrack.video.sources import Frame
from hqtrack.video.tracked import Tracked

CARD = "hqtrack-light"
TRACKERS = ("HQTrackLight", "FirstMask")
NAME = "demo"
SHEET_FRAMES = 6

TOOLKIT = (
    "import shlex, sys; sys.executable = shlex.quote(sys.executable); "
    "from vot.utilities.cli import main; main()"
)
"""The toolkit's command. It starts trackers by a line that it splits at spaces, even in Python's path."""


@dataclass(frozen=True)
class DemoResult:
    """What the demo made."""

    measures: list[Measures]
    report: Path
    """HTML."""
    plot: Path
    """The quality plot, a picture."""
    submission: Path
    """The archive that `vot pack` made."""
    overlay: Path
    """A video of all sequences with the tracker's masks drawn over them."""
    sheet: Path
    """A picture: frames of every sequence with the tracker's masks."""


def run_demo(folder: Path) -> DemoResult:
    """Evaluate, analyse, report and pack in a workspace; what exists already is used again.

    Args:
        folder: A workspace whose stack has all measures and whose sequences are there.

    Raises:
        DataError: A step of the toolkit left no result.
    """
    before = _finished(folder)
    _vot(folder, "evaluate", *TRACKERS)
    workspace = Workspace.load(str(folder))
    trackers = workspace.registry.resolve(
        *TRACKERS, storage=workspace.storage.substorage("results"), skip_unknown=False
    )
    for tracker in trackers:
        for sequence in workspace.dataset:
            if not _complete(workspace, tracker, sequence):
                raise DataError(
                    f"{tracker.identifier} left no complete result of {sequence.name}; see the newest file "
                    f"in {folder / 'logs'}, or run: vot test --workspace {folder} {tracker.identifier}"
                )
    analysis = folder / "analysis" / f"{NAME}.json"
    report = folder / "reports" / NAME / "report.html"
    plots = folder / "reports" / NAME
    if before != _finished(folder) or not analysis.exists() or not report.exists():
        _vot(folder, "analysis", "--format", "json", "--name", NAME, *TRACKERS)
        _vot(folder, "report", "--format", "html", "--name", NAME, *TRACKERS)
        _vot(folder, "report", "--format", "plots", "--name", NAME, *TRACKERS)
        for old in folder.glob(f"{TRACKERS[0]}_*.zip"):
            old.unlink()
    if not any(folder.glob(f"{TRACKERS[0]}_*.zip")):
        _vot(folder, "pack", TRACKERS[0])
    overlay, sheet = folder / "output" / OverlayVideo.name, folder / "output" / "contact-sheet.png"
    _draw(workspace, trackers[0], overlay, sheet)
    return DemoResult(
        read_measures(_expected(analysis, "analysis")),
        _expected(report, "report"),
        _expected(next(plots.glob("*Quality plot*.png"), plots / "Quality plot.png"), "report"),
        _expected(next(folder.glob(f"{TRACKERS[0]}_*.zip"), folder / f"{TRACKERS[0]}.zip"), "pack"),
        overlay,
        sheet,
    )


def _vot(folder: Path, command: str, *arguments: str) -> None:
    """Run a command of the toolkit, its messages on our terminal."""
    # The toolkit's cache of analyses does not notice that results have changed.
    environment = {**os.environ, "VOT_PERSISTENT_CACHE": "0"}
    subprocess.run(
        [sys.executable, "-c", TOOLKIT, command, "--workspace", str(folder), *arguments],
        env=environment,
        stdout=sys.stderr,
        check=False,
    )


def _finished(folder: Path) -> list[tuple[str, int]]:
    """Give the result files that there are, with their times of change."""
    return sorted((str(f), f.stat().st_mtime_ns) for f in (folder / "results").rglob("*.bin"))


def _complete(workspace: Workspace, tracker: Tracker, sequence: VotSequence) -> bool:
    return all(experiment.scan(tracker, sequence)[0] for experiment in workspace.stack)


def _expected(file: Path, command: str) -> Path:
    if not file.exists():
        raise DataError(f"`vot {command}` wrote no {file}; its messages above say why")
    return file


def _draw(workspace: Workspace, tracker: Tracker, overlay: Path, sheet: Path) -> None:
    """Draw a tracker's masks over all sequences, which are of one size, as a video and as a picture."""
    overlay.parent.mkdir(parents=True, exist_ok=True)
    (experiment,) = workspace.stack
    chosen: list[Image] = []
    rate = Fraction(FRAMES_PER_SECOND)
    writer = OverlayVideo(overlay.parent, VideoFacts(rate))
    count = 0
    for sequence in workspace.dataset:
        trajectories = experiment.gather(tracker, sequence)
        picked = set(np.linspace(0, len(sequence) - 1, SHEET_FRAMES).astype(int).tolist())
        for index in range(len(sequence)):
            image = np.ascontiguousarray(sequence.frame(index).image())
            masks = _masks(sequence, trajectories, index)
            writer.write(Tracked(Frame(image, count, count / rate, f"{count:08d}"), masks))
            count += 1
            if index in picked:
                chosen.append(draw_masks(image, masks))
    writer.finish()
    cv2.imwrite(str(sheet), contact_sheet(chosen, columns=SHEET_FRAMES)[..., ::-1])


def _masks(sequence: VotSequence, trajectories: Sequence[Trajectory], index: int) -> Masks:
    """Give the masks (N, H, W) that a tracker reported for a frame; in the first frame, the given ones."""
    width, height = sequence.size
    bounds = (0, 0, width - 1, height - 1)
    if index == 0:
        regions = [sequence.object(name)[0] for name in sequence.objects()]
    else:
        regions = [trajectory.region(index) for trajectory in trajectories]
    empty = np.zeros((height, width), np.uint8)
    return np.stack([empty if r.is_empty() else r.rasterize(bounds) for r in regions]) > 0


def table(measures: Sequence[Measures]) -> list[list[str]]:
    """Give the rows of a table, the heading first."""
    rows = [["tracker", "Q", "A", "R", "NRE", "DRE", "ADQ"]]
    for m in measures:
        values = (
            m.quality,
            m.accuracy,
            m.robustness,
            m.not_reported_error,
            m.drift_rate_error,
            m.absence_detection_quality,
        )
        rows.append([m.tracker, *("-" if v is None else f"{v:.3f}" for v in values)])
    return rows
