"""Objects in the formats of annotation tools, detectors and data sets, and in our own outputs."""

import base64
import io
import json
import os
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from hqtrack import DataError, InputError
from hqtrack.masks import rle_encode
from hqtrack.video.objects import TrackedObject
from hqtrack.video.prompts import FORMATS, FrameNames, Prompt, numbered, read_prompts
from hqtrack.video.sources import Frame
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers import VideoFacts, open_writer

SIZE = (48, 64)
STEMS = [f"{index:05d}" for index in range(6)]


def shape(x: int, y: int, width: int = 14, height: int = 10) -> np.ndarray:
    """Return the mask of an ellipse in a box."""
    mask = np.zeros(SIZE, np.uint8)
    cv2.ellipse(mask, (x + width // 2, y + height // 2), (width // 2, height // 2), 0, 0, 360, 1, -1)
    return mask.astype(bool)


FIRST, SECOND = shape(4, 4), shape(36, 20)


def read(path: Path, stems: list[str] | None = None, indices: range | None = None) -> list[Prompt]:
    names = FrameNames(STEMS if stems is None else stems, indices or range(6), 6)
    return numbered(read_prompts(masks=[path], start=names.indices[0], size=SIZE, frames=names))


def save(path: Path, content: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def outline(mask: np.ndarray) -> list[list[int]]:
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return found[0][:, 0].tolist()


def box(mask: np.ndarray) -> list[int]:
    return list(cv2.boundingRect(mask.astype(np.uint8)))


def coco(*annotations: dict[str, Any], names: list[str] | None = None) -> dict[str, Any]:
    images = [
        {"id": 70 + k, "file_name": stem if "." in stem else f"{stem}.jpg", "height": 48, "width": 64}
        for k, stem in enumerate(names or STEMS)
    ]
    return {"images": images, "annotations": list(annotations), "categories": [{"id": 3, "name": "cat"}]}


# What other programs write


def test_masks_and_polygons_are_those_of_pycocotools(tmp_path: Path) -> None:
    pycoco = pytest.importorskip("pycocotools.mask")
    stored = pycoco.encode(np.asfortranarray(FIRST.astype(np.uint8)))
    polygon = (np.array(outline(shape(3, 3, 40, 30))) + 0.3).ravel().tolist()
    entries = [
        {"image_id": 70, "track_id": 4, "segmentation": {**stored, "counts": stored["counts"].decode()}},
        {"image_id": 70, "track_id": 5, "segmentation": [polygon]},
    ]
    first, second = read(save(tmp_path / "a.json", coco(*entries)))
    assert (first.id, second.id) == (4, 5)
    np.testing.assert_array_equal(first.mask, FIRST)
    theirs = pycoco.decode(pycoco.frPyObjects([polygon], *SIZE))[..., 0].astype(bool)
    assert (second.mask ^ theirs).sum() <= 0.03 * theirs.sum()


@pytest.mark.parametrize("kind", ["coco", "yolo", "pascal_voc"])
def test_data_sets_of_supervision_are_read(tmp_path: Path, kind: str) -> None:
    supervision = pytest.importorskip("supervision")
    masks = np.stack([FIRST, SECOND])
    found = supervision.Detections(
        supervision.mask_to_xyxy(masks) + np.array([0.0, 0, 1, 1]), masks, class_id=np.array([0, 1])
    )
    image = str(tmp_path / "00002.png")
    cv2.imwrite(image, np.zeros((*SIZE, 3), np.uint8))
    data = supervision.DetectionDataset(["cat", "dog"], [image], {image: found})
    path = tmp_path / "out"
    if kind == "coco":
        path = tmp_path / "out.json"
        data.as_coco(annotations_path=str(path))
    else:
        getattr(data, f"as_{kind}")(annotations_directory_path=str(path))
    prompts = read(path)
    assert [each.frame for each in prompts] == [2, 2]
    for prompt, mask in zip(prompts, masks, strict=True):
        if kind == "pascal_voc":
            assert prompt.box is not None
            np.testing.assert_allclose(prompt.box, box(mask), atol=1)
        else:
            assert (prompt.mask & mask).sum() >= 0.8 * (prompt.mask | mask).sum()


def test_ground_truth_of_the_toolkit_is_read(tmp_path: Path) -> None:
    regions = pytest.importorskip("vot.region")
    from vot.region.io import write_trajectory
    from vot.region.shapes import Mask, Rectangle

    path = tmp_path / "groundtruth.txt"
    write_trajectory(str(path), [regions.Special(0), Mask(FIRST.astype(np.uint8), optimize=True)])
    (prompt,) = read(path)
    assert prompt.frame == 1
    np.testing.assert_array_equal(prompt.mask, FIRST)
    write_trajectory(str(path), [Rectangle(3, 4, 20, 12)])
    assert [each.box for each in read(path)] == [(3, 4, 20, 12)]


@pytest.mark.parametrize("kind", ["rle", "csv", "trajectories"])
def test_what_we_write_is_read_with_ids_names_and_colours(tmp_path: Path, kind: str) -> None:
    if kind == "trajectories":
        pytest.importorskip("vot")
    objects = (TrackedObject(7, "the cat", (1, 200, 3)), TrackedObject(2))
    writer = open_writer(kind, tmp_path, VideoFacts(Fraction(25), objects=objects))
    for index, stem in enumerate(STEMS):
        masks = np.stack([FIRST, SECOND])[: 1 if index < 3 else 2]
        frame = Frame(np.zeros((*SIZE, 3), np.uint8), index, Fraction(index, 25), f"{stem}.jpg")
        writer.write(TrackedFrame(frame, masks, objects=objects[: len(masks)]))
    writer.finish()
    first, second = read(writer.path)
    assert (first.id, second.id) == (7, 2)
    # A trajectory has no mask in the frame in which an object was given.
    assert (first.frame, second.frame) == ((1, 4) if kind == "trajectories" else (0, 3))
    if kind != "trajectories":
        assert (first.name, first.colour, second.name) == ("the cat", (1, 200, 3), "")
    if kind == "csv":
        assert [each.box for each in (first, second)] == [tuple(box(mask)) for mask in (FIRST, SECOND)]
    else:
        np.testing.assert_array_equal([first.mask, second.mask], [FIRST, SECOND])


# Kinds of shapes


def png(mask: np.ndarray) -> str:
    buffer = io.BytesIO()
    Pillow.fromarray(mask).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def labelme(kind: str, points: list[list[float]], **more: Any) -> dict[str, Any]:
    shapes = [{"label": "cat", "shape_type": kind, "points": points, **more}]
    return {"shapes": shapes, "imagePath": "..\\shots\\00001.jpg", "imageWidth": 64, "imageHeight": 48}


def cvat(tag: str, **values: Any) -> str:
    marks = " ".join(f'{key}="{value}"' for key, value in values.items())
    return f'<annotations><image name="00001.jpg"><{tag} label="cat" {marks}/></image></annotations>'


def label_studio(kind: str, **value: Any) -> list[dict[str, Any]]:
    results = [{"type": kind, "value": {kind: ["cat"], **value}}]
    return [{"data": {"image": "/data/00001.jpg"}, "annotations": [{"result": results}]}]


def via(**attributes: Any) -> dict[str, Any]:
    regions = [{"shape_attributes": attributes, "region_attributes": {"label": "cat"}}]
    return {"_via_img_metadata": {"00001.jpg99": {"filename": "00001.jpg", "regions": regions}}}


X, Y, WIDTH, HEIGHT = box(FIRST)
RADII = {"rx": WIDTH / 2, "ry": HEIGHT / 2}
MIDDLE = {"cx": X + WIDTH / 2, "cy": Y + HEIGHT / 2}
PERCENT = {"x": 100 * MIDDLE["cx"] / 64, "y": 100 * MIDDLE["cy"] / 48}
PART = FIRST[Y : Y + HEIGHT, X : X + WIDTH]
SQUARE = [[9.0, 5.0], [9.0, 21.0], [25.0, 21.0], [25.0, 5.0]]
TURNED = {"xtl": 9, "ytl": 5, "xbr": 25, "ybr": 21}


def runs(part: np.ndarray) -> str:
    changes = np.flatnonzero(np.diff(part.ravel(), prepend=False, append=False))
    return ",".join(map(str, np.diff(changes, prepend=0, append=part.size)))


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".json", labelme("polygon", outline(FIRST))),
        (".json", labelme("rotation", outline(FIRST), direction=0.3)),
        (".json", labelme("mask", [[X, Y], [X + WIDTH - 1, Y + HEIGHT - 1]], mask=png(PART))),
        (".xml", cvat("polygon", points=";".join(f"{x},{y}" for x, y in outline(FIRST)))),
        (".xml", cvat("ellipse", **MIDDLE, **RADII)),
        (
            ".xml",
            "<annotation><filename>00001.jpg</filename><imagesize><nrows>48</nrows><ncols>64</ncols></imagesize>"
            "<object><name>cat</name><deleted>0</deleted><polygon>"
            + "".join(f"<pt><x>{x}.00</x><y>{y}.00</y></pt>" for x, y in outline(FIRST))
            + "</polygon></object></annotation>",
        ),
        (".xml", cvat("mask", left=X, top=Y, width=WIDTH, height=HEIGHT, rle=runs(PART))),
        (".json", label_studio("polygonlabels", points=[[x / 0.64, y / 0.48] for x, y in outline(FIRST)])),
        (
            ".json",
            label_studio("ellipselabels", **PERCENT, radiusX=50 * WIDTH / 64, radiusY=50 * HEIGHT / 48),
        ),
        (
            ".json",
            via(
                name="polygon",
                all_points_x=[x for x, _ in outline(FIRST)],
                all_points_y=[y for _, y in outline(FIRST)],
            ),
        ),
        (".json", via(name="ellipse", **MIDDLE, **RADII)),
    ],
)
def test_masks_of_tools_are_the_objects(tmp_path: Path, suffix: str, content: Any) -> None:
    (prompt,) = read(save(tmp_path / f"a{suffix}", content))
    assert (prompt.frame, prompt.name) == (1, "cat")
    assert (prompt.mask & FIRST).sum() >= 0.85 * (prompt.mask | FIRST).sum()


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".json", labelme("rectangle", [[25, 21], [9, 5]])),
        (".json", labelme("rectangle", [[9, 5], [25, 5], [25, 21], [9, 21]])),
        (".xml", cvat("box", **TURNED)),
        (".json", label_studio("rectanglelabels", x=900 / 64, y=500 / 48, width=25, height=1600 / 48)),
        (".json", via(name="rect", x=9, y=5, width=16, height=16)),
        (
            ".xml",
            "<annotation><filename>00001.jpg</filename><object><name>cat</name><bndbox><xmin>10</xmin>"
            "<ymin>6</ymin><xmax>25</xmax><ymax>21</ymax></bndbox></object></annotation>",
        ),
        (".csv", "filename,label,xmin,ymin,xmax,ymax\n00001.jpg,cat,9,5,25,21\n"),
        (".tsv", "frame\tname\tleft\ttop\tw\th\n1\tcat\t9,0\t5,0\t16,0\t16,0\n"),
    ],
)
def test_boxes_of_tools_are_the_objects(tmp_path: Path, suffix: str, content: Any) -> None:
    (prompt,) = read(save(tmp_path / f"a{suffix}", content))
    assert (prompt.frame, prompt.name) == (1, "cat")
    np.testing.assert_allclose(prompt.box, (9, 5, 16, 16), atol=1e-9)


