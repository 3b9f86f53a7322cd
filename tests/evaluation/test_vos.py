"""Data sets of video object segmentation: found in their layouts, tracked, and scored as DAVIS does."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner, Result

from hqtrack.cli import app
from hqtrack.errors import DataError, InputError
from hqtrack.evaluation.vos import score_sequence
from hqtrack.evaluation.vos_data import VosSequence, find_sequences

SIZE = 48, 64
COUNT = 5


def labels_at(index: int) -> np.ndarray:
    """Return two squares that move apart; the second one joins in frame 1."""
    labels = np.zeros(SIZE, np.uint8)
    labels[6:26, 8 + index : 28 + index] = 1
    if index:
        labels[28:44, 40 - index : 56 - index] = 3
    return labels


def write_frames(folder: Path) -> None:
    folder.mkdir(parents=True)
    for index in range(COUNT):
        image = np.random.default_rng(1).integers(0, 60, (*SIZE, 3)).astype(np.uint8)
        image[labels_at(index) == 1] = (40, 180, 230)
        image[labels_at(index) == 3] = (60, 220, 40)
        cv2.imwrite(str(folder / f"{index:05d}.jpg"), image)


def write_labels(folder: Path, change: Callable[[np.ndarray], np.ndarray] = lambda labels: labels) -> None:
    folder.mkdir(parents=True)
    for index in range(COUNT):
        image = Pillow.fromarray(change(labels_at(index)), "P")
        image.putpalette(bytes(range(256)) * 3)
        image.save(folder / f"{index:05d}.png")


def davis(root: Path, *names: str) -> Path:
    for name in names:
        write_frames(root / "JPEGImages" / "480p" / name)
        write_labels(root / "Annotations" / "480p" / name)
    lists = root / "ImageSets" / "2017"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("".join(f"{name}\n" for name in names))
    return root


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["vos", *(str(argument) for argument in arguments)])


def test_a_data_set_is_tracked_scored_and_resumed(tmp_path: Path) -> None:
    root, out = davis(tmp_path / "DAVIS", "one", "two"), tmp_path / "out"
    options = ("-o", out, "--score", "--device", "cpu", "--precision", "float32")
    result = run(root, *options)
    assert result.exit_code == 0, result.output
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[:2] for row in rows] == [
        ["sequence", "objects"], ["one", "2"], ["two", "2"], ["mean of objects", "4"]
    ]  # fmt: skip
    assert all(float(row[4]) > 85 for row in rows[1:])
    for index in range(COUNT):
        with Pillow.open(out / "two" / f"{index:05d}.png") as image:
            assert image.mode == "P"
            assert {*np.unique(np.asarray(image))} == ({0, 1} if index == 0 else {0, 1, 3})
    (out / "two" / "00004.png").unlink()
    again = run(root, *options)
    assert "1 of 2 sequences are complete" in again.stderr
    assert "1/1 two: 5 frames, 2 objects" in again.stderr
    assert again.stdout == result.stdout


@pytest.mark.slow
def test_several_sequences_are_tracked_at_a_time(tmp_path: Path) -> None:
    root = davis(tmp_path / "DAVIS", "one", "two")
    options = ("--score", "--device", "cpu", "--precision", "float32")
    results = [run(root, "-o", tmp_path / f"{n}", "--workers", n, *options).stdout for n in (1, 2)]
    assert results[0] == results[1]


def test_objects_of_folders_are_written_into_folders(tmp_path: Path) -> None:
    root, out = tmp_path / "sav_val", tmp_path / "out"
    write_frames(root / "JPEGImages_24fps" / "one")
    for folder, value in (("000", 1), ("002", 3)):
        write_labels(
            root / "Annotations_6fps" / "one" / folder,
            lambda labels, value=value: np.uint8(255) * (labels == value),
        )
    (root / "sav_val.txt").write_text("one\n")
    result = run(root, "-o", out, "--split", "sav_val", "--score", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (out / "one").iterdir() if path.is_dir()) == ["000", "002"]
    assert len(list((out / "one" / "000").iterdir())) == COUNT
    assert float(result.stdout.splitlines()[-1].split("\t")[4]) > 85


def test_scores_are_those_of_hand(tmp_path: Path) -> None:
    """A square of 4 x 4 found one column to the right: J = 12 / 20 in the one frame that counts."""
    truth = np.zeros((60, 80), np.uint8)
    truth[10:14, 10:14] = 1
    for index in range(3):
        for name, labels in (
            ("true", truth),
            ("found/x", np.roll(truth, 1, axis=1) if index == 1 else truth),
        ):
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            Pillow.fromarray(labels).save(tmp_path / name / f"{index}.png")
    (score,) = score_sequence(VosSequence("x", tmp_path, tmp_path / "true"), tmp_path / "found")
    assert score.region == pytest.approx(12 / 20)
    assert score.boundary == 1.0  # outlines may be one pixel apart
    assert score.both == pytest.approx(0.8)


def test_scores_are_those_of_vos_benchmark(tmp_path: Path) -> None:
    benchmark = pytest.importorskip("vos_benchmark.benchmark")
    rng = np.random.default_rng(5)
    for name in ("one", "two"):
        write_labels(tmp_path / "true" / name)
        # Late, moved, widened, lost and invented objects.
        write_labels(
            tmp_path / "found" / name,
            lambda labels: (
                cv2.dilate(
                    np.roll(labels, rng.integers(-6, 7), axis=rng.integers(2)) * np.uint8(rng.random() < 0.8),
                    np.ones((3, 3), np.uint8),
                )
                + np.uint8(7) * np.uint8(rng.random() < 0.2)
            ),
        )
    mean, region, boundary, _ = benchmark.benchmark([tmp_path / "true"], [tmp_path / "found"], verbose=False)
    scores = [
        each
        for name in ("one", "two")
        for each in score_sequence(VosSequence(name, tmp_path, tmp_path / "true" / name), tmp_path / "found")
    ]
    assert 100 * np.mean([each.region for each in scores]) == pytest.approx(region[0], abs=0.06)
    assert 100 * np.mean([each.boundary for each in scores]) == pytest.approx(boundary[0], abs=0.06)
    assert 100 * np.mean([each.both for each in scores]) == pytest.approx(mean[0], abs=0.06)


def test_layouts_are_found(tmp_path: Path) -> None:
    youtube = tmp_path / "youtube"
    for name in ("b", "a"):
        write_frames(youtube / "valid" / "JPEGImages" / name)
        write_labels(youtube / "valid" / "Annotations" / name)
    assert [each.name for each in find_sequences(youtube)] == ["a", "b"]
    assert [each.name for each in find_sequences(youtube / "valid")] == ["a", "b"]
    old = davis(tmp_path / "davis", "bear", "dog")
    (old / "ImageSets" / "480p").mkdir()
    (old / "ImageSets" / "480p" / "old.txt").write_text(
        "/JPEGImages/480p/dog/00000.jpg /Annotations/480p/dog/00000.png\n" * 2
    )
    assert [each.name for each in find_sequences(old, split="old")] == ["dog"]
    (tmp_path / "names.txt").write_text("dog\n")
    assert [each.name for each in find_sequences(old, names=tmp_path / "names.txt")] == ["dog"]


def test_objects_begin_in_the_first_frame_that_shows_them(tmp_path: Path) -> None:
    (sequence,) = find_sequences(davis(tmp_path, "one"))
    prompts = sequence.prompts([f"{index:05d}" for index in range(COUNT)])
    assert [(each.frame, each.id) for each in prompts] == [(0, 1), (1, 3)]


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        find_sequences(tmp_path / "nothing")
    with pytest.raises(DataError, match="has no folders JPEGImages and Annotations"):
        find_sequences(tmp_path)
    (tmp_path / "empty" / "JPEGImages").mkdir(parents=True)
    (tmp_path / "empty" / "Annotations").mkdir()
    with pytest.raises(DataError, match="holds no sequence"):
        find_sequences(tmp_path / "empty")
    root = davis(tmp_path / "DAVIS", "dogs")
    with pytest.raises(InputError, match="--split dev: no such list; there are val"):
        find_sequences(root, split="dev")
    (tmp_path / "names.txt").write_text("dogs\ndoge\n")
    with pytest.raises(DataError, match=r"doge: is missing.*did you mean dogs\?"):
        find_sequences(root, names=tmp_path / "names.txt")
    write_labels(tmp_path / "blank", np.zeros_like)
    (sequence,) = find_sequences(root)
    with pytest.raises(DataError, match="shows no object; its mask must be in the first annotation"):
        VosSequence("blank", sequence.frames, tmp_path / "blank").prompts([f"{i:05d}" for i in range(COUNT)])
    result = run(tmp_path / "nothing", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert not (tmp_path / "out").exists()


def test_a_sequence_with_one_annotation_is_not_scored(tmp_path: Path) -> None:
    (sequence,) = find_sequences(davis(tmp_path, "one"))
    for file in sorted(sequence.labels.iterdir())[1:]:
        file.unlink()
    with pytest.raises(DataError, match="too few annotated frames to score"):
        score_sequence(sequence, tmp_path)
