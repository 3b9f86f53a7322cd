"""A whole video in a loop, and what other tools make of its frames."""

from pathlib import Path

import numpy as np
import pytest

import hqtrack
from hqtrack import HQTrack, InputError, StateError, to_supervision, track_video
from hqtrack.masks import iou
from moving_square import SIZE, square, write_clip

COUNT = 6


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip", COUNT)


@pytest.mark.parametrize(("direction", "given"), [("forward", 0), ("backward", 5), ("both", 3)])
def test_frames_come_with_masks_ids_scores_and_times(
    clip: Path, tracker: HQTrack, direction: str, given: int
) -> None:
    found = list(
        track_video(clip, masks=square(given)[None], frame=given, direction=direction, tracker=tracker)  # type: ignore[arg-type]
    )
    assert [each.index for each in found] == list(range(COUNT))
    assert [each.time for each in found] == pytest.approx([index / 25 for index in range(COUNT)])
    for each in found:
        assert each.ids.tolist() == [1]
        assert 0 < each.scores[0] <= 1
        assert iou(each.masks[0], square(each.index)) > 0.8


def test_ids_of_a_file_are_kept_and_a_later_object_begins_later(
    clip: Path, tracker: HQTrack, tmp_path: Path
) -> None:
    rows = [f"{frame},{number},{10 + frame},16,24,24" for number, frame in ((7, 0), (3, 1))]
    (tmp_path / "boxes.csv").write_text("\n".join(["frame,object,x,y,width,height", *rows]))
    found = list(track_video(clip, masks=tmp_path / "boxes.csv", end=3, tracker=tracker))
    assert [each.ids.tolist() for each in found] == [[7], [7, 3], [7, 3]]


def test_a_frame_becomes_detections(clip: Path, tracker: HQTrack) -> None:
    supervision = pytest.importorskip("supervision")
    (found,) = track_video(clip, masks=np.stack([square(0), ~square(0)]), end=1, tracker=tracker)
    detections = to_supervision(found)
    assert isinstance(detections, supervision.Detections)
    assert detections.tracker_id.tolist() == [1, 2]
    assert detections.xyxy[0].tolist() == [10, 16, 33, 39]
    np.testing.assert_array_equal(detections.mask, found.masks)


def test_what_cannot_be_tracked_is_refused_at_once(clip: Path, tracker: HQTrack) -> None:
    with pytest.raises(InputError, match="no object"):
        track_video(clip, tracker=tracker)
    with pytest.raises(InputError, match=r"shape \(N, 64, 96\)"):
        track_video(clip, masks=square(0), tracker=tracker)
    with pytest.raises(InputError, match="begins in frame 9"):
        track_video(clip, masks=square(0)[None], frame=9, tracker=tracker)


def test_objects_are_removed_and_the_others_stay(clip: Path, tracker: HQTrack) -> None:
    images = [each.image for each in track_video(clip, masks=square(0)[None], tracker=tracker)]
    post = np.zeros(SIZE, bool)
    post[46:60, 70:84] = True
    tracker.initialize(images[0], [square(0), post], ids=[4, 9])
    tracker.track(images[1])
    tracker.remove_objects([4])
    assert (tracker.ids.tolist(), tracker.scores.shape) == ([9], (1,))
    (mask,) = tracker.track(images[2])
    assert iou(mask, post) > 0.8
    with pytest.raises(InputError, match="there is no object 4; the ids are 9"):
        tracker.remove_objects([4])
    tracker.reset()
    with pytest.raises(StateError):
        tracker.remove_objects([9])


def test_the_names_are_those_of_the_package() -> None:
    assert {"track_video", "to_supervision", "VideoFrame"} <= {*dir(hqtrack)}
