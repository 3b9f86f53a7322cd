"""The record of a video that is being tracked."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hqtrack import DataError
from hqtrack.video.job import Job
from hqtrack.video.journal import FRAMES_FILE, Journal, has_unfinished, read_job
from hqtrack.video.prompts import Prompt
from hqtrack.video.sources import Frame
from hqtrack.video.tracked_frame import TrackedFrame

SIZE = 6, 8
JOB = Job("clip.mp4", end=9, outputs=("csv",), prompts=(Prompt(0, box=(1, 1, 4, 4)),))


def tracked(index: int, objects: int = 2) -> TrackedFrame:
    masks = np.zeros((objects, *SIZE), bool)
    masks[0, 1:3, index : index + 2] = True
    return TrackedFrame(
        Frame(np.zeros((*SIZE, 3), np.uint8), index, Fraction(index, 25), f"{index:08d}"), masks
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the record of three frames."""
    journal = Journal.begin(tmp_path, JOB)
    for index in range(3):
        journal.append(tracked(index))
    journal.close()
    return tmp_path


def test_a_record_gives_back_settings_and_frames_and_goes_on(folder: Path) -> None:
    assert has_unfinished(folder)
    assert read_job(folder).outputs == JOB.outputs
    assert read_job(folder).prompts[0].box == JOB.prompts[0].box
    journal = Journal.resume(folder)
    assert journal.left == 3
    for index in range(3):
        again = journal.past(tracked(index).frame)
        np.testing.assert_array_equal(again.masks, tracked(index).masks)
        assert again.run_lengths == tracked(index).run_lengths
    assert journal.left == 0
    journal.append(tracked(3))
    journal.close()
    assert Journal.resume(folder).left == 4


def test_a_line_that_was_not_finished_is_cut_off(folder: Path) -> None:
    with (folder / FRAMES_FILE).open("a") as file:
        file.write('{"frame": "00000003", "si')
    journal = Journal.resume(folder)
    assert journal.left == 3
    journal.close()
    assert (folder / FRAMES_FILE).read_text().count("\n") == 3


@pytest.mark.parametrize("other", [(1, SIZE), (0, (6, 9))])
def test_another_frame_than_the_recorded_one_is_refused(folder: Path, other: tuple[int, tuple]) -> None:
    index, size = other
    frame = Frame(np.zeros((*size, 3), np.uint8), index, Fraction(0), f"{index:08d}")
    with pytest.raises(DataError, match="the source has changed"):
        Journal.resume(folder).past(frame)


def test_a_finished_video_leaves_no_record(folder: Path) -> None:
    Journal.resume(folder).remove()
    assert not has_unfinished(folder)
    assert not list(folder.iterdir())


def test_other_pictures_of_the_same_names_and_size_are_refused(folder: Path) -> None:
    frame = Frame(np.full((*SIZE, 3), 9, np.uint8), 0, Fraction(0), f"{0:08d}")
    with pytest.raises(DataError, match="the source has changed"):
        Journal.resume(folder).past(frame)


def test_scores_are_recorded(tmp_path: Path) -> None:
    journal = Journal.begin(tmp_path, JOB)
    masks = np.ones((1, *SIZE), bool)
    each = TrackedFrame(tracked(0).frame, masks, scores=[0.25])
    journal.append(each)
    journal.close()
    assert Journal.resume(tmp_path).past(each.frame).scores == [0.25]
