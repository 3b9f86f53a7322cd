"""Reading frames from images, folders, patterns and video files."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from hqtrack import DataError, InputError
from hqtrack.video.sources import open_frames, prefetch, read_image


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


def test_a_colour_image_is_read_as_rgb(tmp_path: Path) -> None:
    np.testing.assert_array_equal(
        read_image(write(tmp_path / "a.png", picture(level=200)[..., ::-1])), picture(level=200)
    )


def test_a_grey_image_gets_three_equal_channels(tmp_path: Path) -> None:
    grey = np.arange(24 * 32, dtype=np.uint32).reshape(24, 32).astype(np.uint8)
    image = read_image(write(tmp_path / "a.png", grey))
    assert image.shape == (24, 32, 3)
    for channel in range(3):
        np.testing.assert_array_equal(image[..., channel], grey)


def test_of_16_bit_values_the_upper_8_bits_are_kept(tmp_path: Path) -> None:
    deep = np.full((24, 32, 3), 0x7F20, np.uint16)
    image = read_image(write(tmp_path / "a.png", deep))
    assert image.dtype == np.uint8
    assert np.all(np.abs(image.astype(int) - 0x7F) <= 1)


def test_transparency_is_dropped_and_the_colours_under_it_stay(tmp_path: Path) -> None:
    rgba = np.dstack([picture(level=90)[..., ::-1], np.zeros((24, 32), np.uint8)])
    np.testing.assert_array_equal(read_image(write(tmp_path / "a.png", rgba)), picture(level=90))


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\xff\xd8\xff\xe0 cut short"])
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.jpg"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.jpg"):
        read_image(file)


def test_a_jpeg_that_is_cut_short_is_an_error(tmp_path: Path) -> None:
    file = write(tmp_path / "cut.jpg", picture(240, 320))
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(DataError, match="cut short"):
        read_image(file)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.png"):
        read_image(tmp_path / "nowhere.png")


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


def test_decoding_runs_ahead_by_a_bounded_number() -> None:
    import threading

    made = 0
    ready = threading.Event()

    def items():
        nonlocal made
        for number in range(100):
            made += 1
            if made == 4:
                ready.set()
            yield number

    ahead = prefetch(items(), 3)
    assert next(ahead) == 0
    assert ready.wait(5)
    assert 4 <= made <= 6
    assert list(ahead) == list(range(1, 100))


def test_an_error_in_the_decoding_thread_reaches_the_reader() -> None:
    def items():
        yield 1
        raise DataError("frame 2 is broken")

    ahead = prefetch(items(), 3)
    assert next(ahead) == 1
    with pytest.raises(DataError, match="frame 2"):
        next(ahead)
