"""A whole video as a library does it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from hqtrack import HQTrack, InputError
from hqtrack.video.job import Job
from hqtrack.video.journal import read_job
from hqtrack.video.prompts import Prompt
from hqtrack.video.run import VideoRun
from hqtrack.video.tracked_frame import TrackedFrame

SIZE = 64, 96
COUNT = 6


@pytest.fixture(scope="module")
def tracker() -> HQTrack:
    return HQTrack.from_card("hqtrack-light", device="cpu")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Return a video of images in which a square moves, to be written as a table and label images."""
    folder = tmp_path / "clip"
    folder.mkdir()
    for index in range(COUNT):
        image = np.random.default_rng(3).integers(0, 50, (*SIZE, 3)).astype(np.uint8)
        image[16:40, 10 + index : 34 + index] = (40, 180, 230)
        cv2.imwrite(str(folder / f"{index}.png"), image)
    first = np.zeros(SIZE, bool)
    first[16:40, 10:34] = True
    later = np.zeros(SIZE, bool)
    later[50:60, 5:20] = True
    prompts = Prompt(0, mask=first), Prompt(3, mask=later)
    return Job(str(folder), outputs=("csv", "labels"), prompts=prompts)


def test_a_run_tells_each_frame_and_what_it_has_done(job: Job, tracker: HQTrack, tmp_path: Path) -> None:
    seen: list[TrackedFrame] = []
    run = VideoRun(job, tmp_path / "out", tracker=tracker)
    outcome = run.track(on_frame=seen.append)
    assert [tracked.frame.index for tracked in seen] == list(range(COUNT))
    assert [len(tracked.masks) for tracked in seen] == [1, 1, 1, 2, 2, 2]
    assert (outcome.frames, outcome.objects, outcome.last, outcome.unfinished) == (COUNT, 2, 5, False)
    assert [path.name for path in outcome.paths] == ["boxes.csv", "labels"]
    assert all(path.exists() for path in outcome.paths)
    assert run.recorded == 0
    assert not list((tmp_path / "out").glob("unfinished*"))


def test_a_run_that_is_stopped_is_gone_on_with(job: Job, tracker: HQTrack, tmp_path: Path) -> None:
    out = tmp_path / "out"
    seen: list[TrackedFrame] = []
    run = VideoRun(job, out, tracker=tracker)
    outcome = run.track(on_frame=seen.append, stop=lambda: len(seen) == 4)
    assert (outcome.frames, outcome.unfinished, run.recorded) == (4, True, 4)
    assert len(list((out / "labels").iterdir())) == 4
    found = read_job(out)
    assert (found.source, found.outputs) == (job.source, job.outputs)
    again: list[TrackedFrame] = []
    outcome = VideoRun(found, out, tracker=tracker, earlier="resume").track(on_frame=again.append)
    assert (outcome.frames, outcome.unfinished) == (COUNT, False)
    for before, after in zip(seen, again, strict=False):
        np.testing.assert_array_equal(before.masks, after.masks)
    assert len(list((out / "labels").iterdir())) == COUNT


def test_an_error_leaves_what_was_tracked(job: Job, tracker: HQTrack, tmp_path: Path) -> None:
    def fail(tracked: TrackedFrame) -> None:
        if tracked.frame.index == 2:
            raise ZeroDivisionError

    run = VideoRun(job, tmp_path / "out", tracker=tracker)
    with pytest.raises(ZeroDivisionError):
        run.track(on_frame=fail)
    assert run.recorded == 3
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 3


def test_nothing_is_written_where_the_job_cannot_be_done(job: Job, tracker: HQTrack, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for wrong, said in (
        ({"outputs": ("gif",)}, "gif"),
        ({"outputs": ()}, "overlay"),
        ({"prompts": ()}, "no object"),
        ({"end": 2}, "begins in frame 3"),
        ({"stride": 2}, "left out"),
    ):
        with pytest.raises(InputError, match=said):
            VideoRun(Job(**{**vars(job), **wrong}), out, tracker=tracker)
    assert not out.exists()


def test_reading_what_is_unfinished_changes_nothing(job: Job, tracker: HQTrack, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match="no unfinished video"):
        read_job(out)
    VideoRun(job, out, tracker=tracker).track(stop=lambda: True)
    (out / "unfinished.jsonl").unlink()
    before = sorted(out.rglob("*"))
    read_job(out)
    assert sorted(out.rglob("*")) == before
