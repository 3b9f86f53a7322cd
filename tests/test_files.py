"""Files appear whole or not at all, and nothing is written through a link."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from hqtrack import InputError
from hqtrack.files import create, fresh_folder, lock, make_folder, put_in_place, reopen, whole, write_whole


def symbolic(path: Path, foreign: Path) -> None:
    path.symlink_to(foreign)


def hard(path: Path, foreign: Path) -> None:
    os.link(foreign, path)


def pipe(path: Path, foreign: Path) -> None:
    os.mkfifo(path)


Trap = Callable[[Path, Path], None]
TRAPS = (symbolic, hard, pipe)


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    (tmp_path / "foreign").write_text("precious")
    return tmp_path / "foreign"


@pytest.mark.parametrize("trap", TRAPS)
def test_what_is_written_anew_never_reaches_what_had_its_name(
    tmp_path: Path, foreign: Path, trap: Trap
) -> None:
    ways: tuple[Callable[[Path], object], ...] = (
        lambda path: create(path).close(),
        lambda path: write_whole(path, "ours"),
    )
    for number, write in enumerate(ways):
        for name in (f"{number}.txt", f"{number}.txt.part"):
            trap(tmp_path / name, foreign)
        write(tmp_path / f"{number}.txt")
        assert stat.S_ISREG((tmp_path / f"{number}.txt").lstat().st_mode)
    assert foreign.read_text() == "precious"


@pytest.mark.parametrize("trap", TRAPS)
def test_a_file_that_is_not_ours_alone_is_not_reopened(tmp_path: Path, foreign: Path, trap: Trap) -> None:
    trap(tmp_path / "list", foreign)
    with pytest.raises(InputError, match=r"list: is a link or no plain file.*remove it"):
        reopen(tmp_path / "list")
    assert foreign.read_text() == "precious"


def test_our_own_file_is_reopened_as_it_was_or_created(tmp_path: Path) -> None:
    for expected in (b"", b"a"):
        with reopen(tmp_path / "list") as file:
            assert file.read() == expected
            file.write(b"a")


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "labels").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="labels: is a link to another folder"):
        make_folder(tmp_path / "labels")
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("kind", ["link", "folder", "file", "pipe", "nothing"])
def test_a_fresh_folder_is_empty_and_reaches_nothing_else(tmp_path: Path, kind: str) -> None:
    foreign, folder = tmp_path / "foreign", tmp_path / "ours.part"
    foreign.mkdir()
    (foreign / "precious.txt").write_text("precious")
    if kind == "link":
        folder.symlink_to(foreign, target_is_directory=True)
    elif kind == "folder":
        folder.mkdir()
        (folder / "left").symlink_to(foreign, target_is_directory=True)
    elif kind == "file":
        folder.touch()
    elif kind == "pipe":
        os.mkfifo(folder)
    fresh_folder(folder)
    assert folder.is_dir()
    assert not folder.is_symlink()
    assert list(folder.iterdir()) == []
    assert (foreign / "precious.txt").read_text() == "precious"


def test_an_error_leaves_the_earlier_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "card.toml"
    write_whole(file, "earlier")
    with pytest.raises(UnicodeEncodeError), whole(file) as part:
        part.write_text("half \udcff", encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["card.toml"]
    assert file.read_text() == "earlier"


def test_two_writers_of_one_file_are_not_in_each_others_way(tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    with whole(file, shared=True) as first, whole(file, shared=True) as second:
        first.write_text("first")
        second.write_text("second")
    assert file.read_text() == "first"  # its block ends last
    assert [path.name for path in tmp_path.iterdir()] == ["table.json"]


def test_a_link_that_has_the_final_name_is_replaced(tmp_path: Path, foreign: Path) -> None:
    (tmp_path / "overlay.mp4").symlink_to(foreign)
    create(tmp_path / "part").close()
    put_in_place(tmp_path / "part", tmp_path / "overlay.mp4")
    assert not (tmp_path / "overlay.mp4").is_symlink()
    assert foreign.read_text() == "precious"


@pytest.mark.parametrize("trap", TRAPS)
def test_a_lock_empties_no_foreign_file(tmp_path: Path, trap: Trap) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    trap(tmp_path / "lock", precious)
    with pytest.raises(InputError, match="is a link or no plain file"):
        lock(tmp_path / "lock")
    assert precious.read_text() == "precious"