@pytest.mark.parametrize(
    "content",
    [cvat("box", **TURNED, rotation=90), cvat("box", **TURNED, rotation=45)],
    ids=["turned by 90", "turned by 45"],
)
def test_turned_boxes_are_polygons(tmp_path: Path, content: str) -> None:
    (prompt,) = read(save(tmp_path / "a.xml", content))
    assert prompt.mask.sum() == pytest.approx(256, rel=0.05)
    assert prompt.mask[13, 17]
    assert prompt.mask[6, 10] == ("90" in content)


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".json", labelme("point", [[12, 7]])),
        (".xml", cvat("points", points="12,7")),
        (".json", label_studio("keypointlabels", x=1200 / 64, y=700 / 48)),
        (".json", via(name="point", cx=12, cy=7)),
    ],
)
def test_points_of_tools_are_the_objects(tmp_path: Path, suffix: str, content: Any) -> None:
    (prompt,) = read(save(tmp_path / f"a{suffix}", content))
    np.testing.assert_allclose(prompt.points, [(12, 7)])


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("0 0.5 0.5 0.25 0.5", 1),
        ("0 0.5 0.5 0.25 0.5 0.87", 1),
        ("0 0.5 0.5 0.25 0.5 9", 9),
        ("0 0.5 0.5 0.25 0.5 0.87 9", 9),
    ],
)
def test_scores_and_tracks_may_follow_a_box_of_yolo(tmp_path: Path, row: str, expected: int) -> None:
    (prompt,) = read(save(tmp_path / "00004.txt", row))
    assert (prompt.frame, prompt.box, prompt.id) == (4, (24, 12, 16, 24), expected)


