"""Label tools' own readers and writers against ours, where they are installed.

`docs/other-tools.md` says with what result.
"""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from hqtrack.masks import iou
from hqtrack.video.objects import TrackedObject
from hqtrack.video.prompts import FrameNames, Prompt, numbered, read_prompts
from hqtrack.video.sources import Frame
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers import VideoFacts, open_writer

SIZE = (48, 64)
STEMS = [f"{index:05d}" for index in range(6)]
OBJECTS = TrackedObject(7, "cat"), TrackedObject(9, "dog")


def ellipse(column: int, row: int) -> np.ndarray:
    return cv2.ellipse(np.zeros(SIZE, np.uint8), (column, row), (10, 7), 0, 0, 360, 1, -1) > 0


MASKS = np.stack([ellipse(16, 14), ellipse(44, 30)])
BOXES = [list(cv2.boundingRect(mask.astype(np.uint8))) for mask in MASKS]


def write(kind: str, folder: Path) -> Path:
    """Write three frames; in the second one the first object is not seen."""
    writer = open_writer(kind, folder, VideoFacts(Fraction(25), objects=OBJECTS, title="clip"))
    for index, stem in enumerate(STEMS[:3]):
        seen = MASKS & np.array([index != 1, True])[:, None, None]
        frame = Frame(np.zeros((*SIZE, 3), np.uint8), index, Fraction(index, 25), f"{stem}.png")
        writer.write(TrackedFrame(frame, seen, objects=OBJECTS, scores=[0.9 * (index != 1), 0.8]))
    writer.finish()
    return writer.path


def read(path: Path) -> list[Prompt]:
    frames = FrameNames(STEMS, range(6), 6)
    return numbered(read_prompts(masks=[path], start=0, size=SIZE, frames=frames))


def check(prompts: list[Prompt], names: list[str], least: float = 0.85) -> None:
    """Check that there are the two objects, as masks or as boxes."""
    assert [each.name for each in prompts] == names
    for prompt, mask, box in zip(prompts, MASKS, BOXES, strict=True):
        if prompt.mask is None:
            np.testing.assert_allclose(prompt.box, box, atol=1.01)
        else:
            assert iou(prompt.mask, mask) >= least


# Datumaro: what CVAT imports and exports with


@pytest.fixture(scope="module")
def datumaro() -> Any:
    return pytest.importorskip("datumaro", reason="needs the package datumaro")


def masks_in(item: Any, datumaro: Any) -> dict[int, np.ndarray]:
    return {each.label: each.image > 0 for each in item.annotations if isinstance(each, datumaro.Mask)}


def test_datumaro_reads_our_coco_and_mots(tmp_path: Path, datumaro: Any) -> None:
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    shutil.copy(write("rle", tmp_path), tmp_path / "coco" / "annotations" / "instances_default.json")
    write("frames", tmp_path / "coco").rename(tmp_path / "coco" / "images")
    (tmp_path / "mots").mkdir()
    write("mots", tmp_path / "plain").rename(tmp_path / "mots" / "instances")
    data = datumaro.Dataset.import_from(str(tmp_path / "coco"), "coco_instances")
    assert [each.name for each in data.categories()[datumaro.AnnotationType.label]] == ["cat", "dog"]
    found = {item.id: masks_in(item, datumaro) for item in data}
    assert sorted(found) == STEMS[:3]
    assert [sorted(found[stem]) for stem in STEMS[:3]] == [[0, 1], [1], [0, 1]]
    np.testing.assert_array_equal([found["00002"][0], found["00002"][1]], MASKS)
    item = next(iter(datumaro.Dataset.import_from(str(tmp_path / "mots"), "mots_png_extractor")))
    ids = {each.attributes["track_id"]: each.image > 0 for each in item.annotations}
    np.testing.assert_array_equal([ids[7], ids[9]], MASKS)


