"""Ids of objects: from label images and people to every output."""

import csv
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from hqtrack import HQTrack, InputError
from hqtrack.video.drawing import colour_of, palette
from hqtrack.video.job import Job
from hqtrack.video.journal import read_job
from hqtrack.video.objects import TrackedObject
from hqtrack.video.prompts import Prompt, made_ids, numbered, read_label_image, read_prompts
from hqtrack.video.run import VideoRun
from hqtrack.video.sources import Frame
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers import Outputs, VideoFacts

SIZE = (48, 64)
NAMED = TrackedObject(7, "left, hand", (255, 128, 0))


def squares(first: int, second: int, dtype: type = np.uint8) -> np.ndarray:
    labels = np.zeros(SIZE, dtype)
    labels[4:20, 4:20] = first
    labels[24:40, 30:50] = second
    return labels


def written(folder: Path, objects: list[TrackedObject]) -> Path:
    """Write every output of one frame with two objects."""
    folder.mkdir()
    frame = Frame(np.zeros((*SIZE, 3), np.uint8), 0, Fraction(0), "00000000")
    masks = np.stack([squares(1, 0) > 0, squares(0, 1) > 0])
    kinds = ("overlay", "labels", "rle", "trajectories", "csv")
    outputs = Outputs(kinds, folder, VideoFacts(Fraction(25), objects=objects))
    outputs.write(TrackedFrame(frame, masks, objects=objects))
    outputs.finish()
    return folder


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "I;16"])
def test_values_of_a_label_image_are_the_ids(tmp_path: Path, mode: str) -> None:
    labels = squares(7, 2, np.uint16 if mode == "I;16" else np.uint8)
    image = Pillow.fromarray(labels, "P") if mode == "P" else Pillow.fromarray(labels)
    if mode == "P":
        image.putpalette(palette().tobytes())
    (image.convert("RGB") if mode == "RGB" else image).save(tmp_path / "m.png")
    prompts = read_label_image(tmp_path / "m.png", SIZE)
    assert [prompt.id for prompt in prompts] == [2, 7]
    for prompt in prompts:
        np.testing.assert_array_equal(prompt.mask, labels == prompt.id)


def test_ids_above_255_are_kept_and_negative_ones_are_refused(tmp_path: Path) -> None:
    Pillow.fromarray(squares(300, 1000, np.uint16)).save(tmp_path / "m.png")
    assert [prompt.id for prompt in read_label_image(tmp_path / "m.png", SIZE)] == [300, 1000]
    Pillow.fromarray(squares(-1, 3, np.int32)).save(tmp_path / "n.tif")
    with pytest.raises(InputError, match="has the value -1; ids are 1 to 2147483647"):
        read_label_image(tmp_path / "n.tif", SIZE)


