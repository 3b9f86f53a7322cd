"""Streams on this machine: HTTP, RTSP, UDP, and a pipe."""

import io
import logging
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest

from hqtrack import DataError, InputError
from hqtrack.video.job import absolute, default_folder
from hqtrack.video.sources import Frame, open_frames, streams

COUNT, RATE = 40, 25


@cache
def encoded(count: int = COUNT, form: str = "mpegts") -> bytes:
    """Return a video, every frame of which can be decoded by itself, brighter from frame to frame."""
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        stream = container.add_stream("mpeg2video", rate=RATE, options={"g": "1", "qscale": "2"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = Fraction(1, RATE)
        stream.thread_count = 1
        for index in range(count):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 5 * index, np.uint8))
            picture.pts = index
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return file.getvalue()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try twice where users' streams are tried five times."""
    monkeypatch.setattr(streams, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(streams, "RECONNECTS", 2)


def read_into(
    read: list[Frame], frames: Iterable[Frame], count: int = -1, then: Callable[[], None] = lambda: None
) -> None:
    """Read all frames, and do something after so many."""
    for frame in frames:
        read.append(frame)
        if len(read) == count:
            then()


Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def served(answer: Answer) -> Iterator[str]:
    """Serve an address on this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with suppress(OSError):  # the reader has gone
                answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/live.ts"
    finally:
        server.shutdown()
        server.server_close()


def live(handler: BaseHTTPRequestHandler, video: bytes, *, ends: bool = True) -> None:
    """Answer with a stream whose length nobody knows."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"%x\r\n%s\r\n" % (len(video), video))
    if ends:
        handler.wfile.write(b"0\r\n\r\n")


def test_a_live_stream_that_is_faster_loses_its_oldest_frames_and_counts_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    video = encoded()
    with served(lambda handler: live(handler, video)) as address:
        frames = open_frames(address)
        assert frames.live
        assert frames.size == (48, 64)
        deadline = time.monotonic() + 30
        while frames._receiver.waiting.dropped < COUNT - 1 - streams.WAITING_PICTURES:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        read = list(frames)
    assert [frame.index for frame in read] == list(range(1 + streams.WAITING_PICTURES))
    # The first one stays: objects are given in it. Then come the newest, at their own times.
    assert float(read[1].time) == pytest.approx((COUNT - streams.WAITING_PICTURES) / RATE)
    assert read[-1].image.mean() == pytest.approx(5 * (COUNT - 1), abs=6)
    dropped = COUNT - len(read)
    assert "frames come faster than they are tracked" in caplog.text
    assert f"{dropped} of {COUNT} frames were dropped" in caplog.text


def test_a_stream_that_ends_when_its_server_closes_is_read_once() -> None:
    video = encoded()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()  # neither a length nor chunks: whoever reads sees an end, or a loss
        handler.wfile.write(video)
        handler.close_connection = True

    with served(answer) as address:
        frames = open_frames(address)
        deadline = time.monotonic() + 60
        read: list[Frame] = []
        for frame in frames:
            read.append(frame)
            assert time.monotonic() < deadline
            assert len(read) <= COUNT
    assert frames.live
    assert read[-1].image.mean() == pytest.approx(5 * (COUNT - 1), abs=6)


def test_a_video_by_http_waits_for_who_reads_it() -> None:
    video = encoded(form="matroska")

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(video)))
        handler.end_headers()
        handler.wfile.write(video)

    with served(answer) as address:
        read = list(open_frames(address, start=2, end=30, stride=5))
    assert [frame.index for frame in read] == [2, 7, 12, 17, 22, 27]
    assert float(read[1].time - read[0].time) == pytest.approx(5 / RATE, abs=0.002)


@pytest.mark.slow
def test_a_stream_that_stalls_is_connected_to_again_and_then_given_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SILENT_SECONDS", 3.0)
    over, gone = threading.Event(), threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if gone.is_set():
            return handler.send_error(404)
        live(handler, encoded(), ends=False)
        over.wait(60)

    read: list[Frame] = []
    with served(answer) as address:
        frames = open_frames(f"{address}?key=1")
        # Each connection brings the video anew; the frames of more than one are read.
        with pytest.raises(DataError, match=r"live\.ts\?key=1: was lost after .* nothing came for 3 s; 2 "):
            read_into(read, frames, COUNT, gone.set)
        over.set()
    assert "connecting again, attempt 1 of 2" in caplog.text
    times = [frame.time for frame in read]
    assert times == sorted(set(times))


@pytest.mark.parametrize("address", ["rtsp://127.0.0.1:9/1", "http://me:secret@127.0.0.1:9/a.ts"])
def test_a_stream_that_cannot_be_opened_is_a_line_without_the_password(address: str) -> None:
    with pytest.raises(DataError, match=r"://127\.0\.0\.1:9/.*cannot be opened: .* is the address right"):
        open_frames(address)


