"""The demo: the VOT toolkit on our light system, with and without its refiner, and on a baseline.

From sample sequences to a submission: the toolkit's own commands do the work. They exit with 0 even when a
tracker failed, so what they should have written is checked after each.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from vot.analysis.mot import HOTA
from vot.tracker import Tracker
from vot.workspace import Workspace

from hqtrack.defaults import LIGHT_REFINER_CARD
from hqtrack.errors import DataError
from hqtrack.evaluation.evaluate import Silent, Watcher, evaluate
from hqtrack.evaluation.measures import Measures, read_measures
from hqtrack.evaluation.pages import quality_plot
from hqtrack.evaluation.pictures import frame_of, masks_of, sheet, side_by_side, truth_of, write_picture
from hqtrack.evaluation.toolkit import analyse, expected, forget_analyses, pack, run_toolkit
from hqtrack.evaluation.workspaces import open_workspace, resolve, write_atomically
from hqtrack.masks import Masks
from hqtrack.video.sources import Frame
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers import WRITERS, VideoFacts, open_writer

DEMO_CARD = LIGHT_REFINER_CARD
DEMO_TRACKERS = ("HQTrackLight", "VMOS_LIGHT", "FirstMask")
"""The whole system, the same without its refiner, and the baseline."""

DEMO_NAME = "demo"

LOOK_ALIKES = "coins"
"""The scene in which objects may be taken for one another. HOTA, which punishes that, is measured there."""


@dataclass(frozen=True)
class DemoResult:
    """What the demo made."""

    measures: list[Measures]
    report: Path
    """HTML."""
    plot: Path
    """The quality plot, a picture with a legend."""
    submission: Path
    """The archive that `vot pack` made."""
    overlay: Path
    """A video of all sequences: propagated masks on the left, refined ones on the right."""
    sheet: Path
    """A picture: frames of every sequence, propagated masks below refined ones."""
    hota: dict[str, float]
    """HOTA of each tracker on the sequences of look-alikes; empty where there are none."""


def run_demo(folder: Path, watcher: Watcher | None = None) -> DemoResult:
    """Evaluate, analyse, report and pack in a workspace; what exists already is used again.

    Args:
        folder: A workspace whose stack has all measures and whose sequences are there.
        watcher: Gets reports on the progress.

    Raises:
        HQTrackError: A tracker failed, or a step of the toolkit left no result.
    """
    evaluation = evaluate(folder, DEMO_TRACKERS, watcher or Silent())
    for task, outcome in evaluation.failures.items():
        raise DataError(
            f"{task.tracker} left no complete result of {task.sequence}: {outcome.failure}; see the newest "
            f"file in {folder / 'logs'}, or run there: vot test {task.tracker}"
        )
    analysis = folder / "analysis" / f"{DEMO_NAME}.json"
    report = folder / "reports" / DEMO_NAME / "report.html"
    archive = next(folder.glob(f"{DEMO_TRACKERS[0]}_*.zip"), None)
    if evaluation.outcomes or not analysis.exists() or not report.exists():
        forget_analyses(folder)
        measures = analyse(folder, DEMO_TRACKERS, DEMO_NAME, cached=True)
        run_toolkit(folder, "report", "--format", "html", "--name", DEMO_NAME, *DEMO_TRACKERS, cached=True)
        archive = None
    else:
        measures = read_measures(analysis)
    workspace = open_workspace(folder)
    overlay, sheet_file = folder / "output" / WRITERS["overlay"].name, folder / "output" / "contact-sheet.png"
    overlay.parent.mkdir(parents=True, exist_ok=True)
    trackers = resolve(workspace, DEMO_TRACKERS)
    refined, propagated, _ = trackers
    _draw(workspace, (propagated, refined), overlay)
    write_picture(sheet_file, sheet(workspace, (refined, propagated)))
    plot = folder / "output" / "quality-plot.png"
    content = io.BytesIO()
    figure = quality_plot("Quality plot of the demo's sequences", [(each.tracker, each) for each in measures])
    figure.savefig(content, format="png", dpi=150)
    write_atomically(plot, content.getvalue())
    return DemoResult(
        measures,
        expected(report, "report"),
        plot,
        archive or pack(folder, DEMO_TRACKERS[0]),
        overlay,
        sheet_file,
        _hota(workspace, trackers),
    )


def _draw(workspace: Workspace, trackers: Sequence[Tracker], overlay: Path) -> None:
    """Draw trackers' masks over all sequences, which are of one size, side by side as a video."""
    (experiment,) = workspace.stack
    rates = [Fraction(str(each.metadata("fps", 25))).limit_denominator(1001) for each in workspace.dataset]
    writer = open_writer("overlay", overlay.parent, VideoFacts(max(rates)))
    count, time = 0, Fraction(0)
    for sequence, rate in zip(workspace.dataset, rates, strict=True):
        results = [experiment.gather(tracker, sequence) for tracker in trackers]
        for index in range(len(sequence)):
            masks = [masks_of(sequence, each, index) for each in results]
            captions = [f"{sequence.name}: {tracker.identifier}" for tracker in trackers]
            wide = side_by_side(frame_of(sequence, index), masks, captions, truth_of(sequence, index))
            nothing: Masks = np.zeros((0, *wide.shape[:2]), bool)  # they are drawn already
            writer.write(TrackedFrame(Frame(wide, count, time, f"{count:08d}"), nothing))
            count, time = count + 1, time + 1 / rate
    writer.finish()


def _hota(workspace: Workspace, trackers: Sequence[Tracker]) -> dict[str, float]:
    """Return the mean HOTA of each tracker over sequences of look-alikes, by the toolkit's own analysis."""
    (experiment,) = workspace.stack
    chosen = [sequence for sequence in workspace.dataset if sequence.name.startswith(LOOK_ALIKES)]
    analysis = HOTA()
    return {
        tracker.reference: float(
            np.mean([analysis.subcompute(experiment, tracker, sequence, []) for sequence in chosen])
        )
        for tracker in trackers
        if chosen
    }


def table(result: DemoResult) -> list[list[str]]:
    """Return the rows of a table, the heading first."""
    rows = [["tracker", "Q", "A", "R", "NRE", "DRE", "ADQ", "J", "F"]]
    if result.hota:
        rows[0].append(f"HOTA ({LOOK_ALIKES})")
    for m in result.measures:
        values = [
            m.quality,
            m.accuracy,
            m.robustness,
            m.not_reported_error,
            m.drift_rate_error,
            m.absence_detection_quality,
            m.region,
            m.boundary,
            *([result.hota[m.tracker]] if result.hota else []),
        ]
        rows.append([m.tracker, *("-" if v is None else f"{v:.3f}" for v in values)])
    return rows
