"""`hqtrack weights`: list, download, check and find weight files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hqtrack.cli.completion import complete_weights
from hqtrack.cli.tables import print_table
from hqtrack.errors import WeightsError

if TYPE_CHECKING:
    from rich.progress import Progress as ProgressBar

    from hqtrack.cards import Weights

app = typer.Typer(no_args_is_help=True, help="List, download, check and find weight files.")

Names = Annotated[
    list[str],
    typer.Argument(
        help="Weights (`hqtrack weights list`), or a card: all that it needs.",
        metavar="NAME",
        autocompletion=complete_weights,
    ),
]


@app.command("list")
def list_weights() -> None:
    """List every weight file that a card needs, and where it is stored.

    Examples:
        hqtrack weights list
        hqtrack weights list | cut -f 1,5
    """
    from hqtrack.zoo import card_names, known_weights, load_card

    users: dict[str, list[str]] = {}
    for name in card_names():
        for weights in load_card(name).all_weights:
            users.setdefault(weights.label, []).append(name)
    print_table(
        ("weights", "file", "licence", "cards", "state"),
        [
            (each.label, each.file, each.licence, ", ".join(users[each.label]), _state(each))
            for each in known_weights()
        ],
    )


@app.command()
def pull(
    names: Names,
    to: Annotated[
        Path | None,
        typer.Option(help="Folder; the user's cache if not given.", file_okay=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Download again even if the file exists.")] = False,
) -> None:
    """Download weights from where their authors published them.

    The same command resumes an interrupted download. A file appears under its
    name only when it is complete and its SHA-256 agrees.

    Examples:
        hqtrack weights pull hqtrack             VMOS and HQ-SAM, for hqtrack
        hqtrack weights pull r50-deaotl          one weight file
        hqtrack weights pull vmos --to /data/w   into a folder of your own
    """
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from hqtrack.zoo import weights_of

    wanted = {weights.label: weights for name in names for weights in weights_of(name)}
    columns = (
        TextColumn("{task.description}"),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        for weights in wanted.values():
            print(_pull_one(weights, to, force, bar))


def _pull_one(weights: Weights, folder: Path | None, force: bool, bar: ProgressBar) -> Path:
    """Download one file under a progress bar."""
    from hqtrack.zoo import locate, pull

    present = locate(weights)
    if weights.origin == "embedded" and present is not None:
        return present
    task = bar.add_task(weights.label, total=None)

    def report(received: int, expected: int | None) -> None:
        bar.update(task, completed=received, total=expected)

    return pull(weights, folder=folder, force=force, progress=report)


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="The file that you downloaded.", metavar="FILE")],
    name: Annotated[
        str, typer.Option("--name", help="Name of the weights. Default: found by SHA-256 or file name.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace another file of that name.")] = False,
) -> None:
    """Check a weight file that came by another way, and store it where it is looked for.

    Examples:
        hqtrack weights add ~/Downloads/sam_hq_vit_h.pth
        hqtrack weights add from-a-colleague.pth --name vmos
    """
    from hqtrack import zoo

    weights = _weights_named(name) if name else _weights_like(file)
    print(zoo.add(weights, file, force=force))


def _weights_named(name: str) -> Weights:
    """Return the one weight file of a name."""
    from hqtrack.zoo import weights_of

    first, *others = weights_of(name)
    if others:
        labels = ", ".join(each.label for each in (first, *others))
        raise WeightsError(f"{name} needs several files ({labels}); name one of them")
    return first


def _weights_like(file: Path) -> Weights:
    """Return the known weights of a file's SHA-256, else of its name."""
    from hqtrack.zoo import known_weights
    from hqtrack.zoo.weights import sha256_of

    known = known_weights()
    digest = sha256_of(file) if file.is_file() else None
    for weights in known:
        if digest is not None and weights.sha256 == digest:
            return weights
    for weights in known:
        if weights.file == file.name:
            return weights
    names = ", ".join(each.label for each in known)
    raise WeightsError(
        f"{file} is none of the known weights by SHA-256 or name; name them with --name: {names}"
    )


@app.command()
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Weights or cards. Default: all that are downloaded.",
            metavar="NAME",
            autocompletion=complete_weights,
        ),
    ] = None,
) -> None:
    """Check weight files against their SHA-256. The exit code is 1 if one is damaged, or named and missing.

    Where the authors publish no SHA-256, it is the one recorded at the download. A file that was put in place
    by hand has none: it is recorded now, and compared from then on.

    Examples:
        hqtrack weights verify
        hqtrack weights verify vmos-light
    """
    from hqtrack.zoo import known_weights, locate, weights_of

    if names:
        chosen = list({weights.label: weights for name in names for weights in weights_of(name)}.values())
    else:
        chosen = [weights for weights in known_weights() if locate(weights) is not None]
    results = [_verdict(weights) for weights in chosen]
    print_table(("weights", "verdict", "file"), [row for _, row in results])
    if not all(good for good, _ in results):
        raise typer.Exit(1)


@app.command()
def path(
    name: Annotated[
        str,
        typer.Argument(help="Weights. Default: the folder of downloads.", autocompletion=complete_weights),
    ] = "",
) -> None:
    """Print the path of a weight file, for scripts.

    Examples:
        hqtrack weights path vmos-light
        cp my-download.pth "$(hqtrack weights path)"
    """
    from hqtrack.zoo import cache_folder, find_weights, weights_of

    if not name:
        print(cache_folder())
        return
    for weights in weights_of(name):
        print(find_weights(weights))


def _state(weights: Weights) -> str:
    """Where weights are stored, or how to get them."""
    from hqtrack.zoo import locate

    path = locate(weights)
    if path is not None:
        return str(path)
    if weights.origin == "published":
        return f"missing: hqtrack weights pull {weights.label}"
    return "missing: to be trained" if weights.origin == "to-be-trained" else "missing: reinstall hqtrack"


def _verdict(weights: Weights) -> tuple[bool, tuple[str, str, str]]:
    """Return whether a file is good, and its row of the report."""
    from hqtrack import zoo

    path = zoo.locate(weights)
    if path is None:
        return False, (weights.label, _state(weights), weights.file)
    try:
        verdict = zoo.verify(weights, path)
    except WeightsError as error:
        return False, (weights.label, str(error), str(path))
    return True, (weights.label, verdict, str(path))
