"""What a user of the VOT toolkit sees: the real toolkit drives the real tracker over TraX."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from vot.workspace import Workspace

from formula_weights import formula_state_dict
from hqtrack import nets
from hqtrack.evaluation import demo
from hqtrack.evaluation.toolkit import run_toolkit
from hqtrack.refinement.sam import build_network
from hqtrack.vot.workspace import SAMPLE_STACK_TEXT, registry_text
from hqtrack.zoo import find_weights, load_card
from small_workspace import write_sequence

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

Register = Callable[..., None]


@pytest.fixture
def light_weights(tmp_path: Path) -> Path:
    """Untrained weights of the light network: these tests are about the session, not about quality."""
    torch.manual_seed(0)
    file = tmp_path / "light.safetensors"
    save_file(
        {name: value.contiguous() for name, value in nets.build("vmos_light").state_dict().items()}, file
    )
    return file


def evaluate(workspace: Path, *trackers: str) -> str:
    """Run `vot evaluate` and give everything that the user sees."""
    command = [sys.executable, "-m", "vot", "evaluate", "--workspace", str(workspace), *trackers]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    return done.stdout + done.stderr


@pytest.fixture
def spaced_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """This Python under a path with a space."""
    (tmp_path / "with space").symlink_to(Path(sys.executable).parents[1])
    python = str(tmp_path / "with space" / "bin" / Path(sys.executable).name)
    monkeypatch.setattr(sys, "executable", python)
    return python


def result_files(workspace: Path, tracker: str) -> list[Path]:
    return sorted((workspace / "results" / tracker).rglob("*.bin"))


def test_the_toolkit_gets_one_trajectory_for_each_object(
    workspace: Path, register: Register, light_weights: Path
) -> None:
    register("Light", HQTRACK_WEIGHTS=str(light_weights), HQTRACK_MAX_LONG_EDGE="160")
    assert "concluded success" in evaluate(workspace, "Light")
    assert len(result_files(workspace, "Light")) == 2
    loaded = Workspace.load(str(workspace))
    (tracker,) = loaded.registry.resolve("Light", storage=loaded.storage.substorage("results"))
    (experiment,) = loaded.stack
    for trajectory in experiment.gather(tracker, loaded.dataset["discs"]):
        assert len(trajectory) == 6


def test_the_baseline_repeats_its_first_masks_by_a_python_under_a_path_with_a_space(
    spaced_python: str, workspace: Path
) -> None:
    assert f"python = '{spaced_python}'" in (workspace / "trackers.ini").read_text()
    assert "concluded success" in evaluate(workspace, "FirstMask")
    loaded = Workspace.load(str(workspace))
    (tracker,) = loaded.registry.resolve("FirstMask", storage=loaded.storage.substorage("results"))
    (experiment,) = loaded.stack
    sequence = loaded.dataset["discs"]
    for name, trajectory in zip(sequence.objects(), experiment.gather(tracker, sequence), strict=True):
        first = sequence.object(name)[0].rasterize((0, 0, 159, 119))
        for frame in range(1, len(sequence)):
            np.testing.assert_array_equal(trajectory.region(frame).rasterize((0, 0, 159, 119)), first)


@pytest.mark.usefixtures("spaced_python")
def test_the_demo_starts_a_python_that_the_registry_does_not_name(workspace: Path) -> None:
    (workspace / "trackers.ini").write_text(registry_text())
    run_toolkit(workspace, "evaluate", "FirstMask")
    assert len(result_files(workspace, "FirstMask")) == 2


def test_the_demo_ends_with_measures_pictures_and_a_submission(
    workspace: Path, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "LOOK_ALIKES", "discs")
    (workspace / "trackers.ini").write_text("")
    for name in demo.DEMO_TRACKERS:  # systems are tested elsewhere
        register(name, "hqtrack.vot.first_mask")
    result = demo.run_demo(workspace)
    assert [m.tracker for m in result.measures] == ["HQTrackLight", "VMOS_LIGHT", "FirstMask"]
    baseline = result.measures[-1]
    assert 0.1 < baseline.quality < 5 / 6  # the discs move; the first of 6 frames scores 0
    heading, *rows = demo.table(result)
    assert heading[-3:] == ["J", "F", "HOTA (discs)"]
    assert [row[0] for row in rows] == ["HQTrackLight", "VMOS_LIGHT", "FirstMask"]
    assert all(0 < float(cell) < 1 for cell in rows[-1][-3:])
    sheet = cv2.imread(str(result.sheet))
    assert sheet.shape[1] == 6 * 320  # a row of 6 frames for each of two trackers
    with av.open(str(result.overlay)) as video:
        assert (video.streams.video[0].width, video.streams.video[0].height) == (2 * 160, 120)
    for file in (result.report, result.plot, result.submission, result.overlay, result.sheet):
        assert file.stat().st_size > 0
    written = result.report.stat().st_mtime_ns
    again = demo.run_demo(workspace)
    assert again.measures == result.measures
    assert again.hota == result.hota
    assert again.report.stat().st_mtime_ns == written  # nothing was evaluated or analysed again


WRONG = {
    "Card": ("HQTRACK_CARD", "no-such-card", "no card named 'no-such-card'"),
    "Weights": ("HQTRACK_WEIGHTS", "/nowhere/light.pth", "/nowhere/light.pth"),
    "Misspelt": ("HQTRACK_LONG_TERM_GAB", "3", "unknown setting HQTRACK_LONG_TERM_GAB='3'"),
    "Device": ("HQTRACK_DEVICE", "abacus", "abacus"),
    "Text": ("HQTRACK_WEIGHTS", __file__, "not a PyTorch checkpoint"),
}
"""Trackers with one wrong setting each: its name, its value, and what is said of it."""


def test_wrong_settings_are_told_by_the_toolkit(workspace: Path, register: Register) -> None:
    for tracker, (setting, value, _) in WRONG.items():
        register(tracker, **{setting: value})
    seen = evaluate(workspace, "--persist", *WRONG)
    for tracker, (_, _, said) in WRONG.items():
        ours = seen.split(f"Tracker {tracker} encountered an error")[1].split("encountered an error")[0]
        assert said in ours
        assert result_files(workspace, tracker) == []


def test_a_missing_weight_is_told_with_the_remedy(workspace: Path) -> None:
    seen = evaluate(workspace, "VMOS")
    assert "hqtrack weights" in seen


def test_a_frame_that_cannot_be_read_is_named(workspace: Path) -> None:
    frame = workspace / "sequences" / "discs" / "color" / "00000003.jpg"
    frame.write_bytes(frame.read_bytes()[:100])
    assert "00000003.jpg" in evaluate(workspace, "FirstMask")


def test_a_frame_of_another_size_is_told(workspace: Path, register: Register, light_weights: Path) -> None:
    frame = workspace / "sequences" / "discs" / "color" / "00000003.jpg"
    cv2.imwrite(str(frame), np.zeros((60, 80, 3), np.uint8))
    register("Light", HQTRACK_WEIGHTS=str(light_weights), HQTRACK_MAX_LONG_EDGE="160")
    seen = evaluate(workspace, "Light")
    assert "80 x 60" in seen
    assert "160 x 120" in seen


def test_a_first_mask_outside_the_frame_is_named(workspace: Path) -> None:
    frame = workspace / "sequences" / "discs" / "color" / "00000001.jpg"
    cv2.imwrite(str(frame), np.zeros((30, 40, 3), np.uint8))
    assert "beyond the frame of 40 x 30 pixels" in evaluate(workspace, "FirstMask")


def test_the_registry_and_the_workspace_of_the_checkout_are_what_the_command_writes() -> None:
    assert (ROOT / "trackers.ini").read_text() == registry_text()
    assert (ROOT / "vot_workspace" / "stack.yaml").read_text() == SAMPLE_STACK_TEXT


CARD_WITHOUT_REFINER = """
name = "light-refined"
title = "The light network and the light HQ-SAM"
network = "vmos_light"
max_long_edge = 160