def test_colours_of_the_davis_palette_are_its_ids_and_others_get_ids_that_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    colours = np.zeros((*SIZE, 3), np.uint8)
    colours[squares(1, 0) > 0], colours[squares(0, 1) > 0] = (128, 0, 0), (0, 128, 0)
    Pillow.fromarray(colours).save(tmp_path / "davis.png")
    assert [prompt.id for prompt in read_label_image(tmp_path / "davis.png", SIZE)] == [2, 1]
    assert "DAVIS palette" in caplog.text
    Pillow.fromarray(colours // 3).save(tmp_path / "other.png")
    prompts = read_label_image(tmp_path / "other.png", SIZE)
    assert made_ids(prompts) == "ids: 1 is #002a00 in other.png; 2 is #2a0000 in other.png"


def test_ignored_values_are_background(tmp_path: Path) -> None:
    Pillow.fromarray(squares(1, 255)).save(tmp_path / "m.png")
    assert [each.id for each in read_label_image(tmp_path / "m.png", SIZE, ignore=[255])] == [1]


def test_files_with_one_value_are_objects_of_their_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Pillow.fromarray(squares(255, 0)).save(tmp_path / "a.png")
    Pillow.fromarray(squares(0, 255)).save(tmp_path / "b.png")
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    prompts = read_prompts(masks=files, start=0, size=SIZE)
    assert [prompt.id for prompt in numbered(prompts)] == [1, 2]
    assert made_ids(prompts) == "ids: 1 is 255 in a.png; 2 is 255 in b.png"
    Pillow.fromarray(squares(3, 4)).save(tmp_path / "a.png")
    Pillow.fromarray(squares(0, 3)).save(tmp_path / "b.png")
    prompts = read_prompts(masks=files, start=0, size=SIZE)
    assert [prompt.id for prompt in numbered(prompts)] == [1, 4, 2]
    assert "several mask files have the value 3" in caplog.text


def test_objects_without_an_id_get_the_lowest_that_is_free_and_ids_are_used_once() -> None:
    box = {"box": (1, 1, 5, 5)}
    prompts = [Prompt(4, **box), Prompt(0, **box, id=2), Prompt(0, **box), Prompt(9, **box, id=300)]
    assert [(prompt.frame, prompt.id) for prompt in numbered(prompts)] == [(0, 2), (0, 1), (4, 3), (9, 300)]
    with pytest.raises(InputError, match="id 2 is used for 2 objects"):
        numbered([Prompt(0, **box, id=2), Prompt(5, **box, id=2)])


def test_all_outputs_have_the_ids(tmp_path: Path) -> None:
    out = written(tmp_path / "out", [TrackedObject(2), TrackedObject(7)])
    with Pillow.open(out / "labels" / "00000000.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), squares(2, 7))
    table = json.loads((out / "masks.json").read_text())
    assert [(each["id"], each["name"]) for each in table["categories"]] == [(2, "object 2"), (7, "object 7")]
    assert [each["category_id"] for each in table["annotations"]] == [2, 7]
    rows = list(csv.DictReader((out / "boxes.csv").open()))
    assert [row["object"] for row in rows] == ["2", "7"]
    assert "name" not in rows[0]
    assert sorted(file.name for file in (out / "trajectories").iterdir()) == ["002.txt", "007.txt"]


def test_label_images_of_ids_above_255_have_16_bits(tmp_path: Path) -> None:
    out = written(tmp_path / "out", [TrackedObject(2), TrackedObject(1000)])
    with Pillow.open(out / "labels" / "00000000.png") as image:
        np.testing.assert_array_equal(np.asarray(image), squares(2, 1000, np.uint16))
    prompts = (Prompt(0, box=(1, 1, 9, 9), id=70_000),)
    Pillow.new("RGB", SIZE[::-1]).save(tmp_path / "frame.png")
    job = Job(str(tmp_path / "frame.png"), outputs=("labels",), prompts=prompts)
    with pytest.raises(InputError, match="id 70000: label images hold ids up to 65535"):
        VideoRun(job, tmp_path / "other")


def test_names_and_colours_leave_in_every_output_that_has_a_place_for_them(tmp_path: Path) -> None:
    out = written(tmp_path / "out", [TrackedObject(2), NAMED])
    table = json.loads((out / "masks.json").read_text())
    assert table["categories"][1] == {"id": 7, "name": "left, hand", "color": [255, 128, 0]}
    rows = list(csv.DictReader((out / "boxes.csv").open()))
    assert [(row["name"], row["colour"]) for row in rows] == [("", ""), ("left, hand", "#ff8000")]


def test_an_object_may_be_given_its_id_name_and_colour_in_a_text() -> None:
    (prompt,) = read_prompts(objects=["box=1,1,9,9,id=7,name=left hand,colour=#ff8000"], start=0, size=SIZE)
    assert (prompt.id, prompt.name, prompt.colour) == (7, "left hand", (255, 128, 0))


def test_every_id_has_a_colour() -> None:
    assert colour_of(256) == colour_of(1)
    assert all(max(colour_of(number)) == 255 for number in range(1, 1000))


@pytest.fixture(scope="module")
def tracker() -> HQTrack:
    return HQTrack.from_card("hqtrack-light")


def picture(index: int) -> np.ndarray:
    image = np.full((*SIZE, 3), 40, np.uint8)
    image[4:20, 4 + index : 20 + index] = (240, 60, 60)
    image[24:40, 30 - index : 50 - index] = (60, 200, 60)
    return image


def test_a_tracker_keeps_the_ids_of_its_objects(tracker: HQTrack) -> None:
    first, second = squares(1, 0) > 0, squares(0, 1) > 0
    tracker.initialize(picture(0), [first], ids=[7])
    tracker.add_objects(picture(0), [second])
    assert tracker.ids.tolist() == [7, 1]
    tracker.track(picture(1))
    assert tracker.ids.tolist() == [7, 1]
    with pytest.raises(InputError, match="id 7 is used for two objects"):
        tracker.add_objects(picture(1), [second], ids=[7])
    for wrong, said in (
        ([0], "id 0 is out of range"),
        ([1, 2], "ids must be 1 whole numbers"),
        ([1.5], "whole"),
    ):
        with pytest.raises(InputError, match=said):
            tracker.initialize(picture(0), [first], ids=wrong)
    assert tracker.ids.tolist() == [7, 1], "a refused call changes nothing"
    tracker.initialize(picture(0), [first, second])
    assert tracker.ids.tolist() == [1, 2]


def test_a_resumed_run_keeps_ids_and_names(tracker: HQTrack, tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    for index in range(4):
        Pillow.fromarray(picture(index)).save(tmp_path / "clip" / f"{index}.png")
    prompts = (
        Prompt(0, mask=squares(1, 0) > 0, id=7, name="red"),
        Prompt(2, mask=squares(0, 1) > 0, id=3),
    )
    job = Job(str(tmp_path / "clip"), outputs=("csv", "labels"), prompts=prompts)
    seen: list[TrackedFrame] = []
    out = tmp_path / "out"
    VideoRun(job, out, tracker=tracker).track(on_frame=seen.append, stop=lambda: len(seen) == 3)
    VideoRun(read_job(out), out, tracker=tracker, earlier="resume").track()
    rows = list(csv.DictReader((out / "boxes.csv").open()))
    assert [(row["frame"], row["object"], row["name"]) for row in rows] == [
        ("0", "7", "red"),
        ("1", "7", "red"),
        ("2", "7", "red"),
        ("2", "3", ""),
        ("3", "7", "red"),
        ("3", "3", ""),
    ]
    with Pillow.open(out / "labels" / "3.png") as image:
        assert set(np.unique(np.asarray(image))) <= {0, 3, 7}
