"""The measures of VOTS2023, read from what `vot analysis` wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hqtrack.errors import DataError


@dataclass(frozen=True)
class Measures:
    """Measures of one tracker over a set of sequences, all in [0, 1]; None where one is not known.

    The toolkit counts the first frame, whose mask is given, as a failure: on a sequence of n frames a perfect
    tracker gets (n - 1) / n for Q and R, and 1 / n for NRE.
    """

    tracker: str
    quality: float | None
    """Q: area under the quality plot."""
    accuracy: float | None
    """A."""
    robustness: float | None
    """R."""
    not_reported_error: float | None
    """NRE."""
    drift_rate_error: float | None
    """DRE."""
    absence_detection_quality: float | None
    """ADQ; None where no object is absent for more than 10 frames."""
    region: float | None = None
    """J: mean overlap over all objects; the first frame counts as 1. None where a stack lacks it."""
    boundary: float | None = None
    """F: the same of outlines."""
    plot: tuple[tuple[float, float], ...] = ()
    """The quality plot: overlap thresholds, and the share of frames above each."""

    def values(self) -> dict[str, float | None]:
        """Return the measures by their names in the paper's tables."""
        return {
            "AUC": self.quality,
            "A": self.accuracy,
            "R": self.robustness,
            "NRE": self.not_reported_error,
            "DRE": self.drift_rate_error,
            "ADQ": self.absence_detection_quality,
        }


MEASURES = ("AUC", "A", "R", "NRE", "DRE", "ADQ")


def read_measures(file: Path) -> list[Measures]:
    """Read the measures of every tracker in an analysis file (JSON) of a stack with all of them.

    Raises:
        DataError: The file is not such an analysis.
    """
    try:
        content = json.loads(file.read_text())
        (experiment,) = content["results"].values()
        by_name = {
            analysis["name"]: results
            for analysis, results in zip(
                experiment["parameters"]["analyses"], experiment["results"], strict=True
            )
        }
        return [
            _measures(name, {kind: rows[place] for kind, rows in by_name.items()})
            for place, name in enumerate(content["trackers"])
        ]
    except (OSError, LookupError, ValueError, TypeError) as error:
        raise DataError(
            f"{file} is no analysis with Q, A, R, NRE, DRE and ADQ ({error!r}); make one with `vot analysis` "
            "and the stack that `hqtrack workspace --stack stack.yaml` writes"
        ) from error


def _measures(tracker: str, rows: Mapping[str, list[Any]]) -> Measures:
    """Return the measures of a tracker of which the results of each analysis are given by its name."""
    nothing = [None]  # of stacks that were written before 0.3
    accuracy, robustness, *_ = rows["AR"]
    not_reported, drift, absence, *_ = rows["Auxiliary"]
    return Measures(
        tracker,
        rows["Quality"][0],
        accuracy,
        robustness,
        not_reported,
        drift,
        absence,
        region=rows.get("J", nothing)[0],
        boundary=rows.get("F", nothing)[0],
        plot=tuple((float(x), float(y)) for x, y in rows["Quality plot"][0]),
    )
