"""Many trackers on many sequences: the toolkit's own results, whatever dies on the way."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hqtrack.cli import app
from hqtrack.errors import CardError, DataError
from hqtrack.evaluation.workspaces import open_workspace
from small_workspace import LENGTHS, TRACKERS, Run, result_files

pytestmark = pytest.mark.slow

THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def vot(workspace: Path, command: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "vot", command, "--workspace", str(workspace), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **THREADS},
    )
    return done.stdout + done.stderr


def test_results_are_those_of_vot_evaluate_byte_for_byte(workspace: Path, tmp_path: Path, run: Run) -> None:
    (workspace / "sequences" / "list.txt").write_text("short\n")
    trackers = ["HQTrackLight", "FirstMask"]
    evaluation = run(workspace, *trackers)
    assert not evaluation.failures
    ours = {tracker: result_files(workspace, tracker) for tracker in trackers}
    assert all(len(files) == 2 for files in ours.values())

    (workspace / "results").rename(tmp_path / "ours")
    vot(workspace, "evaluate", *trackers)
    assert {tracker: result_files(workspace, tracker) for tracker in trackers} == ours

    (workspace / "results").rename(tmp_path / "theirs")
    (tmp_path / "ours").rename(workspace / "results")
    assert "Analysis successful" in vot(workspace, "analysis", "--format", "json", *trackers)
    assert "packaging successful" in vot(workspace, "pack", "FirstMask")


def test_the_longest_sequences_come_first(workspace: Path, run: Run) -> None:
    run(workspace, "FirstMask")
    assert [task.sequence for task in run.recorder.tasks] == ["long", "middle", "short"]


def test_what_is_complete_is_kept_and_what_is_broken_is_run_again(workspace: Path, run: Run) -> None:
    run(workspace, "FirstMask")
    before = result_files(workspace, "FirstMask")
    folder = workspace / "results" / "FirstMask" / "baseline"
    files = {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
    truncated = folder / "middle" / "middle_0_001.bin"
    truncated.write_bytes(truncated.read_bytes()[:-3])
    (folder / "short" / "short_1_001_time.value").unlink()

    evaluation = run(workspace, "FirstMask")

    assert evaluation.complete == 1
    assert run.recorder.broken == ["FirstMask/baseline/short", "FirstMask/baseline/middle"]
    assert result_files(workspace, "FirstMask") == before
    kept = {file for file in files if file.stat().st_mtime_ns == files[file]}
    assert {file.parent.name for file in kept} == {"long"}
    assert run(workspace, "FirstMask").outcomes == {}


def test_a_tracker_that_fails_is_named_with_its_own_reason_and_the_rest_is_finished(
    workspace: Path, run: Run
) -> None:
    evaluation = run(workspace, "Crashing", "FirstMask")
    assert {task.tracker for task in evaluation.failures} == {"Crashing"}
    assert all("no cheese here" in str(outcome.failure) for outcome in evaluation.failures.values())
    assert len(result_files(workspace, "FirstMask")) == 2 * len(LENGTHS)
    assert result_files(workspace, "Crashing") == {}


def test_a_tracker_that_never_says_a_word_is_given_up_after_its_time(workspace: Path, run: Run) -> None:
    (workspace / "sequences" / "list.txt").write_text("short\n")
    with (workspace / "trackers.ini").open("a") as file:
        file.write(f"\n[Mute]\nprotocol = traxpython\ncommand = mute\npaths = {TRACKERS}\ntimeout = 3\n")
    started = time.monotonic()
    (outcome,) = run(workspace, "Mute").failures.values()
    assert "Unable to connect to tracker" in str(outcome.failure)
    assert time.monotonic() - started < 60


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="this system has no process groups")
def test_a_tracker_whose_children_keep_its_pipe_open_is_given_up_after_its_time(
    workspace: Path, run: Run
) -> None:
    (workspace / "sequences" / "list.txt").write_text("short\n")
    with (workspace / "trackers.ini").open("a") as file:
        file.write(
            f"\n[Lingering]\nprotocol = traxpython\ncommand = lingering\npaths = {TRACKERS}\ntimeout = 3\n"
        )
    started = time.monotonic()
    (outcome,) = run(workspace, "Lingering").failures.values()
    assert "Unable to connect to tracker" in str(outcome.failure)
    assert time.monotonic() - started < 60  # its child lives for 120 s


def test_a_worker_that_is_killed_in_mid_sequence_costs_only_its_task(workspace: Path, run: Run) -> None:
    killed: list[int] = []

    def kill_who_tracks() -> None:
        while not any(task.sequence == "long" for task in run.recorder.started):
            time.sleep(0.05)
        processes = run.client.run(os.getpid)
        for address, keys in run.client.processing().items():
            if any(key.endswith("-0") for key in keys):  # the first task is the longest sequence
                killed.append(processes[address])
                os.kill(processes[address], signal.SIGKILL)

    run.recorder.started.clear()
    killer = threading.Thread(target=kill_who_tracks, daemon=True)
    timer = threading.Timer(0.5, killer.start)
    timer.start()
    evaluation = run(workspace, "Paced")
    assert len(killed) == 1
    assert not evaluation.failures
    assert len(result_files(workspace, "Paced")) == 2 * len(LENGTHS)


def test_a_killed_command_goes_on_where_it_was(workspace: Path) -> None:
    registry = workspace / "trackers.ini"
    registry.write_text(registry.read_text().replace("env_PACE = 0.4", "env_PACE = 0.1"))
    command = [sys.executable, "-m", "hqtrack.cli", "evaluate", "Paced", "--workspace", str(workspace)]
    command += ["--workers", "2"]
    folder = workspace / "results" / "Paced" / "baseline"

    first = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    finished = folder / "middle" / "middle_1_001_time.value"
    deadline = time.monotonic() + 240
    while not finished.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert finished.exists()
    first.kill()
    first.wait()
    time.sleep(0.3)
    before = {file: file.stat().st_mtime_ns for file in folder.glob("middle/*")}

    again = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    assert again.returncode == 0, again.stderr
    assert "nothing to track" not in again.stderr
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert len(result_files(workspace, "Paced")) == 2 * len(LENGTHS)


def test_a_variation_of_a_card_gets_an_entry_that_the_toolkit_knows(workspace: Path, run: Run) -> None:
    (workspace / "sequences" / "list.txt").write_text("short\n")
    evaluation = run(workspace, "hqtrack-light:long_term_gap=2,paradigm=separate")
    (identifier,) = evaluation.trackers
    assert identifier == "HQTrackLight-long_term_gap-2-paradigm-separate"
    assert not evaluation.failures
    assert "Analysis successful" in vot(workspace, "analysis", identifier)
    run(workspace, "hqtrack-light:long_term_gap=2,paradigm=separate")
    assert (workspace / "ablations.ini").read_text().count("[") == 1


def test_the_command_ends_with_1_and_plain_lines_of_which_failures_are_the_last(
    workspace: Path, run: Run
) -> None:
    (workspace / "sequences" / "list.txt").write_text("short\n")
    address = run.client.scheduler_info()["address"]
    command = ["evaluate", "Crashing", "FirstMask", "--workspace", str(workspace), "--scheduler", address]
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 1
    lines = ended.stderr.splitlines()
    assert lines[0] == "2 to track (10 frames), 0 complete already"
    assert any("FirstMask on short: 5 frames" in line for line in lines)
    assert lines[-1].startswith("failed: Crashing on short: ")
    assert lines[-1].endswith("ValueError: no cheese here")

    again = CliRunner().invoke(app, [*command[:1], *command[2:]])
    assert again.exit_code == 0
    assert "nothing to track, 1 complete already" in again.stderr
    assert "next: vot analysis" in again.stdout


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("Nobody", DataError, r"no tracker 'Nobody'.*FirstMask.*hqtrack-light"),
        ("hqtrack-light:long_term_gab=3", CardError, r"long_term_gab.*no such setting"),
        ("hqtrack-light:long_term_gap=often", CardError, r"long_term_gap.*often"),
        ("hqtrack-light:long_term_gap", CardError, "is no setting; write CARD:setting=value"),
    ],
)
def test_an_unknown_tracker_setting_or_value_is_told(
    workspace: Path, run: Run, name: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(workspace, name)
    assert not (workspace / "ablations.ini").exists()


def test_a_card_is_not_taken_for_an_entry_with_other_settings(workspace: Path, run: Run) -> None:
    registry = workspace / "trackers.ini"
    card = "env_HQTRACK_CARD = hqtrack-light\n"
    registry.write_text(registry.read_text().replace(card, card + "env_HQTRACK_LONG_TERM_GAP = 3\n"))
    with pytest.raises(DataError, match=r"HQTrackLight .* has other settings: .*LONG_TERM_GAP=3"):
        run(workspace, "hqtrack-light")


@pytest.mark.parametrize(
    "title",
    ['!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ["pwned"]]', "[" * 9000],
)
def test_a_stack_that_asks_for_code_is_refused_before_the_toolkit_reads_it(
    workspace: Path, title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    stack = workspace / "stack.yaml"
    stack.write_text(stack.read_text().replace("title:", f"title: {title}\nurl:"))
    with pytest.raises(
        DataError, match=r"the stack .*stack\.yaml cannot be read, or asks for code"
    ) as caught:
        open_workspace(workspace)
    assert "\n" not in str(caught.value)
    assert not (workspace / "pwned").exists()


def test_workspaces_that_cannot_be_used_are_told(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is no workspace.*hqtrack workspace"):
        open_workspace(tmp_path)
    shutil.rmtree(workspace / "sequences")
    with pytest.raises(DataError, match=r"no dataset in .*Nothing is downloaded"):
        open_workspace(workspace)
