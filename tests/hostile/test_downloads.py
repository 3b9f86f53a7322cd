"""A server that lies about lengths, ranges and hashes: the right file arrives, or nothing does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostile.strategies import quick
from hqtrack.cards import Weights
from hqtrack.errors import HQTrackError, InputError
from hqtrack.zoo import downloads
from zoo.file_server import checkpoint

pytestmark = pytest.mark.slow

CONTENT = checkpoint(seed=1, numbers=2000)

values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30) | st.integers().map(str)
headers = st.dictionaries(
    st.sampled_from(
        [
            "Content-Length",
            "Content-Range",
            "Content-Type",
            "Content-Encoding",
            "Content-Disposition",
            "ETag",
            "X-Linked-Etag",
            "Last-Modified",
            "Accept-Ranges",
            "Location",
        ]
    ),
    values
    | st.sampled_from(["0", str(len(CONTENT)), "bytes 0-9/10", "gzip", "text/html", "a" * 64, "http://x/"]),
    max_size=3,
)


class Liar(ThreadingHTTPServer):
    """Answers with a status, headers and a part of the file that a test chose."""

    daemon_threads = True
    status = 200
    said: dict[str, str] = {}  # noqa: RUF012
    share = 1.0


class Handler(BaseHTTPRequestHandler):
    server: Liar

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.close_connection = True
        self.send_response(self.server.status)
        for name, value in self.server.said.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(CONTENT[: int(len(CONTENT) * self.server.share)])

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def lying() -> Iterator[Liar]:
    """Serve lies until the end of the block."""
    with Liar(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def liar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Liar]:
    monkeypatch.setenv("HQTRACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(downloads, "ATTEMPTS", 2)
    monkeypatch.setattr(downloads, "TIMEOUT_SECONDS", 1.0)
    with lying() as server:
        yield server


@quick
@given(st.sampled_from([200, 206, 301, 404, 416, 500]), headers, st.sampled_from([1.0, 0.5, 0.0]))
def test_whatever_a_server_says_only_the_whole_file_becomes_weights(
    liar: Liar, tmp_path: Path, status: int, said: dict[str, str], share: float
) -> None:
    liar.status, liar.said, liar.share = status, said, share
    url = f"http://127.0.0.1:{liar.server_port}/model.pth"
    weights = Weights(file="model.pth", origin="published", url=url)
    for left in (tmp_path / "w").glob("*"):
        left.unlink()
    try:
        path = downloads.pull(weights, folder=tmp_path / "w")
    except HQTrackError as error:
        assert url.partition("/model")[0] in str(error) or "model.pth" in str(error)
        assert not (tmp_path / "w" / "model.pth").exists()
    else:
        assert path.read_bytes() == CONTENT


def test_a_link_under_the_name_of_a_part_is_not_written_to(liar: Liar, tmp_path: Path) -> None:
    """The client would append to it."""
    liar.status, liar.said, liar.share = 200, {}, 1.0
    weights = Weights(file="m.pth", origin="published", url=f"http://127.0.0.1:{liar.server_port}/m.pth")
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    for number, name in enumerate(("unchecked-m.pth", "unchecked-m.pthab12.part", "unchecked-m.pth.hub")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / name).symlink_to(precious)
        with pytest.raises(InputError, match="is a link or no plain file"):
            downloads.pull(weights, folder=folder)
    assert precious.read_bytes() == b"precious"
