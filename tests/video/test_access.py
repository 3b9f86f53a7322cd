"""Frames in any order are those that reading from the start gives."""

import random
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import count
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from hqtrack import DataError
from hqtrack.video.access import FrameAccess
from hqtrack.video.sources import open_frames
from hqtrack.video.sources.pictures import image_of_picture

COUNT = 70


def picture(index: int) -> np.ndarray:
    image = np.random.default_rng(0).integers(0, 200, (48, 64, 3)).astype(np.uint8)
    image[:, : index % 64] = 255
    return image


def write_video(file: Path, codec: str, **options: str) -> Path:
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(30000, 1001), options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(COUNT):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index))))
        container.mux(stream.encode())
    return file


def read_and_accessed(file: Path) -> tuple[list[np.ndarray], FrameAccess]:
    """Return the frames of a video read from the start, and the access to them in any order."""
    return [frame.image for frame in open_frames(file)], FrameAccess(open_frames(file), long_edge=1000)


VIDEOS = pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("b-frames.mp4", "libx264", {"g": "25", "bf": "3"}),
        ("one-key.mkv", "libx264", {"g": "1000"}),
        ("open-groups.mp4", "libx264", {"g": "12", "bf": "2", "x264-params": "open-gop=1"}),
        (
            "vp9.webm",
            "libvpx-vp9",
            {"g": "20", "deadline": "realtime", "auto-alt-ref": "1", "lag-in-frames": "16"},
        ),
        ("mpeg4.avi", "mpeg4", {"g": "10"}),
        ("stream.ts", "libx264", {"g": "15", "bf": "2"}),
        ("fragments.mov", "mpeg4", {"g": "12"}),
    ],
)


@VIDEOS
def test_any_order_gives_the_frames_of_reading_from_the_start(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    expected, frames = read_and_accessed(write_video(tmp_path / name, codec, **options))
    assert len(frames) == len(expected) == COUNT
    for index in (0, 1, 2, 69, 68, 30, 24, 25, 26, 3, 66, 12, 11, 10, 40):
        np.testing.assert_array_equal(frames.image(index), expected[index], err_msg=f"frame {index}")
        np.testing.assert_array_equal(frames.reduced(index), expected[index])


@VIDEOS
def test_frames_are_right_wherever_an_expected_one_was_given_up(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    expected, frames = read_and_accessed(write_video(tmp_path / name, codec, **options))
    draw = random.Random(0)
    for _ in range(40):
        steps = count(draw.randrange(40))
        for _ in frames._reader.read(draw.randrange(COUNT), 1, lambda steps=steps: next(steps) >= 40):
            pass
        index = draw.randrange(COUNT)
        np.testing.assert_array_equal(frames.image(index), expected[index], err_msg=f"frame {index}")


def test_an_expected_frame_is_ready_and_gives_way_to_one_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_video(tmp_path / "clip.mp4", "libx264", g="1000")
    frames = FrameAccess(open_frames(file), long_edge=64)
    decoded = []

    def note(picture: av.VideoFrame) -> np.ndarray:
        decoded.append(picture.pts)
        return image_of_picture(picture)

    monkeypatch.setattr("hqtrack.video.access.image_of_picture", note)
    frames.expect(COUNT)  # there is none
    frames.expect(40)
    frames.reduced(40)
    assert len(decoded) == 1
    reader, pictures = frames._reader, frames._reader._pictures
    asking = threading.Thread(target=frames.reduced, args=[2])

    def asked_for_on_the_way() -> Iterator[av.VideoFrame]:
        for number, each in enumerate(pictures()):
            if number == 5:
                calls = frames._calls
                asking.start()
                while frames._calls == calls:
                    time.sleep(0.001)
            yield each

    monkeypatch.setattr(reader, "_pictures", asked_for_on_the_way)
    frames.expect(20)
    asking.join()
    assert {2, 20} & set(frames._kept) == {2}


def test_a_recording_that_began_in_mid_stream_or_was_joined_is_read_in_any_order(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.ts", "libx264", g="20", bf="2").read_bytes()
    cut = whole[len(whole) // 188 // 3 * 188 :]  # packets of a transport stream have 188 bytes
    for name, content in (("cut.ts", cut), ("joined.ts", whole + whole)):
        file = tmp_path / name
        file.write_bytes(content)
        expected, frames = read_and_accessed(file)
        assert len(frames) == len(expected) != COUNT
        for index in (0, len(expected) - 1, 1, len(expected) // 2, 0, 25):
            np.testing.assert_array_equal(frames.image(index), expected[index], err_msg=f"{name} {index}")


def test_frames_of_a_folder_are_reduced_for_showing(tmp_path: Path) -> None:
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), picture(index)[..., ::-1])
    frames = FrameAccess(open_frames(tmp_path), long_edge=32)
    np.testing.assert_array_equal(frames.image(2), picture(2))
    assert frames.reduced(2).shape == (*frames.reduced_size, 3) == (24, 32, 3)


def test_what_is_kept_of_frames_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hqtrack.video.access.KEPT_BYTES", 5 * 48 * 64 * 3)
    file = write_video(tmp_path / "clip.mp4", "libx264", g="1000")
    frames = FrameAccess(open_frames(file), long_edge=64)
    for index in range(COUNT):
        frames.reduced(index)
    assert len(frames._kept) == 5


def test_a_frame_that_cannot_be_read_is_named_and_the_others_remain(tmp_path: Path) -> None:
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), picture(index)[..., ::-1])
    frames = FrameAccess(open_frames(tmp_path), long_edge=64)
    (tmp_path / "1.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"1\.png"):
        frames.image(1)
    with pytest.raises(DataError, match="there are 3 frames"):
        frames.image(3)
    assert frames.image(2).shape == (48, 64, 3)


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), picture(0))
    cv2.imwrite(str(tmp_path / "1.png"), picture(0)[:40])
    with pytest.raises(DataError, match="64 x 40"):
        FrameAccess(open_frames(tmp_path), long_edge=64).reduced(1)
