"""Commands in odd surroundings: they work, or say in a line what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hostile.environments import SURROUNDINGS, run_in
from hqtrack.cli import startup
from hqtrack.errors import message_of, missing_library

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path("/dev/full").exists() or not shutil.which("bash"), reason="needs Linux's shell"
    ),
]

LISTING = ("cards", "--settings")


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_a_listing_is_printed_or_the_reason_in_a_line(tmp_path: Path, name: str) -> None:
    code, said = run_in(name, LISTING, tmp_path)
    assert "Traceback" not in said, said
    if name in ("output into a full disk", "a reader that goes"):
        assert code in (0, 1)
    elif "memory" in name or "files" in name:
        assert code in (0, 1)
        assert code == 0 or said.count("\n") == 1 or "memory" in said, said
    else:
        assert code == 0, said


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize(
    "command",
    [
        ("--help",),
        ("cards",),
        ("cards", "hqtrack"),
        ("weights", "list"),
        ("experiments",),
        ("track", "--help"),
    ],
)
def test_every_listing_is_printed_in_any_encoding(
    tmp_path: Path, encoding: str, command: tuple[str, ...]
) -> None:
    code, said = run_in(encoding, command, tmp_path)
    assert (code, "Traceback" in said) == (0, False), said


@pytest.mark.parametrize("name", ["all streams closed", "caches that cannot be written"])
def test_a_video_is_tracked_all_the_same(
    tmp_path: Path,
    clip: Path,
    mask: Path,
    name: str,
) -> None:
    out = tmp_path / "out"
    options = ("--no-overlay", "--csv", "--trajectories", "--max-long-edge", "64", "--end", "3")
    code, said = run_in(name, ("track", str(clip), "--mask", str(mask), "-o", str(out), *options), tmp_path)
    assert code == 0, said
    lines = (out / "boxes.csv").read_text().splitlines()
    assert len(lines) == 4
    assert all(line.count(",") == lines[0].count(",") for line in lines), "a stream wrote into an output"


@pytest.mark.parametrize("blocks", [1, 3])
def test_a_disk_that_is_full_in_the_end_costs_no_frame(
    tmp_path: Path,
    clip: Path,
    mask: Path,
    blocks: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(SURROUNDINGS, "small files", f"(ulimit -f {blocks}; {{}})")
    out = tmp_path / "out"
    options = ("--no-overlay", "--rle", "--csv", "--labels", "--max-long-edge", "64")
    code, said = run_in(
        "small files", ("track", str(clip), "--mask", str(mask), "-o", str(out), *options), tmp_path
    )
    assert "Traceback" not in said
    assert not list(out.rglob("*.part"))
    if code:
        assert code == 1
        assert "too large" in said
        code, said = run_in("no terminal", ("track", str(clip), "-o", str(out), "--resume"), tmp_path)
    assert code == 0, said
    assert len((out / "boxes.csv").read_text().splitlines()) == 7


def test_frames_that_are_far_apart_are_shown_and_need_no_resuming(
    tmp_path: Path,
    clip: Path,
    mask: Path,
) -> None:
    out = tmp_path / "out"
    options = ("--fps", "0.0001", "--max-long-edge", "64")
    code, said = run_in(
        "no terminal", ("track", str(clip), "--mask", str(mask), "-o", str(out), *options), tmp_path
    )
    assert code == 0, said
    assert (out / "overlay.mp4").stat().st_size > 0


def test_caches_that_cannot_be_written_are_replaced_for_this_run_alone(tmp_path: Path) -> None:
    script = """if True:
        import os, sys
        from hqtrack.cli import startup
        startup._can_write = lambda folder: False
        startup.prepare_caches(os.environ)
        print(os.environ["NUMBA_CACHE_DIR"])
        assert os.path.isdir(os.environ["NUMBA_CACHE_DIR"])
        assert os.stat(os.environ["NUMBA_CACHE_DIR"]).st_mode & 0o77 == 0
    """
    own = {name: text for name, text in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR")}
    done = subprocess.run([sys.executable, "-c", script], env=own, capture_output=True, text=True, check=True)
    assert not Path(done.stdout.strip()).exists()
    chosen = {"NUMBA_CACHE_DIR": str(tmp_path), "MPLCONFIGDIR": str(tmp_path)}
    startup.prepare_caches(chosen)
    assert set(chosen.values()) == {str(tmp_path)}


def test_libraries_that_the_system_lacks_are_named_with_the_remedy() -> None:
    text = "libGL.so.1: cannot open shared object file: No such file or directory"
    line = message_of(ImportError(text))
    assert line is not None
    assert "libGL.so.1" in line
    assert "libgl1" in line
    assert "\n" not in line
    assert missing_library("No module named 'x'") is None
