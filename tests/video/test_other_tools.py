"""Outputs for other tools, read back by these tools or as they document it."""

import json
import logging
import xml.etree.ElementTree as ElementTree
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from hqtrack.errors import DataError, InputError
from hqtrack.video.drawing import SteadyTexts, draw_masks
from hqtrack.video.objects import TrackedObject
from hqtrack.video.sources import Frame, open_frames
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers import VideoFacts, facts_of, open_writer, video_writer
from hqtrack.video.writers.compositing import GREEN
from hqtrack.video.writers.yolo import outline

SIZE = 48, 64
OBJECTS = TrackedObject(3, "left & right"), TrackedObject(7)
FACTS = VideoFacts(Fraction(25), objects=OBJECTS, title="clip")


def masks_at(index: int) -> np.ndarray:
    """Return an object of two parts with a hole, gone in frame 2, and a disc that joins in frame 1."""
    masks = np.zeros((2 if index else 1, *SIZE), bool)
    if index != 2:
        masks[0, 4:20, 4 + index : 20 + index] = True
        masks[0, 9:14, 9 + index : 14 + index] = False
        masks[0, 30:40, 5:12] = True
    if index:
        disc = np.zeros(SIZE, np.uint8)
        cv2.circle(disc, (45, 24), 10 + index, 1, -1)
        masks[1] = disc > 0
    return masks


def frames_of(names: str = "{:08d}", count: int = 4) -> list[TrackedFrame]:
    result = []
    for index in range(count):
        image = np.random.default_rng(index).integers(0, 255, (*SIZE, 3)).astype(np.uint8)
        frame = Frame(cv2.blur(image, (9, 9)), index, Fraction(index, 25), names.format(index))
        masks = masks_at(index)
        scores = [0.9 - 0.1 * index, 0.5][: len(masks)]
        scores = [score * bool(mask.any()) for score, mask in zip(scores, masks, strict=True)]
        result.append(TrackedFrame(frame, masks, objects=OBJECTS[: len(masks)], scores=scores))
    return result


def write(kind: str, folder: Path, frames: list[TrackedFrame], facts: VideoFacts = FACTS) -> Path:
    writer = open_writer(kind, folder, facts)
    for tracked in frames:
        writer.write(tracked)
    writer.finish()
    assert not list(folder.rglob("*.part"))
    return writer.path


def test_coco_is_read_by_pycocotools_and_supervision(tmp_path: Path) -> None:
    coco_tool = pytest.importorskip("pycocotools.coco")
    supervision = pytest.importorskip("supervision")
    frames = frames_of()
    file = write("rle", tmp_path, frames)
    write("frames", tmp_path, frames)
    data = json.loads(file.read_text())
    assert data["videos"] == [{"id": 1, "name": "clip", "height": 48, "width": 64, "length": 4}]
    coco = coco_tool.COCO(str(file))
    for tracked in frames:
        (entry,) = coco.loadImgs([tracked.frame.index])
        assert (tmp_path / "frames" / entry["file_name"]).is_file()
        assert (entry["video_id"], entry["frame_index"]) == (1, tracked.frame.index)
        found = coco.loadAnns(coco.getAnnIds(imgIds=[tracked.frame.index]))
        assert [each["track_id"] for each in found] == [
            each.id for each, mask in zip(tracked.objects, tracked.masks, strict=True) if mask.any()
        ]
        for each in found:
            place = [one.id for one in tracked.objects].index(each["track_id"])
            np.testing.assert_array_equal(coco.annToMask(each), tracked.masks[place])
            assert each["score"] == round(tracked.scores[place], 4)
    read = supervision.DetectionDataset.from_coco(str(tmp_path / "frames"), str(file), force_masks=True)
    assert read.classes == ["left & right", "object 7"]
    _, _, detections = next(item for item in read if item[0].endswith("frame_000003.png"))
    np.testing.assert_array_equal(detections.mask, frames[3].masks)


def test_images_keep_their_own_names_in_annotations(tmp_path: Path) -> None:
    file = write("rle", tmp_path, frames_of("shot{}.jpg"))
    assert [each["file_name"] for each in json.loads(file.read_text())["images"]] == [
        f"shot{n}.jpg" for n in range(4)
    ]
    write("mattes", tmp_path, frames_of("shot{}.jpg"))
    assert (tmp_path / "mattes" / "003" / "shot2.png").is_file()


def test_youtube_vis_has_a_list_for_each_object(tmp_path: Path) -> None:
    mask_tool = pytest.importorskip("pycocotools.mask")
    frames = frames_of()
    data = json.loads(write("youtube-vis", tmp_path, frames).read_text())
    (video,) = data["videos"]
    assert (video["length"], video["width"], video["height"]) == (4, 64, 48)
    assert video["file_names"] == [f"frame_00000{n}.png" for n in range(4)]
    assert [each["name"] for each in data["categories"]] == ["left & right", "object 7"]
    for place, each in enumerate(data["annotations"]):
        assert each["id"] == OBJECTS[place].id
        assert {len(each[kind]) for kind in ("segmentations", "bboxes", "areas", "scores")} == {4}
        for index, run_lengths in enumerate(each["segmentations"]):
            masks = masks_at(index)
            if place >= len(masks) or not masks[place].any():
                assert (run_lengths, each["bboxes"][index], each["scores"][index]) == (None, None, 0)
            else:
                np.testing.assert_array_equal(mask_tool.decode(run_lengths), masks[place])
                assert each["areas"][index] == masks[place].sum()


