"""The paper's tables and figures as commands."""

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hqtrack.cli import app
from hqtrack.errors import DataError
from hqtrack.evaluation.experiments import Result, Row, cells, columns, read_scores, run_study
from hqtrack.evaluation.pages import write_page, write_result
from hqtrack.evaluation.paper import Study, System, studies
from hqtrack.evaluation.workspaces import understand
from small_workspace import Recorder, Run, make_workspace

pytestmark = pytest.mark.slow


def study(kind: str, *names: str) -> Study:
    systems = tuple(System(name, name) for name in names)
    return Study("table0", "Table 0: a test", kind, systems, ())  # type: ignore[arg-type]


def run_in(run: Run, folder: Path, asked: Study, **options: object) -> dict[str, Row]:
    address = run.client.scheduler_info()["address"]
    result = run_study(asked, folder, Recorder(), scheduler=address, **options)  # type: ignore[arg-type]
    write_result(result, folder / "out", asked.name)
    write_page([(asked.name, result)], folder / "out")
    return {row.system.name: row for row in result.rows}


@pytest.mark.parametrize("light", [False, True])
def test_every_system_of_every_study_is_understood(light: bool) -> None:
    for one in studies().values():
        for system in one.light if light else one.systems:
            assert understand(system.name, ["FirstMask"]).identifier


def test_systems_are_measured_and_those_that_cannot_run_say_why(workspace: Path, run: Run) -> None:
    rows = run_in(run, workspace, study("measures", "FirstMask", "Crashing", "vmos-r50"))
    measured = rows["FirstMask"].measures
    assert measured is not None
    assert measured.quality is not None
    assert 0.1 < measured.quality < 1
    assert measured.plot
    assert "no cheese here" in rows["Crashing"].note
    assert "vmos-r50" in rows["vmos-r50"].note
    with (workspace / "out" / "table0.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [line["system"] for line in table] == ["FirstMask", "Crashing", "vmos-r50"]
    assert float(table[0]["AUC"]) == pytest.approx(measured.quality, abs=5e-4)
    assert "| FirstMask | " in (workspace / "out" / "table0.md").read_text()
    page = (workspace / "out" / "index.html").read_text()
    assert "<svg" in page
    assert "no cheese here" in page
    assert (workspace / "out" / "table0.png").read_bytes().startswith(b"\x89PNG")


def test_a_sheet_has_a_row_for_each_tracker(workspace: Path, run: Run) -> None:
    run_in(run, workspace, study("sheet", "FirstMask"))
    assert (workspace / "output" / "experiments" / "table0.jpg").stat().st_size > 1000
    assert "data:image/jpeg" in (workspace / "out" / "index.html").read_text()


def test_the_test_set_is_packed_and_takes_the_servers_figures(
    dataset: Path, tmp_path: Path, run: Run
) -> None:
    folder = make_workspace(tmp_path / "vots", dataset, "vots2023")
    with pytest.raises(DataError, match="ground truth is withheld"):
        run_in(run, folder, study("measures", "FirstMask"))
    scores = tmp_path / "answer.csv"
    scores.write_text("tracker,AUC,A,R\nFirstMask,0.25,0.5,0.75\n")
    rows = run_in(run, folder, study("submission", "FirstMask"), scores=scores)
    row = rows["FirstMask"]
    assert row.archive is not None
    assert row.archive.suffix == ".zip"
    assert row.measures is not None
    assert (row.measures.quality, row.measures.robustness, row.measures.drift_rate_error) == (
        0.25,
        0.75,
        None,
    )


@pytest.mark.parametrize("text", ["", "who,AUC\nme,1\n", "tracker,AUC\nme,much\n", "tracker,AUC\nme,61.5\n"])
def test_wrong_scores_are_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "answer.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=r"answer\.csv is no table of scores"):
        read_scores(file)


def test_the_command_lists_what_there_is_and_refuses_what_is_not() -> None:
    listed = CliRunner().invoke(app, ["experiments"])
    assert all(name in listed.stdout for name in ("table1", "table5", "figure4"))
    refused = CliRunner().invoke(app, ["experiments", "table9"])
    assert "no experiment 'table9': did you mean table5? there are table1" in refused.stderr


def test_the_papers_measures_stand_beside_ours_and_say_of_which_sequences_they_are(tmp_path: Path) -> None:
    known = studies()
    assert [system.paper["AUC"] for system in known["table5"].systems] == [0.564, 0.596, 0.610, 0.615]
    assert [system.paper["R"] for system in known["table1"].systems] == [0.831, 0.782]
    assert {system.name.partition(":")[0] for system in known["table4"].systems} == {"vmos-sam-h"}
    assert all(s.paper for name in ("table1", "table2", "table3", "table4") for s in known[name].systems)
    assert not any("ADQ" in system.paper for one in known.values() for system in one.systems)
    assert known["figure3"].kind == known["figure4"].kind == "plot"

    rows = tuple(Row(system, note="no weights") for system in known["table5"].systems)
    result = Result(known["table5"], rows, 3, 6, workspace="vots2023")
    line = dict(zip(columns(rows), cells(rows)[0], strict=True))
    assert line["paper's AUC"] == "0.564"
    assert line["AUC"] == line["paper's ADQ"] == "\N{EN DASH}"
    _, markdown = write_result(result, tmp_path, "table5")
    text = markdown.read_text()
    assert "3 sequences with 6 objects of vots2023" in text
    assert "The paper's: the test set of VOTS2023" in text
