"""What `make setup` does with an environment that is broken, with a Python that only pretends to install."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]

PYTHON = """\
#!/bin/sh
# `-m venv DIR` makes an environment whose Python is this script, `-m pip install` its command.
here=$(cd "$(dirname "$0")" && pwd)
case "$1 $2" in
  "-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; echo made >>made ;;
  "-m pip") test ! -e no-network || exit 1; echo "#!$here/python" >"$here/hqtrack"; echo installed >>made ;;
  "-c import pip") test ! -e "$here/no-pip" ;;
esac
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "check out"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "setup.py"):
        shutil.copy(CHECKOUT / name, folder)
    python = tmp_path / "python3"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return folder


def setup(checkout: Path, python: str = "../python3") -> tuple[int, list[str], str]:
    """Return the exit code, what was made, and what was said."""
    environment = {**os.environ, "PATH": "/usr/bin:/bin"}  # without uv
    done = subprocess.run(
        ["make", "setup", f"PYTHON={python}"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    log = checkout / "made"
    made = log.read_text().split() if log.exists() else []
    log.unlink(missing_ok=True)
    return done.returncode, made, done.stdout + done.stderr


def test_an_environment_is_made_once(checkout: Path) -> None:
    assert setup(checkout)[:2] == (0, ["made", "installed"])
    assert setup(checkout)[:2] == (0, [])
    (checkout / "pyproject.toml").touch()
    assert setup(checkout)[:2] == (0, ["installed"])


def test_an_environment_without_pip_is_made_anew(checkout: Path) -> None:
    setup(checkout)
    (checkout / ".venv" / "bin" / "no-pip").touch()
    assert setup(checkout)[:2] == (0, ["made", "installed"])


def test_an_interrupted_installation_is_made_anew(checkout: Path) -> None:
    (checkout / "no-network").touch()
    assert setup(checkout)[:2] == (2, ["made"])
    (checkout / "no-network").unlink()
    assert setup(checkout)[:2] == (0, ["made", "installed"])
    assert setup(checkout)[:2] == (0, [])


def test_a_moved_environment_is_made_anew(checkout: Path) -> None:
    setup(checkout)
    moved = checkout.rename(checkout.with_name("moved"))
    assert setup(moved)[:2] == (0, ["made", "installed"])
    assert str(moved) in (moved / ".venv" / "bin" / "hqtrack").read_text()


def test_an_environment_whose_python_has_gone_is_made_anew(checkout: Path) -> None:
    setup(checkout)
    python = checkout / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert setup(checkout)[:2] == (0, ["made", "installed"])


def test_a_missing_python_is_said_with_the_remedy(checkout: Path) -> None:
    code, made, said = setup(checkout, "python3.99")
    assert (code, made) == (2, [])
    assert "there is no python3.99 here" in said
    assert "make PYTHON=" in said
