"""Reading frames from images, folders, patterns and video files."""

import os
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as Pillow

from gradient_image import picture, write
from hqtrack import DataError, InputError
from hqtrack.video.sources import open_frames


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return twelve frames whose red level is their number, and a file that is no frame."""
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
    with pytest.raises(DataError, match="0 of about 8 frames could be read"):
        frames.size  # noqa: B018
    with pytest.raises(DataError, match="0 of about 8 frames could be read"):
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


@pytest.mark.parametrize("fps", [0.0005, 0.0001, 0.0015, 12.5, 23.976, 29.97, 1000])
def test_a_frame_rate_gives_times_as_it_is_written(folder: Path, fps: float) -> None:
    frames = open_frames(folder, fps=fps)
    assert float(list(frames)[1].time) == pytest.approx(1 / fps, rel=1e-9)


@pytest.mark.parametrize("fps", [1e-7, 0, -1, 1001, float("nan"), float("inf"), 1e308])
def test_a_frame_rate_that_no_video_has_is_told(folder: Path, fps: float) -> None:
    with pytest.raises(InputError, match="fps = "):
        open_frames(folder, fps=fps)


@pytest.mark.parametrize("name", ["start", "end", "stride"])
def test_numbers_that_no_video_has_are_told(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match="must be at most 1,000,000,000"):
        open_frames(folder, **{name: 10**30})


def test_a_missing_folder_with_a_number_for_its_name_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("987", "20260101", "9" * 250):
        with pytest.raises(DataError, match="there is no file or folder of this name, and no such camera"):
            open_frames(name)
    assert capfd.readouterr() == ("", "")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "frames.mp4")
    with pytest.raises(DataError, match="a pipe or device"):
        open_frames(tmp_path / "frames.mp4")


def video_bytes(tmp_path: Path, name: str, *, gop: int = 6) -> bytes:
    """Return a video of 60 frames, its index first where it has one."""
    file = tmp_path / name
    with av.open(str(file), "w", options={"movflags": "faststart"} if name.endswith("mp4") else {}) as box:
        stream = box.add_stream("libx264", rate=30, options={"g": str(gop), "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        noise = np.random.default_rng(0).integers(0, 255, (60, 64, 96, 3)).astype(np.uint8)
        for image in noise:
            box.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        box.mux(stream.encode())
    return file.read_bytes()


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_video_that_ends_early_gives_its_frames_and_then_says_so(tmp_path: Path, name: str) -> None:
    whole = video_bytes(tmp_path, name)
    assert len(list(open_frames(tmp_path / name))) == 60
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    given: list[int] = []
    with pytest.raises(DataError, match=r"\d+ of about 60 frames could be read|frame \d+ cannot be decoded"):
        given.extend(frame.index for frame in open_frames(tmp_path / name))
    assert 20 <= len(given) <= 40
    assert len(list(open_frames(tmp_path / name, end=15))) == 15  # nobody asked for the rest


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_last_frame_that_is_cut_is_no_error(tmp_path: Path, name: str) -> None:
    whole = video_bytes(tmp_path, name)
    (tmp_path / name).write_bytes(whole[:-2000])
    assert 57 <= len(list(open_frames(tmp_path / name))) <= 60


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


def test_patterns_of_film_people_are_frames_in_the_order_of_their_numbers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (1001, 1002, 1005, 10000):
        Pillow.new("RGB", (8, 8)).save(tmp_path / f"shot.{number}.png")
    Pillow.new("RGB", (8, 8)).save(tmp_path / "shot.99.png")
    names = ["shot.1001.png", "shot.1002.png", "shot.1005.png", "shot.10000.png"]
    for pattern in ("shot.%04d.png", "shot.####.png"):
        assert [frame.name for frame in open_frames(str(tmp_path / pattern))] == names
    assert "first between 1002 and 1005" in caplog.text
    with pytest.raises(DataError, match="no file fits"):
        open_frames(str(tmp_path / "take.####.png"))


def test_images_of_several_kinds_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("0.png", "1.png", "2.jpg"):
        Pillow.new("RGB", (8, 8)).save(tmp_path / name)
    assert len(open_frames(tmp_path)) == 3
    assert "1 .jpg, 2 .png" in caplog.text


def test_an_archive_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "frames.zip").write_bytes(b"PK\3\4")
    with pytest.raises(DataError, match="unpack it"):
        open_frames(tmp_path / "frames.zip")


HEIC = Path(__file__).parents[1] / "data" / "frame.heic"


def test_heic_is_a_frame_where_its_decoder_is_installed() -> None:
    pytest.importorskip("pi_heif")
    (frame,) = open_frames(HEIC)
    assert frame.image.shape == (48, 64, 3)
    np.testing.assert_allclose(frame.image[20, 30], (220, 40, 30), atol=6)


def test_heic_without_its_decoder_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hqtrack.errors.find_spec", lambda _: None)
    with pytest.raises(DataError, match=r"frame.heic: is a HEIC image; .*hqtrack\[heic\]"):
        list(open_frames(HEIC))
