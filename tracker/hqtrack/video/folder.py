"""The folder of a video's outputs: one run at a time writes there, and it is known which files it wrote.

Both are kept in a hidden folder next to the outputs: a lock, and a list of the files, one a line.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from hqtrack import files
from hqtrack.errors import InputError, naming

logger = logging.getLogger(__name__)

STATE_FOLDER = ".hqtrack"


class OutputFolder:
    """A folder of outputs, which may not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock, self._list = path / STATE_FOLDER / "lock", path / STATE_FOLDER / "written"
        self._foreign: frozenset[Path] = frozenset()

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other runs out, in this process and others, until the end of the block; makes the folder.

        Raises:
            InputError: Another run is writing there.
        """
        files.make_folder(self._lock.parent)
        lock = files.lock(self._lock)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise InputError(
                f"{self.path}: another run is writing there; wait for it, or name another folder with -o"
            ) from error
        except NotImplementedError:  # some network drives have no locks
            logger.warning("%s: this drive cannot keep a second run out", self.path)
        try:
            yield
        finally:
            lock.release()

    def check_free(self) -> None:
        """Check that no run is writing there now; nothing is made.

        Raises:
            InputError: One is.
        """
        if self._lock.exists():
            with self.claimed():
                pass

    @property
    def has_list(self) -> bool:
        """Return whether it is known which files were written."""
        return self._list.exists()

    def protect(self, names: Collection[str]) -> None:
        """Protect files of these names, or in folders of these names, that no run has written.

        Raises:
            InputError: A file of somebody else's has one of the names itself.
        """
        for name in names:
            if (self.path / name).is_symlink() and (self.path / name).is_dir():
                raise InputError(
                    f"{self.path / name}: is a link to another folder, and is not written to; remove it"
                )
        listed = self._listed()
        there = [file for name in names for file in _files(self.path / name)]
        self._foreign = frozenset(there).difference(self.path / file for file in listed)
        for name in names:
            self._refuse(self.path / name)

    def _refuse(self, file: Path) -> None:
        if file in self._foreign:
            raise InputError(
                f"{file}: is not known to be hqtrack's (see {self._list}), and would be replaced; move it "
                "away, or name another folder with -o"
            )

    def note(self, file: Path) -> None:
        """List a file, before it is there.

        Raises:
            InputError: It would replace one that is protected.
        """
        self._refuse(file)
        with naming(self._list), files.reopen(self._list) as written:
            written.seek(0, os.SEEK_END)
            written.write(_line(file.relative_to(self.path)).encode("ascii"))

    def remove_written(self, names: Collection[str]) -> None:
        """Remove the files that earlier runs wrote under these names of files and folders, and no others."""
        listed = self._listed()
        for file in listed:
            if file.parts[0] in names and not self._is_elsewhere(file):
                (self.path / file).unlink(missing_ok=True)
        kept = [_line(file) for file in listed if file.parts[0] not in names]
        files.write_whole(self._list, "".join(kept))

    def _is_elsewhere(self, file: Path) -> bool:
        """Return whether one of the folders that lead to a file is a link."""
        return any((self.path / parent).is_symlink() for parent in file.parents if parent.parts)

    def _listed(self) -> list[Path]:
        """Read the list: paths below the folder, each once; what else a damaged one has is left out."""
        files.check_own(self._list)
        try:
            lines = self._list.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in dict.fromkeys(lines):
            with suppress(ValueError):
                path = Path(str(json.loads(line)))
                if path.parts and not path.is_absolute() and ".." not in path.parts:
                    found.append(path)
        return found


def _files(path: Path) -> list[Path]:
    """Return a file, or the files in a folder; none where there is neither."""
    if path.is_dir():
        return [file for file in path.rglob("*") if not file.is_dir()]
    return [path] if path.exists() else []


def _line(file: Path) -> str:
    """Write a path as JSON, which has no line breaks of its own."""
    return json.dumps(file.as_posix()) + "\n"
