"""Writers of what tracking a video leaves, read back and compared with each other."""

import csv
import json
import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner
from vot.region.io import read_trajectory

from hqtrack.cli import app
from hqtrack.masks import masks_of, rle_decode
from hqtrack.video.drawing import draw_masks, palette
from hqtrack.video.sources import Frame, open_frames
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers import (
    WRITERS,
    OutputLook,
    VideoFacts,
    WriterKind,
    facts_of,
    open_writer,
    video_writer,
)
from hqtrack.video.writers.writer import TextWriter

HEIGHT, WIDTH = 48, 64
FACTS = VideoFacts(Fraction(25))


def scene(
    count: int = 6, size: tuple[int, int] = (HEIGHT, WIDTH), rate: Fraction = FACTS.fps
) -> list[tuple[Frame, np.ndarray]]:
    """Return frames with a square that moves and vanishes in frame 4, and a disc that joins in frame 2."""
    result = []
    for index in range(count):
        image = np.full((*size, 3), 90, np.uint8)
        image[..., 2] = np.linspace(0, 200, size[1]).astype(np.uint8)
        masks = np.zeros((2 if index >= 2 else 1, *size), bool)
        if index != 4:
            masks[0, 5 : 17 + index, 4 + index : 20 + index] = True
        if index >= 2:
            disc = np.zeros(size, np.uint8)
            cv2.circle(disc, (45, 30), 8 + index, 1, -1)
            masks[1] = (disc > 0) & ~masks[0]
        result.append((Frame(image, 10 + index, index / rate, f"{10 + index:08d}"), masks))
    return result


def write_all(kind: str, folder: Path, frames: Sequence[tuple[Frame, np.ndarray]], facts=FACTS) -> Path:
    writer = open_writer(kind, folder, facts)
    for frame, masks in frames:
        writer.write(TrackedFrame(frame, masks))
    writer.finish()
    return writer.path


def decode(file: Path) -> list[av.VideoFrame]:
    with av.open(str(file)) as container:
        return list(container.decode(video=0))


def test_all_outputs_hold_the_same_masks(tmp_path: Path) -> None:
    frames = scene()
    for kind in WRITERS:
        write_all(kind, tmp_path, frames)
    dataset = json.loads((tmp_path / "masks.json").read_text())
    by_place = {(a["image_id"], a["category_id"]): a for a in dataset["annotations"]}
    rows = list(csv.DictReader((tmp_path / "boxes.csv").open()))
    by_row = {(int(row["frame"]), int(row["object"])): row for row in rows}
    trajectories = [read_trajectory(str(tmp_path / "trajectories" / f"00{number}.txt")) for number in (1, 2)]
    for position, (frame, masks) in enumerate(frames):
        labels = np.array(Pillow.open(tmp_path / "labels" / f"{frame.name}.png"))
        np.testing.assert_array_equal(masks_of(labels, len(masks)), masks)
        for number, mask in enumerate(masks, start=1):
            row = by_row[frame.index, number]
            assert int(row["area"]) == mask.sum()
            if not mask.any():
                assert (frame.index, number) not in by_place
                assert row["x"] == row["width"] == ""
                assert trajectories[number - 1][position].is_empty()
                continue
            annotation = by_place[frame.index, number]
            np.testing.assert_array_equal(rle_decode(annotation["segmentation"]), mask)
            x, y, width, height = (int(row[name]) for name in ("x", "y", "width", "height"))
            assert annotation["bbox"] == [x, y, width, height]
            assert annotation["area"] == mask.sum()
            assert mask[y : y + height, x : x + width].sum() == mask.sum()
            region = trajectories[number - 1][position]
            if position != (0, 2)[number - 1]:  # there the mask was given
                np.testing.assert_array_equal(region.rasterize((0, 0, WIDTH - 1, HEIGHT - 1)) > 0, mask)
    assert len(by_row) == 6 + 4
    assert [image["id"] for image in dataset["images"]] == [frame.index for frame, _ in frames]
    assert [category["id"] for category in dataset["categories"]] == [1, 2]


def test_trajectories_say_as_the_toolkits_results_where_an_object_begins(tmp_path: Path) -> None:
    write_all("trajectories", tmp_path, scene())
    first, second = ((tmp_path / "trajectories" / f"00{n}.txt").read_text().splitlines() for n in (1, 2))
    assert first[0] == "1"
    assert second[:3] == ["0", "0", "1"]
    assert len(first) == len(second) == 6
    assert all(line.startswith("m") for line in first[1:] + second[3:])


def test_label_images_have_the_palette(tmp_path: Path) -> None:
    image = Pillow.open(write_all("labels", tmp_path, scene()) / "00000012.png")
    assert image.mode == "P"
    np.testing.assert_array_equal(np.reshape(image.getpalette()[:9], (3, 3)), palette()[:3])


def test_the_overlay_is_h264_and_shows_the_drawn_frames(tmp_path: Path) -> None:
    frames = scene()
    facts = VideoFacts(Fraction(25), look=OutputLook(texts=False))
    file = write_all("overlay", tmp_path, frames, facts)
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 25
    for picture, (frame, masks) in zip(decode(file), frames, strict=True):
        untitled = [""] * len(masks)
        # Colours have half the resolution, but must not be shifted.
        seen, drawn = (
            cv2.resize(image, (8, 6), interpolation=cv2.INTER_AREA).astype(int)
            for image in (picture.to_ndarray(format="rgb24"), draw_masks(frame.image, masks, names=untitled))
        )
        assert np.abs(seen - drawn).max() < 12


