"""Reading frames from images, folders, patterns and video files."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from hqtrack import DataError, InputError
from hqtrack.video.sources import open_frames


def picture(height: int = 24, width: int = 32, level: int = 0) -> np.ndarray:
    """Make an RGB image whose red channel holds `level`."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = level
    image[..., 2] = np.arange(width, dtype=np.uint8)
    return image


def write(path: Path, image: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), image)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give twelve frames whose red level is their number, and a file that is no frame."""
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(12):
        write(frames / f"frame{number}.png", picture(level=10 * number)[..., ::-1])
    (frames / "notes.txt").write_text("not a frame")
    return frames


def test_a_folder_is_read_in_natural_order(folder: Path) -> None:
    frames = open_frames(folder)
    assert len(frames) == 12
    assert frames.size == (24, 32)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [10 * n for n in range(12)]


def test_start_end_and_stride_choose_frames_that_keep_their_index_and_time(folder: Path) -> None:
    frames = list(open_frames(folder, start=2, end=9, stride=3, fps=10))
    assert [frame.index for frame in frames] == [2, 5, 8]
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [20, 50, 80]
    assert [float(frame.time) for frame in frames] == [0.2, 0.5, 0.8]


def test_a_pattern_chooses_images(folder: Path) -> None:
    assert [f.name for f in open_frames(str(folder / "frame1*.png"))] == [
        "frame1.png",
        "frame10.png",
        "frame11.png",
    ]


def test_images_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    for shot in ("a", "b"):
        (tmp_path / shot).mkdir()
        write(tmp_path / shot / "1.png", picture())
    assert [frame.name for frame in open_frames(str(tmp_path / "*" / "1.png"))] == ["00000000", "00000001"]


def test_a_video_file_keeps_its_rate_and_frames(tmp_path: Path) -> None:
    file = tmp_path / "clip.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in range(0, 200, 20):
            image = np.full((48, 64, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())
    frames = open_frames(file)
    assert frames.fps == 30
    assert frames.size == (48, 64)
    levels = [int(frame.image.mean()) for frame in frames]
    assert len(levels) == 10
    assert all(abs(level - 20 * n) < 12 for n, level in enumerate(levels))


def test_a_video_of_which_no_frame_is_left_is_told(tmp_path: Path) -> None:
    file = tmp_path / "clip.mkv"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in range(8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(48, 64, level))))
        container.mux(stream.encode())
    content = file.read_bytes()
    cluster = content.index(b"\x1f\x43\xb6\x75")
    file.write_bytes(content[: cluster + 40])  # the header, and a piece of the first frame
    frames = open_frames(file)
    with pytest.raises(DataError, match="no frame could be read"):
        frames.size  # noqa: B018
    with pytest.raises(DataError, match="no frame could be read"):
        next(iter(frames))


def test_a_frame_that_cannot_be_read_is_named_when_its_turn_comes(folder: Path) -> None:
    (folder / "frame3.png").write_bytes(b"broken")
    read = []
    with pytest.raises(DataError, match=r"frame3\.png"):
        read.extend(frame.index for frame in open_frames(folder))


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"start": -1}, "start = -1"), ({"stride": 0}, "stride = 0"), ({"end": 0}, "end = 0")],
)
def test_a_wrong_window_is_told(folder: Path, settings: dict[str, int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        open_frames(folder, **settings)


def test_sources_without_frames_are_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images in this folder"):
        open_frames(tmp_path / "empty")
    with pytest.raises(DataError, match="no such file or folder"):
        open_frames(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no file fits"):
        open_frames(str(folder / "*.xyz"))
    with pytest.raises(DataError, match="only 12 frames"):
        open_frames(folder, start=40)