def test_datumaro_decodes_our_masks_of_cvat(tmp_path: Path, datumaro: Any) -> None:
    """It reads masks of images alone, so each shape of a track is read as one of its image."""
    root = ElementTree.parse(write("cvat", tmp_path)).getroot()
    images: dict[str, list[ElementTree.Element]] = {}
    for track in root.iter("track"):
        for shape in track:
            if shape.get("outside") == "0":
                shape.set("label", track.attrib["label"])
                images.setdefault(shape.attrib["frame"], []).append(shape)
    for track in root.findall("track"):
        root.remove(track)
    (tmp_path / "cvat" / "images").mkdir(parents=True)
    for frame, shapes in images.items():
        name = f"{STEMS[int(frame)]}.png"
        image = ElementTree.SubElement(root, "image", id=frame, name=name, width="64", height="48")
        image.extend(shapes)
        cv2.imwrite(str(tmp_path / "cvat" / "images" / name), np.zeros((*SIZE, 3), np.uint8))
    ElementTree.ElementTree(root).write(tmp_path / "cvat" / "annotations.xml")
    data = datumaro.Dataset.import_from(str(tmp_path / "cvat"), "cvat")
    found = {item.id: masks_in(item, datumaro) for item in data}
    assert [sorted(found[stem]) for stem in STEMS[:3]] == [[0, 1], [1], [0, 1]]
    np.testing.assert_array_equal([found["00000"][0], found["00000"][1]], MASKS)


