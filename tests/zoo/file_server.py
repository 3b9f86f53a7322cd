"""A web server on this machine that serves one file, and can break transfers as real ones do."""

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch


def checkpoint(seed: int, numbers: int = 750_000) -> bytes:
    """Return a checkpoint file with some random numbers, 3 MB by default."""
    file = io.BytesIO()
    torch.save({"weight": torch.rand(numbers, generator=torch.Generator().manual_seed(seed))}, file)
    return file.getvalue()


@dataclass
class FileServer:
    """What is served, how it misbehaves, and what was asked of it."""

    content: bytes
    break_after: int | None = None
    """Close the connection after this many bytes of a body."""
    breaks: int = 10**9
    """How many transfers are broken in this way."""
    stall_after: int | None = None
    """Stop sending after this many bytes of a body, and keep the connection open until `released`."""
    released: threading.Event = field(default_factory=threading.Event)
    pause: float = 0.0
    """Seconds after every 64 KB of a body."""
    honours_ranges: bool = True
    hub_sha256: str = ""
    """Published in the header that model hubs use."""
    url: str = ""
    ranges: list[str] = field(default_factory=list)
    """The `Range` headers of the requests that had one."""


class Server(ThreadingHTTPServer):
    """Serves a file as its state says."""

    def __init__(self, state: FileServer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.state = state


class Handler(BaseHTTPRequestHandler):
    """Answers with the file of its server's state."""

    @property
    def state(self) -> FileServer:
        assert isinstance(self.server, Server)
        return self.server.state

    def do_HEAD(self) -> None:
        self._headers(200, len(self.state.content))

    def do_GET(self) -> None:
        if self.path != "/model.pth":
            self.send_error(404)
            return
        asked = self.headers.get("Range")
        start = 0
        if asked:
            self.state.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").split("-")[0]) if self.state.honours_ranges else 0
        body = self.state.content[start:]
        partial = bool(asked) and self.state.honours_ranges
        self._headers(206 if partial else 200, len(body), start if partial else None)
        if (
            self.state.break_after is not None
            and self.state.breaks > 0
            and len(body) > self.state.break_after
        ):
            self.state.breaks -= 1
            body = body[: self.state.break_after]
            self.close_connection = True
        try:
            if self.state.stall_after is not None and not self.state.released.is_set():
                self.wfile.write(body[: self.state.stall_after])
                self.state.released.wait(60)
                body = body[self.state.stall_after :]
            for begin in range(0, len(body), 1 << 16):
                self.wfile.write(body[begin : begin + (1 << 16)])
                time.sleep(self.state.pause)
        except ConnectionError:
            self.close_connection = True

    def _headers(self, status: int, length: int, start: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("ETag", '"one"')
        if self.state.hub_sha256:
            self.send_header("X-Linked-Etag", f'"{self.state.hub_sha256}"')
        if start is not None:
            self.send_header(
                "Content-Range", f"bytes {start}-{len(self.state.content) - 1}/{len(self.state.content)}"
            )
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(state: FileServer) -> Iterator[FileServer]:
    """Serve a file until the end of the block, at `state.url`."""

    server = Server(state)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/model.pth"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
