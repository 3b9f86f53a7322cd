"""Pictures of a video as they are meant: the right stream, whole frames, upright, for a screen."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import cast

import av
import numpy as np
import numpy.typing as npt

from hqtrack.errors import DataError
from hqtrack.images import MOST_PIXELS, Image, Levels, stretched

logger = logging.getLogger(__name__)

CONTAINER_FORMATS = (
    "apng,asf,av1,avi,bmp_pipe,dirac,dpx_pipe,dv,exr_pipe,flv,gif,gxf,h261,h263,h264,hevc,ivf,jpeg_pipe,jpegxl_anim,"
    "jpegxl_pipe,m4v,matroska,mjpeg,mov,mp4,mpeg,mpegts,mpegvideo,mxf,nut,obu,ogg,png_pipe,psd_pipe,qoi_pipe,rm,"
    "tiff_pipe,vc1,vvc,webm,webp_pipe,wtv,yuv4mpegpipe"
)
"""FFmpeg's names of files that hold a video themselves. Play lists, which name other files, are left out."""

COMPARED_PACKETS = 400
"""Packets by which streams are compared."""

PQ, HLG = 16, 18
"""FFmpeg's numbers of the transfer functions of HDR."""

REFERENCE_WHITE = 203.0
"""Candelas per square metre of HDR's reference white, which a screen shows brightly."""

PEAK_WHITE = 1000.0
"""Candelas per square metre that become a screen's white."""

_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
"""From BT.2020's red, green and blue to those of BT.709, in linear light."""


def open_container(path: Path) -> av.container.InputContainer:
    """Open a video file, and nothing that it may name.

    Raises:
        DataError: It is not readable, a play list, or has no picture.
    """
    options = {
        "format_whitelist": CONTAINER_FORMATS,
        "protocol_whitelist": "file",
        "max_pixels": str(MOST_PIXELS),
    }
    try:
        container = _opened(os.path.abspath(path), options)
    except av.error.ArgumentError as error:
        raise DataError(
            f"{path}: not a readable video: it is a play list that names other files, or of a format that is "
            "not read; give the video itself, for example as .mp4"
        ) from error
    except (av.error.FFmpegError, OSError) as error:
        raise DataError(f"{path}: not a readable video: {error.strerror or error}") from error
    if not container.streams.video:
        container.close()
        raise DataError(f"{path}: there is no picture in this file")
    for stream in container.streams.video:
        stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
    return container


def _opened(name: str, options: dict[str, str]) -> av.container.InputContainer:
    """Open a file whatever bytes its texts hold."""
    try:
        return av.open(name, metadata_errors="replace", options=options)
    except TypeError:  # PyAV 19 reads any bytes, and has no such setting
        return av.open(name, options=options)


def main_stream(path: Path, container: av.container.InputContainer) -> int:
    """Return which of a container's video streams is the video; it must be at its start.

    Covers and previews hold one picture; of several videos the largest is taken, and a line reports it.
    """
    streams = container.streams.video
    if len(streams) == 1:
        return 0
    with open_container(path) as probe:
        counts = Counter(
            packet.stream.index
            for packet in islice(probe.demux(video=[*range(len(streams))]), COMPARED_PACKETS)
        )
    moving = [k for k, stream in enumerate(streams) if counts[stream.index] > 2] or [0]
    best = max(moving, key=lambda k: (streams[k].width * streams[k].height, -k))
    if len(moving) > 1:
        size = f"{streams[best].width} x {streams[best].height}"
        logger.warning("%s: has %d video streams; the largest, %s pixels, is read", path, len(moving), size)
    return best


