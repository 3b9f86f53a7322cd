"""Pictures as they are meant: bits, HDR, fields, display matrices, streams, times."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from hqtrack import DataError
from hqtrack.images import images_in, stretched
from hqtrack.video.sources import open_frames
from hqtrack.video.sources.pictures import _linear_light, upright, whole_pictures

HEIGHT, WIDTH, COUNT = 48, 64, 6


def pictures(count: int = COUNT) -> list[np.ndarray]:
    """Return grey pictures, smooth, with a bright square that moves."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    ground = 40 + 60 * np.sin(columns / 9) ** 2 + 40 * np.cos(rows / 7) ** 2
    found = []
    for index in range(count):
        image = ground.copy()
        image[10:24, 6 + 4 * index : 20 + 4 * index] = 230
        found.append(np.repeat(image.astype(np.uint8)[..., None], 3, 2))
    return found


def likeness(image: np.ndarray, truth: np.ndarray) -> float:
    assert image.shape == truth.shape
    return float(np.corrcoef(image.mean(-1).ravel(), truth.mean(-1).ravel())[0, 1])


def write_video(
    path: Path,
    *streams: tuple[list[np.ndarray], list[int]],
    codec: str = "mpeg4",
    options: dict[str, str] | None = None,
) -> Path:
    """Write streams, each of pictures and their times in 1/25 s."""
    with av.open(str(path), "w") as container:
        made = []
        for images, _ in streams:
            stream = container.add_stream(codec, rate=25, options=options or {})
            stream.height, stream.width = images[0].shape[:2]
            stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
            made.append(stream)
        for stream, (images, times) in zip(made, streams, strict=True):
            for image, time in zip(images, times, strict=True):
                picture = av.VideoFrame.from_ndarray(image, format="rgb24")
                picture.pts, picture.time_base = time, Fraction(1, 25)
                container.mux(stream.encode(picture))
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize(("low", "high"), [(0, 1023), (0, 4095), (33000, 36900)])
def test_deep_frames_are_stretched_by_one_range_which_is_said(
    tmp_path: Path, low: int, high: int, caplog: pytest.LogCaptureFixture
) -> None:
    for index, image in enumerate(pictures()):
        share = image[..., 0] / 255 * (1 - 0.08 * index)  # each is darker than the one before
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.round(low + share * (high - low)).astype(np.uint16))
    frames = list(open_frames(tmp_path))
    assert all(likeness(frame.image, truth) > 0.98 for frame, truth in zip(frames, pictures(), strict=True))
    assert frames[5].image.mean() < 0.8 * frames[0].image.mean(), "all frames have one range"
    assert caplog.text.count("--range") == 1
    given = list(open_frames(tmp_path, levels=(low, high)))
    np.testing.assert_allclose(given[0].image, pictures()[0], atol=1)


@pytest.mark.parametrize("white", [15, 100, 1023, 4095, 65535])
def test_white_of_a_pgm_is_the_value_that_its_header_names(tmp_path: Path, white: int) -> None:
    shown = pictures()[0][..., 0]
    values = np.round(shown / 255 * white)
    data = values.astype(">u2" if white > 255 else np.uint8).tobytes()
    (tmp_path / "0.pgm").write_bytes(b"P5\n# by a camera\n%d %d\n%d\n" % (WIDTH, HEIGHT, white) + data)
    (frame,) = open_frames(tmp_path, levels=None if white < 256 else (0, white))
    np.testing.assert_allclose(frame.image[..., 0], shown, atol=max(1, 128 / white))
    (found,) = open_frames(tmp_path)
    assert likeness(found.image, pictures()[0]) > 0.98
    assert found.image.std() >= 0.9 * pictures()[0].std()


def test_deep_jpeg_2000_is_stretched(tmp_path: Path) -> None:
    if not cv2.haveImageWriter("0.jp2"):
        pytest.skip("OpenCV was built without JPEG 2000")
    cv2.imwrite(str(tmp_path / "0.jp2"), pictures()[0][..., 0].astype(np.uint16) * 16)
    (frame,) = open_frames(tmp_path)
    assert likeness(frame.image, pictures()[0]) > 0.98
    assert frame.image.std() > pictures()[0].std()


@pytest.mark.parametrize(
    ("kind", "bits", "stretched"), [("gray16le", 12, True), ("gray16le", 16, False), ("gray12le", 12, False)]
)
def test_videos_of_16_bits_have_one_range_which_is_said(
    tmp_path: Path, kind: str, bits: int, stretched: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, kind
        for index, image in enumerate(pictures()):
            values = image[..., 0] / 255 * (1 - 0.08 * index) * (2**bits - 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(values.astype(np.uint16), format=kind)))
        container.mux(stream.encode())
    frames = list(open_frames(tmp_path / "a.mkv"))
    assert all(likeness(frame.image, truth) > 0.98 for frame, truth in zip(frames, pictures(), strict=True))
    assert frames[0].image.std() > 0.9 * pictures()[0].std()
    assert frames[5].image.mean() < 0.8 * frames[0].image.mean(), "all frames have one range"
    assert caplog.text.count("--range") == stretched
    if stretched:
        given = list(open_frames(tmp_path / "a.mkv", levels=(0, 4095)))
        np.testing.assert_allclose(given[0].image, pictures()[0], atol=1)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.webm"])
