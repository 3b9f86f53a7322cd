import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import filelock
import gdown
import numpy as np
import pytest

from hqtrack import WeightsError
from hqtrack.config import Weights
from hqtrack.zoo import cache_folder, check_sha256, downloads, find_weights, pull
from zoo.file_server import FileServer, serving

CONTENT = np.random.default_rng(7).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HQTRACK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(FileServer(CONTENT)) as state:
        yield state


def weights_at(server: FileServer, sha256: str | None = None) -> Weights:
    return Weights(
        name="some",
        file="model.pth",
        origin="published",
        url=server.url,
        page="https://a.page",
        sha256=sha256,
    )


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_a_download_lands_in_the_cache_and_is_found_there(server: FileServer, cache: Path) -> None:
    received = []
    path = pull(weights_at(server), progress=lambda done, total: received.append((done, total)))
    assert path == cache_folder() / "model.pth" == cache / "model.pth"
    assert path.read_bytes() == CONTENT
    assert find_weights(weights_at(server)) == path
    assert received[-1] == (len(CONTENT), len(CONTENT))
    assert names_in(cache) == {"model.pth", "model.pth.sha256"}


def test_weights_that_are_here_are_not_downloaded_again(server: FileServer, cache: Path) -> None:
    cache.mkdir()
    (cache / "model.pth").write_bytes(b"mine")
    assert pull(weights_at(server)).read_bytes() == b"mine"
    assert pull(weights_at(server), force=True).read_bytes() == CONTENT


def test_a_broken_connection_is_taken_up_where_it_stopped(server: FileServer) -> None:
    server.break_after, server.breaks = 1 << 20, 2
    assert pull(weights_at(server)).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1048576-", "bytes=2097152-"]


def test_a_download_given_up_goes_on_with_the_next_command(
    server: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "RETRIES", 0)
    server.break_after, server.breaks = 1 << 20, 1
    with pytest.raises(WeightsError, match="goes on where it stopped"):
        pull(weights_at(server))
    assert not (cache / "model.pth").exists()
    (part,) = cache.glob("*.part")
    assert part.stat().st_size == 1 << 20

    assert pull(weights_at(server, SHA256)).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1048576-"]
    assert names_in(cache) == {"model.pth", "model.pth.sha256"}


def test_a_killed_download_leaves_no_half_file_and_goes_on(server: FileServer, cache: Path) -> None:
    server.stall_after = 1 << 20
    code = (
        "from hqtrack.config import Weights; from hqtrack.zoo import pull; "
        f"pull(Weights(file='model.pth', origin='published', url='{server.url}'))"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        deadline = time.monotonic() + 60
        while sum(part.stat().st_size for part in cache.glob("*.part")) < 1 << 20:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    server.released.set()
    assert not (cache / "model.pth").exists()

    assert pull(weights_at(server, SHA256)).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1048576-"]


def test_a_server_without_ranges_needs_force_to_start_anew(
    server: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "RETRIES", 0)
    server.break_after, server.breaks, server.honours_ranges = 1 << 20, 1, False
    for _ in range(2):
        with pytest.raises(WeightsError, match="with --force it starts anew"):
            pull(weights_at(server))
    assert pull(weights_at(server), force=True).read_bytes() == CONTENT


def test_a_file_with_a_wrong_hash_is_refused_and_deleted(server: FileServer, cache: Path) -> None:
    with pytest.raises(WeightsError, match=f"its SHA-256 is {SHA256}, not {'0' * 64}"):
        pull(weights_at(server, "0" * 64))
    assert names_in(cache) == set()


def test_the_hash_that_a_hub_publishes_is_checked(server: FileServer, cache: Path) -> None:
    server.hub_sha256 = "1" * 64
    with pytest.raises(WeightsError, match="1" * 64):
        pull(weights_at(server))
    assert names_in(cache) == set()
    server.hub_sha256 = SHA256
    assert pull(weights_at(server)).read_bytes() == CONTENT


def test_the_hash_recorded_at_the_first_download_reveals_later_damage(server: FileServer) -> None:
    path = pull(weights_at(server))
    assert path.with_name("model.pth.sha256").read_text() == f"{SHA256}  model.pth\n"
    assert "good" in check_sha256(weights_at(server), path)
    path.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(WeightsError, match="hqtrack weights pull some --force"):
        check_sha256(weights_at(server), path)


def test_a_file_that_was_replaced_after_the_first_download_is_refused(server: FileServer) -> None:
    path = pull(weights_at(server))
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(WeightsError, match=r"recorded, delete .*model\.pth\.sha256"):
        pull(weights_at(server), force=True)
    assert path.read_bytes() == CONTENT
    path.with_name("model.pth.sha256").unlink()
    assert pull(weights_at(server), force=True).read_bytes() == server.content


def test_a_missing_page_leaves_nothing_behind(server: FileServer, cache: Path) -> None:
    gone = replace(weights_at(server), url=server.url.replace("model.pth", "other.pth"))
    with pytest.raises(WeightsError, match="404"):
        pull(gone)
    assert names_in(cache) == set()


def test_no_server_at_all_is_said(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "RETRIES", 0)
    with serving(FileServer(CONTENT)) as state:
        weights = weights_at(state)
    with pytest.raises(WeightsError, match="the download of some from"):
        pull(weights)


def test_two_processes_do_not_write_one_file(server: FileServer, cache: Path) -> None:
    cache.mkdir()
    with filelock.FileLock(cache / "model.pth.lock"), pytest.raises(WeightsError, match="another process"):
        pull(weights_at(server))


def test_a_folder_that_cannot_be_made_is_said(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match="choose another folder with --to"):
        pull(weights_at(server), folder=tmp_path / "file" / "below")


def test_weights_that_nobody_published_cannot_be_pulled() -> None:
    with pytest.raises(WeightsError, match="train them"):
        pull(Weights(file="a.pth", origin="to-be-trained"))


class TestSharedDriveFolder:
    """The listing is faked: a shared drive cannot be had without a network."""

    FOLDER = "https://drive.google.com/drive/folders/1234567890123456789012345"

    def test_the_file_is_found_by_its_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        listing = [
            SimpleNamespace(path="ckpt/other.pth", id="A"),
            SimpleNamespace(path="ckpt/model.pth", id="B"),
        ]
        monkeypatch.setattr(gdown, "download_folder", lambda **_: listing)
        weights = Weights(file="model.pth", origin="published", url=self.FOLDER)
        assert gdown.parse_url.parse_url(downloads._file_url(weights)) == ("B", False)

    def test_a_folder_without_the_file_says_what_it_holds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        listing = [SimpleNamespace(path="other.pth", id="A")]
        monkeypatch.setattr(gdown, "download_folder", lambda **_: listing)
        with pytest.raises(WeightsError, match=r"holds no model.pth, but other.pth"):
            pull(Weights(file="model.pth", origin="published", url=self.FOLDER))