def whole_pictures(stream: av.VideoStream, pictures: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Yield pictures, deinterlaced from the first interlaced one on, at the same times."""
    graph: av.filter.Graph | None = None
    for picture in pictures:
        if graph is None and picture.interlaced_frame:
            graph = av.filter.Graph()
            graph.link_nodes(
                graph.add_buffer(template=stream),
                graph.add("bwdif", "mode=send_frame:deint=interlaced"),
                graph.add("buffersink"),
            ).configure()
        if graph is None:
            yield picture
        else:
            graph.push(picture)
            yield from _ready(graph)
    if graph is not None:
        graph.push(None)
        yield from _ready(graph)


def _ready(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            picture = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        assert isinstance(picture, av.VideoFrame)
        yield picture


def deep_grey(picture: av.VideoFrame) -> npt.NDArray[np.uint16] | None:
    """Return the values (H, W, 3) of a grey picture of 16 bits; None for others.

    Microscopes write 10 to 14 bits into 16. The format of all others says what is white.
    """
    return _deep(picture) if is_deep_grey(picture) else None


def is_deep_grey(picture: av.VideoFrame) -> bool:
    """Return whether a picture is grey and has 16 bits."""
    return picture.format.name in ("gray16le", "gray16be")


def _deep(picture: av.VideoFrame) -> npt.NDArray[np.uint16]:
    """Return a picture (H, W, 3) of 16 bits."""
    return np.asarray(picture.to_ndarray(format="rgb48le"), np.uint16)


def image_of_picture(picture: av.VideoFrame, levels: Levels | None = None) -> Image:
    """Return a decoded picture as (H, W, 3) uint8 RGB, upright, HDR tone-mapped to a screen's range.

    Values between the levels, of 16 bits, become 0 to 255.
    """
    if picture.color_trc in (PQ, HLG):
        image = _tone_mapped(_deep(picture), picture.color_trc)
    elif levels is not None:
        image = stretched(_deep(picture), levels)
    else:
        image = np.asarray(picture.to_ndarray(format="rgb24"), dtype=np.uint8)
    matrix = picture.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image
    a, b, _, c, d = np.frombuffer(cast("bytes", matrix), np.int32)[:5].tolist()
    return upright(image, a, b, c, d)


def upright(image: Image, a: int, b: int, c: int, d: int) -> Image:
    """Turn and mirror an image by a display matrix: x' = a x + c y, y' = b x + d y.

    Example:
        >>> upright(np.array([[[1] * 3, [2] * 3]], np.uint8), -1, 0, 0, 1)[0, :, 0].tolist()
        [2, 1]
    """
    if abs(b) + abs(c) > abs(a) + abs(d):
        image = image.swapaxes(0, 1)
        a, d = c, b
    if a < 0:
        image = image[:, ::-1]
    if d < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)


@cache
def _linear_light(transfer: int) -> npt.NDArray[np.float32]:
    """Return the light of each of 65,536 values, relative to reference white."""
    value = np.linspace(0, 1, 1 << 16)
    if transfer == PQ:
        power = value ** (1 / 78.84375)
        light = 10000 * (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (
            1 / 0.1593017578125
        )
    else:
        scene = np.where(
            value <= 0.5, value**2 / 3, (np.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12
        )
        light = PEAK_WHITE * scene**1.2
    return (light / REFERENCE_WHITE).astype(np.float32)


@cache
def _screen_values() -> npt.NDArray[np.uint8]:
    """Return the value that a screen needs for each of 4,096 parts of its white (sRGB)."""
    light = np.linspace(0, 1, 1 << 12)
    return np.round(
        255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    ).astype(np.uint8)


def _tone_mapped(values: npt.NDArray[np.uint16], transfer: int) -> Image:
    """Map HDR values (H, W, 3) to a screen's, by Reinhard's curve on the brightest channel."""
    light = np.maximum(_linear_light(transfer)[values] @ _TO_709.T, 0)
    brightest = light.max(-1, keepdims=True)
    gain = (1 + brightest / (PEAK_WHITE / REFERENCE_WHITE) ** 2) / (1 + brightest)
    shown = np.clip(light * gain, 0, 1)
    return np.asarray(_screen_values()[(shown * 4095).astype(np.uint16)])
