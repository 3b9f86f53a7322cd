"""The generated sequences."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from vot.dataset import load_dataset
from vot.region.io import read_trajectory

from hqtrack.errors import DataError
from hqtrack.scenes import dataset
from hqtrack.scenes.camera import draw_frame
from hqtrack.scenes.dataset import (
    DEMO_STEPS,
    SAMPLE_SEED,
    SCENE_NAMES,
    TEST_SEEDS,
    frame_count,
    write_dataset,
    write_sequence,
)
from hqtrack.scenes.scripts import SCENES
from hqtrack.scenes.stage import Scene


def scene(number: int, seed: int = SAMPLE_SEED) -> tuple[Scene, np.random.Generator]:
    rng = np.random.default_rng([seed, number])
    return SCENES[number](rng), rng


def test_the_set_is_what_a_challenge_asks_for() -> None:
    scenes = [scene(number)[0] for number in range(len(SCENES))]
    assert len(scenes) >= 4
    assert tuple(made.name for made in scenes) == SCENE_NAMES
    for made in scenes:
        assert 60 <= made.length <= 120
        assert 2 <= sum(actor.labelled for actor in made.actors) <= 5


def test_the_demo_is_a_fifth_of_it_and_an_object_is_away_long_enough_to_be_measured() -> None:
    counts = [frame_count(scene(SCENE_NAMES.index(name))[0], step) for name, step in DEMO_STEPS.items()]
    assert sum(counts) == 96
    horses, rng = scene(SCENE_NAMES.index("horses"))
    away = [t for t in range(34, 62, DEMO_STEPS["horses"]) if not draw_frame(horses, t, rng)[1][1].any()]
    assert len(away) > 10  # of fewer the toolkit measures no ADQ


def test_the_test_set_has_other_seeds() -> None:
    assert SAMPLE_SEED not in TEST_SEEDS


def test_the_toolkit_reads_a_sequence_with_exact_masks(tmp_path: Path) -> None:
    made, rng = scene(2)
    write_sequence(tmp_path / "approach", replace(made, length=3), rng)
    (tmp_path / "list.txt").write_text("approach\n")
    sequence = load_dataset(str(tmp_path))["approach"]
    assert len(sequence) == 3
    assert sequence.size == (640, 360)
    assert len(sequence.objects()) == 3
    masks = [sequence.object(name)[0].rasterize((0, 0, 639, 359)) > 0 for name in sequence.objects()]
    assert all(mask.any() for mask in masks)
    assert not np.any(np.sum(masks, axis=0) > 1)  # an object hides what is behind it


def test_a_seed_fixes_every_pixel_and_another_changes_them(tmp_path: Path) -> None:
    contents = []
    for name, seed in (("a", SAMPLE_SEED), ("b", SAMPLE_SEED), ("c", TEST_SEEDS[0])):
        made, rng = scene(4, seed)
        write_sequence(tmp_path / name, replace(made, length=2), rng)
        contents.append((tmp_path / name / "color" / "00000002.jpg").read_bytes())
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]


@pytest.mark.parametrize("number", range(len(SCENES)))
def test_every_object_is_seen_in_the_first_frame(number: int, tmp_path: Path) -> None:
    made, rng = scene(number)
    write_sequence(tmp_path / "first", replace(made, length=2), rng)
    for file in sorted((tmp_path / "first").glob("groundtruth_*.txt")):
        assert not read_trajectory(str(file))[0].is_empty()


def test_every_second_frame_is_drawn_and_a_sequence_of_another_length_is_refused(tmp_path: Path) -> None:
    made, rng = scene(2)
    write_sequence(tmp_path / "approach", replace(made, length=5), rng, 2)
    (tmp_path / "list.txt").write_text("approach\n")
    sequence = load_dataset(str(tmp_path))["approach"]
    assert len(sequence) == 3
    assert sequence.metadata("fps") == 12
    with pytest.raises(
        DataError, match=r"approach has 3 frames, but 80 are asked for; choose another folder"
    ):
        write_dataset(tmp_path, steps={"approach": 1})


@pytest.mark.slow
def test_scenes_are_drawn_by_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset.os, "cpu_count", lambda: 2)
    assert write_dataset(tmp_path, steps={"coins": 74, "swarm": 74}) == ["coins", "swarm"]
    assert [len(sequence) for sequence in load_dataset(str(tmp_path))] == [2, 2]