@pytest.mark.parametrize("ending", ["", " 0.87", " 9", " 0.87 9"])
def test_scores_and_tracks_may_follow_a_polygon_of_yolo(tmp_path: Path, ending: str) -> None:
    values = " ".join(
        f"{value / side:.6f}" for point in outline(FIRST) for value, side in zip(point, (64, 48), strict=True)
    )
    (prompt,) = read(save(tmp_path / "00004.txt", f"2 {values}{ending}"))
    assert prompt.id == (9 if "9" in ending.split() else 1)
    np.testing.assert_array_equal(prompt.mask, FIRST)


@pytest.mark.parametrize(
    ("values", "ids"),
    [
        (np.stack([FIRST, SECOND]), [1, 2]),
        (np.stack([FIRST, SECOND], axis=-1), [1, 2]),
        (np.stack([FIRST, SECOND])[:, None].astype(np.uint8) * 255, [1, 2]),
        (np.stack([FIRST, SECOND]) * np.float32(0.9), [1, 2]),
        (np.stack([FIRST, SECOND]) * np.float32(8) - 4, [1, 2]),
        (2 * FIRST + 7 * SECOND.astype(np.int64), [2, 7]),
        (2.0 * FIRST + 7.0 * SECOND, [2, 7]),
        (np.repeat((2 * FIRST + 7 * SECOND)[..., None], 3, 2).astype(np.uint8), [2, 7]),
        (np.stack([2 * FIRST, *[2 * FIRST + 7 * SECOND] * 5]), [2, 7]),
    ],
    ids=[
        "masks",
        "channels-last",
        "batch",
        "probabilities",
        "logits",
        "labels",
        "whole-floats",
        "grey-picture",
        "labels-of-frames",
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_are_masks_or_label_images(
    tmp_path: Path, values: np.ndarray, ids: list[int], suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    (np.save if suffix == ".npy" else np.savez)(path, values)
    prompts = read(path)
    assert [each.id for each in prompts] == ids
    np.testing.assert_array_equal([each.mask for each in prompts], [FIRST, SECOND])


# Which annotations are one object


def test_an_object_begins_in_the_first_frame_that_shows_it(tmp_path: Path) -> None:
    empty, first, second = (rle_encode(mask) for mask in (np.zeros(SIZE, bool), FIRST, SECOND))
    entries = [
        {"image_id": 70 + frame, "track_id": track, "segmentation": mask}
        for frame, track, mask in [
            (0, 5, empty),
            (2, 5, first),
            (3, 5, second),
            (3, 9, second),
            (1, 5, empty),
        ]
    ]
    prompts = read(save(tmp_path / "a.json", coco(*entries)))
    assert [(each.frame, each.id) for each in prompts] == [(2, 5), (3, 9)]
    later = read(tmp_path / "a.json", indices=range(3, 6))
    assert [(each.frame, each.id) for each in later] == [(3, 5), (3, 9)]


def test_parts_of_a_track_in_one_frame_are_one_object(tmp_path: Path) -> None:
    shapes = [{"label": "cat", "group_id": 1, "points": outline(mask)} for mask in (FIRST, SECOND)]
    (prompt,) = read(save(tmp_path / "00000.json", {"shapes": shapes}))
    np.testing.assert_array_equal(prompt.mask, FIRST | SECOND)


def test_without_tracks_the_objects_of_one_label_are_those_of_the_first_frame(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("00001", "00003"):
        shapes = [{"label": "cat", "points": outline(mask)} for mask in (FIRST, SECOND)]
        save(tmp_path / "a" / f"{name}.json", {"shapes": shapes, "imagePath": f"{name}.jpg"})
    assert [each.frame for each in read(tmp_path / "a")] == [1, 1]
    assert "those of frame 1 are used" in caplog.text


def test_fields_of_a_tools_own_and_null_are_left_alone(tmp_path: Path) -> None:
    crowd = {"iscrowd": 1, "keypoints": [3, 4, 2], "caption": None, "attributes": {"occluded": False}}
    runs = [int(run) for run in np.diff(np.flatnonzero(np.diff(FIRST.T.ravel(), prepend=False)), prepend=0)]
    runs.append(FIRST.size - sum(runs))
    entry = {
        "id": 1,
        "image_id": 70,
        "category_id": 3,
        "segmentation": {"size": SIZE, "counts": runs},
        "bbox": None,
    }
    data = coco(entry | crowd) | {"info": {"x": [1]}, "licenses": None, "tags": [{"id": 3}]}
    (prompt,) = read(save(tmp_path / "a.json", data))
    assert (prompt.id, prompt.name) == (3, "cat")
    np.testing.assert_array_equal(prompt.mask, FIRST)


def test_a_track_of_number_0_gets_an_id(tmp_path: Path) -> None:
    tracks = "".join(
        f'<track id="{number}" label="cat"><box frame="0" xtl="{x}" ytl="5" xbr="{x + 9}" ybr="20"/></track>'
        for number, x in ((0, 3), (1, 30))
    )
    prompts = read(save(tmp_path / "a.xml", f"<annotations>{tracks}</annotations>"))
    assert [(each.id, each.box[0]) for each in prompts] == [(1, 3), (2, 30)]


def test_numbers_in_names_are_frames_of_a_video(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    entry = {"image_id": 70, "segmentation": rle_encode(FIRST)}
    path = save(tmp_path / "a.json", coco(entry, names=["frame_000004.PNG"]))
    assert [each.frame for each in read(path, stems=[])] == [4]
    assert "count from 0" in caplog.text


def test_a_picture_of_another_name_is_the_first_frame_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entry = {"image_id": 70, "segmentation": rle_encode(FIRST)}
    assert [each.frame for each in read(save(tmp_path / "a.json", coco(entry, names=["photo.jpg"])))] == [0]
    assert "photo.jpg is not the name of a frame" in caplog.text


def test_frames_of_a_task_with_a_step_are_those_of_the_task_or_of_the_video(tmp_path: Path) -> None:
    meta = (
        "<meta><start_frame>4</start_frame><stop_frame>24</stop_frame>"
        "<frame_filter>step=4</frame_filter></meta>"
    )
    shape = '<box frame="{}" outside="0" xtl="3" ytl="5" xbr="12" ybr="20"/>'
    for number, count, expected in ((2, 6, 2), (2, 100, 12), (12, 6, 2), (12, 100, 12)):
        text = f'<annotations>{meta}<track id="3" label="cat">{shape.format(number)}</track></annotations>'
        names = FrameNames((), range(count), count)
        path = save(tmp_path / "a.xml", text)
        (prompt,) = read_prompts(masks=[path], start=0, size=SIZE, frames=names)
        assert prompt.frame == expected


def test_files_named_like_images_are_annotations_and_others_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    save(folder / "00002.json", {"shapes": [{"label": "cat", "points": outline(FIRST)}]})
    save(folder / "notes.txt", "nothing")
    Pillow.fromarray(FIRST).save(folder / "00000.png")
    assert [each.frame for each in read(folder)] == [0]
    Pillow.fromarray(FIRST).save(folder / "00002.png")
    (folder / "notes.txt").unlink()
    assert [each.frame for each in read(folder)] == [2]


def test_a_later_object_may_be_of_a_file(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", {"shapes": [{"label": "cat", "points": outline(FIRST)}]})
    (prompt,) = read_prompts(
        objects=[f"frame=3,mask={path},id=8"], start=0, size=SIZE, frames=FrameNames(STEMS)
    )
    assert (prompt.frame, prompt.id, prompt.name) == (3, 8, "cat")


def test_masks_that_overlap_are_named_with_the_object_that_has_the_pixels(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inside = FIRST & (np.arange(64) < 12)
    np.save(tmp_path / "a.npy", np.stack([FIRST, inside, FIRST | SECOND]))
    read(tmp_path / "a.npy")
    assert f"objects 1 and 2 overlap in {inside.sum()} pixels of frame 0" in caplog.text
    assert "which are given to object" in caplog.text


# What cannot be read


BAD: list[tuple[str, Any, str]] = [
    (".json", "{", "not readable JSON"),
    (".json", "[" * 100_000, "not readable JSON"),
    (".json", {"version": 3}, "known formats are COCO, .*LabelMe.*YOLO"),
    (".json", "", "empty file"),
    (".json", coco(), "no object"),
    (
        ".json",
        coco({"image_id": 70, "segmentation": rle_encode(np.zeros(SIZE, bool))}),
        "all masks are empty",
    ),
    (
        ".json",
        coco({"image_id": 70, "segmentation": rle_encode(FIRST[:, :50])}),
        "50 x 48 pixels, but the frame 64 x 48",
    ),
    (
        ".json",
        coco({"image_id": 70, "segmentation": {"size": [48, 64], "counts": [7]}}),
        "run lengths fill 7",
    ),
    (".json", coco({"image_id": 70, "segmentation": [[1, 2, 3]]}), "3 values, which are no pairs"),
    (".json", coco({"image_id": 70, "segmentation": 7}), "no segmentation of COCO"),
    (".json", coco({"image_id": 70, "bbox": [1, 2, 3]}), "read as COCO, but"),
    (".json", coco({"image_id": 70, "bbox": [500, 500, 9, 9]}), "beyond the frame"),
    (".json", coco({"image_id": 70, "bbox": [1, 2, 1e999, 9]}), "not a number"),
    (".json", coco({"image_id": 70}), "no known format|lacks 'bbox'"),
    (".json", labelme("polygon", [[1, 1]]), "no object"),
    (
        ".json",
        labelme("polygon", outline(FIRST)) | {"imageWidth": 640},
        "640 x 48 pixels, but the frames have 64 x 48",
    ),
    (".json", labelme("mask", [[1, 1]], mask="none"), "not a readable PNG"),
    (".json", {"videos": [{"id": 1}, {"id": 2}], "annotations": []}, "of 2 videos"),
    (".xml", "<annotations", "not readable as XML"),
    (".xml", '<!DOCTYPE a [<!ENTITY a "b">]><annotations/>', "defines entities"),
    (".xml", "<annotations/>", "no object"),
    (".xml", cvat("mask", left=0, top=0, width=2, height=2, rle="1,9"), "run lengths fill 10 pixels"),
    (".xml", cvat("box", xtl=1), "lacks 'ytl'"),
    (".txt", "hello", "no known format"),
    (".txt", "0 0.5 0.5 0.2", "no known format|beyond|at least 1"),
    (".csv", "a,b\n1,2\n", "needs columns x, y, width, height"),
    (".csv", "x,y,w,h\nleft,2,3,4\n", "read as a CSV table of boxes, but"),
]


@pytest.mark.parametrize(("suffix", "content", "message"), BAD, ids=[message[:24] for _, _, message in BAD])
def test_what_cannot_be_read_is_refused_in_a_line(
    tmp_path: Path, suffix: str, content: Any, message: str
) -> None:
    with pytest.raises((InputError, DataError), match=message) as refusal:
        read(save(tmp_path / f"a{suffix}", content))
    assert str(tmp_path / f"a{suffix}") in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_entities_are_refused_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY a "b">]><annotations/>'
    (tmp_path / "a.xml").write_bytes(text.encode(encoding))
    with pytest.raises(DataError, match="defines entities"):
        read(tmp_path / "a.xml")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 5)), "shape \\(3, 5\\), but the frame is 48 x 64"),
        (np.zeros(SIZE), "no object"),
        (np.zeros(SIZE, "U4"), "hold <U4"),
        (np.arange(48 * 64).reshape(SIZE), "3071 values from 1"),
        (np.zeros((300, *SIZE), bool), "300 masks"),
        (np.stack([2 * FIRST] * 4), "the video has 6 frames"),
        (np.array([{}]), "Python objects"),
    ],
)
def test_arrays_that_are_no_masks_are_refused(tmp_path: Path, values: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", values, allow_pickle=True)
    with pytest.raises((InputError, DataError), match=message):
        read(tmp_path / "a.npy")


def test_pictures_of_another_video_are_refused(tmp_path: Path) -> None:
    entries = [{"image_id": 70 + k, "segmentation": rle_encode(FIRST)} for k in range(2)]
    with pytest.raises(
        InputError, match=r"b0\.jpg is not the name of a frame; frames are named 00000 to 00005"
    ):
        read(save(tmp_path / "a.json", coco(*entries, names=["b0.jpg", "b1.jpg"])))
    with pytest.raises(InputError, match="have the name of one frame"):
        read(save(tmp_path / "a.json", coco(*entries, names=["one/00001", "two/00001"])))


def test_objects_of_frames_that_are_not_read_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "00001.json", {"shapes": [{"label": "cat", "points": outline(FIRST)}]})
    with pytest.raises(InputError, match="frames 1 to 1 alone, and none in the frames that are read"):
        read(tmp_path / "00001.json", indices=range(3, 6))


def test_a_large_file_is_read(tmp_path: Path) -> None:
    shapes = {"shapes": [{"label": "cat", "points": outline(FIRST)}], "imageData": "A" * 30_000_000}
    assert len(read(save(tmp_path / "00000.json", shapes))) == 1


def test_rows_without_numbers_are_frames_without_the_object(tmp_path: Path) -> None:
    rows = ["0,4,nan,nan,nan,nan", "1,4,None,,,", "2,4,9,5,16,16"]
    (prompt,) = read(save(tmp_path / "a.csv", "\n".join(["frame,id,x,y,w,h", *rows])))
    assert (prompt.frame, prompt.id, prompt.box) == (2, 4, (9, 5, 16, 16))


def test_key_points_behind_a_box_of_yolo_are_left_out_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    points = " ".join(f"0.4 0.{place} {place % 3}" for place in range(1, 6))
    (prompt,) = read(save(tmp_path / "00004.txt", f"0 0.5 0.5 0.25 0.5 {points}"))
    assert prompt.box == (24, 12, 16, 24)
    assert "key points behind a box are left out" in caplog.text


def test_a_class_that_classes_txt_does_not_name_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path / "a" / "00004.txt", "0 0.3 0.5 0.25 0.5\n4 0.7 0.5 0.25 0.5\n")
    save(tmp_path / "a" / "classes.txt", "cat\n")
    assert [each.name for each in read(tmp_path / "a")] == ["cat", ""]
    assert "class 4 has no name in the list of classes, which has 1" in caplog.text


