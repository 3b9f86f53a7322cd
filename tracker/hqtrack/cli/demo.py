"""`hqtrack demo`: the VOT toolkit on sample sequences, from nothing to a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Workspace; created if missing.")] = Path(
        "vot_workspace"
    ),
    test: Annotated[
        bool, typer.Option("--test", help="Use the test set: the same scenes with other seeds.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Use all five scenes with every frame; it takes minutes.")
    ] = False,
) -> None:
    """Evaluate the light system, with and without its refiner, and a baseline with the VOT toolkit.

    The sequences are synthetic: three scenes, of which every second or fourth frame is drawn. A second run
    reuses existing results.
    """
    from hqtrack.cli.evaluation_progress import watch
    from hqtrack.cli.tables import print_table
    from hqtrack.evaluation.demo import DEMO_CARD, run_demo, table
    from hqtrack.scenes.dataset import DEMO_STEPS, EVERY_FRAME, SAMPLE_SEED, TEST_SEEDS, write_dataset
    from hqtrack.vot.workspace import SAMPLE_STACK, create_workspace
    from hqtrack.zoo import find_weights, load_card

    for weights in load_card(DEMO_CARD).all_weights:
        find_weights(weights)  # what is missing is better known before minutes of drawing
    if not (folder / "config.yaml").exists():
        create_workspace(folder, SAMPLE_STACK)
    seeds = TEST_SEEDS if test else (SAMPLE_SEED,)
    write_dataset(folder / "sequences", seeds, EVERY_FRAME if test or full else DEMO_STEPS)
    with watch() as watcher:
        result = run_demo(folder, watcher)
    heading, *rows = table(result)
    print_table(heading, rows)
    typer.echo(
        "The toolkit counts the first frame, whose masks are given, as a failure: on n frames a perfect\n"
        "tracker has Q = (n - 1) / n. J and F count it as right.\n"
        f"report         {result.report}\n"
        f"quality plot   {result.plot}\n"
        f"submission     {result.submission}\n"
        f"overlay video  {result.overlay}\n"
        f"contact sheet  {result.sheet}"
    )
