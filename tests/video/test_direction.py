"""Objects tracked to the start of a video from where they are given, and in both directions."""

import csv
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from vot.region.io import read_trajectory

from hqtrack import HQTrack, InputError
from hqtrack.masks import iou
from hqtrack.video.corrections import Correction
from hqtrack.video.direction import Mirrored, join_directions
from hqtrack.video.job import Job
from hqtrack.video.journal import read_job
from hqtrack.video.objects import TrackedObject
from hqtrack.video.prompts import Prompt
from hqtrack.video.run import VideoRun
from hqtrack.video.sources import CameraFrames, Frame, open_frames
from hqtrack.video.tracked_frame import TrackedFrame
from moving_square import post, square, write_clip

COUNT = 8


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip", COUNT)


def job_of(clip: Path, direction: str, outputs: tuple[str, ...] = ("csv", "trajectories")) -> Job:
    """Return a moving square that is given in frame 5, and a post that is given in frame 3."""
    prompts = Prompt(5, mask=square(5), id=1), Prompt(3, mask=post(), id=2)
    return Job(str(clip), outputs=outputs, prompts=prompts, direction=direction)  # type: ignore[arg-type]


def tracked_by(job: Job, out: Path, tracker: HQTrack) -> list[TrackedFrame]:
    seen: list[TrackedFrame] = []
    outcome = VideoRun(job, out, tracker=tracker).track(on_frame=seen.append)
    assert (outcome.frames, outcome.unfinished) == (COUNT, False)
    assert not list(out.glob("unfinished*"))
    return seen


def masks_in(tracked: TrackedFrame) -> dict[int, np.ndarray]:
    return {each.id: mask for each, mask in zip(tracked.objects, tracked.masks, strict=True)}