def test_of_several_arrays_one_is_read_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    np.savez(tmp_path / "a.npz", scores=np.ones(2), masks=np.stack([FIRST, SECOND]))
    assert len(read(tmp_path / "a.npz")) == 2
    assert "of its 2 arrays masks is read" in caplog.text
    np.savez(tmp_path / "b.npz", cat=FIRST, dog=SECOND * 255)
    np.testing.assert_array_equal([each.mask for each in read(tmp_path / "b.npz")], [FIRST, SECOND])
    assert "each of its 2 arrays is read as the mask of an object" in caplog.text


def test_boxes_of_a_video_of_label_studio_name_their_frames(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sequence = [{"frame": 3, "x": 25, "y": 25, "width": 50, "height": 50, "enabled": True}]
    result = {"id": "a", "type": "videorectangle", "value": {"sequence": sequence, "labels": ["cat"]}}
    task = {"data": {"video": "/data/clip.mp4"}, "annotations": [{"result": [result]}]}
    (prompt,) = read(save(tmp_path / "a.json", [task]))
    assert (prompt.frame, prompt.name, prompt.box) == (2, "cat", (16, 12, 32, 24))
    assert "begin in frame" not in caplog.text


def test_a_polygon_of_a_ground_truth_is_no_row_of_motchallenge(tmp_path: Path) -> None:
    (prompt,) = read(save(tmp_path / "groundtruth.txt", "10,8,30,8,40,20,20,30,5,20"))
    assert prompt.frame == 0
    assert prompt.mask is not None
    assert prompt.mask[15, 20]


SPENT = """
import resource, sys
from pathlib import Path
from hqtrack import HQTrackError
from hqtrack.video.prompts import FrameNames, read_prompts

limit = {limit}
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    read_prompts(masks=[Path(sys.argv[1])], start=0, size=(48, 64), frames=FrameNames())
except HQTrackError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
@pytest.mark.parametrize(
    ("suffix", "start", "repeated", "end", "message"),
    [
        (".json", "", "[", "", "100,000,000 values or more, which would take about"),
        (".json", "[", "0.5,", "1]", "no known format"),
        (
            ".json",
            '{"annotations":[{"image_id":0,"segmentation":[[',
            "7,12.25,",
            "7,9]]}]}",
            "at most 100000",
        ),
        (".xml", "<annotations>", "<a/>", "</annotations>", "values or more, which would take about"),
        (".csv", "x,y,w,h\n", "1,2,3,4\n", "", "values or more, which would take about"),
    ],
)
def test_a_file_of_100_mb_of_anything_is_a_line_in_bounded_memory(
    tmp_path: Path, suffix: str, start: str, repeated: str, end: str, message: str
) -> None:
    path = tmp_path / f"00000{suffix}"
    path.write_text(start + repeated * (100_000_000 // len(repeated)) + end)
    program = SPENT.format(limit=4 << 30)
    one = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}  # threads reserve memory
    call = [sys.executable, "-c", program, str(path)]
    found = subprocess.run(call, capture_output=True, text=True, check=False, env=os.environ | one)
    assert re.search(message, found.stdout), found.stdout[:300] + found.stderr[-300:]
    assert str(path) in found.stdout
    assert len(found.stdout) < 500


def test_a_file_of_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "00000.json").open("wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(InputError, match="has 3072 MB, and at most 512 are read"):
        read(tmp_path / "00000.json")


def test_every_format_is_explained() -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text("utf-8")
    for each in FORMATS:
        suffixes = ", ".join(f"`{suffix}`" for suffix in each.suffixes)
        assert f"| {each.title} | {suffixes} | {each.content} |" in page


def test_each_format_knows_its_own_files(tmp_path: Path) -> None:
    from hqtrack.video.prompts.formats import AnnotationFile, format_of

    samples: dict[str, tuple[str, Any]] = {
        "COCO": (".json", coco()),
        "YouTube-VIS": (".json", {"videos": [], "annotations": []}),
        "SA-V": (".json", {"masklet": []}),
        "LabelMe": (".json", {"shapes": []}),
        "Label Studio": (".json", label_studio("keypointlabels")),
        "VGG Image Annotator": (".json", via()),
        "CVAT XML": (".xml", "<annotations/>"),
        "PASCAL VOC XML": (".xml", "<annotation/>"),
        "YOLO text": (".txt", "0 0.5 0.5 0.25 0.5"),
        "MOTChallenge text": (".txt", "1,4,9,5,16,16,1,-1,-1,-1"),
        "VOT text": (".txt", "9,5,16,16"),
        "a CSV table of boxes": (".csv", "x,y,w,h\n9,5,16,16"),
    }
    assert {*samples} == {each.title for each in FORMATS} - {".npy and .npz"}
    for title, (suffix, content) in samples.items():
        assert format_of(AnnotationFile(save(tmp_path / f"a{suffix}", content))).title == title
