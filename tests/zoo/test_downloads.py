import hashlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import filelock
import gdown
import pytest
import requests

from hqtrack import InputError, WeightsError
from hqtrack.cards import Weights
from hqtrack.zoo import add, cache_folder, checked_weights, downloads, find_weights, pull, verify
from zoo.file_server import FileServer, checkpoint, serving

CONTENT = checkpoint(seed=7)
OTHER = checkpoint(seed=8)
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
    (cache / "model.pth").write_bytes(OTHER)
    assert pull(weights_at(server)).read_bytes() == OTHER
    assert pull(weights_at(server), force=True).read_bytes() == CONTENT


def test_a_broken_connection_is_taken_up_where_it_stopped(server: FileServer) -> None:
    server.break_after, server.breaks = 1 << 20, 3  # the second is of the request that asks for the size
    assert pull(weights_at(server)).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1048576-", "bytes=2097152-"]


def test_a_download_given_up_goes_on_with_the_next_command(
    server: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "ATTEMPTS", 1)
    server.break_after, server.breaks = 1 << 20, 1
    with pytest.raises(WeightsError, match="resumes where it stopped"):
        pull(weights_at(server))
    assert not (cache / "model.pth").exists()
    (part,) = cache.glob("*.part")
    assert part.stat().st_size == 1 << 20

    assert pull(weights_at(server, SHA256)).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1048576-"]
    assert names_in(cache) == {"model.pth", "model.pth.sha256"}


