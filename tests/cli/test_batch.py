"""Several videos in one command."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hqtrack.cli import app
from hqtrack.cli.batch import shared_trackers
from moving_square import write_clip

PLAIN = ("--card", "vmos-light", "--precision", "float32", "--no-overlay", "--csv")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["batch", *map(str, arguments)])


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    return [write_clip(tmp_path / name, 3) for name in "abc"]


def states(result: Result) -> list[str]:
    """Return the third column of the table."""
    return [line.split("\t")[2] for line in result.stdout.splitlines() if line.count("\t") == 3][1:]


@pytest.mark.slow
def test_a_bad_line_does_not_stop_the_others_and_a_repetition_continues(
    clips: list[Path], tmp_path: Path
) -> None:
    shared_trackers().clear()
    file = tmp_path / "jobs.csv"
    lines = [f'{clips[0]},{tmp_path}/one,"10,16,24,24;70,46,14,14",yes', f"{tmp_path}/no,{tmp_path}/two,,no"]
    lines.append(f'{clips[2]},{tmp_path}/three,"10,16,24,24",no')
    file.write_text("\n".join(["input,output,box,labels", *lines]) + "\n")
    result = run(file, *PLAIN)
    assert result.exit_code == 1, result.output
    assert states(result) == ["done", "failed", "done"]
    assert "no such file or folder" in result.output
    assert (tmp_path / "one" / "labels").is_dir()
    assert not (tmp_path / "three" / "labels").exists()
    assert len((tmp_path / "one" / "boxes.csv").read_text().splitlines()) == 1 + 2 * 3
    assert len(shared_trackers()) == 1
    lines[1] = f'{clips[1]},{tmp_path}/two,"10,16,24,24",no'
    file.write_text("\n".join(["input,output,box,labels", *lines]) + "\n")
    result = run(file, *PLAIN)
    assert (result.exit_code, states(result)) == (0, ["done before", "done", "done before"])
    assert states(run(file, *PLAIN, "--force")) == ["done"] * 3


@pytest.mark.slow
def test_videos_and_json_need_no_output(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("jobs.json").write_text(json.dumps([{"input": "b", "box": ["10,16,24,24"], "csv": True}]))
    result = run("a", "jobs.json", "-o", "results", *PLAIN, "--point", "22,28")
    assert result.exit_code == 0, result.output
    assert Path("results/a/boxes.csv").is_file()
    assert len(Path("results/b/boxes.csv").read_text().splitlines()) == 1 + 2 * 3  # the box, and the point


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("input,bax\na,1\n", "bax: is not known; use input, output, and options"),
        ("input,output\na,x\nb,x\n", "is the output of two jobs"),
        ("input,output\n", "holds no jobs"),
        ("input,output\na,b,c\n", "more cells than columns"),
        ("input,labels\na,perhaps\n", "labels=perhaps: write yes or no"),
        ("input,output\n,x\n", "job 1: has no input"),
        ("input,output\na,\0\n", "job 1: holds a character of value 0"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_at_once(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "jobs.csv"
    file.write_text(text)
    result = run(file)
    assert result.exit_code == 2, result.output
    assert said in (result.output + str(result.exception)).replace("\n", " ")
    assert run(tmp_path / "none.csv").exit_code == 1


@pytest.mark.slow
def test_workers_share_the_videos(clips: list[Path], tmp_path: Path) -> None:
    result = run(*clips, "-o", tmp_path / "out", "--workers", 2, *PLAIN, "--box", "10,16,24,24")
    assert (result.exit_code, states(result)) == (0, ["done"] * 3), result.output


def test_track_names_the_command_for_several_videos(tmp_path: Path) -> None:
    for words, said in (
        (["a.mp4", "b.mp4", "--csv"], "hqtrack batch a.mp4 b.mp4 --csv"),
        ([str(tmp_path / "jobs.csv")], "is a job file"),
    ):
        (tmp_path / "jobs.csv").write_text("input\na.mp4\n")
        result = CliRunner().invoke(app, ["track", *words])
        assert result.exit_code == 2
        assert said in (result.output + str(result.exception)).replace("\n", " ")
