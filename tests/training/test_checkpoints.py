"""What a training's files say of the code that made them."""

import subprocess
from pathlib import Path

import pytest

import hqtrack
from hqtrack.training import checkpoints
from hqtrack.training.checkpoints import code_version


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Move the package into a folder of its own."""
    package = tmp_path / "somewhere" / "hqtrack"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(checkpoints.hqtrack, "__file__", str(package / "__init__.py"))
    return package


def test_a_copy_outside_a_repository_has_its_version(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(copy.parents[1]))
    assert code_version() == f"version {hqtrack.__version__}"


def test_a_copy_in_somebody_elses_repository_has_its_version(copy: Path) -> None:
    git(copy.parents[1], "init", "-q")
    (copy.parents[1] / "theirs.txt").write_text("")
    git(copy.parents[1], "add", "theirs.txt")
    git(copy.parents[1], "commit", "-q", "-m", "theirs")
    assert code_version() == f"version {hqtrack.__version__}"


def test_a_checkout_has_its_commit_and_says_if_files_differ_from_it(copy: Path) -> None:
    git(copy, "init", "-q")
    git(copy, "add", ".")
    git(copy, "commit", "-q", "-m", "ours")
    commit = git(copy, "rev-parse", "HEAD")
    assert code_version() == commit
    (copy / "__init__.py").write_text("changed")
    assert code_version() == f"{commit} with changes"
