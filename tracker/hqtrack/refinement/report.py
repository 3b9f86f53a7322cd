"""What refinement did to each object of a frame, for logs and plots.

The threshold tau is the paper's own ablation (Table 4): the IoU of every object and frame shows what another
tau would have kept.
"""

from __future__ import annotations

from dataclasses import dataclass

FIELDS = ("frame", "object", "iou", "quality", "kept")
"""Keys of the rows that `RefinementReport.rows` gives, in their order."""

ReportRow = dict[str, int | float | bool | None]


@dataclass(frozen=True, slots=True)
class ObjectRefinement:
    """What refinement did to one object."""

    object: int
    """Label of the object, from 1 in the order of the masks."""
    iou: float | None = None
    """IoU of the refined and the propagated mask, 0 to 1; None where the object is not visible."""
    quality: float | None = None
    """IoU with the true mask that the refiner predicts for its own; None where the object is not visible."""
    kept: bool = False
    """Whether the refined mask was taken; otherwise the propagated one was."""

    @property
    def visible(self) -> bool:
        """Return whether propagation found the object, so that there was something to refine."""
        return self.iou is not None

    def __str__(self) -> str:
        if self.iou is None or self.quality is None:
            return f"{self.object}: not visible"
        verdict = "kept" if self.kept else "not kept"
        return f"{self.object}: IoU {self.iou:.3f}, quality {self.quality:.3f}, {verdict}"


@dataclass(frozen=True, slots=True)
class RefinementReport:
    """What refinement did to the objects of one frame.

    Example:
        >>> report = RefinementReport(0.1, (ObjectRefinement(1, 0.91, 0.95, kept=True), ObjectRefinement(2)))
        >>> print(report)
        tau 0.1; 1: IoU 0.910, quality 0.950, kept; 2: not visible
        >>> report.rows(frame=7)[0]
        {'frame': 7, 'object': 1, 'iou': 0.91, 'quality': 0.95, 'kept': True}
    """

    iou_threshold: float
    """Threshold tau that decided."""
    objects: tuple[ObjectRefinement, ...]
    """One entry for each object, in the order of the masks."""

    def __str__(self) -> str:
        return "; ".join([f"tau {self.iou_threshold:g}", *map(str, self.objects)])

    def rows(self, frame: int) -> list[ReportRow]:
        """Return one row for each object, with the keys `FIELDS`: for `csv.DictWriter`, or a table to plot.

        Args:
            frame: Number of the frame, which the report itself does not know.
        """
        return [
            {"frame": frame, "object": one.object, "iou": one.iou, "quality": one.quality, "kept": one.kept}
            for one in self.objects
        ]
