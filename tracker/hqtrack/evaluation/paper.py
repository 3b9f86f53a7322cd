"""The paper's tables and figures (arXiv 2307.13974), as systems to be run.

Of the paper's figures, only those are repeated here that could be checked against a source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

LIGHT_CARD, LIGHT_PROPAGATION_CARD, BASELINE_TRACKER = "hqtrack-light", "vmos-light", "FirstMask"
"""The embedded model, the same without its refiner, and the tracker that everybody must beat."""
LIGHT_GAP = 5
"""The embedded model's own gap, which is shorter than any of the paper's."""


@dataclass(frozen=True)
class System:
    """A row of a table."""

    label: str
    name: str
    """As `hqtrack evaluate` takes it."""
    paper: Mapping[str, float] = field(default_factory=dict, hash=False)
    """The paper's figures, by the measures' names."""


@dataclass(frozen=True)
class Study:
    """A table or figure of the paper."""

    name: str
    title: str
    kind: Literal["measures", "submission", "sheet", "plot"]
    """What comes of it: a table of measures, archives for the challenge, a contact sheet or quality plots."""
    systems: tuple[System, ...]
    light: tuple[System, ...]
    """The same question asked of the embedded model."""
    axis: str = ""
    """The setting that the systems differ in, where they are points on a line."""


def _varied(card: str, setting: str, values: tuple[float, ...], text: str) -> tuple[System, ...]:
    return tuple(System(text.format(value), f"{card}:{setting}={value:g}") for value in values)


def studies() -> dict[str, Study]:
    """Return all tables and figures by name."""
    gaps, thresholds, slots = (10, 20, 30, 40, 50, 60, 70), (0, 0.1, 0.2, 0.3, 0.4, 0.5), (0, 1, 2, 4, 8)
    light_pair = (
        System("VMOS-light, no refiner", LIGHT_PROPAGATION_CARD),
        System("HQTrack-light", LIGHT_CARD),
    )
    all_studies = (
        Study(
            "table1",
            "Table 1: objects tracked separately or jointly",
            "measures",
            (
                System("MS-AOT, separate", "ms-aot-separate"),
                System("MS-AOT, joint", "ms-aot-joint"),
            ),
            (
                System("VMOS-light, separate", f"{LIGHT_PROPAGATION_CARD}:paradigm=separate"),
                System("VMOS-light, joint", f"{LIGHT_PROPAGATION_CARD}:paradigm=joint"),
            ),
        ),
        Study(
            "table2",
            "Table 2: components of VMOS",
            "measures",
            (
                System("DeAOT-L, ResNet-50", "deaot-r50"),
                System("+ InternImage-T", "deaot-internimage-t"),
                System("+ multi-scale propagation (VMOS)", "vmos"),
            ),
            (
                System("the first mask repeated", BASELINE_TRACKER),
                *_varied(LIGHT_PROPAGATION_CARD, "long_term_slots", slots, "VMOS-light, {} long-term slots"),
                System("+ light refiner (HQTrack-light)", LIGHT_CARD),
            ),
        ),
        Study(
            "table3",
            "Table 3: gap between writes to long-term memory",
            "measures",
            _varied("vmos", "long_term_gap", gaps, "VMOS, gap {}"),
            _varied(LIGHT_PROPAGATION_CARD, "long_term_gap", (LIGHT_GAP, *gaps), "VMOS-light, gap {}"),
            "long_term_gap",
        ),
        Study(
            "table4",
            "Table 4: IoU threshold τ of the selector",
            "measures",
            _varied("hqtrack", "iou_threshold", thresholds, "HQTrack, τ {}"),
            _varied(LIGHT_CARD, "iou_threshold", thresholds, "HQTrack-light, τ {}"),
            "iou_threshold",
        ),
        Study(
            "table5",
            "Table 5: the test set of VOTS2023",
            "submission",
            (
                System("VMOS (ResNet-50)", "vmos-r50"),
                System("VMOS (InternImage-T)", "vmos"),
                System("VMOS + SAM ViT-H", "vmos-sam-h"),
                System("HQTrack: VMOS + HQ-SAM ViT-H", "hqtrack", {"AUC": 0.615}),
            ),
            light_pair,
        ),
        Study(
            "figure2",
            "Figure 2: what HQTrack tracks",
            "sheet",
            (System("HQTrack", "hqtrack"),),
            (System("HQTrack-light", LIGHT_CARD),),
        ),
        Study(
            "figure3",
            "Figure 3: masks refined by SAM and by HQ-SAM",
            "sheet",
            (
                System("VMOS", "vmos"),
                System("VMOS + SAM ViT-H", "vmos-sam-h"),
                System("VMOS + HQ-SAM ViT-H", "hqtrack"),
            ),
            light_pair,
        ),
        Study(
            "figure4",
            "Figure 4: quality plots",
            "plot",
            (System("VMOS", "vmos"), System("HQTrack", "hqtrack")),
            light_pair,
        ),
    )
    return {study.name: study for study in all_studies}
