"""Objects that are in a part of a video, and videos that begin without any."""

from pathlib import Path

import numpy as np
import pytest

from hqtrack import HQTrack, InputError, track_video
from hqtrack.masks import iou
from hqtrack.video.corrections import Correction
from hqtrack.video.frame_tracker import track_frames
from hqtrack.video.job import Job
from hqtrack.video.journal import read_job
from hqtrack.video.mask_maker import MaskMaker
from hqtrack.video.prompts import Prompt, read_object
from hqtrack.video.run import VideoRun
from hqtrack.video.sources import open_frames
from hqtrack.video.tracked_frame import TrackedFrame
from moving_square import SIZE, post, square, write_clip

COUNT = 7


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip", COUNT)


def seen(frames: list[TrackedFrame], number: int) -> list[int]:
    """Return the frames in which an object is seen."""
    return [
        tracked.frame.index
        for tracked in frames
        for each, mask in zip(tracked.objects, tracked.masks, strict=True)
        if each.id == number and mask.any()
    ]


def test_an_object_leaves_after_its_last_frame(clip: Path, tracker: HQTrack) -> None:
    prompts = [Prompt(0, mask=square(0), id=1, until=2), Prompt(0, mask=post(), id=2)]
    prompts.append(Prompt(5, mask=square(5), id=3))
    corrections = [Correction(4, 2, Prompt(4, mask=post()))]  # after which references are given anew
    maker = MaskMaker.beside(tracker)
    found = list(track_frames(tracker, open_frames(clip), prompts, maker, corrections=corrections))
    assert [len(tracked.masks) for tracked in found] == [2, 2, 2, 2, 2, 3, 3]
    assert seen(found, 1) == [0, 1, 2]
    assert seen(found, 2) == [*range(COUNT)]
    assert seen(found, 3) == [5, 6]
    assert [tracked.scores[0] > 0 for tracked in found] == [True] * 3 + [False] * 4
    assert iou(found[-1].masks[2], square(COUNT - 1)) > 0.8


def test_all_objects_may_leave_and_another_come(clip: Path, tracker: HQTrack) -> None:
    prompts = [Prompt(1, mask=square(1), id=7, until=1), Prompt(4, mask=post(), id=8)]
    found = list(track_frames(tracker, open_frames(clip), prompts, MaskMaker.beside(tracker)))
    assert (seen(found, 7), seen(found, 8)) == ([1], [4, 5, 6])


@pytest.mark.parametrize(
    ("direction", "until", "expected"),
    [("backward", 2, [2, 3, 4]), ("both", 2, [2, 3, 4, 5, 6]), ("both", 5, [0, 1, 2, 3, 4, 5])],
)
def test_it_leaves_on_the_side_to_which_it_is_tracked(
    clip: Path, tracker: HQTrack, tmp_path: Path, direction: str, until: int, expected: list[int]
) -> None:
    prompts = (Prompt(4, mask=square(4), id=1, until=until), Prompt(4, mask=post(), id=2))
    job = Job(clip, prompts=prompts, outputs=("csv",), direction=direction)  # type: ignore[arg-type]
    frames: list[TrackedFrame] = []
    VideoRun(job, tmp_path / "out", tracker=tracker).track(on_frame=frames.append)
    assert seen(frames[-COUNT:], 1) == expected


@pytest.mark.parametrize("after", [2, 3, 5])
def test_a_resumed_run_knows_who_has_left(clip: Path, tracker: HQTrack, tmp_path: Path, after: int) -> None:
    prompts = (Prompt(0, mask=square(0), id=1, until=2), Prompt(0, mask=post(), id=2))
    job, frames = Job(clip, prompts=prompts, outputs=("csv",)), list[TrackedFrame]()
    VideoRun(job, tmp_path / "out", tracker=tracker).track(
        stop=lambda: frames.append(None) or len(frames) == after
    )  # type: ignore[arg-type,func-returns-value]
    frames.clear()
    resumed = VideoRun(read_job(tmp_path / "out"), tmp_path / "out", tracker=tracker, earlier="resume")
    resumed.track(on_frame=frames.append)
    assert (seen(frames, 1), seen(frames, 2)) == ([0, 1, 2], [*range(COUNT)])


def test_until_is_checked(clip: Path, tracker: HQTrack, tmp_path: Path) -> None:
    (prompt,) = read_object("frame=2,box=3,4,5,6,until=4", 0, SIZE)
    assert (prompt.frame, prompt.until) == (2, 4)
    assert Prompt.from_json(prompt.as_json()).until == 4
    with pytest.raises(InputError, match="until=soon is not a number"):
        read_object("box=3,4,5,6,until=soon", 0, SIZE)
    for until, said in ((1, "tracked forward"), (COUNT, "frames 0 to 6 are read")):
        with pytest.raises(InputError, match=said):
            track_video(clip, prompts=[Prompt(3, mask=square(3), until=until)], tracker=tracker)
    job = Job(
        clip,
        prompts=(Prompt(0, mask=square(0), id=1, until=2),),
        corrections=(Correction(4, 1, Prompt(4, mask=square(4))),),
    )
    with pytest.raises(InputError, match="leaves after frame 2"):
        VideoRun(job, tmp_path / "out", tracker=tracker)


def test_a_video_may_begin_without_objects(tracker: HQTrack) -> None:
    frames = [np.full((*SIZE, 3), 60 + 5 * k, np.uint8) for k in range(3)]
    for nothing in ([], np.zeros((0, *SIZE), bool)):
        assert tracker.initialize(frames[0], nothing).shape == (0, *SIZE)
        assert tracker.track(frames[1]).shape == (0, *SIZE)
        with pytest.raises(InputError, match="the video started with"):
            tracker.track(frames[1][:30])
        assert tracker.add_objects(frames[2], square(2)[None], ids=[9]).sum() == square(2).sum()
        assert (tracker.ids.tolist(), tracker.object_count) == ([9], 1)
        assert tracker.track(frames[2]).shape == (1, *SIZE)
