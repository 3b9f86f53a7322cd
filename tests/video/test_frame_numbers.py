"""How frames are named: by numbers that begin where film people begin, by times and timecodes."""

import csv
import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner

from hqtrack import DataError, HQTrack, InputError
from hqtrack.cli import app
from hqtrack.video.job import Job
from hqtrack.video.prompts import FrameNames, Prompt, read_prompts
from hqtrack.video.run import VideoRun
from hqtrack.video.sources import open_frames
from moving_square import SIZE, picture, square

COUNT = 4


def shot(folder: Path, numbers: range | list[int]) -> Path:
    folder.mkdir()
    for place, number in enumerate(numbers):
        Pillow.fromarray(picture(place)).save(folder / f"shot.{number}.png")
    return folder


def video(path: Path, times: list[int], base: Fraction = Fraction(1, 1000), timecode: str = "") -> Path:
    """Write a video whose frames have these times, in units of a base."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
        stream.codec_context.time_base = base
        if timecode:
            container.metadata["timecode"] = timecode
        for place, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(place))
            frame.pts, frame.time_base = time, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_numbers_begin_where_they_are_said_to_in_options_and_outputs(tmp_path: Path) -> None:
    clip = shot(tmp_path / "shot", range(1001, 1001 + COUNT))
    out = tmp_path / "out"
    tracker = HQTrack.from_card("vmos-light", device="cpu", precision="float32")
    job = Job(
        clip,
        start=1002,
        first_number="auto",
        prompts=(Prompt(1002, mask=square(1), id=1), Prompt(1003, mask=square(2), id=2)),
        outputs=("csv", "rle", "labels", "cvat", "overlay"),
    )
    outcome = VideoRun(job, out, tracker=tracker).track()
    assert (outcome.frames, outcome.last) == (3, 1004)
    rows = list(csv.DictReader((out / "boxes.csv").open()))
    assert [row["frame"] for row in rows if row["object"] == "1"] == ["1002", "1003", "1004"]
    assert [float(row["time"]) for row in rows if row["object"] == "1"] == [0.04, 0.08, 0.12]
    dataset = json.loads((out / "masks.json").read_text())
    assert [each["id"] for each in dataset["images"]] == [1002, 1003, 1004]
    assert sorted(each.name for each in (out / "labels").iterdir())[0] == "shot.1002.png"
    assert 'frame="1"' in (out / "cvat.xml").read_text()  # CVAT counts from 0
    frames = open_frames(clip, start=1002, first_number="auto")
    names = FrameNames(frames.stems, frames.positions, frames.total, frames.first)
    for file in (out / "boxes.csv", out / "masks.json", out / "cvat.xml", out / "labels"):
        given = read_prompts(masks=[file], start=1002, size=SIZE, frames=names)
        assert {(each.id or 0, each.frame) for each in given} >= {(2, 1003)} or file.suffix == ".xml"
        assert [each.frame for each in given] == [1002, 1003]


def test_frames_of_a_video_have_numbers_as_names(tmp_path: Path) -> None:
    frames = open_frames(video(tmp_path / "a.mp4", [0, 40, 80]), first_number=86400, start=86401)
    assert [(each.index, each.name) for each in frames] == [(86401, "00086401"), (86402, "00086402")]
    names = FrameNames(frames.stems, frames.positions, frames.total, frames.first)
    assert names.index_of("00086402.png") == 2
    with pytest.raises(InputError, match="no numbers in names"):
        open_frames(tmp_path / "a.mp4", first_number="auto")
    with pytest.raises(DataError, match="only 3 frames, numbered 86400 to 86402"):
        open_frames(tmp_path / "a.mp4", first_number=86400, start=86403)
    with pytest.raises(InputError, match="frames count from 86400"):
        open_frames(tmp_path / "a.mp4", first_number=86400, start=3)


def test_a_gap_in_the_numbers_and_two_sequences_are_refused(tmp_path: Path) -> None:
    clip = shot(tmp_path / "shot", [1001, 1002, 1004])
    with pytest.raises(InputError, match=r"no frame between 1002 and 1004; take --first-number 1001"):
        open_frames(clip, first_number="auto")
    (clip / "shot.01002.png").write_bytes((clip / "shot.1002.png").read_bytes())
    with pytest.raises(InputError, match="two sequences"):
        open_frames(clip / "shot.####.png")
    with pytest.raises(DataError, match="no file fits"):
        open_frames(clip / "take.####.png")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2", 2),
        ("0s", 0),
        ("0.039s", 0),
        ("0.04s", 1),
        ("0.5s", 2),
        ("1.5s", 2),
        ("1.6s", 3),
        ("0:00:01.6", 3),
    ],
)
def test_a_time_names_the_frame_that_is_shown_then(tmp_path: Path, text: str, number: int) -> None:
    """The frames are shown at 0, 0.04, 0.3 and 1.6 seconds."""
    frames = open_frames(video(tmp_path / "a.mkv", [0, 40, 300, 1600]))
    assert frames.number_of(text) == number
    assert list(frames.times()) == [each.time for each in frames]
    assert next(each.index for each in open_frames(tmp_path / "a.mkv", start=text)) == number


def test_timecodes_count_frames_from_that_of_the_source(tmp_path: Path) -> None:
    folder = shot(tmp_path / "shot", range(COUNT))
    assert open_frames(folder, fps=2).number_of("00:00:01:01") == 3
    frames = open_frames(
        video(tmp_path / "a.mov", [40 * k for k in range(30)], timecode="10:00:00:00"), first_number=100
    )
    assert frames.number_of("10:00:01:02") == 127
    with pytest.raises(InputError, match="before the first frame, whose timecode is 10:00:00:00"):
        frames.number_of("00:00:01:02")
    # Milliseconds cannot hold 1/30 of a second: times are rounded, frames are not.
    exact = open_frames(video(tmp_path / "b.mkv", [round(k * 1000 / 30) for k in range(12)]))
    exact.fps = Fraction(30)
    assert [exact.number_of(f"00:00:00:{k:02d}") for k in range(12)] == [*range(12)]


def test_what_names_no_frame_is_refused_with_the_length(tmp_path: Path) -> None:
    clip = shot(tmp_path / "shot", range(COUNT))
    mask = tmp_path / "mask.png"
    Pillow.fromarray(square(0).astype(np.uint8)).save(mask)
    for options, said in (
        (["--start", "9s"], "9s: is beyond the end"),
        (["--end", "0.2s"], "has 4 frames and is 0.160 s long"),
        (["--object", f"frame=00:00:07:00,mask={mask}"], "frame=00:00:07:00: is beyond the end"),
        (["--object", f"mask={mask},until=9s"], "until=9s: is beyond the end"),
        (["--correct", f"frame=3s,object=1,mask={mask}"], "3s: is beyond the end"),
        (["--start", "soon"], "frame soon is not a number; write a number, a time such as 1.5s"),
        (["--first-number", "x"], "--first-number x: write a number such as 1001, or auto"),
    ):
        result = CliRunner().invoke(
            app, ["track", str(clip), "-o", str(tmp_path / "out"), "--mask", str(mask), *options]
        )
        assert result.exit_code == 2, result.output
        assert said in str(result.exception or result.output).replace("\n", " ") + result.output
    assert open_frames(clip, end="0.16s").indices == range(COUNT)
    assert open_frames(clip, end="0.08s").indices == range(2)
