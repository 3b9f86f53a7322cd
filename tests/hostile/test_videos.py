"""Files that claim to be frames: play lists that name other files, and pictures that unpack to gigabytes."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import av
import pytest
from PIL import Image as Pillow

from hostile.media import write_video
from hqtrack.errors import DataError
from hqtrack.images import MOST_PIXELS, levels_of, read_image
from hqtrack.video.access import FrameAccess
from hqtrack.video.sources import open_frames
from hqtrack.web.store import check_container

PLAY_LISTS = {
    "concat": "ffconcat version 1.0\nfile precious.mp4\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\nprecious.mp4\n#EXT-X-ENDLIST\n",
    "dash": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet>'
    "<Representation><BaseURL>precious.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "sequence": "precious%d.mp4\n",
}


@pytest.mark.parametrize("kind", PLAY_LISTS)
@pytest.mark.parametrize("name", ["clip.mp4", "clip.txt", "clip.m3u8", "clip.ffconcat"])
def test_a_play_list_opens_none_of_the_files_that_it_names(tmp_path: Path, kind: str, name: str) -> None:
    write_video(tmp_path / "precious.mp4")
    path = tmp_path / name
    path.write_text(PLAY_LISTS[kind])
    with pytest.raises(DataError, match="not a readable video"):
        list(open_frames(path))
    with pytest.raises(DataError, match="not a readable video"):
        check_container(path)


def test_a_video_that_became_a_play_list_is_not_followed_by_the_page(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4")
    write_video(tmp_path / "precious.mp4")
    source = open_frames(path)
    path.write_text(PLAY_LISTS["concat"])
    with pytest.raises(DataError, match="play list"):
        FrameAccess(source, long_edge=100)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".mov", ".webm"])
def test_videos_of_all_kinds_are_still_read(tmp_path: Path, suffix: str) -> None:
    assert len(list(open_frames(write_video(tmp_path / f"clip{suffix}")))) == 12


def png_of(width: int, height: int) -> bytes:
    """Return a PNG of one bit a pixel, all of them black, which takes a thousandth of its size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((1, 0, 0, 0, 0))
    packed = zlib.compress(bytes((1 + (width + 7) // 8) * height), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def tiff_of(width: int, height: int, deep: bool = False) -> bytes:
    """Return a small TIFF, of 8 or 16 bits, whose header says that it is large."""
    file = io.BytesIO()
    Pillow.new("I;16" if deep else "L", (8, 8)).save(file, "TIFF")
    content = bytearray(file.getvalue())
    start = int.from_bytes(content[4:8], "little")
    for entry in range(start + 2, start + 2 + 12 * int.from_bytes(content[start : start + 2], "little"), 12):
        tag = int.from_bytes(content[entry : entry + 2], "little")
        if tag in (256, 257):
            kind = int.from_bytes(content[entry + 2 : entry + 4], "little")
            assert kind in (3, 4)
            content[entry + 2 : entry + 4] = (4).to_bytes(2, "little")
            content[entry + 8 : entry + 12] = (width if tag == 256 else height).to_bytes(4, "little")
    return bytes(content)


def header_of(suffix: str, width: int, height: int) -> bytes:
    """Return the beginning of a picture that says that it is large."""
    if suffix == ".ppm":
        return f"P6 {width} {height} 255\n".encode()
    if suffix == ".bmp":
        file = io.BytesIO()
        Pillow.new("RGB", (8, 8)).save(file, "BMP")
        content = bytearray(file.getvalue())
        content[18:26] = width.to_bytes(4, "little") + height.to_bytes(4, "little")
        return bytes(content)
    if suffix == ".jpg":
        file = io.BytesIO()
        Pillow.new("RGB", (8, 8)).save(file, "JPEG")
        content = bytearray(file.getvalue())
        place = content.index(b"\xff\xc0") + 5
        content[place : place + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
        return bytes(content)
    if suffix == ".tif":
        return tiff_of(width, height)
    return png_of(width, height)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp", ".ppm"])
def test_a_picture_that_unpacks_to_gigabytes_is_refused_by_its_header(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"frame{suffix}"
    path.write_bytes(header_of(suffix, 30_000, 30_000))
    assert path.stat().st_size < 1 << 20
    for read in (read_image, levels_of, lambda path: next(iter(open_frames(path)))):
        if read is levels_of and suffix not in (".png", ".tif"):
            continue
        with pytest.raises(DataError, match="pixels"):
            read(path)


def test_a_deep_tiff_is_measured_too(tmp_path: Path) -> None:
    path = tmp_path / "frame.tif"
    path.write_bytes(tiff_of(30_000, 30_000, deep=True))
    with pytest.raises(DataError, match="30000 x 30000 pixels"):
        read_image(path)


def test_what_no_decoder_of_frames_is_meant_for_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "frame.png"
    path.write_bytes(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 30000 +X 30000\n" + bytes(100))
    with pytest.raises(DataError, match="not a readable image"):
        read_image(path)


def test_a_large_frame_that_memory_holds_is_read(tmp_path: Path) -> None:
    path = tmp_path / "frame.png"
    path.write_bytes(png_of(4096, 2160))
    assert read_image(path).shape == (2160, 4096, 3)
    assert MOST_PIXELS > 3 * 8192 * 4320


def test_a_video_whose_pictures_unpack_to_gigabytes_is_refused(tmp_path: Path) -> None:
    path, side = tmp_path / "clip.mov", 11_600
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = side, side, "monob"
        picture = av.VideoFrame(side, side, "monob")
        for plane in picture.planes:
            plane.update(bytes(plane.buffer_size))
        picture.pts = 0
        container.mux(stream.encode(picture))
        container.mux(stream.encode())
    assert path.stat().st_size < 1 << 20
    with pytest.raises(DataError, match=r"clip\.mov"):
        next(iter(open_frames(path)))
