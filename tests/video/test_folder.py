"""Who may write into a folder of outputs, and what may be removed from it."""

import subprocess
import sys
from pathlib import Path

import pytest

from hqtrack import InputError
from hqtrack.video.folder import STATE_FOLDER, OutputFolder


def test_a_second_run_is_kept_out_until_the_first_ends(tmp_path: Path) -> None:
    out = tmp_path / "out"
    OutputFolder(out).check_free()
    assert not out.exists()
    with OutputFolder(out).claimed():
        with pytest.raises(InputError, match="another run is writing there"), OutputFolder(out).claimed():
            pass
        with pytest.raises(InputError, match="another run is writing there"):
            OutputFolder(out).check_free()
    OutputFolder(out).check_free()


def test_a_killed_run_keeps_nobody_out(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from hqtrack.video.folder import OutputFolder
with OutputFolder(Path({str(tmp_path)!r})).claimed():
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    OutputFolder(tmp_path).check_free()


def test_only_what_was_written_is_removed(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path)
    (tmp_path / "labels").mkdir()
    with folder.claimed():
        for name in ("labels/a.png", "labels/b\n.png", "boxes.csv", "labels/gone.png"):
            folder.note(tmp_path / name)
    for name in ("labels/a.png", "labels/b\n.png", "labels/foreign.png", "boxes.csv"):
        (tmp_path / name).touch()
    folder.remove_written({"labels"})
    assert [path.name for path in (tmp_path / "labels").iterdir()] == ["foreign.png"]
    assert (tmp_path / "boxes.csv").exists()
    folder.remove_written({"boxes.csv"})
    assert not (tmp_path / "boxes.csv").exists()


def test_what_nobody_wrote_is_not_replaced(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path)
    (tmp_path / "labels").mkdir()
    with folder.claimed():
        folder.note(tmp_path / "labels" / "ours.png")
    for name in ("labels/ours.png", "labels/theirs.png", "overlay.mp4"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"overlay\.mp4: is not known to be hqtrack's.*move it away"):
        folder.protect({"labels", "overlay.mp4"})
    folder.protect({"labels"})
    folder.note(tmp_path / "labels" / "ours.png")
    with pytest.raises(InputError, match=r"theirs\.png: is not known"):
        folder.note(tmp_path / "labels" / "theirs.png")


def test_a_list_that_was_tampered_with_removes_nothing_elsewhere(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "out")
    with folder.claimed():
        pass
    precious = tmp_path / "precious.png"
    precious.touch()
    lines = [
        b'"labels/../../precious.png"',
        f'"{precious}"'.encode(),
        b"\xff\x00",
        b"[1]",
        b'""',
        b"{",
        b"9" * 5000,
    ]
    (tmp_path / "out" / STATE_FOLDER / "written").write_bytes(b"\n".join(lines))
    folder.remove_written({"labels", "/", ".."})
    assert precious.exists()
