"""Streams: a camera in the network, a video that comes by HTTP, another program's output in a pipe.

A thread of its own receives and decodes. A live stream does not wait for the tracker: the oldest of the
frames that wait are dropped. A pipe, and a file that comes by HTTP, do wait, and nothing of them is dropped.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import select
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from fractions import Fraction
from functools import cached_property, partial
from typing import Any, NamedTuple
from urllib.parse import urlunsplit

import av

from hqtrack.errors import DataError, InputError
from hqtrack.images import MOST_PIXELS
from hqtrack.video.presence import PIPE, split_address
from hqtrack.video.sources.newest import Newest
from hqtrack.video.sources.pictures import CONTAINER_FORMATS, image_of_picture, whole_pictures
from hqtrack.video.sources.source import IMAGE_RATE, Frame, FrameSource, FrameWindow

logger = logging.getLogger(__name__)

WAITING_PICTURES = 8
"""Decoded pictures that wait at most: a third of a second of a live stream."""

SILENT_SECONDS = 10.0
"""After which a connection that brings nothing counts as lost."""

SILENT_PIPE_SECONDS = 60.0
"""After which a pipe that brings nothing counts as stalled: who writes into it may be busy."""

RECONNECTS = 5
"""Attempts in a row to connect to a live stream again, before it is given up."""

PAUSE_SECONDS = 1.0
"""Before each of them."""

PROTOCOLS = {
    "rtsp": "rtsp,rtp,udp,tcp,tls",
    "http": "http,https,tcp,tls",
    "https": "http,https,tcp,tls",
    "udp": "udp",
}
"""By which FFmpeg may read a stream of each scheme; never files, which a stream could name."""

OPTIONS = {
    "rtsp": {"rtsp_flags": "prefer_tcp"},
    "udp": {"overrun_nonfatal": "1", "fifo_size": "100000"},
}
"""Of FFmpeg."""


class _Received(NamedTuple):
    picture: av.VideoFrame
    seconds: Fraction
    """Since the first picture."""


class StreamFrames(FrameSource):
    """A stream, read once from where it is. Frames that are dropped have no number; times are the stream's.

    Args:
        source: Address of a stream, or "-" for standard input.
        window: Which frames are read.

    Raises:
        DataError: It cannot be opened, or has no picture.
        InputError: Standard input is a terminal.
    """

    live = True

    def __init__(self, source: str, window: FrameWindow) -> None:
        self._receiver = receiver = _Receiver(source)
        self.fps, self.aspect = receiver.fps, receiver.aspect
        super().__init__(start=window.start, end=window.end, stride=window.stride, count=None)
        receiver.start()
        weakref.finalize(self, receiver.waiting.close)
        first = receiver.take()
        if first is None:
            raise DataError(f"{self}: ended before its first frame")
        self._first = first

    def __str__(self) -> str:
        return self._receiver.title

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames."""
        height, width = image_of_picture(self._first.picture).shape[:2]
        return height, width

    def _ahead(self) -> Iterator[Frame]:
        """Return the frames as they are: they are decoded ahead already, and may not be thrown away."""
        return self._decoded()

    def _undecoded(self) -> Generator[Callable[[], Frame], None, None]:
        received: _Received | None = self._first
        index = 0
        try:
            while received is not None:
                yield partial(_frame, received, index)
                index += 1
                received = self._receiver.take()
        finally:
            if index > 1:  # one frame alone is read to be looked at
                self._receiver.waiting.close()
            dropped = self._receiver.waiting.dropped
            if dropped:
                logger.warning(
                    "%s: %d of %d frames were dropped, because they came faster than they were tracked",
                    *(self, dropped, dropped + index),
                )


def _frame(received: _Received, index: int) -> Frame:
    return Frame(image_of_picture(received.picture), index, received.seconds, f"{index:08d}")


class _BegunAnewError(Exception):
    """A server sends a video from its first picture again."""


