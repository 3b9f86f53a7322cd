"""Frames, masks and results that somebody brings into a workspace."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from hqtrack.cli import app
from hqtrack.errors import DataError
from hqtrack.evaluation.brought import bring_data
from hqtrack.evaluation.results import State, state_of
from hqtrack.evaluation.toolkit import analyse
from hqtrack.evaluation.workspaces import open_workspace, resolve
from hqtrack.vot.workspace import SAMPLE_STACK, create_workspace

pytestmark = pytest.mark.slow

FRAMES = 4


def labels_at(index: int) -> np.ndarray:
    """Object 5 moves; object 9 joins in frame 2."""
    labels = np.zeros((24, 32), np.uint8)
    labels[4:10, 2 + index : 10 + index] = 5
    if index >= 2:
        labels[14:20, 20:28] = 9
    return labels


def write_images(folder: Path, suffix: str, make: object) -> None:
    folder.mkdir(parents=True)
    for index in range(FRAMES):
        cv2.imwrite(str(folder / f"{index:05d}.{suffix}"), make(index))


def picture(index: int) -> np.ndarray:
    return np.repeat(labels_at(index)[..., None] * 20, 3, axis=2)


def davis(root: Path) -> Path:
    write_images(root / "JPEGImages" / "480p" / "walk", "jpg", picture)
    write_images(root / "Annotations" / "480p" / "walk", "png", labels_at)
    return root


def folders(root: Path) -> Path:
    write_images(root / "walk" / "frames", "png", picture)
    write_images(root / "walk" / "labels", "png", labels_at)
    return root


def video(root: Path) -> Path:
    write_images(
        root / "walk" / "labels", "png", labels_at
    )  # as `hqtrack track walk.mp4 -o walk` leaves them
    writer = cv2.VideoWriter(str(root / "walk.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (32, 24))
    for index in range(FRAMES):
        writer.write(picture(index))
    writer.release()
    return root


@pytest.mark.parametrize("lay_out", [davis, folders, video])
def test_frames_and_label_images_become_sequences(lay_out: object, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    command = ["workspace", str(folder), "--stack", SAMPLE_STACK, "--data", str(lay_out(tmp_path / "source"))]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "sequences: walk" in done.stdout
    sequence = open_workspace(folder).dataset["walk"]
    assert len(sequence) == FRAMES
    assert sorted(sequence.objects()) == ["005", "009"]
    for index in range(FRAMES):
        labels = labels_at(index)
        mask = sequence.object("005", index).rasterize((0, 0, 31, 23))
        np.testing.assert_array_equal(mask, labels == 5)
    late = [type(region).__name__ for region in sequence.object("009")]
    assert late == ["Special", "Special", "Mask", "Mask"]
    assert sequence.frame(1).image().shape == (24, 32, 3)


def test_results_of_another_program_are_measured(tmp_path: Path) -> None:
    source = davis(tmp_path / "source")
    write_images(tmp_path / "theirs" / "walk", "png", labels_at)
    folder = tmp_path / "w"
    create_workspace(folder, SAMPLE_STACK)
    command = ["workspace", str(folder), "--data", str(source), "--results", f"Theirs={tmp_path / 'theirs'}"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    workspace = open_workspace(folder)
    (tracker,) = resolve(workspace, ["Theirs"])
    experiment = workspace.stack.experiments["baseline"]
    assert state_of(experiment, tracker, workspace.dataset["walk"]) is State.COMPLETE
    (measures,) = analyse(folder, ["Theirs"], "theirs")
    # The toolkit counts the first frame as a failure: 3 of 4 frames of one object, and all of the late one.
    assert measures.quality == pytest.approx((3 / 4 + 1) / 2)
    assert measures.drift_rate_error == 0


def test_every_error_of_a_data_set_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    source = davis(tmp_path / "source")
    for name, make in (
        ("small", lambda index: labels_at(index)[:20]),
        ("empty", lambda index: labels_at(index) * 0),
    ):
        write_images(source / "JPEGImages" / "480p" / name, "jpg", picture)
        write_images(source / "Annotations" / "480p" / name, "png", make)
    with pytest.raises(DataError) as raised:
        bring_data(source, tmp_path / "sequences")
    assert "frame 00000 has 32 x 20 pixels, the frame 32 x 24" in str(raised.value)
    assert "no object in any annotation" in str(raised.value)
    assert not (tmp_path / "sequences").exists()


def test_boxes_and_wrong_results_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    create_workspace(folder, SAMPLE_STACK)
    one = tmp_path / "source"
    write_images(one / "walk" / "frames", "png", picture)
    write_images(one / "walk" / "labels", "png", lambda index: (labels_at(index) == 5).astype(np.uint8))
    bring_data(one, folder / "sequences")
    (tmp_path / "boxes").mkdir()
    boxes = tmp_path / "boxes" / "walk.txt"
    boxes.write_text("".join(f"{2 + index},4,8,6\n" for index in range(FRAMES)))
    done = CliRunner().invoke(app, ["workspace", str(folder), "--results", f"Boxes={boxes.parent}"])
    assert done.exit_code == 0, done.output
    (measures,) = analyse(folder, ["Boxes"], "boxes")
    assert measures.quality == pytest.approx(3 / 4)
    assert measures.drift_rate_error == 0
    boxes.write_text("1,2,3,4\n")
    short = CliRunner().invoke(app, ["workspace", str(folder), "--results", f"Boxes={boxes.parent}"])
    assert short.exit_code != 0
    assert "has 1 frames, but walk has 4" in short.stderr
