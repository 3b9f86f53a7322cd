"""Experiments that toolkit 0.9.0 cannot run, on small sequences with the toolkit's own measures."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from vot.dataset import common
from vot.region import Mask, Rectangle, calculate_overlaps, is_special
from vot.tracker import Trajectory

from hqtrack.evaluation.mends import mend_toolkit
from hqtrack.evaluation.toolkit import run_toolkit
from hqtrack.evaluation.workspaces import open_workspace, register, renamed
from hqtrack.vot.workspace import create_workspace
from small_workspace import HEIGHT, TRACKERS, WIDTH, run_here, trajectories, write_one_object

pytestmark = pytest.mark.slow

STANDING = [(30, 30)] * 4
JUMPING = [(30, 30)] * 4 + [(70, 40)] * 8
"""The disc stands, and jumps away in frame 4, so that whoever repeats the first mask loses it."""


def workspace_of(folder: Path, stack: str, places: list[tuple[int, int]], **options: object) -> Path:
    create_workspace(folder, stack)
    write_one_object(folder / "sequences" / "disc", places, **options)
    with (folder / "trackers.ini").open("a") as file:
        file.write(f"\n[Single]\nprotocol = traxpython\ncommand = single\npaths = {TRACKERS}\ntimeout = 30\n")
    return folder


def analysed(folder: Path, *trackers: str) -> dict[str, list]:
    """Measures of each experiment, as `vot analysis` writes them."""
    run_toolkit(folder, "analysis", *trackers, "--format", "json", "--name", "all")
    content = json.loads((folder / "analysis" / "all.json").read_text())
    return {name.rpartition("/")[2]: each["results"] for name, each in content["results"].items()}


def kinds(trajectory: Trajectory) -> str:
    """A letter a frame: i where it began, f where the object was lost, - nothing, x a region."""
    codes = {Trajectory.INITIALIZATION: "i", Trajectory.FAILURE: "f", Trajectory.UNKNOWN: "-"}
    return "".join(codes[r.code] if is_special(r) else "x" for r in trajectory.regions())


def masks(trajectory: Trajectory) -> list[np.ndarray]:
    return [region.rasterize((0, 0, WIDTH - 1, HEIGHT - 1)) for region in trajectory.regions()[1:]]


def test_the_toolkit_is_looked_at_once() -> None:
    mend_toolkit()
    assert mend_toolkit() == []


def test_no_command_of_the_toolkit_runs_code_that_a_stack_names(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = workspace_of(tmp_path / "w", "vots2023", STANDING)
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("vots2023", "./stack.yaml"))
    (folder / "stack.yaml").write_text(f"title: !!python/object/apply:os.mkdir [{tmp_path / 'run'}]\n")
    run_toolkit(folder, "evaluate", "Single")
    assert "could not determine a constructor for the tag" in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("tracker", ["FirstMask", "Single"])
def test_multistart_begins_in_every_anchor_frame_and_runs_both_ways(tracker: str, tmp_path: Path) -> None:
    folder = workspace_of(tmp_path / "w", "vot2022/shortterm", JUMPING, anchors={0: 1, 2: 1, 11: -1})
    outcomes, refused = run_here(folder, tracker)
    assert [outcome.failure for outcome in outcomes] == [None]
    assert refused == []
    for experiment in ("baseline", "realtime"):
        found = trajectories(folder, tracker, experiment)
        assert {name: kinds(each) for name, each in found.items()} == {
            "disc_00000000": "i" + 11 * "x",
            "disc_00000002": "i" + 9 * "x",
            "disc_00000011": "i" + 11 * "x",
        }
        assert all("time" in each.properties() for each in found.values())
    truth = open_workspace(folder).dataset["disc"].groundtruth()
    start = truth[11].rasterize((0, 0, WIDTH - 1, HEIGHT - 1))
    for mask in masks(trajectories(folder, tracker, "baseline")["disc_00000011"]):
        np.testing.assert_array_equal(mask, start)


def test_multistart_is_measured_as_by_hand(tmp_path: Path) -> None:
    folder = workspace_of(tmp_path / "w", "vot2022/shortterm", JUMPING, anchors={0: 1, 11: -1})
    run_here(folder, "FirstMask")
    _, _, ((accuracy, robustness, *_),) = analysed(folder, "FirstMask")["baseline"]
    # The first frame of each run scores 0. Only 10 wrong frames in a row count as lost: forwards there are 8,
    # and backwards 4.
    overlaps = [np.r_[0, np.ones(3), np.zeros(8)], np.r_[0, np.ones(7), np.zeros(4)]]
    assert accuracy == pytest.approx(np.concatenate(overlaps).mean())
    assert robustness == 1


@pytest.mark.parametrize("tracker", ["FirstMask", "Single"])
def test_supervised_begins_anew_five_frames_after_the_object_is_lost(tracker: str, tmp_path: Path) -> None:
    folder = workspace_of(tmp_path / "w", "vot2019/shortterm", JUMPING, shape="polygon")
    outcomes, _ = run_here(folder, tracker)
    assert [outcome.failure for outcome in outcomes] == [None]
    for experiment in ("baseline", "realtime"):
        for trajectory in trajectories(folder, tracker, experiment).values():
            assert kinds(trajectory) == "ixxxf----ixx"
    assert len(trajectories(folder, tracker, "baseline")) == 3  # three that are equal are enough of 15
    measures = analysed(folder, tracker)
    assert set(measures) == {"baseline", "realtime", "unsupervised"}
    (accuracy, robustness, *_), *_ = measures["baseline"][0]
    assert robustness > 0
    assert 0 <= accuracy <= 1


def test_redetection_moves_the_object_to_the_opposite_corner(tmp_path: Path) -> None:
    folder = workspace_of(tmp_path / "w", "vot2022/longterm", STANDING)
    outcomes, refused = run_here(folder, "FirstMask")
    assert [outcome.failure for outcome in outcomes] == [None]
    assert refused == []
    workspace = open_workspace(folder)
    (generated,) = workspace.stack.experiments["redetection"].transform(workspace.dataset["disc"])
    assert len(generated) == 200
    assert generated.size == (3 * WIDTH, 3 * HEIGHT)
    bounds = (0, 0, 3 * WIDTH - 1, 3 * HEIGHT - 1)
    for index, corner in ((4, (0, 0)), (5, (2 * WIDTH, HEIGHT)), (199, (2 * WIDTH, HEIGHT))):
        inside = generated.groundtruth(index).rasterize(bounds) > 0
        rows, columns = np.nonzero(inside)
        assert columns.min() >= corner[0]
        assert rows.min() >= corner[1]
        red, _, blue = generated.frame(index).image()[inside].mean(0)
        assert red > 200 > 100 > blue  # the truth lies on the disc
    (trajectory,) = trajectories(folder, "FirstMask", "redetection").values()
    assert kinds(trajectory) == "i" + 199 * "x"


def test_tagged_frames_are_measured_without_ignored_places(tmp_path: Path) -> None:
    folder = workspace_of(tmp_path / "w", "vots2025/votstval", JUMPING)
    (folder / "sequences" / "disc" / "evaluation.tag").write_text("0\n" + 7 * "1\n" + 4 * "0\n")
    run_here(folder, "FirstMask")
    quality, *_ = analysed(folder, "FirstMask")["baseline"]
    assert quality[0][0] == pytest.approx(np.mean([1, 1, 1, 0, 0, 0, 0]))


@pytest.mark.parametrize(("fps", "rate"), [("29.97", 29.97), ("0.5", 0.5), ("30000/1001", 29.97), ("25", 25)])
def test_a_frame_rate_need_not_be_a_whole_number(fps: str, rate: float, tmp_path: Path) -> None:
    mend_toolkit()
    (tmp_path / "sequence").write_text(f"fps={fps}\n")
    assert common._read_metadata(str(tmp_path))["fps"] == pytest.approx(rate, abs=1e-3)


def test_a_frame_rate_that_is_none_is_named_and_the_experiments_own_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = workspace_of(tmp_path / "w", "vots2025/realtime", STANDING, fps="fast")
    with caplog.at_level(logging.WARNING):
        outcomes, _ = run_here(folder, "FirstMask")
    assert [outcome.failure for outcome in outcomes] == [None]
    assert "fps=fast is no frame rate" in caplog.text


def test_an_experiment_that_cannot_run_is_named_and_the_others_run(tmp_path: Path) -> None:
    folder = workspace_of(tmp_path / "w", "vot2022/shortterm", STANDING)
    outcomes, refused = run_here(folder, "FirstMask")
    assert [outcome.failure for outcome in outcomes] == [None]
    assert [line.split(":")[0] for line in refused] == ["experiment baseline", "experiment realtime"]
    assert all("does not contain any anchors" in line for line in refused)
    assert set(trajectories(folder, "FirstMask", "unsupervised")) == {"disc_001"}


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda folder: (folder / "groundtruth.txt").write_text(""), "groundtruth.txt has no region"),
        (
            lambda folder: (folder / "groundtruth.txt").write_text("m1,2\nabc\n"),
            "groundtruth.txt cannot be read",
        ),
        (lambda folder: (folder / "color").rename(folder / "colour"), "there is no frame"),
        (lambda folder: (folder / "groundtruth.txt").unlink(), "cannot be read"),
    ],
)
def test_a_sequence_that_cannot_be_read_is_named_and_the_others_run(
    damage: object, named: str, tmp_path: Path
) -> None:
    folder = workspace_of(tmp_path / "w", "vots2026/main", STANDING)
    write_one_object(folder / "sequences" / "bad", STANDING)
    damage(folder / "sequences" / "bad")
    outcomes, refused = run_here(folder, "FirstMask")
    assert [outcome.failure for outcome in outcomes] == [None]
    (line,) = refused
    assert line.startswith("sequence bad: ")
    assert named in line


def test_a_sequence_without_colour_is_tracked_by_what_it_has(tmp_path: Path) -> None:
    folder = workspace_of(tmp_path / "w", "vot2016/tir", STANDING, channel="ir", shape="rectangle")
    outcomes, _ = run_here(folder, "FirstMask")
    assert [outcome.failure for outcome in outcomes] == [None]
    assert outcomes[0].channels == {"color": "ir"}


def test_confidence_travels_to_the_measures_of_long_term_tracking(tmp_path: Path) -> None:
    folder = workspace_of(tmp_path / "w", "vot2022/longterm", STANDING)
    run_here(folder, "Single")
    (trajectory,) = trajectories(folder, "Single", "longterm").values()
    assert [trajectory.properties(index)["confidence"] for index in range(1, 4)] == [0.5] * 3
    ((precision, recall, f), *_), curve, _ = analysed(folder, "Single")["longterm"]
    assert (precision, recall) == pytest.approx((1, 1), abs=0.3)  # the first frame scores 0
    assert f == pytest.approx(2 * precision * recall / (precision + recall))
    assert curve


@pytest.mark.parametrize("report", ["mask", "rectangle"])
def test_a_stack_of_boxes_is_answered_with_boxes_where_that_is_asked_for(report: str, tmp_path: Path) -> None:
    folder = workspace_of(tmp_path / "w", "otb50", STANDING, shape="rectangle")
    register(folder, [renamed(f"Boxes=hqtrack-light:report={report}")], [])
    outcomes, _ = run_here(folder, "Boxes")
    assert [outcome.failure for outcome in outcomes] == [None]
    (trajectory,) = trajectories(folder, "Boxes", "baseline").values()
    kind = {"mask": Mask, "rectangle": Rectangle}[report]
    assert all(isinstance(region, kind) for region in trajectory.regions()[1:])
    truth = open_workspace(folder).dataset["disc"].groundtruth()
    overlaps = calculate_overlaps(trajectory.regions()[1:], truth[1:], (WIDTH, HEIGHT))
    assert np.mean(overlaps) > 0.5