def test_what_is_no_address_is_a_line_without_the_password() -> None:
    for read in (open_frames, default_folder):
        with pytest.raises(
            InputError, match="http://…: is not the address of a stream: Invalid IPv6"
        ) as refusal:
            read("http://me:secret@[")
        assert "secret" not in str(refusal.value)


def test_no_other_addresses_and_no_play_lists_are_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="begins with rtsp://, http://, https://, udp://"):
        open_frames("file:///etc/passwd")
    (tmp_path / "clip.ts").write_bytes(encoded(4))
    named = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{tmp_path}/clip.ts\n#EXT-X-ENDLIST\n"
    with (
        served(lambda handler: live(handler, named.encode())) as address,
        pytest.raises(DataError, match="cannot be opened"),
    ):
        open_frames(address)


@pytest.mark.slow
def test_datagrams_are_frames_until_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SILENT_SECONDS", 2.0)
    monkeypatch.setattr(streams, "RECONNECTS", 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    over = threading.Event()

    def send() -> None:
        packets = encoded()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not over.is_set():
                for begin in range(0, len(packets), 1316):
                    sender.sendto(packets[begin : begin + 1316], ("127.0.0.1", port))
                over.wait(0.02)

    thread = threading.Thread(target=send)
    thread.start()
    read: list[Frame] = []
    try:
        frames = open_frames(f"udp://127.0.0.1:{port}")
        with pytest.raises(DataError, match="was lost after"):
            read_into(read, frames, 5, over.set)
    finally:
        over.set()
        thread.join()
    assert len(read) >= 5
    assert {frame.image.shape for frame in read} == {(48, 64, 3)}


def rtsp_camera(server: socket.socket, video: bytes) -> None:
    """Be a camera for one client: RTSP with MPEG-TS in RTP, in the same connection."""
    client, _ = server.accept()
    with client, client.makefile("rb") as requests:
        while True:
            lines = []
            while (line := requests.readline().decode().strip()) or not lines:
                if not line:
                    return
                lines.append(line)
            method = lines[0].split()[0]
            number = next(line.split(":")[1].strip() for line in lines if line.lower().startswith("cseq"))
            head, body = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n", ""
            if method == "OPTIONS":
                head += "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
            elif method == "DESCRIBE":
                body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
                body += "m=video 0 RTP/AVP 33\r\na=control:1\r\n"
                head += f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
            elif method == "SETUP":
                head += "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
            elif method == "PLAY":
                head += "Session: 1\r\n"
            client.sendall(f"{head}\r\n{body}".encode())
            if method == "PLAY":
                for index, begin in enumerate(range(0, len(video), 1316)):
                    data = struct.pack(">BBHII", 0x80, 33, index & 0xFFFF, 90 * index, 1)
                    data += video[begin : begin + 1316]
                    client.sendall(struct.pack(">BBH", 0x24, 0, len(data)) + data)
                return


def test_a_camera_that_speaks_rtsp_is_read_and_given_up_when_it_has_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        thread = threading.Thread(target=rtsp_camera, args=(server, encoded()), daemon=True)
        thread.start()
        frames = open_frames(f"rtsp://me:secret@127.0.0.1:{port}/1")
        assert str(frames) == f"rtsp://127.0.0.1:{port}/1"
        thread.join(20)
    read: list[Frame] = []
    with pytest.raises(DataError, match=f"127.0.0.1:{port}/1: was lost after .* 2 attempts"):
        read_into(read, frames)
    assert len(read) > streams.WAITING_PICTURES // 2


@contextmanager
def standard_input(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.BufferedWriter]:
    """Yield what writes into standard input."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "r") as file, os.fdopen(writing, "wb") as writer:
        monkeypatch.setattr(sys, "stdin", file)
        yield writer


def test_a_pipe_gives_every_frame_and_looking_at_the_first_loses_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with standard_input(monkeypatch) as writer:

        def write() -> None:
            with writer:
                writer.write(encoded())

        thread = threading.Thread(target=write)
        thread.start()
        frames = open_frames("-")
        assert next(iter(frames)).index == 0
        read = list(frames)
        thread.join()
    assert [frame.index for frame in read] == list(range(COUNT))
    assert [float(frame.time) for frame in read] == pytest.approx([index / RATE for index in range(COUNT)])


def test_a_pipe_that_stalls_or_brings_nothing_is_a_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    monkeypatch.setattr(streams, "SILENT_PIPE_SECONDS", 0.5)
    with standard_input(monkeypatch) as writer:
        writer.write(encoded())
        writer.flush()
        read: list[Frame] = []
        with pytest.raises(DataError, match=r"standard input: brought nothing for 0\.5 s"):
            read_into(read, open_frames("-"))
    with standard_input(monkeypatch) as writer:
        writer.close()
        with pytest.raises(DataError, match="standard input: cannot be opened"):
            open_frames("-")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    with pytest.raises(InputError, match="standard input is a terminal"):
        open_frames("-")


def test_names_of_streams_are_no_paths() -> None:
    assert [absolute(name) for name in ("-", "rtsp://camera/1")] == ["-", "rtsp://camera/1"]
