"""The generated sequences."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from vot.dataset import load_dataset
from vot.region.io import read_trajectory

from hqtrack.scenes.dataset import SAMPLE_SEED, SCENE_NAMES, TEST_SEEDS, write_sequence
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
