"""Objects that another picture shows, of any size; and masks that are of another picture by mistake."""

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner

from hqtrack import HQTrack, InputError, StateError, track_video
from hqtrack.cli import app
from hqtrack.masks import iou
from hqtrack.video.corrections import Correction
from hqtrack.video.editing import EditedRun
from hqtrack.video.job import Job
from hqtrack.video.journal import read_job
from hqtrack.video.mask_fit import better_places, is_of_another
from hqtrack.video.prompts import Prompt
from hqtrack.video.prompts.references import read_reference
from hqtrack.video.run import VideoRun
from hqtrack.video.tracked_frame import TrackedFrame
from moving_square import picture, post, square, write_clip

COUNT = 5


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Return a clip, and a larger picture of another shape with a mask of the square (1) and the post (2)."""
    image = np.random.default_rng(5).integers(0, 50, (120, 120, 3)).astype(np.uint8)
    labels = np.zeros((120, 120), np.uint8)
    labels[50:80, 20:50] = 1
    labels[70:88, 90:108] = 2
    image[labels == 1], image[labels == 2] = (230, 180, 40), (30, 170, 60)
    Pillow.fromarray(image).save(tmp_path / "picture.png")
    Pillow.fromarray(labels).save(tmp_path / "mask.png")
    return write_clip(tmp_path / "clip", COUNT), tmp_path / "picture.png", tmp_path / "mask.png"


def test_an_object_of_another_picture_is_found_and_tracked(
    tracker: HQTrack, files: tuple[Path, Path, Path]
) -> None:
    image, labels = (np.array(Pillow.open(file)) for file in files[1:])
    tracker.reset()
    tracker.add_picture(image, [labels == 1, labels == 2], ids=[4, 9])
    for index in range(COUNT):
        masks = tracker.track(picture(index))
        assert tracker.ids.tolist() == [4, 9]
        assert iou(masks[0], square(index)) > 0.8
        assert iou(masks[1], post()) > 0.7
    more = square(0).copy()
    more[:] = False
    more[2:9, 60:90] = True
    assert len(tracker.add_objects(picture(COUNT - 1), more[None])) == 3
    with pytest.raises(StateError, match="before the first frame"):
        tracker.add_picture(image, [labels == 1])
    tracker.remove_objects([9])
    assert tracker.track(picture(COUNT)).shape[0] == 2


@pytest.mark.slow
def test_command_and_python_track_the_same_and_record_it(
    tracker: HQTrack, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    clip, image, mask = files
    text = f"{image},{mask},object=1"
    out = tmp_path / "out"
    words = ["track", str(clip), "-o", str(out), "--reference", text, "--object", "box=70,46,14,14,id=7"]
    words += ["--card", "vmos-light", "--device", "cpu", "--precision", "float32", "--labels", "--no-overlay"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, (result.output, result.exception)
    found = np.stack([np.array(Pillow.open(out / "labels" / f"{index}.png")) for index in range(COUNT)])
    prompts = [Prompt(0, box=(70.0, 46.0, 14.0, 14.0), id=7)]
    for frame in track_video(clip, references=[text], prompts=prompts, tracker=tracker):
        assert frame.ids.tolist() == [1, 7]
        np.testing.assert_array_equal(frame.masks[0], found[frame.index] == 1)
        assert iou(frame.masks[0], square(frame.index)) > 0.8
    (first, second) = json.loads((out / ".hqtrack" / "run.json").read_text())["job"]["prompts"]
    assert {first["picture"], second["picture"]} == {str(image), None}
    EditedRun(out).make()
    assert result.exit_code == 0


def test_it_stays_known_after_a_correction_and_when_a_run_is_resumed(
    tracker: HQTrack, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    clip, image, mask = files
    prompts = (*read_reference(f"{image},{mask},object=1", 0), Prompt(0, mask=post(), id=7))
    corrections = (Correction(2, 7, Prompt(2, mask=post())),)
    job = Job(str(clip), outputs=("labels",), prompts=prompts, corrections=corrections)
    found: list[TrackedFrame] = []
    VideoRun(job, tmp_path / "whole", tracker=tracker).track(on_frame=found.append)
    assert [iou(each.masks[0], square(index)) > 0.8 for index, each in enumerate(found)] == [True] * COUNT
    out = tmp_path / "stopped"
    seen: list[TrackedFrame] = []
    VideoRun(job, out, tracker=tracker).track(on_frame=seen.append, stop=lambda: len(seen) == 3)
    VideoRun(read_job(out), out, tracker=tracker, earlier="resume").track()
    for index in range(COUNT):
        names = (tmp_path / "whole" / "labels", out / "labels")
        whole, resumed = (np.array(Pillow.open(name / f"{index}.png")) for name in names)
        np.testing.assert_array_equal(whole, resumed)


def test_references_that_cannot_be_used_are_refused(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    clip, image, mask = files
    Pillow.new("L", (30, 20), 1).save(tmp_path / "small.png")
    for text, options, said in (
        (f"{image},{mask},object=3", [], "has no object 3; it has 1, 2"),
        (f"{image},{tmp_path / 'small.png'}", [], "30 x 20"),
        (f"{image},{tmp_path / 'none.png'}", [], "No such file"),
        (f"{tmp_path / 'none.png'},{mask}", [], "No such file"),
        (f"{image}", [], "write it as picture.jpg,mask.png"),
        (f"{image},{mask},frame=3", [], "write it as picture.jpg,mask.png"),
        (f"{image},{mask}", ["--direction", "both"], "tracking forward"),
    ):
        result = CliRunner().invoke(
            app, ["track", str(clip), "-o", str(tmp_path / "out"), "--reference", text, *options]
        )
        assert result.exit_code in (1, 2), (text, result.output)
        assert said in (result.output + str(result.exception)).replace("\n", " "), text
        assert not (tmp_path / "out").exists()


def test_an_engine_that_knows_frames_alone_says_so(tracker: HQTrack) -> None:
    class FramesAlone:
        count = 0

    other = HQTrack(tracker.card, lambda: FramesAlone(), device="cpu", precision="float32")  # type: ignore[arg-type, return-value]
    with pytest.raises(InputError, match="cannot learn an object from another picture"):
        other.add_picture(picture(0), square(0)[None])


def test_a_mask_of_another_picture_is_noticed(
    tracker: HQTrack, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip = write_clip(tmp_path / "clip", 2)
    for mask, noticed in ((square(0), False), (np.roll(square(0), (14, 40), (0, 1)), True)):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            for _ in track_video(clip, masks=mask[None], tracker=tracker):
                pass
        assert ("is it a mask of this video?" in caplog.text) == noticed
    assert better_places(picture(0), post()) == 0
    large = cv2.resize(picture(0), (1280, 800))
    assert not is_of_another(large, np.ones((800, 1280), bool))  # the whole frame: nothing to compare with
