"""Downloads by the model hub's own client, from a small hub on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hqtrack import WeightsError
from hqtrack.cards import Weights
from hqtrack.zoo import hub, pull
from zoo.file_server import checkpoint

pytest.importorskip("huggingface_hub", reason="needs hqtrack[sam2]")

CONTENT = checkpoint(seed=7, numbers=75_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
REVISION = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = Weights(
    name="some",
    file="some.pth",
    origin="published",
    url=f"https://huggingface.co/somebody/some/resolve/{REVISION}/model.pth",
    page="https://huggingface.co/somebody/some",
    sha256=SHA256,
)


class Hub(BaseHTTPRequestHandler):
    """Answers as the hub does for one file."""

    gated = False

    def do_HEAD(self) -> None:
        self.answer(b"")

    def do_GET(self) -> None:
        self.answer(CONTENT)

    def answer(self, body: bytes) -> None:
        if self.gated:
            self.send_response(401)
            self.send_header("X-Error-Code", "GatedRepo")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path != f"/somebody/some/resolve/{REVISION}/model.pth":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("X-Repo-Commit", REVISION)
        self.send_header("ETag", f'"{SHA256}"')
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the client ask a hub on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(hub, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HQTRACK_CACHE", str(tmp_path / "cache"))
    yield
    server.shutdown()
    server.server_close()


def test_the_hubs_client_fetches_a_revision_into_our_cache(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = pull(WEIGHTS, progress=lambda received, expected: seen.append((received, expected)))
    assert path == tmp_path / "cache" / "some.pth"
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    left = {each.name for each in path.parent.iterdir() if each.suffix != ".lock"}
    assert left == {"some.pth", "some.pth.sha256"}


def test_a_file_behind_a_form_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hub, "gated", True)
    with pytest.raises(WeightsError, match=r"refuses some \(401\).*accept the licence, run `hf auth login`"):
        pull(replace(WEIGHTS, gated=True))


def test_a_file_that_is_not_there_is_a_line() -> None:
    gone = replace(WEIGHTS, url=str(WEIGHTS.url).replace("model.pth", "other.pth"))
    with pytest.raises(WeightsError, match=r"download of some .* failed: .*or by hand: get them from"):
        pull(gone)


def test_no_network_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("Cannot reach the hub.")  # as the client does after some attempts

    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    with pytest.raises(WeightsError, match=r"failed: Cannot reach the hub. The same command resumes"):
        pull(WEIGHTS)