class _Receiver:
    """Connects, receives and decodes; a live stream is connected to again when it is lost."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._scheme = split_address(source).scheme.lower()
        self.title = "standard input" if source == PIPE else _without_password(source)
        self._container: av.container.InputContainer | None = self._open()
        stream = self._container.streams.video[0]
        rate = stream.average_rate or stream.guessed_rate
        self.fps = Fraction(rate) if rate and 0 < rate <= 1000 else IMAGE_RATE
        self.aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
        over_http = self._scheme in ("http", "https")
        whole = self._container.duration is not None
        self._live = source != PIPE and not (over_http and whole)
        # A camera's server that ends a stream has most often been started anew.
        self._ends = source == PIPE or over_http or whole
        self.waiting: Newest[_Received] = Newest(WAITING_PICTURES, drops=self._live)
        self._begin = time.monotonic()
        self._last: Fraction | None = None
        self._count = 0
        self._opening: bytes | None = None
        """The first picture's brightness, where another connection may begin with it again."""
        self._perhaps_ended = False
        """FFmpeg reports the end of a stream of unknown length by HTTP as an error of reading."""

    def start(self) -> None:
        """Begin to receive."""
        threading.Thread(target=self._run, name="hqtrack-stream", daemon=True).start()

    def take(self) -> _Received | None:
        """Return the next picture, or None after the last.

        Raises:
            DataError: The stream is lost or stalls.
        """
        return self.waiting.take()

    def _open(self) -> av.container.InputContainer:
        settings: dict[str, Any] = {"metadata_errors": "replace"} if av.__version__ < "19" else {}
        options = {"max_pixels": str(MOST_PIXELS)}
        opened: Any
        if self._source == PIPE:
            opened = _Pipe()
            hint = "write MPEG-TS, Matroska or NUT into the pipe; MP4 needs its index first"
            options["format_whitelist"] = CONTAINER_FORMATS
        else:
            opened = self._source
            hint = "is the address right, and the stream on?"
            settings["timeout"] = SILENT_SECONDS
            options["format_whitelist"] = f"{CONTAINER_FORMATS},mpjpeg,rtp,rtsp"
            options["protocol_whitelist"] = PROTOCOLS[self._scheme]
            options |= OPTIONS.get(self._scheme, {})
        try:
            container = av.open(opened, options=options, **settings)
        except (av.error.FFmpegError, OSError) as error:
            raise DataError(f"{self.title}: cannot be opened: {_reason(error)}; {hint}") from error
        if not container.streams.video:
            container.close()
            raise DataError(f"{self.title}: there is no picture in this stream")
        return container

    def _run(self) -> None:
        failures, cause = 0, ""
        while not self.waiting.closed:
            before = self._count
            try:
                self._receive()
                if self._ends:
                    return self.waiting.end()
                reason = "it ended"
            except _BegunAnewError:
                logger.warning("%s: begins anew, so it had ended after %d frames", self.title, self._count)
                return self.waiting.end()
            except (av.error.FFmpegError, OSError, DataError) as error:
                reason = _reason(error)
                self._perhaps_ended = isinstance(error, OSError) and error.errno == errno.EIO
            except Exception as error:  # a fault of ours is for the other thread to show
                return self.waiting.end(error)
            if failures == 0 or self._count > before:
                failures, cause = 0, reason
            failures += 1
            if not self._live or failures > RECONNECTS:
                tried = f"; {RECONNECTS} attempts to connect again failed" if self._live else ""
                lost = DataError(f"{self.title}: was lost after {self._count} frames: {cause}{tried}")
                return self.waiting.end(lost)
            if not self.waiting.closed:
                logger.warning(
                    "%s: was lost after %d frames: %s; connecting again, attempt %d of %d",
                    *(self.title, self._count, reason, failures, RECONNECTS),
                )
                time.sleep(PAUSE_SECONDS)
        return None

    def _receive(self) -> None:
        """Receive until the connection ends."""
        container = self._open() if self._container is None else self._container
        self._container = None
        late: Fraction | None = None  # by which the connection's times are too large
        first = True
        try:
            for picture in self._pictures(container):
                if first and self._scheme in ("http", "https"):
                    self._compare(picture)
                first = False
                known = picture.pts is not None and picture.time_base is not None
                own: Fraction | None = picture.pts * picture.time_base if known else None  # type: ignore[assignment, operator]
                if self._last is None:
                    late = own
                    seconds = Fraction(0)
                elif own is None:
                    seconds = self._last + 1 / self.fps
                else:
                    if late is None:  # another connection: time went on meanwhile
                        late = own - Fraction(time.monotonic() - self._begin).limit_denominator(90_000)
                    seconds = own - late
                    if seconds <= self._last:
                        late -= self._last + 1 / self.fps - seconds
                        seconds = self._last + 1 / self.fps
                self._begin = time.monotonic() if self._last is None else self._begin
                self._last = seconds
                self._count += 1
                had = self.waiting.dropped
                if not self.waiting.put(_Received(picture, seconds)):
                    return
                if not had and self.waiting.dropped:
                    logger.warning(
                        "%s: frames come faster than they are tracked; the oldest ones are dropped",
                        self.title,
                    )
        finally:
            with suppress(av.error.FFmpegError, OSError):
                container.close()

    def _compare(self, picture: av.VideoFrame) -> None:
        """Keep the first connection's first picture; compare that of one after a doubtful end with it.

        Raises:
            _BegunAnewError: They are equal, to the bit: what a camera sees never is.
        """
        brightness = bytes(picture.planes[0])
        if self._opening is None:
            self._opening = brightness
        elif self._perhaps_ended and brightness == self._opening:
            raise _BegunAnewError

    def _pictures(self, container: av.container.InputContainer) -> Iterator[av.VideoFrame]:
        """Decode; what cannot be, such as frames before the first key frame, is left out."""
        stream = container.streams.video[0]
        stream.thread_type = "SLICE" if self._live else "AUTO"  # threads over frames are frames late

        def decoded() -> Iterator[av.VideoFrame]:
            try:
                for packet in container.demux(stream):
                    try:
                        pictures = packet.decode()
                    except av.error.InvalidDataError:
                        continue
                    yield from pictures
            except OSError:
                with suppress(av.error.FFmpegError):  # the decoder may hold the last ones
                    yield from stream.decode(None)
                raise

        return whole_pictures(stream, decoded())


class _Pipe:
    """Standard input, as it comes: what is there is returned at once."""

    def __init__(self) -> None:
        if sys.stdin.isatty():
            raise InputError("-: standard input is a terminal; pipe a video into it, or name a file")
        self._file: Any = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        self._can_stall = os.name == "posix" and isinstance(self._file, io.FileIO)

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes; none at the end."""
        if self._can_stall and not select.select([self._file], [], [], SILENT_PIPE_SECONDS)[0]:
            raise DataError(
                f"standard input: brought nothing for {SILENT_PIPE_SECONDS:g} s; is the program stuck that "
                "writes into it?"
            )
        return bytes(self._file.read(count))


def _without_password(address: str) -> str:
    """Return an address without user and password.

    Example:
        >>> _without_password("rtsp://me:secret@camera:554/1")
        'rtsp://camera:554/1'
    """
    parts = split_address(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _reason(error: Exception) -> str:
    if isinstance(error, av.error.ExitError):
        return f"nothing came for {SILENT_SECONDS:g} s"
    return getattr(error, "strerror", None) or str(error)
