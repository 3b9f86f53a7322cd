"""`hqtrack train`: the paper's training, and the light model's."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hqtrack.defaults import LIGHT_REFINER_CARD
from hqtrack.errors import InputError

if TYPE_CHECKING:
    from hqtrack.training.stages import Trained

app = typer.Typer(
    no_args_is_help=True,
    help="""Train a card's network: stage 1 on static images, stage 2 on videos, its refiner on
    both; then export the weights.

    Run the same command again to resume a training from its last checkpoint. Several GPUs or machines:
    put `torchrun --nproc-per-node N --no-python` before the command.
    """,
)

TrainedCardOption = Annotated[
    str, typer.Option("--card", help="Card of the network to train: a name or a file.")
]
RunOption = Annotated[
    Path | None, typer.Option("--folder", help="Folder of this training run. Default: runs/CARD-stageN.")
]
StepsOption = Annotated[int | None, typer.Option(min=1, help="Total number of steps. Default: the recipe's.")]
BatchOption = Annotated[int | None, typer.Option(min=1, help="Sequences in a step, over all processes.")]
SeedOption = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Random seed.")]
TrainingDeviceOption = Annotated[str, typer.Option(help="cpu, cuda, or auto.")]
RENDERED = "Rendered clips"
"""Of options that go with --physics."""
StartOption = Annotated[
    Path | None,
    typer.Option("--from", help="Weights to start with: a checkpoint file, or the folder of a training."),
]
EncoderOption = Annotated[
    Path | None,
    typer.Option("--encoder", help="Weights of the encoder alone to start with, as trained on ImageNet."),
]


@app.command()
def stage1(
    card: TrainedCardOption,
    data: Annotated[
        Path, typer.Option(help="Folder with images/ and labels/ (PNG index maps of the same names).")
    ],
    lists: Annotated[
        list[str] | None,
        typer.Option(
            "--list",
            help="File in DATA that names images to use, or elsewhere, next to images/ and labels/ of its "
            "own; repeatable.",
        ),
    ] = None,
    validation: Annotated[
        str | None, typer.Option("--validation-list", help="File in DATA that names images to validate on.")
    ] = None,
    videos: Annotated[
        list[str] | None,
        typer.Option(
            "--video", help="DATASET=FOLDER[@WEIGHT] to take a share of the sequences from; repeatable."
        ),
    ] = None,
    run: RunOption = None,
    steps: StepsOption = None,
    batch: BatchOption = None,
    workers: Annotated[
        int,
        typer.Option(min=0, max=1024, help="Processes that synthesise; with 0 the training device does it."),
    ] = 1,
    seed: SeedOption = 0,
    device: TrainingDeviceOption = "auto",
    start: StartOption = None,
    encoder: EncoderOption = None,
) -> None:
    """Train on sequences synthesised from static images with region or instance masks.

    Example:
        hqtrack train stage1 --card hqtrack-light --data ./static --list train.txt --validation-list val.txt
    """
    from hqtrack.training.stages import Run, StaticImages, train_on_images

    given = Run(
        card=card,
        folder=run,
        steps=steps,
        batch=batch,
        workers=workers,
        seed=seed,
        device=device,
        start=start,
        encoder=encoder,
    )
    trained = train_on_images(given, StaticImages(data, lists or (), validation), videos or ())
    _print_next(trained, card)


@app.command()
def stage2(
    card: TrainedCardOption,
    data: Annotated[
        list[str],
        typer.Option(help="DATASET=FOLDER or DATASET=FOLDER@WEIGHT; repeat it to mix datasets by weight."),
    ],
    photographs: Annotated[
        Path | None,
        typer.Option(
            help="Folder in the layout of stage 1's --data, for networks that mix videos and synthetic "
            "sequences."
        ),
    ] = None,
    lists: Annotated[
        list[str] | None,
        typer.Option(
            "--list",
            help="File in PHOTOGRAPHS that names images to use, or elsewhere, next to images/ and labels/ "
            "of its own; repeatable.",
        ),
    ] = None,
    validation: Annotated[
        str | None,
        typer.Option("--validation-list", help="File in PHOTOGRAPHS that names images to validate on."),
    ] = None,
    run: RunOption = None,
    steps: StepsOption = None,
    batch: BatchOption = None,
    workers: Annotated[int, typer.Option(min=0, max=1024, help="Processes that read videos.")] = 4,
    seed: SeedOption = 0,
    device: TrainingDeviceOption = "auto",
    start: StartOption = None,
) -> None:
    """Train on annotated videos: davis2017, youtube-vos, vipseg, burst, mots, ovis, vot, physics.

    Example:
        hqtrack train stage2 --card vmos --from runs/vmos-stage1 \\
            --data davis2017=./DAVIS --data youtube-vos=./YouTubeVOS@3
    """
    from hqtrack.training.stages import Run, StaticImages, train_on_videos

    if photographs is None and (lists or validation is not None):
        raise InputError("--list and --validation-list name files in --photographs; give that folder too")
    images = None if photographs is None else StaticImages(photographs, lists or (), validation)
    given = Run(
        card=card,
        folder=run,
        steps=steps,
        batch=batch,
        workers=workers,
        seed=seed,
        device=device,
        start=start,
    )
    _print_next(train_on_videos(given, data, images), card)


@app.command()
def refiner(
    card: TrainedCardOption,
    data: Annotated[
        Path, typer.Option(help="Folder with images/ and labels/ (PNG index maps of the same names).")
    ],
    lists: Annotated[
        list[str],
        typer.Option(
            "--list",
            help="FILE[@WEIGHT] in DATA that names images to use, or elsewhere, next to images/ and labels/ "
            "of its own; repeatable.",
        ),
    ],
    videos: Annotated[
        list[str] | None,
        typer.Option(
            "--video", help="DATASET=FOLDER[@WEIGHT] to take a share of the crops from; repeatable."
        ),
    ] = None,
    validation_videos: Annotated[
        list[str] | None,
        typer.Option("--validation-video", help="DATASET=FOLDER to validate on; repeatable."),
    ] = None,
    validation_crops: Annotated[
        int | None, typer.Option(min=1, help="Crops to validate on, for each kind of prompts.")
    ] = None,
    run: RunOption = None,
    steps: StepsOption = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Crops in a step, over all processes.")] = None,
    workers: Annotated[int, typer.Option(min=0, max=1024, help="Processes that make crops.")] = 1,
    seed: SeedOption = 0,
    device: TrainingDeviceOption = "auto",
    start: StartOption = None,
    encoder: EncoderOption = None,
) -> None:
    """Train the light refiner on crops of photographs and videos; a tenth of them is kept for validation.

    Example:
        hqtrack train refiner --card hqtrack-light --encoder efficientnet-lite0.pth --data ./static \\
            --list duts.txt@5 --list coco.txt@2 --video davis2017=./DAVIS
    """
    from hqtrack.training.stages import Run, StaticImages, train_refiner

    given = Run(
        card=card,
        folder=run,
        steps=steps,
        batch=batch,
        workers=workers,
        seed=seed,
        device=device,
        start=start,
        encoder=encoder,
    )
    images = StaticImages(data, lists)
    trained = train_refiner(given, images, videos or (), validation_videos or (), validation_crops)
    _print_next(trained, card)


@app.command()
def scenes(
    folder: Annotated[Path, typer.Argument(help="Created if missing; existing sequences stay.")],
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Variants of each of the five scenes (24), or rendered clips (1000)."),
    ] = None,
    physics: Annotated[
        bool, typer.Option("--physics", help="Render clips of bodies that collide and hide one another.")
    ] = False,
    photographs: Annotated[
        Path | None, typer.Option(help="Folder of images for their textures.", rich_help_panel=RENDERED)
    ] = None,
    first_seed: Annotated[
        int | None,
        typer.Option(min=0, max=10**9, help="Seed of the first clip: 1000.", rich_help_panel=RENDERED),
    ] = None,
    size: Annotated[
        tuple[int, int] | None,
        typer.Option(help="Width and height of frames: 384 216.", rich_help_panel=RENDERED),
    ] = None,
    frames: Annotated[
        tuple[int, int] | None,
        typer.Option(help="Least and most frames of a clip: 16 24.", rich_help_panel=RENDERED),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Processes that render: one a core.", rich_help_panel=RENDERED),
    ] = None,
    measuring: Annotated[
        bool,
        typer.Option(
            "--measuring",
            help="Render clips of seeds below 1000, on which nothing is trained.",
            rich_help_panel=RENDERED,
        ),
    ] = False,
) -> None:
    """Make synthetic sequences for `--video vot=FOLDER`: the demo's scenes with other seeds.

    Neither the sample sequences nor the test set are among them. With --physics, clips are rendered for
    `--data physics=FOLDER`; run the same command again to resume.

    Example:
        hqtrack train scenes ./physics --physics --photographs ./static/images --count 3000
    """
    if physics:
        _render(
            folder,
            photographs,
            seeds=(first_seed, count),
            size=size,
            frames=frames,
            workers=workers,
            measuring=measuring,
        )
        return
    rendered = {
        "--photographs": photographs,
        "--first-seed": first_seed,
        "--size": size,
        "--frames": frames,
        "--workers": workers,
        "--measuring": measuring or None,
    }
    given = [option for option, value in rendered.items() if value is not None]
    if given:
        raise InputError(f"{given[0]}: is of rendered clips; add --physics, or leave it out")
    from hqtrack.scenes.dataset import FIRST_TRAINING_SEED, write_dataset

    count = count or 24
    names = write_dataset(folder, tuple(range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + count)))
    typer.echo(f"{folder}: {len(names)} sequences")


def _render(
    folder: Path,
    photographs: Path | None,
    *,
    seeds: tuple[int | None, int | None],
    size: tuple[int, int] | None,
    frames: tuple[int, int] | None,
    workers: int | None,
    measuring: bool,
) -> None:
    """Render clips; `seeds` are the first seed and their number."""
    from hqtrack.cli.progress import progress
    from hqtrack.images import images_in
    from hqtrack.scenes.physics.dataset import check_seeds, write_clips
    from hqtrack.scenes.physics.settings import FIRST_RENDERED_SEED, ClipSettings

    if photographs is None:
        raise InputError("--physics needs --photographs: a folder of images, for textures")
    first = (0 if measuring else FIRST_RENDERED_SEED) if seeds[0] is None else seeds[0]
    chosen = range(first, first + (seeds[1] or (FIRST_RENDERED_SEED - first if measuring else 1000)))
    check_seeds(chosen, measuring=measuring)
    plain = ClipSettings(tuple(images_in(photographs)))
    settings = replace(plain, size=size or plain.size, frames=frames or plain.frames)
    made = 0
    with progress(len(chosen), "clips") as advance:
        for clip in write_clips(folder, chosen, settings, workers=workers or os.cpu_count() or 1):
            made += clip.problem is None
            if clip.problem is not None:
                typer.echo(f"{clip.name}: {clip.problem}", err=True)
            advance()
    typer.echo(f"{folder}: {made} of {len(chosen)} clips are there")


@app.command()
def label(
    photographs: Annotated[Path, typer.Argument(help="Folder of images.")],
    folder: Annotated[Path, typer.Argument(help="Receives images/, labels/ and objects.txt.")],
    encoder: Annotated[Path, typer.Option(help="ONNX file of the Segment Anything encoder.")],
    decoder: Annotated[Path, typer.Option(help="ONNX file of the Segment Anything decoder.")],
    card: Annotated[
        str, typer.Option(help="Card of the refiner that guesses where objects are.")
    ] = LIGHT_REFINER_CARD,
    workers: Annotated[int, typer.Option(min=1, max=1024, help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Find the objects in photographs with a Segment Anything network, for `hqtrack train refiner`.

    Run the same command again to resume.

    Example:
        hqtrack train label ./photographs ./labelled --encoder encoder.onnx --decoder sam.onnx
    """
    from rich.console import Console
    from rich.progress import track

    from hqtrack.images import images_in
    from hqtrack.training.teacher import LIST_FILE, Models, label_photographs
    from hqtrack.zoo import load_card

    pupil = load_card(card).refiner
    if pupil is None:
        raise InputError(f"--card {card}: has no refiner that could guess where objects are")
    counts = label_photographs(photographs, folder, Models(encoder, decoder, pupil), workers=workers)
    console = Console(stderr=True)
    found = list(
        track(
            counts,
            "labelling",
            total=len(images_in(photographs)),
            console=console,
            disable=not console.is_terminal,
        )
    )
    typer.echo(
        f"{folder / LIST_FILE}: {sum(1 for count in found if count)} photographs, {sum(found)} objects"
    )


