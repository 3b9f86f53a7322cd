"""The paper's tables and figures (arXiv 2307.13974), as systems to be run, with the paper's own measures.

ADQ is missing: the only copy of the paper's tables that was at hand has that column cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hqtrack.evaluation.measures import MEASURES

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
    paper_sequences: str = "its VOTS2023 validation set, whose sequences it does not name"
    """Of which sequences the paper's measures are."""


def _measures(*values: float) -> dict[str, float]:
    """Return measures of the paper by their names, in the order of its tables."""
    return dict(zip(MEASURES, values, strict=False))


_SEPARATE, _JOINT = _measures(0.552, 0.625, 0.831, 0.063, 0.106), _measures(0.566, 0.645, 0.782, 0.097, 0.121)
_COMPONENTS = (
    _measures(0.576, 0.675, 0.77, 0.122, 0.108),
    _measures(0.611, 0.656, 0.809, 0.137, 0.054),
    _measures(0.650, 0.681, 0.886, 0.059, 0.055),
)
_GAPS: Mapping[float, Mapping[str, float]] = {
    10: _measures(0.610, 0.668, 0.807, 0.110, 0.083),
    20: _measures(0.607, 0.65, 0.806, 0.12, 0.074),
    30: _measures(0.626, 0.689, 0.813, 0.127, 0.060),
    40: _measures(0.650, 0.681, 0.886, 0.059, 0.055),
    50: _measures(0.669, 0.692, 0.885, 0.057, 0.058),
    60: _measures(0.653, 0.669, 0.889, 0.059, 0.052),
    70: _measures(0.656, 0.688, 0.865, 0.052, 0.082),
}
_THRESHOLDS: Mapping[float, Mapping[str, float]] = {
    0: _measures(0.702, 0.756, 0.866, 0.072, 0.062),
    0.1: _measures(0.708, 0.753, 0.878, 0.072, 0.050),
    0.2: _measures(0.707, 0.753, 0.878, 0.072, 0.050),
    0.3: _measures(0.704, 0.750, 0.878, 0.072, 0.050),
    0.4: _measures(0.701, 0.745, 0.878, 0.072, 0.050),
    0.5: _measures(0.695, 0.739, 0.878, 0.072, 0.050),
}


def _varied(
    card: str,
    setting: str,
    values: tuple[float, ...],
    text: str,
    paper: Mapping[float, Mapping[str, float]] | None = None,
) -> tuple[System, ...]:
    known = paper or {}
    return tuple(
        System(text.format(value), f"{card}:{setting}={value:g}", known.get(value, {})) for value in values
    )


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
                System("MS-AOT, separate", "ms-aot-separate", _SEPARATE),
                System("MS-AOT, joint", "ms-aot-joint", _JOINT),
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
                System("DeAOT-L, ResNet-50 (DeAOT's own weights)", "deaot-r50", _COMPONENTS[0]),
                System("+ InternImage-T", "deaot-internimage-t", _COMPONENTS[1]),
                System("+ multi-scale propagation (VMOS)", "vmos", _COMPONENTS[2]),
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
            _varied("vmos", "long_term_gap", gaps, "VMOS, gap {}", _GAPS),
            _varied(LIGHT_PROPAGATION_CARD, "long_term_gap", (LIGHT_GAP, *gaps), "VMOS-light, gap {}"),
            "long_term_gap",
        ),
        Study(
            "table4",
            "Table 4: IoU threshold τ of the selector",
            "measures",
            _varied("vmos-sam-h", "iou_threshold", thresholds, "VMOS + SAM ViT-H, τ {}", _THRESHOLDS),
            _varied(LIGHT_CARD, "iou_threshold", thresholds, "HQTrack-light, τ {}"),
            "iou_threshold",
        ),
        Study(
            "table5",
            "Table 5: the test set of VOTS2023",
            "submission",
            (
                System("VMOS (ResNet-50)", "vmos-r50", _measures(0.564, 0.693, 0.759, 0.155, 0.086)),
                System("VMOS (InternImage-T)", "vmos", _measures(0.596, 0.724, 0.765, 0.159, 0.075)),
                System("VMOS + SAM ViT-H", "vmos-sam-h", _measures(0.610, 0.751, 0.757, 0.159, 0.084)),
                System(
                    "HQTrack: VMOS + HQ-SAM ViT-H", "hqtrack", _measures(0.615, 0.752, 0.766, 0.155, 0.079)
                ),
            ),
            light_pair,
            paper_sequences="the test set of VOTS2023, measured by the challenge's server",
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
            "Figure 3: quality plots of VMOS, and of VMOS + SAM with every mask refined (τ = 0)",
            "plot",
            (System("VMOS", "vmos"), System("VMOS + SAM ViT-H, τ 0", "vmos-sam-h:iou_threshold=0")),
            (
                System("VMOS-light", LIGHT_PROPAGATION_CARD),
                System("HQTrack-light, τ 0", f"{LIGHT_CARD}:iou_threshold=0"),
            ),
        ),
        Study(
            "figure4",
            "Figure 4: quality plots of VMOS and HQTrack",
            "plot",
            (System("VMOS", "vmos"), System("HQTrack", "hqtrack")),
            light_pair,
        ),
    )
    return {study.name: study for study in all_studies}
