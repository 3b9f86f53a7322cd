"""What one does in a workspace: list stacks, name trackers, choose sequences, look at results."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner
from vot.stack import list_integrated_stacks

from hqtrack.cli import app
from hqtrack.errors import CardError, DataError
from hqtrack.evaluation.evaluate import plan
from hqtrack.evaluation.sequences import choose_sequences
from hqtrack.evaluation.shown import show
from hqtrack.evaluation.stacks import all_stacks, facts_of_stack, warning_of
from hqtrack.evaluation.workspaces import open_workspace, renamed, resolve
from small_workspace import HEIGHT, WIDTH, make_workspace, run_here

pytestmark = pytest.mark.slow


def test_every_stack_is_listed_with_what_runs() -> None:
    stacks = {each.name: each for each in all_stacks()}
    assert set(stacks) == set(list_integrated_stacks())
    assert stacks["vots2026/main"].truth == "withheld"
    assert stacks["vot2019/shortterm"].year == "2019"
    assert stacks["vots2026/point"].in_and_out == "refused: measures points"
    assert stacks["vot2022/shorttermbox"].in_and_out.startswith("boxes")
    listed = CliRunner().invoke(app, ["workspace", "--list"])
    assert listed.exit_code == 0
    assert len(listed.stdout.splitlines()) == len(stacks) + 1


def test_a_stack_is_warned_of_where_the_toolkit_cannot_run_it() -> None:
    assert "redetection (redetection)" in warning_of(facts_of_stack("vot2022/longterm"))
    assert warning_of(facts_of_stack("vots2026/main")) == ""


def test_a_tracker_gets_the_name_that_the_challenge_knows(tmp_path: Path) -> None:
    command = ["workspace", str(tmp_path / "w"), "--stack", "vots2026/main"]
    made = CliRunner().invoke(app, [*command, "--as", "Mine=hqtrack-light:report=rectangle,long_term_gap=9"])
    assert made.exit_code == 0, made.output
    assert "vot evaluate Mine" in made.stdout
    entry = (tmp_path / "w" / "ablations.ini").read_text()
    assert "[Mine]" in entry
    assert "env_HQTRACK_REPORT = rectangle\nenv_HQTRACK_LONG_TERM_GAP = 9" in entry
    again = CliRunner().invoke(app, [*command, "--as", "Other=vmos-light"])
    assert again.exit_code == 0, again.output
    assert (tmp_path / "w" / "ablations.ini").read_text().count("[") == 2


@pytest.mark.parametrize("text", ["Mine", "Mine=", "My Tracker=vmos", "Mine=vmos:report=circle"])
def test_a_wrong_name_is_refused(text: str) -> None:
    with pytest.raises(CardError, match=r"--as|report = 'circle'"):
        renamed(text)


def test_sequences_are_chosen_by_name_and_pattern(workspace: Path) -> None:
    opened = open_workspace(workspace)
    chosen = choose_sequences(opened.dataset, ["m*", "short"])
    assert [sequence.name for sequence in chosen] == ["short", "middle"]
    tasks, *_ = plan(opened, resolve(opened, ["FirstMask"]), chosen=chosen)
    assert {task.sequence for task in tasks} == {"short", "middle"}
    with pytest.raises(DataError, match=r"no sequence 'shirt': did you mean short\? there are short, middle"):
        choose_sequences(opened.dataset, ["shirt"])


def test_stored_results_become_an_overlay_label_images_and_boxes(dataset: Path, tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "w", dataset)
    (folder / "sequences" / "list.txt").write_text("short\n")
    with (folder / "trackers.ini").open("a") as file:
        file.write("\n[Other]\nlabel = Other\nprotocol = traxpython\ncommand = hqtrack.vot.first_mask\n")
    run_here(folder, "FirstMask", "Other")
    shown = CliRunner().invoke(
        app, ["show", str(folder), "FirstMask", "Other", "short", "-o", str(tmp_path / "o")]
    )
    assert shown.exit_code == 0, shown.output
    with av.open(str(tmp_path / "o" / "overlay.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert [frame.shape for frame in frames] == [(HEIGHT, 2 * WIDTH, 3)] * 5
    halves = np.split(frames[-1].astype(int), 2, axis=1)
    assert (
        np.abs(halves[0] - halves[1])[HEIGHT // 2 :].mean() < 12
    )  # the same masks with numbers of their own
    labels = cv2.imread(str(next((tmp_path / "o" / "Other" / "labels").glob("*5.png"))), cv2.IMREAD_UNCHANGED)
    assert labels.shape[:2] == (HEIGHT, WIDTH)
    assert (tmp_path / "o" / "FirstMask" / "boxes.csv").read_text().count("\n") == 1 + 5 * 2
    with pytest.raises(DataError, match=r"VMOS_LIGHT has no complete results of short"):
        show(folder, ["VMOS_LIGHT"], "short", tmp_path / "o")
    with pytest.raises(DataError, match="no sequence 'shot': did you mean short"):
        show(folder, ["FirstMask"], "shot", tmp_path / "o")


def test_the_toolkits_command_runs_mended() -> None:
    helped = CliRunner().invoke(app, ["vot", "--help"])
    assert helped.exit_code == 0