def test_a_recording_whose_times_begin_late_is_whole(tmp_path: Path, name: str) -> None:
    codec = "libvpx-vp9" if name.endswith("webm") else "mpeg4"
    path = write_video(tmp_path / name, (pictures(), [250 + index for index in range(COUNT)]), codec=codec)
    times = [float(frame.time) for frame in open_frames(path)]
    assert times == pytest.approx([0.04 * index for index in range(COUNT)], abs=2e-3)


def test_frames_that_use_all_16_bits_are_as_they_were(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = np.linspace(0, 65535, HEIGHT * WIDTH).astype(np.uint16).reshape(HEIGHT, WIDTH)
    cv2.imwrite(str(tmp_path / "0.png"), image)
    (frame,) = open_frames(tmp_path)
    np.testing.assert_allclose(frame.image[..., 0], image / 257, atol=1)
    assert not caplog.text


def test_a_hot_pixel_does_not_decide_the_range(tmp_path: Path) -> None:
    image = (pictures()[0][..., 0].astype(np.uint16)) * 12
    image[5, 7] = 65535
    cv2.imwrite(str(tmp_path / "0.tif"), image)
    (frame,) = open_frames(tmp_path)
    assert frame.image.std() > pictures()[0].std()


@pytest.mark.parametrize("kind", ["folder", "pages", "video"])
def test_black_frames_at_the_start_do_not_decide_the_range(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    noise = np.random.default_rng(2).integers(0, 5, (HEIGHT, WIDTH))
    frames = [
        noise,
        noise.T.reshape(HEIGHT, WIDTH),
        *(image[..., 0] * 12 for image in map(np.uint16, pictures())),
    ]
    deep = [np.asarray(each, np.uint16) for each in frames]
    path = tmp_path / {"folder": "a", "pages": "a.tif", "video": "a.mkv"}[kind]
    if kind == "folder":
        path.mkdir()
        for index, image in enumerate(deep):
            cv2.imwrite(str(path / f"{index}.png"), image)
    elif kind == "pages":
        cv2.imwritemulti(str(path), deep)
    else:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=25)
            stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "gray16le"
            for image in deep:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray16le")))
            container.mux(stream.encode())
    found = [frame.image for frame in open_frames(path)]
    assert max(image.max() for image in found[:2]) < 8, "noise is not a picture"
    assert all(likeness(image, truth) > 0.98 for image, truth in zip(found[2:], pictures(), strict=True))
    assert found[2].std() > 0.9 * pictures()[0].std()
    assert caplog.text.count("from frame 2, the first that is not flat") == 1


def test_frames_that_are_all_flat_have_the_range_of_the_first(tmp_path: Path) -> None:
    for index, value in enumerate((700, 703)):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((HEIGHT, WIDTH), value, np.uint16))
    assert [int(frame.image.max()) for frame in open_frames(tmp_path)] == [0, 255]


def test_floats_are_stretched(tmp_path: Path) -> None:
    Pillow.fromarray(pictures()[0][..., 0].astype(np.float32) / 255).save(tmp_path / "0.tif")
    (frame,) = open_frames(tmp_path)
    assert likeness(frame.image, pictures()[0]) > 0.98


def test_values_beyond_the_range_are_black_and_white() -> None:
    assert stretched(np.array([5, 10, 15, 20, 30]), (10, 20)).tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 1), [[1, 2, 3], [4, 5, 6]]),
        ((-1, 0, 0, -1), [[6, 5, 4], [3, 2, 1]]),
        ((-1, 0, 0, 1), [[3, 2, 1], [6, 5, 4]]),
        ((1, 0, 0, -1), [[4, 5, 6], [1, 2, 3]]),
        ((0, 1, 1, 0), [[1, 4], [2, 5], [3, 6]]),
        ((0, 1, -1, 0), [[4, 1], [5, 2], [6, 3]]),
        ((0, -1, 1, 0), [[3, 6], [2, 5], [1, 4]]),
    ],
)
def test_a_display_matrix_turns_and_mirrors(
    matrix: tuple[int, int, int, int], expected: list[list[int]]
) -> None:
    image = np.repeat(np.array([[1, 2, 3], [4, 5, 6]], np.uint8)[..., None], 3, 2)
    assert upright(image, *(65536 * each for each in matrix))[..., 0].tolist() == expected


@pytest.mark.parametrize(("transfer", "white"), [(16, 0.581), (18, 0.75)])
def test_reference_white_of_hdr_has_the_light_of_reference_white(transfer: int, white: float) -> None:
    assert _linear_light(transfer)[round(white * 65535)] == pytest.approx(1, rel=0.03)


