"""A training's log as a picture."""

from __future__ import annotations

import json
from pathlib import Path

from hqtrack.errors import DataError
from hqtrack.files import whole

LOSSES = ("loss", "cross_entropy", "jaccard", "matching", "dice", "quality")
"""What a log may hold of them; which ones depends on the network."""


def plot_log(log: Path, picture: Path) -> None:
    """Plot losses and IoU over the steps of a training.

    Args:
        log: A training's `log.jsonl`.
        picture: File to write; its ending names the format (svg, png, pdf).

    Raises:
        DataError: The log cannot be read, or holds no step yet.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    try:
        records = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise DataError(f"{log} is no training's log: {error}") from error
    steps = [r for r in records if "loss" in r]
    if not steps:
        raise DataError(f"{log} contains no step yet; wait a few minutes")
    validated = [r for r in records if "validation_iou" in r]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
    for name in (name for name in LOSSES if name in steps[-1]):
        left.plot([r["step"] for r in steps], [r[name] for r in steps], label=name.replace("_", "-"))
    left.set(xlabel="step", title="losses")
    left.legend()
    right.plot([r["step"] for r in steps], [r["iou"] for r in steps], label="training batches")
    for name in (name for name in (validated[-1] if validated else {}) if name.startswith("validation_")):
        right.plot(
            [r["step"] for r in validated],
            [r[name] for r in validated],
            "o-",
            label=f"{name.replace('_', ': ', 1)}, averaged weights",
        )
    right.set(xlabel="step", title="IoU", ylim=(0, 1))
    right.legend(loc="lower right")
    with whole(picture) as part:
        figure.savefig(part, format=picture.suffix.removeprefix(".") or "png")
    pyplot.close(figure)
