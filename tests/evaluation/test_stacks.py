"""Every stack of the toolkit that takes masks, offline, from tracking to an archive; others say why not."""

import argparse
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from vot.region import Mask
from vot.region.io import write_trajectory
from vot.stack import list_integrated_stacks
from vot.tracker import RealtimeTrackerRuntime, TrackerRuntime
from vot.tracker.trax import TrackerProcess
from vot.utilities.cli import do_analysis, do_pack

from hqtrack.errors import DataError
from hqtrack.evaluation.mends import realtime, starting
from hqtrack.evaluation.workspaces import open_workspace
from small_workspace import Run, make_workspace

pytestmark = pytest.mark.slow

OTHER_OUTPUT = {"vots2026/point": "measures points", "vots2026/referral": "prompts by language"}
STACKS = sorted(
    name
    for name in list_integrated_stacks()
    if name.startswith(("vots", "tests/multiobject", "davis")) and name not in OTHER_OUTPUT
)


@pytest.fixture(scope="module")
def one_sequence(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    shutil.copytree(dataset / "short", folder / "short")
    (folder / "list.txt").write_text("short\n")
    return folder


def lay_out_as_davis(folder: Path) -> None:
    """Replace the sequences of a workspace by one in the layout of DAVIS."""
    source = folder / "sequences" / "short" / "color"
    images = sorted(source.glob("*.jpg"))
    frames = folder / "JPEGImages" / "480p" / "short"
    labels = folder / "Annotations" / "480p" / "short"
    for place in (frames, labels, folder / "ImageSets" / "2017"):
        place.mkdir(parents=True)
    for index, image in enumerate(images):
        shutil.copy(image, frames / f"{index:05d}.jpg")
        label = cv2.imread(str(image))[..., 0] * 0
        cv2.circle(label, (14 + 2 * index, 40), 9, 1, -1)
        cv2.circle(label, (80, 14 + 2 * index), 9, 2, -1)
        cv2.imwrite(str(labels / f"{index:05d}.png"), label)
    (folder / "ImageSets" / "2017" / "val.txt").write_text("short\n")
    shutil.rmtree(folder / "sequences")
    (folder / "sequences").mkdir()
    for part in ("JPEGImages", "Annotations", "ImageSets"):
        (folder / part).rename(folder / "sequences" / part)


def add_ignored_places(sequence: Path) -> None:
    """Return where nothing is measured, without which the toolkit cannot measure tagged frames alone."""
    corner = np.ones((5, 5), np.uint8)
    length = len(list((sequence / "color").iterdir()))
    write_trajectory(str(sequence / "groundtruth__ignore.txt"), [Mask(corner)] * length)


def test_the_stacks_are_those_of_the_issue() -> None:
    years = {"vots2023", "vots2024/main", "vots2025/main", "vots2025/realtime", "vots2026/main"}
    assert years | {"tests/multiobject", "davis2017val"} <= set(STACKS)


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_goes_from_masks_to_an_archive(
    stack: str, one_sequence: Path, tmp_path: Path, run: Run
) -> None:
    folder = make_workspace(tmp_path / "workspace", one_sequence, stack)
    if stack.startswith("davis"):
        lay_out_as_davis(folder)
    if stack.endswith("votstval"):
        add_ignored_places(folder / "sequences" / "short")
    evaluation = run(folder, "FirstMask")
    assert len(evaluation.outcomes) == 1
    assert not evaluation.failures
    loaded = open_workspace(folder)
    if any(experiment.analyses for experiment in loaded.stack):
        do_analysis(
            argparse.Namespace(
                workspace=str(folder),
                trackers=["FirstMask"],
                sequences=None,
                experiments=None,
                name="all",
                format="json",
                debug=False,
            )
        )
        assert (folder / "analysis" / "all.json").stat().st_size > 100
    do_pack(argparse.Namespace(workspace=str(folder), tracker="FirstMask"))
    (archive,) = folder.glob("FirstMask_*.zip")
    with zipfile.ZipFile(archive) as content:
        packed = {name.split("/")[0] for name in content.namelist() if name.endswith(".bin")}
    assert packed == set(loaded.stack.experiments)


@pytest.mark.parametrize(("stack", "why"), OTHER_OUTPUT.items())
def test_a_stack_of_another_prompt_or_output_is_refused_with_the_reason(
    stack: str, why: str, one_sequence: Path, tmp_path: Path
) -> None:
    folder = make_workspace(tmp_path / "workspace", one_sequence, stack)
    with pytest.raises(DataError, match=why):
        open_workspace(folder)


def test_real_time_drops_the_frames_that_a_slow_tracker_is_late_for(
    dataset: Path, tmp_path: Path, run: Run
) -> None:
    folder = make_workspace(tmp_path / "workspace", dataset, "vots2025/realtime")
    (folder / "sequences" / "list.txt").write_text("long\n")
    evaluation = run(folder, "Paced")
    ((task, outcome),) = evaluation.outcomes.items()
    assert outcome.failure is None
    assert task.frames == 24
    # 0.4 s a frame at 25 frames a second: three are forgiven, then each answer costs about nine.
    assert 5 <= outcome.dropped["realtime"][0] <= 8
    assert outcome.dropped["realtime"][1] == 12
    assert "baseline" not in outcome.dropped


def test_the_toolkit_is_mended_where_it_lacks_something_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RealtimeTrackerRuntime, "run", TrackerRuntime.run)
    assert realtime.mend()
    assert not realtime.mend()

    def as_in_release_0_9_0(self: TrackerProcess, enable: bool = True) -> None:
        if self._watchdog_counter:
            self._watchdog_counter = self._timeout * 10 if enable else -1

    monkeypatch.setattr(TrackerProcess, "_watchdog_reset", as_in_release_0_9_0)
    assert starting.mend()
    assert not starting.mend()