def test_an_odd_side_of_the_overlay_is_padded(tmp_path: Path) -> None:
    picture = decode(write_all("overlay", tmp_path, scene(size=(47, 61))))[0]
    assert (picture.height, picture.width) == (48, 62)


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(30), Fraction(25, 2), Fraction(60)])
def test_the_overlay_keeps_rate_pixel_aspect_and_timecode(tmp_path: Path, rate: Fraction) -> None:
    facts = VideoFacts(rate, Fraction(16, 15), "01:02:03:04")
    source = open_frames(write_all("overlay", tmp_path, scene(rate=rate), facts))
    assert (source.fps, source.aspect, source.timecode) == (rate, Fraction(16, 15), "01:02:03:04")


def test_frames_of_a_variable_rate_keep_their_times(tmp_path: Path) -> None:
    times = [
        Fraction(0),
        Fraction(33, 1000),
        Fraction(100, 1000),
        Fraction(101, 1000),
        Fraction(1),
        Fraction(5),
    ]
    frames = [
        (Frame(frame.image, frame.index, time + 7, frame.name), masks)
        for time, (frame, masks) in zip(times, scene(), strict=True)
    ]
    file = write_all("overlay", tmp_path, frames, VideoFacts(Fraction(30000, 1001)))
    assert [frame.time for frame in open_frames(file)] == pytest.approx(times, abs=2e-5)


def test_without_an_h264_encoder_the_overlay_is_mpeg4_with_a_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(video_writer, "CODECS", ("libx264-that-is-missing", "mpeg4"))
    facts = VideoFacts(Fraction(24000, 1001), Fraction(2), "00:00:00:00")
    file = write_all("overlay", tmp_path, scene(rate=facts.fps), facts)
    assert "no H.264 encoder" in caplog.text
    with av.open(str(file)) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
        assert container.streams.video[0].average_rate == Fraction(24000, 1001)
    assert len(decode(file)) == 6


@pytest.mark.parametrize("kind", ["overlay", "rle", "trajectories", "csv"])
def test_a_file_has_its_name_only_when_it_is_complete(tmp_path: Path, kind: str) -> None:
    writer = open_writer(kind, tmp_path, FACTS)
    for frame, masks in scene():
        writer.write(TrackedFrame(frame, masks))
        assert all(file.suffix == ".part" for file in tmp_path.rglob("*") if file.is_file())
    writer.finish()
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files
    assert not any(file.suffix == ".part" for file in files)


@pytest.mark.parametrize("kind", list(WRITERS))
def test_what_is_discarded_leaves_nothing_unfinished(tmp_path: Path, kind: str) -> None:
    writer = open_writer(kind, tmp_path, FACTS)
    for frame, masks in scene(3):
        writer.write(TrackedFrame(frame, masks))
    writer.discard()
    assert not list(tmp_path.rglob("*.part"))
    assert not writer.path.is_file()


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="resident memory is read from Linux's /proc"
)
def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    writers = [open_writer(kind, tmp_path, FACTS) for kind in WRITERS]
    sizes = []
    for index in range(200):
        image = np.full((240, 320, 3), index % 250, np.uint8)
        masks = np.zeros((3, 240, 320), bool)
        masks[:, 20 : 20 + index % 200, 50:250] = True
        for writer in writers:
            writer.write(TrackedFrame(Frame(image, index, Fraction(index, 25), f"{index % 4:08d}"), masks))
        if index % 25 == 24:
            sizes.append(resident())
    for writer in writers:
        writer.finish()
    # From the 100th frame on, keeping the masks would cost 23 MB, keeping the images as much.
    assert max(sizes[4:]) - sizes[3] < 12e6


def test_facts_count_from_the_first_frame_that_is_read(tmp_path: Path) -> None:
    facts = VideoFacts(Fraction(24), timecode="01:00:00:00")
    file = write_all("overlay", tmp_path, scene(12, rate=facts.fps), facts)
    assert facts_of(open_frames(file, start=6, stride=2)) == VideoFacts(
        Fraction(12), Fraction(1), "01:00:00:03", title="overlay", sound=file
    )


def test_a_timecode_that_cannot_count_is_told_where_an_overlay_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = write_all("overlay", tmp_path, scene(12), VideoFacts(Fraction(25), timecode="01:00:00:00"))
    facts = facts_of(open_frames(source, stride=2))  # 25 frames a second cannot be counted in twos
    assert (facts.timecode, facts.lost_timecode) == (None, "01:00:00:00")
    open_writer("csv", tmp_path, facts).discard()
    assert not caplog.text
    open_writer("overlay", tmp_path, facts).discard()
    assert "the timecode 01:00:00:00 is not kept" in caplog.text


class FrameNames(TextWriter):
    def write(self, tracked: TrackedFrame) -> None:
        self._file.write(tracked.frame.name + "\n")


def test_a_new_writer_is_an_option_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = WriterKind("names.txt", "Names of the frames", "a name a line.", f"{__name__}:FrameNames")
    monkeypatch.setitem(WRITERS, "frame-names", kind)
    clip = tmp_path / "clip"
    clip.mkdir()
    for frame, _ in scene(2):
        cv2.imwrite(str(clip / f"{frame.name}.png"), frame.image)
    masks = np.uint8(scene(1)[0][1][0])
    cv2.imwrite(str(tmp_path / "mask.png"), masks)
    words = ["--frame-names", "--no-overlay", "--mask", str(tmp_path / "mask.png"), "--max-long-edge", "64"]
    result = CliRunner().invoke(app, ["track", str(clip), "-o", str(tmp_path / "out"), *words])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "names.txt").read_text() == "00000010.png\n00000011.png\n"
    page = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["track", "--help"]).output
    assert "--frame-names" in page
    assert "names.txt: a name a line." in " ".join(page.replace("│", " ").split())