@app.command()
def export(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folder of a training, or of several.")
    ],
    card: TrainedCardOption,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; default: where the card looks for its weights.")
    ] = None,
    data: Annotated[
        str, typer.Option(help="Training data, if the folder of the run has no record of it.")
    ] = "",
    command: Annotated[
        str, typer.Option(help="The command that trained it, if the folder of the run has no record of it.")
    ] = "",
) -> None:
    """Write a training's averaged weights (safetensors, float16), and enter them into the card.

    Of several trainings that began with the same weights, the mean is written.

    The card's table of weights, or that of its refiner's, then has their SHA-256, data, command and
    commit; so does that of cards next to it that use the same file.
    """
    from hqtrack.training.export import export_runs

    exported = export_runs(runs, card, out=out, data=data, command=command)
    size = exported.file.stat().st_size / 1e6
    typer.echo(f"{exported.file}: {size:.1f} MB, SHA-256 {exported.sha256}")
    for path in exported.cards:
        typer.echo(f"{path}: updated")


@app.command()
def curve(
    run: Annotated[Path, typer.Argument(help="Folder of a training.")],
    out: Annotated[Path, typer.Argument(help="Picture to write: svg, png or pdf.")],
) -> None:
    """Draw a training's losses and IoU over its steps."""
    from hqtrack.training.curve import plot_log

    plot_log(run / "log.jsonl", out)
    typer.echo(f"{out}: written")


def _print_next(trained: Trained, card: str) -> None:
    """Print, in the process that writes, the command that follows a training."""
    if trained.rank == 0:
        typer.echo(f"trained for {trained.steps} steps: {trained.folder}")
        typer.echo(f"next: hqtrack train export {trained.folder} --card {card}")