@pytest.mark.slow
def test_a_killed_download_leaves_no_half_file_and_goes_on(server: FileServer, cache: Path) -> None:
    server.stall_after = 1 << 20
    code = (
        "from hqtrack.cards import Weights; from hqtrack.zoo import pull; "
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


def test_a_server_that_cannot_go_on_is_asked_anew(
    server: FileServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.break_after, server.breaks, server.honours_ranges = 1 << 20, 1, False
    assert pull(weights_at(server)).read_bytes() == CONTENT
    assert len(server.ranges) == 1
    assert "attempt 3 of 5" in caplog.text


def test_a_server_that_cannot_go_on_is_asked_anew_by_the_next_command(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "ATTEMPTS", 1)
    server.break_after, server.breaks, server.honours_ranges = 1 << 20, 1, False
    for _ in range(2):
        with pytest.raises(WeightsError, match="with --force") as caught:
            pull(weights_at(server))
        assert "--continue" not in str(caught.value)
    assert pull(weights_at(server)).read_bytes() == CONTENT


def test_a_server_that_falls_silent_is_said_and_asked_again(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(downloads, "TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(downloads, "ATTEMPTS", 2)
    server.stall_after = 1 << 20
    try:
        with pytest.raises(WeightsError, match="timed out"):
            pull(weights_at(server))
    finally:
        server.released.set()
    assert "timed out" in caplog.text
    assert "attempt 2 of 2" in caplog.text


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("127.0.0.1:40731: Read timed out", True),
        ("403 Client Error", False),
        ("Tunnel connection failed: 407 Proxy", False),
    ],
)
def test_only_a_refusal_is_not_asked_again_and_no_number_that_holds_one(text: str, again: bool) -> None:
    assert downloads._may_pass(requests.ConnectionError(text)) == again


@pytest.mark.parametrize(
    "body",
    [b"", b"<!DOCTYPE html><html>quota exceeded</html>", CONTENT[:-1000]],
    ids=["empty", "page", "cut"],
)
def test_what_is_no_checkpoint_does_not_become_weights(server: FileServer, cache: Path, body: bytes) -> None:
    server.content = body
    with pytest.raises(WeightsError, match="no checkpoint"):
        pull(weights_at(server))
    assert names_in(cache) == set()


def test_another_cards_file_of_the_same_name_is_not_taken(server: FileServer, tmp_path: Path) -> None:
    pull(weights_at(server))
    with pytest.raises(WeightsError, match="its SHA-256 is"):
        pull(weights_at(server, hashlib.sha256(OTHER).hexdigest()))
    other = replace(weights_at(server), url=server.url + "?version=2")
    for use in (pull, checked_weights):
        with pytest.raises(WeightsError, match="another card has a file of that name"):
            use(other)
    assert checked_weights(weights_at(server)).read_bytes() == CONTENT


def test_damage_is_noticed_when_weights_are_used(server: FileServer) -> None:
    path = pull(weights_at(server))
    checked_weights(weights_at(server))
    path.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(WeightsError, match="is damaged"):
        checked_weights(weights_at(server))


def test_a_file_is_read_once_for_its_hash(
    server: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pull(weights_at(server))
    checked_weights(weights_at(server))
    monkeypatch.setattr("hqtrack.zoo.weights.sha256_of", lambda _: pytest.fail("read again"))
    assert checked_weights(weights_at(server)) == path
    (cache / "checked.json").write_text("[")  # a damaged table is as good as none
    monkeypatch.undo()
    monkeypatch.setenv("HQTRACK_CACHE", str(cache))
    assert checked_weights(weights_at(server)) == path


def test_a_file_put_in_place_by_hand_is_recorded_only_if_it_is_a_checkpoint(
    server: FileServer, cache: Path
) -> None:
    cache.mkdir()
    path = cache / "model.pth"
    path.write_bytes(b"<html>")
    with pytest.raises(WeightsError, match="checkpoint"):
        verify(weights_at(server), path)
    path.write_bytes(CONTENT)
    assert "recorded" in verify(weights_at(server), path)
    assert "good" in verify(weights_at(server), path)


def test_a_card_of_ones_own_is_named_in_the_advice(server: FileServer) -> None:
    with pytest.raises(WeightsError, match=r"hqtrack weights pull CARD\.toml") as caught:
        find_weights(replace(weights_at(server), page=None))
    assert "None" not in str(caught.value)


def test_a_card_cannot_choose_where_a_download_is_written(
    server: FileServer, cache: Path, tmp_path: Path
) -> None:
    foreign = tmp_path / "own" / "model.pth"
    own = replace(weights_at(server), file=str(foreign))
    assert pull(own) == find_weights(own) == cache / "model.pth"
    assert not foreign.exists()


def test_a_forced_download_leaves_a_file_alone_that_a_card_names_by_its_path(
    server: FileServer, cache: Path, tmp_path: Path
) -> None:
    foreign = tmp_path / ".profile"
    foreign.write_text("mine")
    own = replace(weights_at(server), file=str(foreign))
    assert pull(own, force=True) == cache / ".profile"
    assert foreign.read_text() == "mine"


def test_a_file_that_came_by_another_way_is_checked_and_stored(
    server: FileServer, cache: Path, tmp_path: Path
) -> None:
    weights = weights_at(server, hashlib.sha256(server.content).hexdigest())
    file = tmp_path / "download (1).pth"
    file.write_bytes(server.content)
    assert add(weights, file) == add(weights, file) == find_weights(weights) == cache / "model.pth"
    assert file.exists()


def test_a_wrong_file_that_came_by_another_way_is_refused(
    server: FileServer, cache: Path, tmp_path: Path
) -> None:
    file = tmp_path / "model.pth"
    file.write_bytes(b"<html>")
    for sha256 in (None, hashlib.sha256(server.content).hexdigest()):
        with pytest.raises(WeightsError, match=re.escape(str(file))):
            add(weights_at(server, sha256), file)
    with pytest.raises(WeightsError, match="no weight file at"):
        add(weights_at(server), tmp_path / "missing.pth")
    assert not (cache / "model.pth").exists()


def test_another_file_in_the_cache_is_replaced_only_when_forced(
    server: FileServer, cache: Path, tmp_path: Path
) -> None:
    weights, file = weights_at(server), tmp_path / "model.pth"
    file.write_bytes(server.content)
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "model.pth").write_bytes(b"another")
    with pytest.raises(WeightsError, match="--force"):
        add(weights, file)
    assert add(weights, file, force=True).read_bytes() == server.content


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.ProxyError("Tunnel connection failed: 407 Proxy Authentication Required"),
        gdown.exceptions.DownloadError("403 Client Error: Forbidden for url"),
        gdown.exceptions.DownloadError("Quota exceeded: too many users have viewed or downloaded this file"),
    ],
)
def test_what_is_refused_for_good_is_asked_for_once(
    error: Exception, cache: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def refuse(**_: object) -> None:
        calls.append(1)
        raise error

    monkeypatch.setattr(gdown, "download", refuse)
    with pytest.raises(WeightsError) as caught:
        pull(weights_at(server))
    assert len(calls) == 1
    assert len(str(caught.value)) < 700


def test_an_error_of_a_transfer_is_one_short_line() -> None:
    nested = requests.exceptions.ConnectionError(
        "HTTPSConnectionPool(host='example.org', port=443): Max retries exceeded with url: /file "
        "(Caused by NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x7f>: Failed to "
        "establish a new connection: [Errno 111] Connection refused'))"
    )
    assert downloads._reason(nested) == "[Errno 111] Connection refused"
    assert len(downloads._reason(requests.RequestException("x" * 1000))) <= downloads.LONGEST_REASON + 1


def test_a_folder_of_a_user_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HQTRACK_CACHE", "~nosuchuser/x")
    with pytest.raises(InputError, match="HQTRACK_CACHE = ~nosuchuser/x"):
        cache_folder()


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


def test_the_hash_recorded_at_the_first_download_reveals_later_damage(
    server: FileServer, caplog: pytest.LogCaptureFixture
) -> None:
    path = pull(weights_at(server))
    assert "some: no SHA-256 of it is known" in caplog.text
    assert path.with_name("model.pth.sha256").read_text() == f"{SHA256}  model.pth\n# {server.url}\n"
    assert "good" in verify(weights_at(server), path)
    path.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(WeightsError, match=r"hqtrack weights pull CARD\.toml --force"):
        verify(weights_at(server), path)


def test_a_file_that_was_replaced_after_the_first_download_is_refused(server: FileServer) -> None:
    path = pull(weights_at(server))
    server.content = OTHER
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
    monkeypatch.setattr(downloads, "ATTEMPTS", 1)
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
