"""Cuts are noticed, and objects are not carried into another shot unless they are surely found there."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from hqtrack import HQTrack, track_video
from hqtrack.cli import app
from hqtrack.masks import iou
from hqtrack.video.cuts import CutDetector, named_cuts
from hqtrack.video.job import Job
from hqtrack.video.journal import read_job
from hqtrack.video.prompts import Prompt
from hqtrack.video.run import VideoRun
from hqtrack.video.tracked_frame import TrackedFrame
from moving_square import SIZE, picture, square

HOUSE = np.s_[20:44, 20:44]
CUT, BACK, COUNT = 4, 8, 11


def other_shot(index: int) -> np.ndarray:
    """Return a frame of another place: a bright sky, a meadow, and a house of the square's size."""
    image = np.full((*SIZE, 3), (120, 190, 250), np.uint8)
    image[40:] = (90, 200, 90)
    image[HOUSE] = (170, 120, 110)
    return np.roll(image, index, axis=1)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    folder = tmp_path / "clip"
    folder.mkdir()
    for index in range(COUNT):
        image = other_shot(index) if CUT <= index < BACK else picture(index)
        cv2.imwrite(str(folder / f"{index:02d}.png"), image[..., ::-1])
    return folder


@pytest.mark.parametrize(("cuts", "shown"), [("search", [0, 1, 2, 3, 8, 9, 10]), ("stop", [0, 1, 2, 3])])
def test_an_object_is_not_carried_into_another_shot(
    clip: Path, tracker: HQTrack, tmp_path: Path, cuts: str, shown: list[int]
) -> None:
    job = Job(clip, prompts=(Prompt(0, mask=square(0)),), outputs=("csv",), cuts=cuts)  # type: ignore[arg-type]
    frames: list[TrackedFrame] = []
    outcome = VideoRun(job, tmp_path / "out", tracker=tracker).track(on_frame=frames.append)
    assert outcome.cuts == (CUT, BACK)
    assert [each.frame.index for each in frames if each.masks.any()] == shown
    for each in frames:
        assert (each.scores[0] > 0) == each.masks.any()
        assert each.frame.index not in shown or iou(each.masks[0], square(each.frame.index)) > 0.7


def test_a_run_that_is_resumed_in_the_other_shot_still_searches(
    clip: Path, tracker: HQTrack, tmp_path: Path
) -> None:
    job, seen = Job(clip, prompts=(Prompt(0, mask=square(0)),), outputs=("csv",)), list[TrackedFrame]()
    run = VideoRun(job, tmp_path / "out", tracker=tracker)
    run.track(on_frame=seen.append, stop=lambda: len(seen) == CUT + 2)
    seen.clear()
    again = VideoRun(read_job(tmp_path / "out"), tmp_path / "out", tracker=tracker, earlier="resume")
    assert again.track(on_frame=seen.append).cuts == (CUT, BACK)
    assert [each.frame.index for each in seen if each.masks.any()] == [0, 1, 2, 3, 8, 9, 10]


def test_an_object_that_is_given_in_the_new_shot_is_tracked_there(clip: Path, tracker: HQTrack) -> None:
    house = np.zeros(SIZE, bool)
    house[HOUSE] = True
    prompts = [Prompt(0, mask=square(0), id=1), Prompt(CUT, mask=np.roll(house, CUT, axis=1), id=2)]
    found = list(track_video(clip, prompts=prompts, tracker=tracker))
    assert [each.index for each in found if each.cut] == [CUT, BACK]
    assert [bool(each.masks[1].any()) for each in found[CUT:BACK]] == [True] * 4
    assert not any(each.masks[0].any() for each in found[CUT:BACK])


def test_ignored_cuts_change_nothing(clip: Path, tracker: HQTrack) -> None:
    found = list(track_video(clip, masks=square(0)[None], cuts="ignore", tracker=tracker))
    assert not any(each.cut for each in found)
    tracker.initialize(picture(0), square(0)[None])
    for each in found[1:]:
        np.testing.assert_array_equal(tracker.track(each.image), each.masks)


def test_motion_flicker_and_fades_are_no_cuts() -> None:
    picture = np.random.default_rng(1).integers(0, 255, (9, 16, 3)).astype(np.uint8)
    large = cv2.resize(picture, (640, 360), interpolation=cv2.INTER_CUBIC)
    moving = [np.roll(large, 60 * index, axis=1) for index in range(8)]  # a tenth of the width in a frame
    light = [np.asarray(np.minimum(large * (1 + 0.25 * (index % 2)), 255), np.uint8) for index in range(8)]
    fading = [np.asarray(large * (1 - index / 20), np.uint8) for index in range(20)]
    for frames in (moving, light, fading):
        detector = CutDetector()
        assert not any(detector.see(image) for image in frames)


def test_cuts_are_reported_at_the_end(clip: Path, tmp_path: Path) -> None:
    assert named_cuts([], "search") == ""
    assert named_cuts([3, 9], "stop") == "cuts at frames 3, 9: objects end there (--cuts search|ignore)"
    arguments = [
        "track",
        str(clip),
        "-o",
        str(tmp_path / "out"),
        "--box",
        "10,16,24,24",
        "--card",
        "vmos-light",
    ]
    arguments += ["--no-overlay", "--csv", "--first-number", "100"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "cuts at frames 104, 108: objects are shown again where they are surely found" in result.output
    wrong = CliRunner().invoke(app, [*arguments, "--force", "--cuts", "never"])
    assert (wrong.exit_code, "search, stop, ignore" in wrong.output + str(wrong.exception)) == (2, True)