def test_an_object_of_the_middle_is_tracked_to_both_ends(
    clip: Path, tracker: HQTrack, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    seen = tracked_by(job_of(clip, "both"), out, tracker)
    assert [each.frame.index for each in seen] == [5, 4, 3, 2, 1, 0, *range(COUNT)]
    for tracked in seen[6:]:
        found = masks_in(tracked)
        assert iou(found[1], square(tracked.frame.index)) > 0.8
        assert iou(found[2], post()) > 0.8
        assert min(tracked.scores) > 0
        assert tracked.masks.sum(0).max() == 1
    rows = list(csv.DictReader((out / "boxes.csv").open()))
    assert len(rows) == 2 * COUNT
    regions = read_trajectory(str(out / "trajectories" / "001.txt"))
    assert [getattr(region, "code", None) for region in regions] == [
        1 if i == 5 else None for i in range(COUNT)
    ]


def test_backward_leaves_later_frames_without_the_object(
    clip: Path, tracker: HQTrack, tmp_path: Path
) -> None:
    seen = tracked_by(job_of(clip, "backward"), tmp_path / "out", tracker)[6:]
    assert [bool(masks_in(each)[1].any()) for each in seen] == [True] * 6 + [False] * 2
    assert [bool(masks_in(each)[2].any()) for each in seen] == [True] * 4 + [False] * 4


@pytest.mark.slow
def test_forward_and_backward_agree_with_the_runs_of_one_direction(
    clip: Path, tracker: HQTrack, tmp_path: Path
) -> None:
    both = tracked_by(job_of(clip, "both"), tmp_path / "both", tracker)[6:]
    forward = tracked_by(job_of(clip, "forward"), tmp_path / "forward", tracker)
    backward = tracked_by(job_of(clip, "backward"), tmp_path / "backward", tracker)[6:]
    for index in range(COUNT):
        other = forward if index >= 5 else backward
        np.testing.assert_array_equal(masks_in(both[index])[1], masks_in(other[index])[1])


@pytest.mark.parametrize("after", [3, 6, 9])
def test_a_run_in_both_directions_is_resumed(
    clip: Path, tracker: HQTrack, tmp_path: Path, after: int
) -> None:
    out = tmp_path / "out"
    job = job_of(clip, "both", ("labels",))
    seen: list[TrackedFrame] = []
    run = VideoRun(job, out, tracker=tracker)
    outcome = run.track(on_frame=seen.append, stop=lambda: len(seen) == after)
    assert (outcome.unfinished, run.recorded) == (True, after)
    assert sum(1 for _ in out.glob("labels/*")) == max(0, after - 6)
    again: list[TrackedFrame] = []
    outcome = VideoRun(read_job(out), out, tracker=tracker, earlier="resume").track(on_frame=again.append)
    assert (outcome.frames, outcome.unfinished, len(again)) == (COUNT, False, COUNT + 6)
    for before, later in zip(seen, again, strict=False):
        np.testing.assert_array_equal(before.labels, later.labels)
    assert sum(1 for _ in out.glob("labels/*")) == COUNT
    assert not list(out.glob("unfinished*"))


def test_a_frame_before_is_corrected(clip: Path, tracker: HQTrack, tmp_path: Path) -> None:
    correction = Correction(2, 1, Prompt(2, mask=post()))
    job = replace(job_of(clip, "both"), corrections=(correction,))
    seen = tracked_by(job, tmp_path / "out", tracker)[6:]
    np.testing.assert_array_equal(masks_in(seen[2])[1], post())
    assert iou(masks_in(seen[3])[1], square(3)) > 0.8


def test_a_correction_behind_the_direction_is_refused(clip: Path, tracker: HQTrack, tmp_path: Path) -> None:
    for direction, frame, remedy in (
        ("forward", 4, "a later"),
        ("backward", 6, "an earlier"),
        ("both", 5, "another"),
    ):
        correction = Correction(frame, 1, Prompt(frame, mask=post()))
        job = replace(job_of(clip, direction), corrections=(correction,))
        with pytest.raises(InputError, match=f"correct it in {remedy} frame"):
            VideoRun(job, tmp_path / "out", tracker=tracker)


def test_a_camera_is_not_read_backward(clip: Path, tracker: HQTrack, tmp_path: Path) -> None:
    camera = object.__new__(CameraFrames)
    camera._camera, camera.start, camera.end, camera.stride, camera.total = 0, 0, None, 1, None
    with pytest.raises(InputError, match="camera 0 cannot be read backward; record it to a file first"):
        VideoRun(job_of(clip, "both"), tmp_path / "out", frames=camera, tracker=tracker)


def test_a_contested_pixel_goes_to_the_surer_object() -> None:
    frame = Frame(np.zeros((1, 4, 3), np.uint8), 0, Fraction(0), "0")
    one, two = TrackedObject(1), TrackedObject(2)
    forward = TrackedFrame(frame, np.array([[[1, 1, 0, 0]]], bool), objects=[one], scores=[0.6])
    for score, masks in ((0.5, [[1, 1, 0, 0], [0, 0, 1, 0]]), (0.7, [[1, 0, 0, 0], [0, 1, 1, 0]])):
        backward = np.array([[[0, 1, 1, 0]]], bool), [two], [score]
        found = join_directions(forward, backward, [one, two])
        assert found.masks[:, 0].astype(int).tolist() == masks
        assert found.scores == [0.6, score]


def test_a_video_is_mirrored_frame_by_frame(tmp_path: Path) -> None:
    file = tmp_path / "clip.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "20"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for index in range(70):
            image = np.full((64, 96, 3), 3 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())
    source = open_frames(file, start=3, stride=2)
    forward = {frame.name: frame.image for frame in source}
    mirrored = list(Mirrored(source, [Prompt(61, box=(3, 3, 20, 20))]))
    assert [frame.index for frame in mirrored] == list(range(0, 60, 2))
    assert [int(frame.name) for frame in mirrored] == list(range(61, 2, -2))
    for frame in mirrored:
        np.testing.assert_array_equal(frame.image, forward[frame.name])