@pytest.mark.parametrize(
    ("form", "kind", "path", "names"),
    [
        ("coco_instances", "mask", "annotations/instances_train.json", ["cat", "dog"]),
        ("coco_instances", "polygon", "annotations/instances_train.json", ["cat", "dog"]),
        ("coco_instances", "box", "annotations/instances_train.json", ["cat", "dog"]),
        ("cvat", "mask", "train.xml", ["cat", "dog"]),
        ("cvat", "polygon", "train.xml", ["cat", "dog"]),
        ("cvat", "box", "train.xml", ["cat", "dog"]),
        ("voc_detection", "box", "Annotations", ["cat", "dog"]),
        ("label_me", "polygon", "Annotations/train", ["cat", "dog"]),
        ("yolo", "box", "obj_train_data", ["cat", "dog"]),
        ("mot_seq_gt", "box", "gt/gt.txt", ["", ""]),
        ("segment_anything", "mask", "00002.json", ["", ""]),
    ],
)
def test_what_datumaro_writes_is_read(
    tmp_path: Path, datumaro: Any, form: str, kind: str, path: str, names: list[str]
) -> None:
    def shape(place: int) -> Any:
        marks = {
            "label": place,
            "id": place + 1,
            "group": place + 1,
            "attributes": {"track_id": 7 + 2 * place},
        }
        if kind == "mask":
            return datumaro.Mask(MASKS[place], **marks)
        if kind == "box":
            return datumaro.Bbox(*BOXES[place], **marks)
        found, _ = cv2.findContours(MASKS[place].astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        return datumaro.Polygon(found[0].ravel().tolist(), **marks)

    items = [
        datumaro.DatasetItem(
            id=STEMS[frame],
            subset="train",
            media=datumaro.Image.from_numpy(np.zeros((*SIZE, 3), np.uint8)),
            attributes={"frame": frame},
            annotations=[shape(0), shape(1)],
        )
        for frame in (2, 3)
    ]
    data = datumaro.Dataset.from_iterable(items, categories=["cat", "dog"])
    data.export(str(tmp_path / "out"), form, save_media=True)
    prompts = read(tmp_path / "out" / path)
    check(prompts, names)
    assert {each.frame for each in prompts} == {1 if form == "mot_seq_gt" else 2}


# LabelMe


@pytest.fixture
def labelme(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    return pytest.importorskip("labelme", reason="needs the package labelme", exc_type=ImportError)


@pytest.mark.parametrize("kind", ["polygon", "rectangle", "circle", "mask", "oriented_rectangle"])
def test_files_that_labelme_writes_are_read_as_it_reads_them(tmp_path: Path, labelme: Any, kind: str) -> None:
    """With and without the picture in the file; two shapes of one group are one object."""

    def shape(place: int, **marks: Any) -> dict[str, Any]:
        left, top, width, height = BOXES[place]
        mask = None
        points = [[left, top], [left + width - 1, top + height - 1]]
        if kind == "polygon":
            found, _ = cv2.findContours(
                MASKS[place].astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
            )
            points = found[0][:, 0].tolist()
        elif kind == "circle":
            points = [[left + 10.0, top + 7.0], [left + 22.0, top + 7.0]]
        elif kind == "oriented_rectangle":
            points = [[left, top + 4], [left + 14, top], [left + 16, top + 8], [left + 2, top + 12]]
        elif kind == "mask":
            part = MASKS[place][top : top + height, left : left + width]
            mask = labelme.utils.img_arr_to_b64(part.astype(np.uint8))
        marks = {"group_id": None, "description": "", "flags": {}, "mask": mask} | marks
        return {"label": OBJECTS[place].name, "points": points, "shape_type": kind, **marks}

    cv2.imwrite(str(tmp_path / "00002.png"), np.zeros((*SIZE, 3), np.uint8))
    picture = (tmp_path / "00002.png").read_bytes()
    for number, (content, groups) in enumerate(((picture, [None, None]), (None, [3, 3]))):
        shapes = [shape(place, group_id=group) for place, group in enumerate(groups)]
        if groups[0]:
            shapes = [each | {"label": "cat"} for each in shapes]
        file = tmp_path / f"{number}.json"
        labelme.LabelFile().save(str(file), shapes, "00002.png", *SIZE, content)
        prompts = read(file)
        assert [each.name for each in prompts] == (["cat"] if groups[0] else ["cat", "dog"])
        assert {each.frame for each in prompts} == {2}
        understood = labelme.LabelFile(str(file)).shapes
        _, instances = labelme.utils.shapes_to_label(SIZE, understood, {"cat": 1, "dog": 2})
        for value, prompt in enumerate(prompts, 1):
            if prompt.mask is not None:
                assert iou(prompt.mask, instances == value) >= (1.0 if kind == "mask" else 0.85)
            else:
                box = cv2.boundingRect((instances == value).astype(np.uint8))
                np.testing.assert_allclose(prompt.box, box, atol=1.01)


# Label Studio


def test_brushes_of_label_studio_are_those_of_its_converter(tmp_path: Path) -> None:
    brush = pytest.importorskip(
        "label_studio_sdk.converter.brush", reason="needs the package label-studio-sdk"
    )
    results = []
    for mask, name in zip(MASKS, ("cat", "dog"), strict=True):
        runs = brush.mask2rle(mask.astype(np.uint8) * 255)
        decoded = np.asarray(brush.decode_rle(runs)).reshape(*SIZE, 4)[..., 3] > 0
        np.testing.assert_array_equal(decoded, mask)
        value = {"format": "rle", "rle": runs, "brushlabels": [name]}
        results.append({"type": "brushlabels", "original_width": 64, "original_height": 48, "value": value})
    tasks = [{"data": {"image": "/data/00002.png"}, "annotations": [{"result": results}]}]
    (tmp_path / "a.json").write_text(json.dumps(tasks))
    check(read(tmp_path / "a.json"), ["cat", "dog"], 1.0)


# PyLabel


def test_pylabel_reads_our_coco_and_its_exports_are_read(tmp_path: Path) -> None:
    importer = pytest.importorskip("pylabel.importer", reason="needs the package pylabel")
    file = write("rle", tmp_path)
    data = importer.ImportCoco(str(file), path_to_images=str(tmp_path))
    rows = data.df[data.df["img_filename"] == "00002.png"]
    assert rows["cat_name"].tolist() == ["cat", "dog"]
    boxes = rows[["ann_bbox_xmin", "ann_bbox_ymin", "ann_bbox_width", "ann_bbox_height"]]
    np.testing.assert_array_equal(boxes.to_numpy(float), BOXES)
    data.export.ExportToVoc(output_path=str(tmp_path / "voc"))
    check(read(tmp_path / "voc"), ["cat", "dog"])


# FiftyOne


def test_fiftyones_importer_reads_our_coco(tmp_path: Path) -> None:
    """The importer alone: a data set would need FiftyOne's database."""
    fiftyone = pytest.importorskip("fiftyone.utils.coco", reason="needs the package fiftyone")
    _, names, _, images, annotations = fiftyone.load_coco_detection_annotations(str(write("rle", tmp_path)))
    assert [images[index]["file_name"] for index in range(3)] == [f"{stem}.png" for stem in STEMS[:3]]
    for index in range(3):
        seen = [1] if index == 1 else [0, 1]
        found = [
            each.to_detection(SIZE[::-1], classes_map=names, load_segmentation=True)
            for each in annotations[index]
        ]
        assert [each.label for each in found] == [OBJECTS[place].name for place in seen]
        assert [each["track_id"] for each in found] == [OBJECTS[place].id for place in seen]
        for each, place in zip(found, seen, strict=True):
            left, top, width, height = BOXES[place]
            part = MASKS[place][top : top + height, left : left + width]
            np.testing.assert_array_equal(each.mask, part)
            np.testing.assert_allclose(each.bounding_box, np.array(BOXES[place]) / [64, 48, 64, 48])