def test_a_preview_is_not_the_video(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    preview = [np.full((HEIGHT, WIDTH, 3), 200, np.uint8)]
    path = write_video(tmp_path / "a.mkv", (preview, [0]), (pictures(), [*range(COUNT)]))
    frames = list(open_frames(path))
    assert len(frames) == COUNT
    assert likeness(frames[3].image, pictures()[3]) > 0.9
    assert not caplog.text


def test_of_two_videos_the_largest_is_read_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small = [np.ascontiguousarray(image[::2, ::2]) for image in pictures()]
    times = [*range(COUNT)]
    frames = list(open_frames(write_video(tmp_path / "a.mkv", (small, times), (pictures(), times))))
    assert frames[0].image.shape == (HEIGHT, WIDTH, 3)
    assert "has 2 video streams" in caplog.text


def test_times_that_jump_far_ahead_are_mended_and_pauses_are_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_video(tmp_path / "a.mkv", (pictures(), [0, 1, 2, 50, 100_050, 100_051]))
    times = [round(float(frame.time) * 25) for frame in open_frames(path)]
    assert times == [0, 1, 2, 50, 51, 52]
    assert caplog.text.count("times jump") == 1


@pytest.mark.parametrize("name", ["clip.webp", "clip.png", "clip.apng", "clip.tif", "clip.gif"])
def test_files_of_many_pictures_are_videos(tmp_path: Path, name: str) -> None:
    pages = [Pillow.fromarray(image) for image in pictures()]
    options = {"lossless": True} if name.endswith("webp") else {}
    kind = "PNG" if name.endswith("apng") else None
    pages[0].save(tmp_path / name, kind, save_all=True, append_images=pages[1:], duration=80, **options)
    frames = list(open_frames(tmp_path / name))
    assert len(frames) == COUNT
    assert all(likeness(frame.image, truth) > 0.95 for frame, truth in zip(frames, pictures(), strict=True))
    if not name.endswith("tif"):
        assert [float(frame.time) for frame in frames] == pytest.approx([0.08 * k for k in range(COUNT)])


def test_pages_of_12_bits_have_one_range(tmp_path: Path) -> None:
    cv2.imwritemulti(str(tmp_path / "a.tif"), [image[..., 0].astype(np.uint16) * 16 for image in pictures()])
    frames = list(open_frames(tmp_path / "a.tif"))
    assert all(likeness(frame.image, truth) > 0.98 for frame, truth in zip(frames, pictures(), strict=True))


def test_a_folder_of_folders_names_one_of_them(tmp_path: Path) -> None:
    (tmp_path / "cam1").mkdir()
    with pytest.raises(DataError, match="it holds the folder cam1"):
        images_in(tmp_path)


def test_pictures_that_are_not_read_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Pillow.new("RGB", (8, 8)).save(tmp_path / "0.jfif", "JPEG")
    for name in ("1.gif", "2.dng", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert [file.name for file in images_in(tmp_path)] == ["0.jfif"]
    assert "2 files of the kind .dng, .gif are left out" in caplog.text


def test_pages_of_deep_colours_keep_their_bits(tmp_path: Path) -> None:
    truth = pictures()
    cv2.imwritemulti(str(tmp_path / "a.tif"), [image.astype(np.uint16) * 2 + 400 for image in truth])
    frames = list(open_frames(tmp_path / "a.tif"))
    assert all(likeness(frame.image, image) > 0.98 for frame, image in zip(frames, truth, strict=True))
    assert len(np.unique(frames[0].image)) > 100


def test_a_video_is_deinterlaced_from_its_first_interlaced_picture_on(tmp_path: Path) -> None:
    truth = pictures()
    woven = [image.copy() for image in truth]
    for image, following in zip(woven, truth[1:], strict=False):
        image[1::2] = following[1::2]
    plain = write_video(tmp_path / "a.mpg", (truth, [*range(COUNT)]), codec="mpeg2video")
    combed = write_video(
        tmp_path / "b.mpg", (woven, [*range(COUNT)]), codec="mpeg2video", options={"flags": "+ildct+ilme"}
    )
    with av.open(str(plain)) as first, av.open(str(combed)) as second:
        stream = second.streams.video[0]
        given = [*first.decode(video=0), *second.decode(stream)]
        found = list(whole_pictures(stream, iter(given)))
    assert [each.interlaced_frame for each in given] == [False] * COUNT + [True] * COUNT
    assert len(found) == 2 * COUNT

    def combs(picture: av.VideoFrame) -> float:
        rows = picture.to_ndarray(format="gray").astype(float)
        return float(np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).mean())

    assert found[:COUNT] == given[:COUNT]
    for before, after in zip(given[COUNT:-1], found[COUNT:-1], strict=True):
        assert combs(after) < 0.7 * combs(before)
