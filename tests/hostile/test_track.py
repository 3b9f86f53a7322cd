"""`hqtrack track` where something is in its way: nothing is lost, and nothing wrong ends with code 0."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from hostile.corruptions import corrupted
from hostile.media import write_video
from hostile.small_clip import FRAMES, hqtrack, outputs
from hqtrack import HQTrack
from hqtrack.video.folder import STATE_FOLDER, OutputFolder
from hqtrack.video.job import Job
from hqtrack.video.prompts import read_prompts
from hqtrack.video.run import VideoRun

pytestmark = pytest.mark.slow

DONE = 3
QUICK = ("--no-overlay", "--max-long-edge", "64")


@pytest.fixture(scope="module")
def tracker() -> HQTrack:
    return HQTrack.from_card("hqtrack-light", max_long_edge=64)


@pytest.fixture
def stopped(clip: Path, mask: Path, tmp_path: Path, tracker: HQTrack) -> Path:
    """A run that was stopped after half of the frames."""
    out = tmp_path / "stopped"
    prompts = tuple(read_prompts(masks=[mask], start=0, size=(48, 64)))
    job = Job(str(clip), prompts=prompts, outputs=("csv", "labels"), max_long_edge=64)
    asked = count(1)
    run = VideoRun(job, out, tracker=tracker)
    assert run.track(stop=lambda: next(asked) == DONE).unfinished
    assert len(list((out / "labels").iterdir())) == DONE
    return out


def test_a_second_run_into_the_same_folder_is_refused(clip: Path, mask: Path, stopped: Path) -> None:
    before = outputs(stopped)
    with OutputFolder(stopped).claimed():
        for more in (("--resume",), ("--mask", mask, "--csv", "--force", *QUICK)):
            result = hqtrack("track", clip, "-o", stopped, *more)
            assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
            assert "another run is writing there" in result.stderr
    assert outputs(stopped) == before


def test_an_input_that_became_shorter_is_not_gone_on_with(clip: Path, stopped: Path) -> None:
    before = outputs(stopped)
    for file in sorted(clip.iterdir())[DONE - 1 :]:
        file.unlink()
    result = hqtrack("track", clip, "-o", stopped, "--resume")
    assert result.exit_code == 1
    assert f"has only {DONE - 1} frames, but {DONE} were tracked before" in result.stderr
    assert "to resume" not in result.stderr
    assert outputs(stopped) == before


def test_another_input_is_not_gone_on_with(clip: Path, stopped: Path) -> None:
    (clip / "001.png").rename(clip / "0001-other.png")
    before = outputs(stopped)
    result = hqtrack("track", clip, "-o", stopped, "--resume")
    assert result.exit_code == 1
    assert "the source has changed" in result.stderr
    assert "to resume" not in result.stderr
    assert outputs(stopped) == before


@pytest.mark.parametrize("seed", range(7))
def test_a_damaged_record_goes_on_before_the_damage(clip: Path, stopped: Path, seed: int) -> None:
    record = stopped / "unfinished.jsonl"
    record.write_bytes(corrupted(record.read_bytes(), seed))
    result = hqtrack("track", clip, "-o", stopped, "--resume")
    assert result.exit_code == 0, result.stderr
    assert len(list((stopped / "labels").iterdir())) == FRAMES
    assert not record.exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"start": null', b'"start": []'),
        (b'"start": null', b'"start": 0.5'),
        (b'"source": "', b'"source": ["'),
        (b'"stride": 1', b'"stride": null'),
        (b'"card": "', b'"card": 3, "x": "'),
        (b'"box": null', b'"box": [NaN, 1, 2, 3]'),
        (b'"frame": 0', b'"frame": -1'),
        (b'"version": 2', b'"version": []'),
        (b"{", b"[" * 100_000),
        (b'"csv"', b'"\xff"'),
    ],
)
def test_settings_that_were_tampered_with_are_refused(
    clip: Path, stopped: Path, old: bytes, new: bytes
) -> None:
    settings = stopped / "unfinished.json"
    content = settings.read_bytes()
    assert old in content
    settings.write_bytes(content.replace(old, new, 1))
    before = outputs(stopped)
    result = hqtrack("track", clip, "-o", stopped, "--resume")
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("hqtrack: ")
    assert outputs(stopped) == before


def test_force_removes_what_was_written_and_nothing_else(clip: Path, mask: Path, stopped: Path) -> None:
    (stopped / "labels" / "mine.png").write_bytes(b"precious")
    (stopped / "notes.txt").write_bytes(b"precious")
    result = hqtrack("track", clip, "-o", stopped, "--mask", mask, "--labels", "--end", 1, "--force", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert outputs(stopped).keys() == {"labels/000.png", "labels/mine.png", "notes.txt", "boxes.csv"}
    assert (stopped / "labels" / "mine.png").read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["boxes.csv", "labels/001.png"])
def test_force_replaces_nothing_that_it_did_not_write(
    clip: Path, mask: Path, tmp_path: Path, name: str
) -> None:
    theirs = tmp_path / "out" / name
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"precious")
    command = ("track", clip, "-o", tmp_path / "out")
    for more in (("--mask", mask, "--labels", "--csv", "--force", *QUICK), ("--resume",)):
        result = hqtrack(*command, *more)
        assert result.exit_code == 2
        assert f"{name}: is not known to be hqtrack's" in result.stderr or "no unfinished" in result.stderr
        assert theirs.read_bytes() == b"precious"


@pytest.mark.parametrize("what", ["frames", "mask", "object"])
def test_an_input_among_the_outputs_is_never_overwritten(
    mask: Path, stopped: Path, what: str, clip: Path
) -> None:
    before = outputs(stopped)
    label = stopped / "labels" / "000.png"
    source: object = stopped / "labels" / "*.png" if what == "frames" else clip
    given = {
        "frames": ("--mask", mask),
        "mask": ("--mask", label),
        "object": ("--object", f"frame=1,mask={label}"),
    }[what]
    result = hqtrack("track", source, "-o", stopped, *given, "--labels", "--force", *QUICK)
    assert result.exit_code == 2
    assert "would be overwritten by an output" in result.stderr
    assert outputs(stopped) == before


def test_a_folder_in_the_place_of_an_output_is_noticed_at_once(
    clip: Path, mask: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "boxes.csv").mkdir(parents=True)
    result = hqtrack("track", clip, "-o", out, "--mask", mask, "--csv", "--force", *QUICK)
    assert result.exit_code == 2
    assert "boxes.csv: is a folder" in result.stderr


def test_a_folder_may_have_a_colon_in_its_name(
    clip: Path, mask: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(clip, "take:1")
    result = hqtrack("track", "take:1", "-o", "run:1", "--mask", mask, "--end", 1, "--max-long-edge", 64)
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "run:1" / "overlay.mp4").stat().st_size > 0


def test_hidden_files_of_other_systems_are_no_frames(clip: Path, mask: Path, tmp_path: Path) -> None:
    (clip / "._000.png").write_bytes(b"\0\5\26\7")
    result = hqtrack("track", clip, "-o", tmp_path / "out", "--mask", mask, "--csv", "--end", 2, *QUICK)
    assert result.exit_code == 0, result.stderr


def test_half_a_video_is_tracked_and_the_rest_is_missed(mask: Path, tmp_path: Path) -> None:
    video, out = write_video(tmp_path / "clip.mp4", 30, size=(48, 64)), tmp_path / "out"
    whole = video.read_bytes()
    video.write_bytes(whole[: len(whole) // 2])
    result = hqtrack("track", video, "-o", out, "--mask", mask, "--csv", *QUICK)
    assert result.exit_code == 1
    assert "of about 30 frames could be read" in result.stderr or "cannot be decoded" in result.stderr
    done = (out / "unfinished.jsonl").read_bytes().count(b"\n")
    assert 5 < done < 25
    assert len((out / "boxes.csv").read_text().splitlines()) == 1 + done
    video.write_bytes(whole)
    assert hqtrack("track", video, "-o", out, "--resume").exit_code == 0
    assert len((out / "boxes.csv").read_text().splitlines()) == 31


KINDS = ("labels", "rle", "trajectories", "csv")


@pytest.mark.parametrize("make", [Path.symlink_to, Path.hardlink_to])
def test_no_foreign_file_is_written_through_a_link(
    clip: Path, mask: Path, tmp_path: Path, make: Callable[[Path, Path], None]
) -> None:
    out, precious = tmp_path / "out", tmp_path / "precious"
    (out / "labels").mkdir(parents=True)
    (out / "trajectories").mkdir()
    precious.write_text("precious")
    names = ("overlay.mp4", "masks.json", "masks.annotations", "boxes.csv", "unfinished.json")
    names += ("labels/image.png", "trajectories/001.txt", f"{STATE_FOLDER}/written")
    (out / STATE_FOLDER).mkdir()
    for name in names:
        make(out / f"{name}.part", precious)
    make(out / "unfinished.jsonl", precious)
    options = [f"--{kind}" for kind in KINDS]
    result = hqtrack("track", clip, "-o", out, "--mask", mask, *options, "--max-long-edge", 64)
    assert result.exit_code == 0, result.output
    assert precious.read_text() == "precious"
    assert not list(out.rglob("*.part"))
    make(tmp_path / "list", precious)
    (out / STATE_FOLDER / "written").unlink()
    (tmp_path / "list").rename(out / STATE_FOLDER / "written")
    result = hqtrack("track", clip, "-o", out, "--mask", mask, "--force", *QUICK, "--csv")
    assert result.exit_code == 2
    assert f"{STATE_FOLDER}/written: is a link or no plain file" in result.stderr
    assert precious.read_text() == "precious"


def test_a_folder_of_outputs_that_is_a_link_is_refused(clip: Path, mask: Path, tmp_path: Path) -> None:
    out, foreign = tmp_path / "out", tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "000.png").write_text("precious")
    out.mkdir()
    (out / "labels").symlink_to(foreign)
    for force in ([], ["--force"]):
        result = hqtrack("track", clip, "-o", out, "--mask", mask, "--labels", *QUICK, *force)
        assert result.exit_code == 2
    assert "labels: is a link to another folder" in result.stderr
    assert [path.read_text() for path in foreign.iterdir()] == ["precious"]


def test_a_pipe_in_the_place_of_a_part_hangs_nothing(clip: Path, mask: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    os.mkfifo(out / "boxes.csv.part")
    result = hqtrack("track", clip, "-o", out, "--mask", mask, "--csv", *QUICK)
    assert result.exit_code == 0, result.output
    assert set(outputs(out)) == {"boxes.csv"}