[weights]
file = "light.safetensors"
origin = "embedded"
"""

CARD_WITH_REFINER = f"""{CARD_WITHOUT_REFINER}
[refiner]
kind = "hq-sam-vit-tiny"
iou_threshold = 0.0

[refiner.weights]
file = "sam_hq_vit_tiny.pth"
origin = "published"
page = "https://example.org/hq-sam"
"""


def test_a_card_with_a_refiner_runs_from_the_toolkit_to_refined_masks(
    workspace: Path, register: Register, tmp_path: Path
) -> None:
    # Trained weights, because only an object that is found is refined.
    (tmp_path / "light.safetensors").symlink_to(find_weights(load_card("hqtrack-light").weights))
    network = build_network("hq-sam-vit-tiny")
    torch.save(formula_state_dict(network.state_dict()), tmp_path / "sam_hq_vit_tiny.pth")
    for name, text in (("Refined", CARD_WITH_REFINER), ("Propagated", CARD_WITHOUT_REFINER)):
        card = tmp_path / f"{name}.toml"
        card.write_text(text)
        register(name, HQTRACK_CARD=str(card))
    sequence = workspace / "sequences" / "discs"
    shutil.rmtree(sequence)
    write_sequence(sequence, 2)  # the refiner takes seconds for a frame
    assert "concluded success" in evaluate(workspace, "Refined", "Propagated")
    refined, propagated = (
        [file.read_bytes() for file in result_files(workspace, name)] for name in ("Refined", "Propagated")
    )
    assert len(refined) == len(propagated) == 2
    assert refined != propagated  # the refiner's masks reached the toolkit
