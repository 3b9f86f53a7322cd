"""What outputs have of tracked frames: clean masks, wholes with their parts; what is tracked stays."""

import csv
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner

from hqtrack import HQTrack, InputError, track_video
from hqtrack.cli import app
from hqtrack.masks import parts_of, rle_decode, with_parts
from hqtrack.video.cleaning import MaskCleaning, cleaned
from hqtrack.video.job import Job
from hqtrack.video.journal import read_job
from hqtrack.video.prompts import Prompt
from hqtrack.video.run import VideoRun
from hqtrack.video.tracked_frame import TrackedFrame
from moving_square import SIZE, post, square, write_clip

COUNT = 4


def messy() -> np.ndarray:
    """Return an object of 20 x 20 pixels with a hole of 4 and a speck of 9, and another object in a hole."""
    masks = np.zeros((2, *SIZE), bool)
    masks[0, 10:30, 10:30] = True
    masks[0, 12:14, 12:14] = False
    masks[0, 50:53, 50:53] = True
    masks[1, 20:25, 20:25] = True
    masks[0] &= ~masks[1]
    return masks


@pytest.mark.parametrize(
    ("cleaning", "areas"),
    [
        (MaskCleaning(), (380, 25)),
        (MaskCleaning(drop_specks=9), (380, 25)),
        (MaskCleaning(drop_specks=10), (371, 25)),
        (MaskCleaning(largest_part=True), (371, 25)),
        (MaskCleaning(fill_holes=3), (380, 25)),
        (MaskCleaning(fill_holes=100), (384, 25)),  # the other object is no hole
        (MaskCleaning(drop_specks=26), (371, 0)),
        (MaskCleaning(largest_part=True, fill_holes=4, grow=1), (375 + 80, 25)),
        (MaskCleaning(largest_part=True, fill_holes=4, grow=-1), (18 * 18 - 45, 9)),
    ],
)
def test_masks_are_cleaned_and_stay_apart(cleaning: MaskCleaning, areas: tuple[int, int]) -> None:
    before = messy()
    result = cleaned(before, cleaning)
    assert result.sum((1, 2)).tolist() == list(areas)
    assert result.sum(0).max() == 1
    np.testing.assert_array_equal(before, messy())


def test_cleaning_has_limits() -> None:
    for wrong in ({"drop_specks": -1}, {"fill_holes": -3}, {"grow": 1001}):
        with pytest.raises(InputError, match=next(iter(wrong)).replace("_", ".")):
            MaskCleaning(**wrong)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip", COUNT)


def test_cleaning_is_recorded_and_never_fed_back(clip: Path, tracker: HQTrack, tmp_path: Path) -> None:
    plain, clean = list[TrackedFrame](), list[TrackedFrame]()
    job = Job(clip, prompts=(Prompt(0, mask=square(0)),), outputs=("csv",))
    VideoRun(job, tmp_path / "plain", tracker=tracker).track(on_frame=plain.append)
    grown = replace(job, cleaning=MaskCleaning(grow=3))
    out = tmp_path / "clean"
    VideoRun(grown, tmp_path / "stopped", tracker=tracker).track(stop=lambda: True)
    assert read_job(tmp_path / "stopped").cleaning == MaskCleaning(grow=3)
    VideoRun(grown, out, tracker=tracker).track(on_frame=clean.append)
    for before, after in zip(plain, clean, strict=True):
        np.testing.assert_array_equal(before.masks, after.masks)
    areas = [
        [int(row["area"]) for row in csv.DictReader((folder / "boxes.csv").open())]
        for folder in (tmp_path / "plain", out)
    ]
    assert all(large > small + 200 for small, large in zip(*areas, strict=True))
    found = list(track_video(clip, masks=square(0)[None], cleaning=MaskCleaning(grow=3), tracker=tracker))
    assert [int(each.masks.sum()) for each in found] == areas[1]


def test_parts_are_found_and_wholes_have_them() -> None:
    masks = np.zeros((4, 10, 10), bool)
    masks[0, :, :8] = True  # a person
    masks[1, 2:4, 5:8] = True  # the hand
    masks[2, 2:8, 6:10] = True  # half beside the person
    masks[3] = masks[1]
    assert parts_of(masks) == [(0, 1), (0, 3), (1, 3), (3, 1)]
    assert parts_of(np.zeros((0, 4, 4), bool)) == []
    assert with_parts(masks & [[[False]], [[True]], [[True]], [[True]]], [(0, 1)])[0].sum() == 6


@pytest.mark.parametrize("direction", ["forward", "both"])
def test_a_whole_keeps_its_part_in_all_outputs(
    clip: Path, tracker: HQTrack, tmp_path: Path, direction: str
) -> None:
    """The whole is a square and a post, the part the post; it joins a frame later."""
    prompts = (Prompt(0, mask=square(0) | post(), id=1), Prompt(1, mask=post(), id=2))
    outputs = ("csv", "rle", "mattes", "labels")
    job = Job(clip, prompts=prompts, outputs=outputs, overlap="keep", direction=direction)  # type: ignore[arg-type]
    out, seen = tmp_path / "out", list[TrackedFrame]()
    VideoRun(job, out, tracker=tracker).track(on_frame=seen.append, stop=lambda: len(seen) == 3)
    VideoRun(read_job(out), out, tracker=tracker, earlier="resume").track()
    rows = {
        (int(row["frame"]), int(row["object"])): int(row["area"])
        for row in csv.DictReader((out / "boxes.csv").open())
    }
    coded = {
        (each["image_id"], each["category_id"]): rle_decode(each["segmentation"])
        for each in json.loads((out / "masks.json").read_text())["annotations"]
    }
    for frame in range(1, COUNT):
        whole, half = coded[frame, 1], coded[frame, 2]
        assert whole[half].all()
        assert abs(int(whole.sum()) - 772) < 120
        assert rows[frame, 1] == whole.sum()
        np.testing.assert_array_equal(np.array(Pillow.open(out / f"mattes/001/{frame}.png")) > 0, whole)
        labels = np.array(Pillow.open(out / f"labels/{frame}.png"))
        np.testing.assert_array_equal(labels == 2, half)  # a pixel of a label image has one object
        np.testing.assert_array_equal(labels == 1, whole & ~half)
    if direction == "forward":
        whole = track_video(clip, prompts=list(prompts), overlap="keep", tracker=tracker)
        kept = [each.masks.copy() for each in whole]
        for before, after in zip(
            track_video(clip, prompts=list(prompts), tracker=tracker), kept, strict=True
        ):
            np.testing.assert_array_equal(before.masks.any(0), after[0])
            assert before.masks.sum(0).max() == 1


def test_overlap_has_two_values(clip: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["track", str(clip), "-o", str(tmp_path / "o"), "--box", "9,9,9,9", "--overlap", "all"]
    )
    assert (result.exit_code, "later, keep" in result.output + str(result.exception)) == (2, True)


def test_scores_of_what_is_cleaned_away_are_zero() -> None:
    from hqtrack.video.shown import as_shown
    from hqtrack.video.sources import Frame

    frame = Frame(np.zeros((*SIZE, 3), np.uint8), 0, Fraction(0), "0")
    tracked = TrackedFrame(frame, messy(), scores=[0.9, 0.8])
    assert as_shown(tracked, MaskCleaning(drop_specks=30)).scores == [0.9, 0]
    assert as_shown(tracked, MaskCleaning()) is tracked
