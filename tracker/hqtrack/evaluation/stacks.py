"""Stacks of the installed toolkit: what they ask for, and what runs where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from vot.stack import list_integrated_stacks, resolve_stack

from hqtrack.errors import DataError
from hqtrack.evaluation.mends import found_faults, mend_toolkit

BOXES = (
    "otb",
    "vot2013",
    "vot2014",
    "vot2015",
    "vot2016",
    "vot2017",
    "vot2018",
    "vot2019",
    "longterm",
    "tir",
)
BOX_STACKS = ("vot2020/rgbd", "vot2021/rgbd", "vot2022/shorttermbox", "vot2020/rgbtir")
"""Beginnings and parts of names of stacks whose truth is rectangles or polygons, and names of others."""


@dataclass(frozen=True)
class StackFacts:
    """What a stack asks for."""

    name: str
    title: str
    experiments: Mapping[str, Mapping[str, Any]]
    """As they stand in its file."""

    @property
    def year(self) -> str:
        """Of the challenge; empty for a stack of a data set."""
        digits = "".join(letter for letter in self.name.split("/")[0] if letter.isdigit())
        return digits if len(digits) == 4 and self.name.startswith("vot") else ""

    @property
    def measures(self) -> list[str]:
        """Types of its analyses."""
        entries = [a for e in self.experiments.values() for a in e.get("analyses") or []]
        return list(dict.fromkeys(entry["type"].rpartition(".")[2] for entry in entries))

    @property
    def truth(self) -> str:
        """Return whether ground truth is public: without it nothing can be measured."""
        return "public" if self.measures or self.name.startswith("tests/") else "withheld"

    @property
    def in_and_out(self) -> str:
        """What our trackers do there."""
        if any(each["type"] == "referral" for each in self.experiments.values()):
            return "refused: prompts by language"
        if "AveragePointAccuracy" in self.measures or self.name.endswith("/point"):
            return "refused: measures points"
        if self.name in BOX_STACKS or self.name.startswith(BOXES) or self.name.endswith(BOXES):
            return "boxes: env_HQTRACK_REPORT = rectangle"
        return "masks"

    def broken(self) -> dict[str, str]:
        """Return the experiments that the installed toolkit cannot run by itself, with what is wrong."""
        mend_toolkit()
        faults = found_faults()
        return {name: why for name, entry in self.experiments.items() if (why := _broken(entry, faults))}


def _broken(experiment: Mapping[str, Any], faults: frozenset[str]) -> str:
    kind = str(experiment["type"])
    transformers = [entry["type"] for entry in experiment.get("transformers") or []]
    reasons = []
    if kind in ("multistart", "supervised") and kind in faults:
        reasons.append(kind)
    if experiment.get("realtime") is not None and "realtime" in faults:
        reasons.append("real time")
    if "redetection" in transformers and "redetection" in faults:
        reasons.append("redetection")
    tagged = any(entry.get("filter_tag") for entry in experiment.get("analyses") or [])
    if tagged and "filter_tag" in faults:
        reasons.append("analyses of tagged frames")
    return ", ".join(reasons)


def facts_of_stack(name: str, folder: Path | None = None) -> StackFacts:
    """Return the facts of a stack of the toolkit, or of a file in a workspace.

    Raises:
        DataError: There is none.
    """
    file = resolve_stack(name, str(folder or Path()))
    if file is None:
        raise DataError(f"there is no stack {name!r}")
    content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    return StackFacts(name, str(content.get("title", "")), content["experiments"])


def all_stacks() -> Iterator[StackFacts]:
    """Return the facts of every stack of the installed toolkit, by name."""
    for name in sorted(list_integrated_stacks()):
        yield facts_of_stack(name)


def warning_of(stack: StackFacts) -> str:
    """Return one line on what `vot evaluate` cannot run in a workspace; empty where it can run all."""
    broken = stack.broken()
    if not broken:
        return ""
    listed = ", ".join(f"{name} ({why})" for name, why in broken.items())
    return (
        f"this toolkit cannot run {listed} by itself: use "
        "`hqtrack evaluate` and `hqtrack vot`, which mend it (docs/toolkit-faults.md)"
    )


COLUMNS = ("stack", "year", "truth", "experiments", "vot evaluate", "hqtrack evaluate", "measures")


def row_of(stack: StackFacts) -> list[str]:
    """Return the row of a table of stacks."""
    refused = stack.in_and_out.startswith("refused")
    broken = stack.broken()
    return [
        stack.name,
        stack.year or "-",
        stack.truth,
        ", ".join(stack.experiments),
        f"fails: {'; '.join(dict.fromkeys(broken.values()))}" if broken else "runs",
        stack.in_and_out if refused else f"runs, {stack.in_and_out}",
        ", ".join(stack.measures) or "none: pack and submit",
    ]
