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


@pytest.mark.parametrize(("options", "seeds"), [([], {2023}), (["--test"], {3101, 3102})])
def test_the_test_set_has_seeds_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], seeds: set[int]
) -> None:
    drawn: set[int] = set()

    class Enough(Exception):
        """What follows is tested with the toolkit."""

    def run(_: Path, watcher: object) -> None:
        raise Enough

    monkeypatch.setattr(dataset, "write_dataset", lambda _, chosen: drawn.update(chosen))
    monkeypatch.setattr(demo, "run_demo", run)
    result = CliRunner().invoke(app, ["demo", str(tmp_path / "workspace"), *options])
    assert isinstance(result.exception, Enough)
    assert drawn == seeds
