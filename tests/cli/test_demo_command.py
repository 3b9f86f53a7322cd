from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hqtrack import zoo
from hqtrack.cli import app
from hqtrack.errors import WeightsError
from hqtrack.evaluation import demo
from hqtrack.scenes import dataset


def test_missing_weights_are_noticed_before_anything_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(_: object) -> Path:
        raise WeightsError("no weights here")

    monkeypatch.setattr(zoo, "find_weights", nothing)
    result = CliRunner().invoke(app, ["demo", str(tmp_path / "workspace")])
    assert result.exit_code == 1
    assert not (tmp_path / "workspace").exists()


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ([], ({2023}, [4, 2, 4])),
        (["--full"], ({2023}, [1] * 5)),
        (["--test"], ({3101, 3102}, [1] * 5)),
    ],
)
def test_the_demo_is_short_and_the_other_sets_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], wanted: tuple[set[int], list[int]]
) -> None:
    drawn: list[tuple[set[int], list[int]]] = []

    class Enough(Exception):
        """What follows is tested with the toolkit."""

    def run(_: Path, watcher: object) -> None:
        raise Enough

    def note(_: Path, seeds: tuple[int, ...], steps: dict[str, int]) -> None:
        drawn.append((set(seeds), list(steps.values())))

    monkeypatch.setattr(dataset, "write_dataset", note)
    monkeypatch.setattr(demo, "run_demo", run)
    result = CliRunner().invoke(app, ["demo", str(tmp_path / "workspace"), *options])
    assert isinstance(result.exception, Enough)
    assert drawn == [wanted]
