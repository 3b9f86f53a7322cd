"""What the project's own files say of each other."""

import re
from pathlib import Path

import yaml

import hqtrack

ROOT = Path(__file__).parents[1]


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_the_version_is_one() -> None:
    project = re.search(r'^version = "(.+)"', read("pyproject.toml"), re.MULTILINE)
    assert project
    assert project[1] == hqtrack.__version__ == yaml.safe_load(read("CITATION.cff"))["version"]
    assert f"## {project[1]}" in read("CHANGELOG.md")


def test_the_hosted_checks_are_those_that_run_here() -> None:
    steps = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]["checks"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    hooks = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"][0]["hooks"]
    linters = [line.strip() for line in read("Makefile").splitlines() if line.startswith("\t$(BIN)/")]
    for hook in hooks:
        name = hook["entry"].split("/")[-1].split()[0]
        assert any(f"$(BIN)/{name}" in line for line in linters)


def test_a_report_of_a_defect_needs_what_doctor_says() -> None:
    form = yaml.safe_load(read(".github/ISSUE_TEMPLATE/defect.yml"))
    asked = [field for field in form["body"] if "hqtrack doctor" in field["attributes"]["label"]]
    assert len(asked) == 1
    assert asked[0]["validations"]["required"]


def test_the_citation_is_the_papers() -> None:
    citation = yaml.safe_load(read("CITATION.cff"))["preferred-citation"]
    assert citation["title"] in read("README.md")
    assert all(author["family-names"] in read("README.md") for author in citation["authors"])