def test_mots_images_hold_class_and_id(tmp_path: Path) -> None:
    frames = frames_of()
    folder = write("mots", tmp_path, frames)
    for tracked in frames:
        values = np.array(Pillow.open(folder / f"{tracked.frame.index:06d}.png"))
        assert {*np.unique(values)} - {0} == {
            2000 + each.id for each, mask in zip(tracked.objects, tracked.masks, strict=True) if mask.any()
        }
        np.testing.assert_array_equal(values == 2003, tracked.masks[0])
    large = TrackedFrame(frames[0].frame, frames[0].masks, objects=[TrackedObject(1000)])
    with pytest.raises(InputError, match="id 1000: MOTS has ids up to 999"):
        write("mots", tmp_path, [large])


def test_yolo_outlines_draw_the_masks(tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision")
    frames = frames_of()
    folder = write("yolo", tmp_path, frames)
    write("frames", tmp_path, frames)
    for tracked in frames:
        lines = (folder / "labels" / f"frame_{tracked.frame.index:06d}.txt").read_text().splitlines()
        assert len(lines) == sum(mask.any() for mask in tracked.masks)
        for line in lines:
            place, *shares = line.split()
            points = np.array(shares, float).reshape(-1, 2) * (SIZE[1], SIZE[0]) - 0.5
            drawn = cv2.fillPoly(np.zeros(SIZE, np.uint8), [points.round().astype(np.int32)], 1) > 0
            mask = tracked.masks[int(place)]
            assert (drawn & mask).sum() / (drawn | mask).sum() > 0.9
    read = supervision.DetectionDataset.from_yolo(
        str(tmp_path / "frames"), str(folder / "labels"), str(folder / "data.yaml"), force_masks=True
    )
    assert read.classes == ["left & right", "object 7"]
    _, _, detections = next(item for item in read if item[0].endswith("frame_000001.png"))
    assert [int(each) for each in detections.class_id] == [0, 1]


def test_an_outline_of_nothing_is_empty() -> None:
    assert outline(np.zeros(SIZE, bool)).shape == (0, 2)


def test_cvat_tracks_hold_the_masks(tmp_path: Path) -> None:
    frames = frames_of()
    root = ElementTree.parse(write("cvat", tmp_path, frames)).getroot()
    assert [each.findtext("name") for each in root.iter("label")] == ["left & right", "object 7"]
    for place, track in enumerate(root.iter("track")):
        assert track.get("label") == OBJECTS[place].title
        seen = {}
        for shape in track:
            values = {name: int(shape.get(name)) for name in ("left", "top", "width", "height", "frame")}
            runs = [int(run) for run in shape.get("rle").split(",")]
            part = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(values["height"], values["width"])
            mask = np.zeros(SIZE, bool)
            rows = slice(values["top"], values["top"] + values["height"])
            mask[rows, values["left"] : values["left"] + values["width"]] = part
            if shape.get("outside") == "0":
                seen[values["frame"]] = mask
            else:
                assert not masks_at(values["frame"])[place].any()
        expected = {
            i: masks_at(i)[place] for i in range(4) if place < len(masks_at(i)) and masks_at(i)[place].any()
        }
        assert seen.keys() == expected.keys()
        for index, mask in seen.items():
            np.testing.assert_array_equal(mask, expected[index])


def test_cut_outs_and_mattes_are_the_masks(tmp_path: Path) -> None:
    frames = frames_of()
    folders = [write(kind, tmp_path, frames) for kind in ("cutouts", "mattes")]
    for tracked in frames:
        name = f"frame_{tracked.frame.index:06d}.png"
        image = np.array(Pillow.open(folders[0] / name))
        seen = tracked.masks.any(0)
        np.testing.assert_array_equal(image[..., 3], np.where(seen, 255, 0))
        np.testing.assert_array_equal(image[seen][:, :3], tracked.frame.image[seen])
        for place, each in enumerate(OBJECTS):
            matte = np.array(Pillow.open(folders[1] / f"{each.id:03d}" / name))
            mask = tracked.masks[place] if place < len(tracked.masks) else np.zeros(SIZE, bool)
            np.testing.assert_array_equal(matte, np.where(mask, 255, 0))


def test_a_video_with_alpha_and_a_green_screen_show_the_objects_alone(tmp_path: Path) -> None:
    frames = frames_of()
    with av.open(str(write("alpha", tmp_path, frames))) as container:
        assert container.streams.video[0].codec_context.name == "prores"
        shown = [picture.to_ndarray(format="rgba") for picture in container.decode(video=0)]
    with av.open(str(write("green", tmp_path, frames))) as container:
        green = [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]
    for tracked, image, keyed in zip(frames, shown, green, strict=True):
        seen = tracked.masks.any(0)
        assert np.abs(image[..., 3].astype(int) - np.where(seen, 255, 0)).mean() < 3
        assert np.abs(image[..., :3][seen].astype(int) - tracked.frame.image[seen]).mean() < 12
        ground = cv2.erode((~seen).astype(np.uint8), np.ones((7, 7))) > 0
        assert np.abs(keyed[ground].astype(int) - GREEN).mean() < 12


def test_alpha_without_its_encoder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hqtrack.video.writers.compositing.has_encoder", lambda name: False)
    with pytest.raises(DataError, match=r"no encoder for ProRes 4444.*--cutouts"):
        write("alpha", tmp_path, frames_of())


def write_with_sound(file: Path, codec: str, seconds: int = 2, rate: int = 48_000) -> Path:
    """Write a video of 25 frames a second with a tone that begins after one second."""
    with av.open(str(file), "w") as container:
        picture = container.add_stream("libx264", rate=25)
        picture.width, picture.height, picture.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
        sound = container.add_stream(codec, rate=rate)
        sound.layout = "mono"
        for _ in range(25 * seconds):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.full((*SIZE, 3), 90, np.uint8))))
        container.mux(picture.encode())
        times = np.arange(seconds * rate) / rate
        tone = (np.sin(2 * np.pi * 440 * times) * 12_000 * (times >= 1)).astype(np.int16)
        for begin in range(0, len(tone), 1024):
            frame = av.AudioFrame.from_ndarray(tone[None, begin : begin + 1024], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
            resampler = av.AudioResampler(sound.codec_context.format, "mono", rate)
            for ready in resampler.resample(frame):
                container.mux(sound.encode(ready))
        container.mux(sound.encode(None))
    return file


@pytest.mark.parametrize(
    ("name", "codec", "kept", "start", "kind"),
    [
        ("a.mp4", "aac", "aac", 0, "overlay"),
        ("a.mp4", "aac", "aac", 15, "blur"),
        ("a.mp4", "aac", "aac", 0, "blacken"),
        ("a.mkv", "pcm_s16le", "aac", 0, "pixelate"),
        ("a.mkv", "pcm_s16le", "aac", 15, "overlay"),
        ("b.mkv", "flac", "flac", 0, "overlay"),
        ("b.mkv", "flac", "flac", 15, "overlay"),
    ],
)
def test_the_overlay_and_what_hides_objects_keep_the_sound_in_time(
    tmp_path: Path, name: str, codec: str, kept: str, start: int, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = open_frames(write_with_sound(tmp_path / name, codec), start=start)
    frames = [TrackedFrame(frame, np.zeros((0, *SIZE), bool)) for frame in source]
    with caplog.at_level(logging.WARNING):
        file = write(kind, tmp_path, frames, facts_of(source))
    assert ("encoded again as AAC" in caplog.text) == (codec != kept)
    with av.open(str(file)) as container:
        (sound,) = container.streams.audio
        assert sound.codec_context.name == kept
        heard = [
            (float(f.pts * f.time_base), np.abs(f.to_ndarray().astype(float)).max())
            for f in container.decode(sound)
        ]
    loudest = max(level for _, level in heard)
    first = next(time for time, level in heard if level > loudest / 3)
    assert first == pytest.approx(1 - start / 25, abs=0.06)
    assert heard[-1][0] <= (50 - start) / 25 + 0.05


def test_a_text_stays_in_its_place_while_the_object_breathes() -> None:
    texts, places = SteadyTexts(), []
    for index in range(12):
        mask = np.zeros((120, 160), bool)
        mask[20:90, 20:60] = mask[30:80, 20:140] = True
        mask[40 : 60 + index % 2 * 9, 100:139] = False
        places.append(texts.place(1, mask, (20, 20, 139, 89)))
    assert len({*places}) == 1


def test_the_text_of_a_tiny_object_does_not_cover_it() -> None:
    image, mask = np.full((120, 160, 3), 90, np.uint8), np.zeros((1, 120, 160), bool)
    mask[0, 60:64, 80:84] = True
    plain, drawn = draw_masks(image, mask, names=[""]), draw_masks(image, mask, names=["12"])
    np.testing.assert_array_equal(plain[58:70], drawn[58:70])
    assert (plain != drawn).any()


def test_outlines_alone_leave_the_inside_as_it_is() -> None:
    image, mask = np.full((120, 160, 3), 90, np.uint8), np.zeros((1, 120, 160), bool)
    mask[0, 20:100, 20:140] = True
    drawn = draw_masks(image, mask, names=[""], opacity=0)
    np.testing.assert_array_equal(drawn[25:95, 25:135], image[25:95, 25:135])
    assert (drawn != image).any()


def test_the_best_codec_is_named_in_the_notice(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(video_writer, "CODECS", ("nothing", "mpeg4"))
    assert video_writer.best_codec("green.mp4") == "mpeg4"
    assert "green.mp4 is MPEG-4" in caplog.text
