"""`hqtrack track` as its users meet it, with the light network that comes with the package."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import IO

import av
import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner, Result
from vot.region.io import read_trajectory

from hqtrack.cli import app
from hqtrack.files import create
from hqtrack.masks import iou, masks_of, rle_decode
from hqtrack.video.backlog import Backlog
from hqtrack.video.folder import STATE_FOLDER
from hqtrack.video.sources import open_frames
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers.table import BoxTable

pytestmark = pytest.mark.slow

HEIGHT, WIDTH = 64, 96
ALL = ("--labels", "--rle", "--trajectories", "--csv")


def position(index: int) -> tuple[slice, slice]:
    """Return where the bright square is."""
    return slice(16, 40), slice(10 + index, 34 + index)


def picture(index: int) -> np.ndarray:
    """Return a frame: a bright square moves to the right over dark noise, a green one stays."""
    image = np.random.default_rng(3).integers(0, 50, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    image[44:60, 60:84] = (20, 160, 40)
    image[position(index)] = (230, 180, 40)
    return image


def write_images(folder: Path, count: int) -> Path:
    folder.mkdir()
    for index in range(count):
        assert cv2.imwrite(str(folder / f"{index:03d}.png"), picture(index)[..., ::-1])
    return folder


def write_video(file: Path, count: int) -> Path:
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(24), options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        container.metadata["timecode"] = "10:00:00:00"
        for index in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index))))
        container.mux(stream.encode())
    return file


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_images(tmp_path / "clip", 8)


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[position(0)] = 255
    Pillow.fromarray(labels).save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


@pytest.fixture(autouse=True)
def no_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HQTRACK_CACHE", str(tmp_path / "cache"))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["track", *(str(argument) for argument in arguments)])


def succeed(*arguments: object) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def files_in(folder: Path) -> set[str]:
    files = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return {str(file) for file in files if file.parts[0] != STATE_FOLDER}


def labels_in(folder: Path) -> list[np.ndarray]:
    return [np.array(Pillow.open(file)) for file in sorted((folder / "labels").iterdir())]


def frames_in(video: Path) -> int:
    return sum(1 for _ in open_frames(video))


def test_a_folder_of_images_becomes_an_overlay(clip: Path, mask: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = succeed(clip, "-o", out, "--mask", mask, "--fps", 10)
    assert result.stdout.startswith("8 frames, 1 object, ")
    assert result.stdout.splitlines()[1:] == [str(out / "overlay.mp4")]
    assert files_in(out) == {"overlay.mp4"}
    overlay = open_frames(out / "overlay.mp4")
    assert overlay.fps == 10
    for index, frame in enumerate(overlay):
        rows, columns = position(index)
        inside = frame.image[rows.start + 4 : rows.stop - 4, columns.start + 4 : columns.stop - 4]
        # Red is mixed into the object.
        assert inside[..., 1].mean() < 0.75 * picture(index)[position(index)][..., 1].mean()


def test_a_corrected_frame_has_the_given_mask_and_tracking_goes_on_from_it(
    clip: Path, mask: Path, tmp_path: Path
) -> None:
    given = np.zeros((HEIGHT, WIDTH), np.uint8)
    given[44:60, 60:84] = 255
    Pillow.fromarray(given).save(tmp_path / "green.png")
    plain, mended, again = tmp_path / "plain", tmp_path / "mended", tmp_path / "again"
    succeed(clip, "-o", plain, "--mask", mask, "--labels", "--no-overlay")
    options = ("--mask", mask, "--correct", f"frame=5,object=1,mask={tmp_path / 'green.png'}", "--labels")
    succeed(clip, "-o", mended, *options, "--no-overlay")
    for index, (before, after) in enumerate(zip(labels_in(plain), labels_in(mended), strict=True)):
        assert np.array_equal(before, after) == (index < 5)
    np.testing.assert_array_equal(labels_in(mended)[5] > 0, given > 0)
    succeed(clip, "-o", again, *options, "--no-overlay", "--end", 7)
    for before, after in zip(labels_in(mended), labels_in(again), strict=False):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frame=99,object=1,mask=none", "frame 99, which is not among"),
        ("frame=2,object=2,mask=none", "the ids of the objects are 1"),
        ("frame=2,object=1,mask=no.png", "no.png"),
        ("object=1,mask=none", "write it as frame=30"),
    ],
)
def test_a_correction_that_cannot_be_is_refused_before_anything_is_written(
    clip: Path, mask: Path, tmp_path: Path, text: str, message: str
) -> None:
    result = run(clip, "-o", tmp_path / "out", "--mask", mask, "--correct", text)
    assert result.exit_code in (1, 2)
    assert message in result.output
    assert not (tmp_path / "out").exists()


def test_all_outputs_agree_and_follow_the_object(clip: Path, mask: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    later = "frame=3,box=58,42,28,20"
    result = succeed(clip, "-o", out, "--mask", mask, "--object", later, *ALL)
    assert "8 frames, 2 objects" in result.stdout
    assert "unfinished" not in " ".join(files_in(out))
    labels = labels_in(out)
    dataset = json.loads((out / "masks.json").read_text())
    coco = {(a["image_id"], a["category_id"]): rle_decode(a["segmentation"]) for a in dataset["annotations"]}
    areas = {
        (int(row["frame"]), int(row["object"])): int(row["area"])
        for row in csv.DictReader((out / "boxes.csv").open())
    }
    trajectories = [read_trajectory(str(out / "trajectories" / f"00{n}.txt")) for n in (1, 2)]
    assert [image["file_name"] for image in dataset["images"]] == [f"{index:03d}.png" for index in range(8)]
    assert frames_in(out / "overlay.mp4") == len(labels) == len(trajectories[0]) == len(trajectories[1]) == 8
    for index, label in enumerate(labels):
        first, second = masks_of(label, 2)
        truth = np.zeros((HEIGHT, WIDTH), bool)
        truth[position(index)] = True
        assert iou(first, truth) > 0.7
        assert second.any() == (index >= 3)
        np.testing.assert_array_equal(coco[index, 1], first)
        assert areas[index, 1] == first.sum()
        if index:
            region = trajectories[0][index].rasterize((0, 0, WIDTH - 1, HEIGHT - 1)) > 0
            np.testing.assert_array_equal(region, first)
    assert [str(region) for region in trajectories[1][:4]] == ["0", "0", "0", "1"]
    assert (3, 2) in areas
    assert (2, 2) not in areas


def test_rate_and_timecode_of_a_video_are_kept_from_the_first_frame_that_is_read(
    mask: Path, tmp_path: Path
) -> None:
    video = write_video(tmp_path / "clip.mp4", 10)
    out = tmp_path / "out"
    succeed(video, "-o", out, "--box", "14,14,28,28", "--start", 2, "--end", 9, "--stride", 2, "--csv")
    overlay = open_frames(out / "overlay.mp4")
    assert (overlay.fps, overlay.timecode) == (12, "10:00:00:01")
    rows = list(csv.DictReader((out / "boxes.csv").open()))
    assert [row["frame"] for row in rows] == ["2", "4", "6", "8"]
    assert float(rows[0]["time"]) == pytest.approx(2 / 24, abs=1e-6)


@pytest.mark.parametrize("card", ["hqtrack-light", "vmos-light"])  # the second has no refiner of its own
def test_an_object_may_be_told_by_points_on_it_and_beside_it(clip: Path, tmp_path: Path, card: str) -> None:
    out = tmp_path / "out"
    rows, columns = position(0)
    x, y = (columns.start + columns.stop) // 2, (rows.start + rows.stop) // 2
    told = f"point={x},{y},point={x + 4},{y},not={WIDTH - 3},{HEIGHT - 3}"
    succeed(clip, "-o", out, "--object", told, "--card", card, "--labels", "--no-overlay")
    truth = np.zeros((HEIGHT, WIDTH), bool)
    truth[rows, columns] = True
    assert iou(labels_in(out)[0] > 0, truth) > 0.6


def test_objects_may_all_begin_later(clip: Path, mask: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    succeed(clip, "-o", out, "--object", f"frame=4,mask={mask}", "--labels", "--no-overlay")
    assert [bool(label.any()) for label in labels_in(out)] == [False] * 4 + [True] * 4
    assert files_in(out) == {f"labels/{index:03d}.png" for index in range(8)}


def test_an_object_whose_frame_never_comes_is_told_after_the_rest_is_done(mask: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.mkv", 4)  # which does not say how many frames it has
    result = run(video, "-o", tmp_path / "out", "--mask", mask, "--object", "frame=9,box=58,42,28,20")
    assert result.exit_code == 1
    assert "the object that begins in frame 9 is missing: the last frame is 3" in result.stderr
    assert files_in(tmp_path / "out") == {"overlay.mp4"}


def test_the_networks_input_may_be_reduced_and_outputs_keep_their_size(
    clip: Path, mask: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    succeed(clip, "-o", out, "--mask", mask, "--max-long-edge", 64, "--labels")
    assert {label.shape for label in labels_in(out)} == {(HEIGHT, WIDTH)}


def interrupted(out: Path, *arguments: object, frames: int, number: int = signal.SIGINT) -> tuple[int, str]:
    """Run until some frames are finished, then send a signal; gives the exit code and what was said."""
    command = [sys.executable, "-m", "hqtrack.cli", "track", *map(str, arguments), "-o", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    record = out / "unfinished.jsonl"
    deadline = time.monotonic() + 120
    while not record.exists() or len(record.read_text().splitlines()) < frames:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    return process.wait(60), process.communicate()[1]


def test_an_interrupted_run_completes_its_files_and_is_gone_on_with(mask: Path, tmp_path: Path) -> None:
    clip = write_images(tmp_path / "clip", 40)
    out, whole = tmp_path / "out", tmp_path / "whole"
    objects = ("--mask", mask, "--object", "frame=2,box=58,42,28,20", *ALL)
    code, said = interrupted(out, clip, *objects, frames=4)
    assert code == 128 + signal.SIGINT
    assert f"hqtrack track {clip} -o {out} --resume" in said
    done = len(labels_in(out))
    assert 4 <= done < 40
    assert frames_in(out / "overlay.mp4") == done
    assert len(json.loads((out / "masks.json").read_text())["images"]) == done
    assert not list(out.rglob("*.part"))

    assert "resume it with --resume, or start over" in run(clip, "-o", out, *objects).stderr
    result = succeed(clip, "-o", out, "--resume")
    assert "40 frames, 2 objects" in result.stdout
    succeed(clip, "-o", whole, *objects)
    assert files_in(out) == files_in(whole)
    assert frames_in(out / "overlay.mp4") == 40
    for name in ("boxes.csv", "masks.json", "trajectories/001.txt", "trajectories/002.txt"):
        ours, theirs = ((folder / name).read_text().splitlines() for folder in (out, whole))
        if name != "masks.json":
            assert len(ours) == len(theirs)
            assert ours[:done] == theirs[:done]
    first, second = labels_in(out), labels_in(whole)
    np.testing.assert_array_equal(first[:done], second[:done])
    # The memory is not quite the same, the objects are.
    for ours, theirs in zip(first[done:], second[done:], strict=True):
        for number in (1, 2):
            assert iou(ours == number, theirs == number) > 0.8


def test_a_killed_run_is_gone_on_with(mask: Path, tmp_path: Path) -> None:
    clip = write_images(tmp_path / "clip", 16)
    out = tmp_path / "out"
    code, _ = interrupted(out, clip, "--mask", mask, "--csv", frames=3, number=signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert not (out / "overlay.mp4").exists()
    with (out / "unfinished.jsonl").open("a") as file:
        file.write('{"frame": 9, "si')  # a line that was being written
    succeed(clip, "-o", out, "--resume")
    assert files_in(out) == {"overlay.mp4", "boxes.csv"}
    assert frames_in(out / "overlay.mp4") == 16


def test_after_a_frame_that_cannot_be_read_the_files_hold_the_frames_before(
    clip: Path, mask: Path, tmp_path: Path
) -> None:
    good = (clip / "005.png").read_bytes()
    (clip / "005.png").write_bytes(b"broken")
    out = tmp_path / "out"
    result = run(clip, "-o", out, "--mask", mask, "--csv")
    assert result.exit_code == 1
    assert "005.png: not a readable image" in result.stderr
    assert "--resume" in result.stderr
    assert frames_in(out / "overlay.mp4") == 5
    (clip / "005.png").write_bytes(good)
    succeed(clip, "-o", out, "--resume")
    assert frames_in(out / "overlay.mp4") == 8


def test_a_run_is_gone_on_with_only_as_it_was_begun(clip: Path, mask: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (clip / "005.png").rename(tmp_path / "away.png")
    (clip / "005.png").write_bytes(b"broken")
    assert run(clip, "-o", out, "--mask", mask).exit_code == 1
    for extra, said in (
        (["--labels"], "leave out --labels"),
        (["--mask", mask, "--start", 0], "leave out --mask, --start"),
    ):
        result = run(clip, "-o", out, "--resume", *extra)
        assert (result.exit_code, said in result.stderr) == (2, True)
    other = write_images(tmp_path / "other", 8)
    result = run(other, "-o", out, "--resume")
    assert result.exit_code == 2
    assert f"holds an unfinished run of {clip}" in result.stderr
    result = run(clip, "-o", tmp_path / "nowhere", "--resume")
    assert (result.exit_code, "no unfinished video" in result.stderr) == (2, True)
    (clip / "000.png").unlink()
    result = run(clip, "-o", out, "--resume")
    assert (result.exit_code, "the source has changed" in result.stderr) == (1, True)


def test_outputs_are_replaced_only_when_told(clip: Path, mask: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    succeed(clip, "-o", out, "--mask", mask, "--labels", "--end", 4)
    result = run(clip, "-o", out, "--mask", mask, "--labels")
    assert result.exit_code == 2
    assert "overlay.mp4: is there already" in result.stderr
    succeed(clip, "-o", out, "--mask", mask, "--labels", "--end", 3, "--force")
    assert len(labels_in(out)) == 3
    assert frames_in(out / "overlay.mp4") == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no object: name what to track"),
        (["--box", "1,2,3"], "write x,y,w,h"),
        (["--box", "90,10,30,10"], "beyond the frame of 96 x 64"),
        (["--object", "frame=8,box=1,1,9,9"], "an object begins in frame 8, but frames 0 to 7 are read"),
        (["--mask", "MASK", "--no-overlay"], "no output"),
        (["--mask", "MASK", "--stride", "0"], "stride = 0"),
        (["--mask", "MASK", "--fps", "0"], "fps = 0"),
        (["--mask", "MASK", "--card", "nonsense"], "nonsense"),
        (["--mask", "MASK", "--device", "abacus"], "unknown device 'abacus'"),
        (["--mask", "MASK", "--precision", "float8"], "unknown precision 'float8'"),
        (["--mask", "MASK", "--max-long-edge", "3"], "max_long_edge = 3"),
    ],
)
def test_wrong_use_is_one_line_and_leaves_no_file(
    clip: Path, mask: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    result = run(clip, "-o", tmp_path / "out", *(str(mask) if a == "MASK" else a for a in arguments))
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_is_missing_is_a_failure_of_one_line_and_leaves_no_file(
    clip: Path, mask: Path, tmp_path: Path
) -> None:
    for arguments, said in (
        ((tmp_path / "nowhere.mp4", "--mask", mask), "no such file"),
        ((mask.with_name("text.mp4"), "--mask", mask), "not a readable video"),
        ((clip, "--mask", tmp_path / "nowhere.png"), "No such file"),
        ((clip, "--mask", mask, "--weights", tmp_path / "nowhere.pth"), "no weight file"),
        ((clip, "--mask", mask, "--card", "vmos"), "hqtrack weights pull vmos"),
    ):
        mask.with_name("text.mp4").write_text("no video")
        result = run(*arguments, "-o", tmp_path / "out")
        assert result.exit_code == 1, result.output
        assert said in result.stderr
        assert result.stderr.count("\n") == 1
        assert not (tmp_path / "out").exists()


def test_a_video_has_its_own_rate_and_is_never_overwritten(mask: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "overlay.mp4", 4)
    before = video.read_bytes()
    result = run(video, "-o", tmp_path / "out", "--mask", mask, "--fps", 10)
    assert (result.exit_code, "rate of its own" in result.stderr) == (2, True)
    result = run(video, "-o", tmp_path, "--mask", mask, "--force")
    assert (result.exit_code, "would be overwritten" in result.stderr) == (2, True)
    assert video.read_bytes() == before


def test_frames_of_another_size_end_the_run_with_its_files_complete(
    clip: Path, mask: Path, tmp_path: Path
) -> None:
    cv2.imwrite(str(clip / "004.png"), np.zeros((32, 32, 3), np.uint8))
    result = run(clip, "-o", tmp_path / "out", "--mask", mask)
    assert result.exit_code == 1
    assert "frame 004.png: has 32 x 32 pixels, but the first one 96 x 64" in result.stderr
    assert frames_in(tmp_path / "out" / "overlay.mp4") == 4


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is played by Linux's /dev/full")
def test_a_full_disk_is_one_line_and_leaves_no_half_file(
    clip: Path, mask: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_a_full_disk(path: Path) -> IO[bytes]:
        return Path("/dev/full").open("wb") if path.name == "boxes.csv.part" else create(path)

    out = tmp_path / "out"
    with monkeypatch.context() as patches:
        patches.setattr("hqtrack.files.create", on_a_full_disk)
        result = run(clip, "-o", out, "--mask", mask, "--csv")
    assert result.exit_code == 1
    assert f"hqtrack: {out / 'boxes.csv'}: No space left on device" in result.stderr
    assert "Traceback" not in result.output
    assert not list(out.rglob("*.part"))
    assert not (out / "boxes.csv").exists()
    succeed(clip, "-o", out, "--resume")
    assert files_in(out) == {"overlay.mp4", "boxes.csv"}


def test_help_has_examples_and_groups() -> None:
    result = succeed("--help")
    for text in (
        "hqtrack track clip.mp4 -o out --mask first.png",
        "Objects",
        "Outputs",
        "Frames",
        "--resume",
    ):
        assert text in result.stdout


def test_a_terminal_sees_frames_per_second_and_time_left(clip: Path, mask: Path, tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "hqtrack.cli", "track", clip, "-o", tmp_path / "out", "--mask", mask]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        list(map(str, command)), stderr=theirs, stdout=subprocess.PIPE, env=environment
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += os.read(ours, 4096)
        except OSError:  # the other side is closed
            break
    assert process.wait(60) == 0
    assert b"8/8" in seen
    assert b"frames/s" in seen
    assert b"left" in seen


def test_without_a_terminal_progress_is_a_line_and_outputs_are_named_after_the_input(
    clip: Path, mask: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hqtrack.cli.progress.SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.chdir(tmp_path)
    result = succeed(clip, "--mask", mask, "--csv", "--no-overlay")
    lines = [line for line in result.stderr.splitlines() if "frames/s" in line]
    assert len(lines) == 8
    assert re.fullmatch(r"3 of 8 frames, \d+\.\d frames/s, \d+:\d\d:\d\d left", lines[2])
    assert result.stdout.splitlines()[1:] == [str(Path("clip-hqtrack", "boxes.csv"))]


def test_a_run_that_is_resumed_may_end_earlier_or_later(
    clip: Path, mask: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--mask", mask, "--csv", "--no-overlay", "--precision", "float32")
    tables = []
    for name, stopped, end in (("shorter", 5, 4), ("longer", 1, 4)):
        out = tmp_path / name
        with monkeypatch.context() as patch:
            signals_at(patch, frame=stopped, times=1)
            assert run(clip, "-o", out, *options, "--end", stopped + 2).exit_code == 128 + signal.SIGINT
        with monkeypatch.context() as patch:
            signals_at(patch, frame=0, times=1)
            assert run(clip, "-o", out, "--resume", "--end", end).exit_code == 128 + signal.SIGINT
        succeed(clip, "-o", out, "--resume")  # the end is that of the last resume
        tables.append((out / "boxes.csv").read_text().splitlines())
        assert not list(out.glob("unfinished*"))
    assert [len(table) for table in tables] == [1 + 4, 1 + 4]
    assert tables[0][:3] == tables[1][:3]


Pair = tuple[TrackedFrame, TrackedFrame]
"""A frame as it is recorded, and as outputs have it."""


def signals_at(monkeypatch: pytest.MonkeyPatch, frame: int, times: int) -> None:
    """Send SIGINT when this frame is written, before the next one is tracked."""
    write, hand_over, written = BoxTable.write, Backlog.hand_over, threading.Event()

    def noted(self: BoxTable, tracked: TrackedFrame) -> None:
        write(self, tracked)
        if tracked.frame.index == frame:
            written.set()

    def signalled(self: Backlog[Pair], pair: Pair) -> None:
        hand_over(self, pair)
        if pair[1].frame.index == frame:
            assert written.wait(60)
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(BoxTable, "write", noted)
    monkeypatch.setattr(Backlog, "hand_over", signalled)


def test_a_second_interruption_does_not_wait_for_the_files_and_loses_no_frame(
    clip: Path, mask: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        signals_at(patch, frame=3, times=2)
        result = run(clip, "-o", out, "--mask", mask, "--csv")
    assert result.exit_code != 0
    assert "to resume: hqtrack track" in result.stderr
    assert files_in(out) == {"unfinished.json", "unfinished.jsonl"}
    succeed(clip, "-o", out, "--resume")
    assert frames_in(out / "overlay.mp4") == 8


def test_an_interruption_while_earlier_frames_are_written_again_leaves_the_files_as_they_were(
    clip: Path, mask: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        signals_at(patch, frame=4, times=1)
        assert run(clip, "-o", out, "--mask", mask, "--csv").exit_code == 128 + signal.SIGINT
    before = (out / "boxes.csv").read_bytes(), (out / "overlay.mp4").read_bytes()
    with monkeypatch.context() as patch:
        signals_at(patch, frame=1, times=1)
        result = run(clip, "-o", out, "--resume")
    assert result.exit_code == 128 + signal.SIGINT
    assert "stopped after 5 frames" in result.stderr
    assert ((out / "boxes.csv").read_bytes(), (out / "overlay.mp4").read_bytes()) == before
    assert not list(out.rglob("*.part"))
    succeed(clip, "-o", out, "--resume")
    assert frames_in(out / "overlay.mp4") == 8


def test_a_camera_is_tracked_until_it_is_interrupted_and_nothing_is_left_to_go_on_with(
    mask: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, out, capture = write_video(tmp_path / "clip.mp4", 30), tmp_path / "out", cv2.VideoCapture
    monkeypatch.setattr("cv2.VideoCapture", lambda _: capture(str(video)))
    monkeypatch.setattr("hqtrack.video.sources.camera.may_be_camera", lambda _: True)
    with monkeypatch.context() as patch:
        signals_at(patch, frame=4, times=1)
        result = succeed("0", "-o", out, "--mask", mask, "--csv")
    assert "5 frames, 1 object" in result.stdout
    assert files_in(out) == {"overlay.mp4", "boxes.csv"}
    assert frames_in(out / "overlay.mp4") == 5
    assert "no unfinished video" in run("0", "-o", out, "--resume").stderr


def test_a_pipe_is_tracked_to_its_end_and_not_backward(mask: Path, tmp_path: Path) -> None:
    video, out = write_video(tmp_path / "clip.mkv", 5).read_bytes(), tmp_path / "out"
    arguments = ["track", "-", "-o", str(out), "--mask", str(mask), "--csv"]
    result = CliRunner().invoke(app, [*arguments, "--direction", "both"], input=video)
    assert result.exit_code == 2
    assert "standard input cannot be read backward; record it to a file first" in result.stderr
    assert not out.exists()
    result = CliRunner().invoke(app, arguments, input=video)
    assert result.exit_code == 0, result.output
    assert "5 frames, 1 object" in result.stdout
    assert frames_in(out / "overlay.mp4") == 5
