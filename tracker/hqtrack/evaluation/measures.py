"""The measures of VOTS2023, read from what `vot analysis` wrote."""

from __future__ import annotations

import json
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
            _measures(name, *rows)
            for name, *rows in zip(
                content["trackers"],
                by_name["Quality"],
                by_name["AR"],
                by_name["Auxiliary"],
                by_name["Quality plot"],
                strict=True,
            )
        ]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"{file} is no analysis with Q, A, R, NRE, DRE and ADQ ({error!r}); make one with `vot analysis` "
            "and the stack that `hqtrack workspace --stack stack.yaml` writes"
        ) from error


def _measures(
    tracker: str, quality: list[Any], ar: list[Any], auxiliary: list[Any], plot: list[Any]
) -> Measures:
    curve = tuple((float(x), float(y)) for x, y in plot[0])
    return Measures(tracker, quality[0], ar[0], ar[1], auxiliary[0], auxiliary[1], auxiliary[2], curve)
