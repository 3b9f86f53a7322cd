"""Job files: several videos, each with its objects and options, as a table (CSV) or a list (JSON)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hqtrack.errors import DataError, InputError

JOB_SUFFIXES = frozenset({".csv", ".json"})

SEPARATOR = ";"
"""Between several values in a cell of a table, such as two boxes."""

YES, NO = frozenset({"1", "true", "yes", "x"}), frozenset({"", "0", "false", "no"})


@dataclass(frozen=True)
class VideoJob:
    """A line of a job file: the words after `hqtrack track`."""

    source: str
    out: str
    options: tuple[str, ...]
    place: str
    """Where it is from, for messages."""


def read_job_file(path: Path, flags: Collection[str], valued: Collection[str]) -> list[dict[str, Any]]:
    """Read the entries of a job file.

    Args:
        path: A CSV with a header, or a JSON list of objects. Keys are "input", "output" and names of options.
        flags: Names of options without a value.
        valued: Names of those with one.

    Raises:
        InputError: It holds no entry, or a key is not known.
        DataError: It cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".json":
            found = json.loads(text)
            entries = found if isinstance(found, list) else [found]
        else:
            entries = [*csv.DictReader(io.StringIO(text), skipinitialspace=True)]
    except (OSError, UnicodeError, json.JSONDecodeError, csv.Error, RecursionError) as error:
        raise DataError(
            f"job file {path}: cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from error
    if not entries or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(
            f"job file {path}: holds no jobs; write a line for each video, with input and output"
        )
    known = {"input", "output", *flags, *valued}
    for entry in entries:
        unknown = [key for key in entry if key not in known]
        if unknown:
            shown = unknown[0] if unknown[0] is not None else "more cells than columns"
            raise InputError(
                f"job file {path}: {shown}: is not known; use input, output, and options of hqtrack track "
                "without their dashes"
            )
    return entries


def job_of(entry: Mapping[str, Any], place: str, folder: Path, flags: Collection[str]) -> VideoJob:
    """Return the job of an entry.

    Args:
        entry: Its keys and values; paths count from the working folder.
        place: Where it is from, for messages.
        folder: For outputs that are not named: there they get the name of their input.
        flags: Names of options without a value.

    Raises:
        InputError: It has no input, or no text, or a flag is neither set nor unset.

    Example:
        >>> job_of({"input": "a.mp4", "box": "1,2,3,4;5,6,7,8", "csv": "yes"}, "line 2", Path("out"), ["csv"])
        ... # doctest: +NORMALIZE_WHITESPACE
        VideoJob(source='a.mp4', out='out/a', options=('--box', '1,2,3,4', '--box', '5,6,7,8', '--csv'),
        place='line 2')
    """
    if any("\0" in str(value) for value in entry.values()):
        raise InputError(f"{place}: holds a character of value 0, which no file name and no option has")
    source = str(entry.get("input") or "").strip()
    if not source:
        raise InputError(f"{place}: has no input")
    out = str(entry.get("output") or "").strip() or str(folder / Path(source).stem)
    options: list[str] = []
    for key, value in entry.items():
        if key in ("input", "output") or value is None:
            continue
        if key in flags:
            options += [f"--{key}"] if _is_set(value, key, place) else []
            continue
        values: Sequence[Any] = value if isinstance(value, list) else str(value).split(SEPARATOR)
        for each in values:
            if str(each).strip():
                options += [f"--{key}", str(each).strip()]
    return VideoJob(source, out, tuple(options), place)


def _is_set(value: Any, key: str, place: str) -> bool:
    text = str(value).strip().lower()
    if text not in YES | NO:
        raise InputError(f"{place}: {key}={text[:20]}: write yes or no")
    return text in YES
