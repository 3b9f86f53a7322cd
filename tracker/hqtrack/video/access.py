"""The frames of a folder or video in any order, as a person who scrubs through them wants them."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

import av
import cv2
import numpy as np

from hqtrack.errors import DataError
from hqtrack.images import Image
from hqtrack.video.sources import FrameSource, ImageFrames, VideoFrames
from hqtrack.video.sources.pictures import image_of_picture, open_container, whole_pictures

KEPT_BYTES = 192 << 20
"""Memory for reduced frames that were shown before."""

WANTED_BEFORE = 48
"""Frames before the one asked for that are kept on the way to it where somebody goes back: they come next."""

WANTED_AT_LEAST = 1
"""Frames up to the one asked for that are always kept. Each takes longer than to decode several."""

NEIGHBOURS = 3
"""Frames before a wanted one that are decoded, too: those of interlaced videos are made of several."""


class FrameAccess:
    """Gives single frames of a source; safe to use from several threads.

    Frames are counted as the source counts them, from 0. What is reduced for showing is kept for a while, so
    that going to and fro decodes little.

    Example:
        >>> frames = FrameAccess(open_frames("clip.mp4"), long_edge=1280)  # doctest: +SKIP
        >>> frames.image(120).shape, frames.reduced(120).shape  # doctest: +SKIP
        ((2160, 3840, 3), (720, 1280, 3))

    Args:
        source: Folder, pattern or video.
        long_edge: Longer side of reduced frames at most.

    Raises:
        DataError: It is a camera, or a video without frames.
    """

    def __init__(self, source: FrameSource, *, long_edge: int) -> None:
        self._reader: _ImageReader | _VideoReader
        if isinstance(source, ImageFrames):
            self._reader = _ImageReader(source)
        elif isinstance(source, VideoFrames):
            self._reader = _VideoReader(source.path, source.stream)
        else:
            raise DataError(f"{source}: has no frames to go back to; record it to a file first")
        self.size = source.size
        """Height and width of all frames."""
        self._scale = min(1.0, long_edge / max(self.size))
        self._kept: OrderedDict[int, Image] = OrderedDict()
        self._bytes = 0
        self._last = 0
        """The frame that was asked for last."""
        self._lock = threading.Lock()
        self._calls = 0
        """Frames that were asked for or expected so far; a change ends what prepares an expected one."""

    def __len__(self) -> int:
        return self._reader.count

    @property
    def reduced_size(self) -> tuple[int, int]:
        """Height and width of reduced frames."""
        height, width = (max(1, round(side * self._scale)) for side in self.size)
        return height, width

    def image(self, index: int) -> Image:
        """Return a frame (H, W, 3) uint8 RGB, as tracking sees it.

        Raises:
            DataError: The frame cannot be read, or has another size than the first.
        """
        self._calls += 1
        with self._lock:
            return self._whole(index)

    def reduced(self, index: int) -> Image:
        """Return a frame (h, w, 3) uint8 RGB of `reduced_size`; not to be changed.

        Raises:
            DataError: The frame cannot be read, or has another size than the first.
        """
        self._calls += 1
        with self._lock:
            if index in self._kept:
                self._kept.move_to_end(index)
                return self._kept[index]
            return self._keep(index, self._whole(index))

    def expect(self, index: int) -> None:
        """Prepare a frame that is likely to be asked for next, for `reduced`.

        This ends early where another frame is asked for or expected. Nothing happens where the frame does not
        exist or cannot be read: `reduced` raises the error.
        """
        self._calls += 1
        mine = self._calls
        with self._lock, suppress(DataError):
            if self._calls == mine and 0 <= index < len(self) and index not in self._kept:
                for found, image in self._reader.read(index, 1, lambda: self._calls != mine):
                    self._keep(found, image)

    def _whole(self, index: int) -> Image:
        if not 0 <= index < len(self):
            raise DataError(f"frame {index}: there are {len(self)} frames, counted from 0")
        image: Image | None = None
        goes_back = self._last - WANTED_BEFORE <= index < self._last
        self._last = index
        for found, image in self._reader.read(index, WANTED_BEFORE if goes_back else WANTED_AT_LEAST):
            if found != index:
                self._keep(found, image)
        if image is None:
            raise DataError(f"frame {index} cannot be read")
        return image

    def _keep(self, index: int, image: Image) -> Image:
        if image.shape[:2] != self.size:
            raise DataError(
                f"frame {index}: has {image.shape[1]} x {image.shape[0]} pixels, but the first one "
                f"{self.size[1]} x {self.size[0]}; make all frames the same size"
            )
        if self._scale < 1:
            size = self.reduced_size[::-1]
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        if index not in self._kept:
            self._kept[index] = image
            self._bytes += image.nbytes
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return image


class _ImageReader:
    def __init__(self, source: ImageFrames) -> None:
        self._source = source
        self.count = len(source.files)

    def read(
        self, index: int, wanted: int, ended: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Image]]:
        yield index, self._source.image(index)


class _VideoReader:
    """Goes to the key frame before a frame, and decodes from there.

    Where the times of packets do not show which frames they make, the video is decoded from its start.
    """

    def __init__(self, path: Path, stream: int) -> None:
        self._path, self._number = path, stream
        self._whole_from: int | None = None  # time before which frames that no other needs are left out
        self._container: av.container.InputContainer | None = None
        self._next = 0
        self._reopen()
        packets = [packet for packet in self._packets if packet.size]
        shown = [packet for packet in packets if not packet.is_discard]
        times = _times(shown)
        if times and not packets[0].is_keyframe:
            # A recording that began between two key frames: what is before the first picture is lost.
            self._reopen()
            first = next((picture.pts for picture in self._pictures() if picture.pts is not None), times[0])
            times = times[bisect_left(times, first) :]
        keys = [packet for packet in packets if packet.is_keyframe and packet.pts is not None]
        self._keys = sorted((p.pts, p.pts if p.dts is None else p.dts) for p in keys if p.pts is not None)
        self._times = times
        self._numbers = None if times is None else {time: n for n, time in enumerate(times)}
        self.count = len(shown if times is None else times)
        self._forget()

    def read(
        self, index: int, wanted: int, ended: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Image]]:
        """Yield so many frames up to one, the last of them that one; fewer where decoding begins later.

        It stops early where `ended`, which is called after each frame that is decoded, returns True.
        """
        whole_from = max(0, index - wanted + 1 - NEIGHBOURS)
        if self._times is not None:
            self._whole_from = self._times[whole_from]
        if not self._leads_to(index):
            self._jump(index)
        self._next = whole_from
        last = None
        try:
            for found, picture in self._decoded:
                self._next = max(self._next, found + 1)
                if found > index - wanted:
                    last = found, image_of_picture(picture)
                    yield last
                if found >= index:
                    break
                if ended():
                    return
        except (av.error.FFmpegError, OSError) as error:
            self._forget()
            raise DataError(f"{self._path}: frame {index} cannot be decoded: {error.strerror}") from error
        if last is None or last[0] != index:
            self._forget()
            raise DataError(f"{self._path}: frame {index} cannot be decoded; is the file damaged there?")

    def _leads_to(self, index: int) -> bool:
        """Return whether to decode on to a frame, in place of beginning at a key frame."""
        if index < self._next:
            return False
        if index <= self._next + WANTED_BEFORE or self._times is None:
            return True
        reached, wanted = self._times[max(0, self._next - 1)], self._times[index]
        return self._key_at(reached) == self._key_at(wanted)

    def _key_at(self, time: int) -> int:
        """Return the place of the last key frame at a time or before it among all of them, -1 for none."""
        return bisect_right(self._keys, time, key=lambda key: key[0]) - 1

    def _forget(self) -> None:
        """Open the file again before the next frame is read."""
        self._decoded: Iterator[tuple[int, av.VideoFrame]] = iter(())
        self._next = self.count
        """From here on `_decoded` gives all frames."""
        self._must_reopen = True

    def _jump(self, index: int) -> None:
        """Continue decoding from the last key frame before a frame."""
        if self._must_reopen:
            self._reopen()
        if not self._seek(index):
            self._reopen()
        self._decoded = self._counted()

    def _reopen(self) -> None:
        """Begin at the start of the file again."""
        if self._container is not None:
            self._container.close()
        self._container = open_container(self._path)
        self._stream = self._container.streams.video[self._number]
        self._stream.thread_type = "SLICE"  # threads over frames would start again at every jump
        self._packets: Iterator[av.Packet[av.VideoStream]] = self._container.demux(self._stream)
        self._must_reopen = False

    def _seek(self, index: int) -> bool:
        """Go to the last key frame before a frame; return whether that was possible."""
        if self._times is None:
            return False
        time = self._times[index]
        place = self._key_at(time)
        if place < 0:
            return False
        # Some formats look for the time at which a frame is shown, others for that at which it is decoded.
        assert self._container is not None
        for target in (*self._keys[place], self._keys[max(0, place - 1)][1]):
            self._container.seek(target, stream=self._stream)
            packets = self._container.demux(self._stream)
            key = next((each for each in packets if each.is_keyframe and each.pts is not None), None)
            if key is not None and key.pts is not None and key.pts <= time:
                self._packets = chain([key], packets)
                return True
        return False

    def _counted(self) -> Iterator[tuple[int, av.VideoFrame]]:
        """Decode, with the index of each frame."""
        numbers = self._numbers
        base = self._stream.time_base
        pictures = whole_pictures(self._stream, self._pictures())
        for position, picture in enumerate(pictures):
            if numbers is None or picture.pts is None or not picture.time_base or not base:
                yield position, picture
                continue
            time = picture.pts
            if picture.time_base != base:
                time = round(time * picture.time_base / base)  # a filter counts finer
            if time in numbers:  # others belong before the first frame that is shown
                yield numbers[time], picture

    def _pictures(self) -> Iterator[av.VideoFrame]:
        """Decode, without frames on the way that are neither wanted nor needed by others."""
        skipping = None
        for packet in self._packets:
            early = self._whole_from is not None and packet.pts is not None and packet.pts < self._whole_from
            if early != skipping:
                self._stream.codec_context.skip_frame = "NONREF" if early else "DEFAULT"
                skipping = early
            yield from packet.decode()


def _times(packets: Sequence[av.Packet[av.VideoStream]]) -> list[int] | None:
    """Return when frames are shown, in order; None where that does not tell which packet makes which."""
    times = sorted(packet.pts for packet in packets if packet.pts is not None)
    decoded = [packet.dts for packet in packets if packet.dts is not None]
    # A recording that was joined of several has times that begin again.
    return times if len(times) == len(packets) == len(set(times)) and decoded == sorted(decoded) else None
