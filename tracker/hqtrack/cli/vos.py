"""`hqtrack vos`: all sequences of a data set, and their scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from hqtrack.cli.tables import print_table
from hqtrack.cli.tracker_options import (
    BackendOption,
    CardOption,
    DeviceOption,
    MaxLongEdgeOption,
    PrecisionOption,
    WeightsOption,
    card_from_anywhere,
)
from hqtrack.defaults import DEFAULT_CARD

if TYPE_CHECKING:
    from hqtrack.evaluation.vos import ObjectScore
    from hqtrack.tracker import Precision


def vos(
    root: Annotated[
        Path,
        typer.Argument(
            metavar="ROOT",
            help="Folder of DAVIS-2016 or 2017, YouTube-VOS, MOSE, LVOS or SA-V: JPEGImages and Annotations.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder for the masks; created if missing.", show_default=False),
    ],
    split: Annotated[
        str | None,
        typer.Option(
            help="List of ImageSets: val, test-dev, … Default: val, or all sequences.", show_default=False
        ),
    ] = None,
    names: Annotated[
        Path | None, typer.Option("--list", help="File with the names of sequences, one a line.")
    ] = None,
    score: Annotated[
        bool, typer.Option("--score", help="Print J, F and J&F of each sequence, and their means.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, max=1024, help="Sequences at a time. Default: one for four cores, or one on a GPU."
        ),
    ] = None,
    card: CardOption = DEFAULT_CARD,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    max_long_edge: MaxLongEdgeOption = None,
    backend: BackendOption = None,
    force: Annotated[bool, typer.Option("--force", help="Repeat completed sequences.")] = False,
) -> None:
    """Track all sequences of a data set. The palette images are those that the official scorers take.

    Each object is given by its mask in the first frame that shows it. Complete sequences are kept, so that
    the command can be stopped and started again.

    J and F are those of DAVIS: the first and the last annotated frame do not count, and the means are over
    objects.

    Examples:

      hqtrack vos DAVIS -o davis --score

      hqtrack vos MOSE/valid -o mose --card hqtrack-light
    """
    from hqtrack import files
    from hqtrack.evaluation.vos import VosSystem, is_complete, run_sequences, score_sequence
    from hqtrack.evaluation.vos_data import find_sequences

    sequences = find_sequences(root, split=split, names=names)
    system = VosSystem(
        card_from_anywhere(card),
        None if weights is None else str(weights.absolute()),
        device,
        cast("Precision", precision),
        max_long_edge,
        backend,
    )
    files.make_folder(out)
    missing = [each for each in sequences if force or not is_complete(each, out)]
    if len(missing) < len(sequences):
        typer.echo(f"{len(sequences) - len(missing)} of {len(sequences)} sequences are complete", err=True)
    for count, done in enumerate(run_sequences(missing, out, system, workers=workers), 1):
        typer.echo(
            f"{count}/{len(missing)} {done.name}: {done.frames} frames, {done.objects} objects, "
            f"{done.frames / done.seconds:.1f} frames/s",
            err=True,
        )
    if score:
        _print_scores([each for sequence in sequences for each in score_sequence(sequence, out)])


def _print_scores(scores: list[ObjectScore]) -> None:
    """Print the means of each sequence, and those over all objects."""
    names = dict.fromkeys(each.sequence for each in scores)
    groups = {name: [each for each in scores if each.sequence == name] for name in names}
    rows = []
    for name, group in (*groups.items(), ("mean of objects", scores)):
        columns = zip(*((each.region, each.boundary, each.both) for each in group), strict=True)
        rows.append([name, str(len(group)), *(f"{100 * sum(each) / len(each):.1f}" for each in columns)])
    print_table(("sequence", "objects", "J", "F", "J&F"), rows)
