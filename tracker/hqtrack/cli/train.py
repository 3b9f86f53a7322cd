"""`hqtrack train`: the paper's training, and the light model's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hqtrack.cli.tracker_options import LIGHT_REFINER_CARD
from hqtrack.errors import InputError

if TYPE_CHECKING:
    from torch import nn

    from hqtrack.nets.interface import PropagationNetwork
    from hqtrack.training.datasets import Source

app = typer.Typer(
    no_args_is_help=True,
    help="""Train a card's network: stage 1 on static images, stage 2 on videos, its refiner on
    both; then export the weights.

    Run the same command again to resume a training from its last checkpoint. Several GPUs or machines:
    put `torchrun --nproc-per-node N --no-python` before the command.
    """,
)

TrainedCardOption = Annotated[
    str, typer.Option("--card", help="Whose network to train: a card's name or file.")
]
RunOption = Annotated[
    Path | None, typer.Option("--folder", help="Folder of this training run. Default: runs/CARD-stageN.")
]
StepsOption = Annotated[int | None, typer.Option(min=1, help="Total number of steps. Default: the recipe's.")]
BatchOption = Annotated[int | None, typer.Option(min=1, help="Sequences in a step, over all processes.")]
SeedOption = Annotated[int, typer.Option(help="Random seed.")]
TrainingDeviceOption = Annotated[str, typer.Option(help="cpu, cuda, or auto.")]
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
        int, typer.Option(min=0, help="Processes that synthesise; with 0 the training device does it.")
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
    from hqtrack.training import on_synthetic
    from hqtrack.training.recipes import SynthesisTraining, training_of
    from hqtrack.training.synthesis import RegionImages

    network, name = _network(card, start, encoder)
    with _processes(device) as (target, rank):
        settings = training_of(name, 1, steps=steps, batch=batch, seed=seed)
        assert isinstance(settings, SynthesisTraining), "there is no other stage 1"
        images = RegionImages.from_lists(data, lists)
        sequences = []
        if validation is not None and rank == 0:
            sequences = on_synthetic.validation_sequences(RegionImages.from_folder(data, validation))
        folder = run or Path("runs") / f"{Path(card).stem}-stage1"
        sources = [_source(text) for text in videos or []]
        origins = (f"{data.absolute().name} ({', '.join(lists or ['all images'])})", *_names(videos or []))
        _record(rank, folder, 1, card, name, origins, encoder)
        on_synthetic.run(
            network, images, sequences, settings, folder, videos=sources, workers=workers, device=target
        )
    if rank == 0:
        _say_what_next(settings.steps, folder, card)


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
            help="Folder as of stage 1's --data, for networks that mix videos with synthetic sequences."
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
    workers: Annotated[int, typer.Option(min=0, help="Processes that read videos.")] = 4,
    seed: SeedOption = 0,
    device: TrainingDeviceOption = "auto",
    start: StartOption = None,
) -> None:
    """Train on annotated videos: davis2017, youtube-vos, vipseg, burst, mots, ovis, vot.

    Example:
        hqtrack train stage2 --card vmos --from runs/vmos-stage1 \\
            --data davis2017=./DAVIS --data youtube-vos=./YouTubeVOS@3
    """
    from hqtrack.training import on_synthetic, on_videos
    from hqtrack.training.recipes import VideoTraining, training_of
    from hqtrack.training.synthesis import RegionImages

    network, name = _network(card, start)
    with _processes(device) as (target, rank):
        sources = [_source(text) for text in data]
        folder = run or Path("runs") / f"{Path(card).stem}-stage2"
        settings = training_of(name, 2, steps=steps, batch=batch, seed=seed)
        if isinstance(settings, VideoTraining):
            if photographs is not None or lists or validation is not None:
                raise InputError(
                    f"stage 2 of {name} trains on videos alone; leave out --photographs and lists"
                )
            _record(rank, folder, 2, card, name, _names(data))
            on_videos.run(network, sources, settings, folder, workers=workers, device=target)
        else:
            if photographs is None:
                raise InputError(
                    f"stage 2 of {name} mixes videos with synthetic sequences: give --photographs, a "
                    "folder as of stage 1's --data"
                )
            images = RegionImages.from_lists(photographs, lists)
            sequences = []
            if validation is not None and rank == 0:
                sequences = on_synthetic.validation_sequences(
                    RegionImages.from_folder(photographs, validation)
                )
            _record(rank, folder, 2, card, name, (*_names(data), *(lists or ["all photographs"])))
            on_synthetic.run(
                network, images, sequences, settings, folder, videos=sources, workers=workers, device=target
            )
    if rank == 0:
        _say_what_next(settings.steps, folder, card)


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
    workers: Annotated[int, typer.Option(min=0, help="Processes that make crops.")] = 1,
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
    from dataclasses import replace

    import cv2
    import torch

    from hqtrack.nets.light_segmenter import LightSegmenter
    from hqtrack.training import refiner as stage
    from hqtrack.training.checkpoints import load_encoder
    from hqtrack.training.crops import CropSampler, Photographs
    from hqtrack.training.recipes import REFINER
    from hqtrack.zoo import load_card

    settings = load_card(card).refiner
    if settings is None or settings.kind != stage.LIGHT_REFINER:
        raise InputError(f"--card {card}: has no light refiner to train; choose one whose refiner is light")
    # Threads of OpenCV would not live on in the workers, which would wait for them for ever.
    cv2.setNumThreads(0)
    torch.manual_seed(0)
    network = LightSegmenter()
    if encoder is not None:
        load_encoder(network, encoder)
    if start is not None:
        _start(network, stage.LIGHT_REFINER, start)
    training = replace(
        REFINER,
        steps=steps or REFINER.steps,
        batch=batch or REFINER.batch,
        validation_crops=validation_crops or REFINER.validation_crops,
        seed=seed,
    )
    with _processes(device) as (target, rank):
        chosen = [_weighted(text, "--list") for text in lists]
        photographs = [(Photographs.from_lists(data, [name]).split(), share) for name, share in chosen]
        samplers = [
            CropSampler(
                [(halves[part], share) for halves, share in photographs],
                [_source(text) for text in given or []],
                side=training.side,
            )
            for part, given in enumerate((videos, validation_videos))
        ]
        folder = run or Path("runs") / f"{Path(card).stem}-refiner"
        named = ", ".join(Path(text).name for text in lists)
        origins = (f"{data.absolute().name} ({named})", *_names(videos or []))
        _record(rank, folder, "refiner", card, stage.LIGHT_REFINER, origins, encoder)
        stage.run(network, samplers[0], samplers[1], training, folder, workers=workers, device=target)
    if rank == 0:
        _say_what_next(training.steps, folder, card)


@app.command()
def scenes(
    folder: Annotated[Path, typer.Argument(help="Created if missing; existing sequences stay.")],
    count: Annotated[int, typer.Option(min=1, help="Variants of each of the five scenes.")] = 24,
) -> None:
    """Make synthetic sequences for stage 1's `--video vot=FOLDER`: the demo's scenes with other seeds.

    Neither the sample sequences nor the test set are among them.
    """
    from hqtrack.scenes.dataset import FIRST_TRAINING_SEED, write_dataset

    names = write_dataset(folder, tuple(range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + count)))
    typer.echo(f"{folder}: {len(names)} sequences")


@app.command()
def label(
    photographs: Annotated[Path, typer.Argument(help="Folder of images.")],
    folder: Annotated[Path, typer.Argument(help="Receives images/, labels/ and objects.txt.")],
    encoder: Annotated[Path, typer.Option(help="ONNX file of the Segment Anything encoder.")],
    decoder: Annotated[Path, typer.Option(help="ONNX file of the Segment Anything decoder.")],
    card: Annotated[str, typer.Option(help="Whose refiner guesses where objects are.")] = LIGHT_REFINER_CARD,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Let a Segment Anything network find the objects in photographs, for `hqtrack train refiner`.

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
    data: Annotated[str, typer.Option(help="What it was trained on, if the run's folder does not say.")] = "",
    command: Annotated[
        str, typer.Option(help="The command that trained it, if the run's folder does not say.")
    ] = "",
) -> None:
    """Write a training's averaged weights (safetensors, float16), and enter them into the card.

    Of several trainings that began with the same weights, the mean is written.

    The card's table of weights, or that of its refiner's, then says their SHA-256, data, command and
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


def _network(card: str, start: Path | None, encoder: Path | None = None) -> tuple[PropagationNetwork, str]:
    """Build a card's network, with fresh weights or given ones, and its name."""
    import torch

    from hqtrack import nets
    from hqtrack.training.checkpoints import load_encoder
    from hqtrack.zoo import load_card

    name = load_card(card).network
    torch.manual_seed(0)
    network = nets.build(name)
    if encoder is not None:
        load_encoder(network, encoder)
    if start is not None:
        _start(network, name, start)
    return network, name


def _start(network: nn.Module, name: str, start: Path) -> None:
    """Start with the weights of a file, or of a training's folder."""
    from hqtrack.training.checkpoints import CHECKPOINT_FILE, read_state
    from hqtrack.zoo import load_into, read_checkpoint

    path = start / CHECKPOINT_FILE if start.is_dir() else start
    state = read_state(path)["ema"] if path.name == CHECKPOINT_FILE else read_checkpoint(path)
    load_into(network, name, state, path)


def _names(texts: list[str]) -> tuple[str, ...]:
    """Return the datasets' names of `DATASET=FOLDER@WEIGHT`."""
    return tuple(text.partition("=")[0] for text in texts)


def _source(text: str) -> Source:
    """Read `DATASET=FOLDER@WEIGHT`."""
    from hqtrack.training.datasets import MAX_GAP, Source, read_dataset

    name, equals, rest = text.partition("=")
    folder, share = _weighted(rest, "--data")
    if not equals or not folder:
        raise InputError(f"--data {text}: expected DATASET=FOLDER or DATASET=FOLDER@WEIGHT")
    return Source(read_dataset(name, Path(folder)), share, MAX_GAP[name])


def _weighted(text: str, option: str) -> tuple[str, float]:
    """Read `NAME@WEIGHT`; the weight is 1 if there is none."""
    name, at, weight = text.rpartition("@")
    try:
        share = float(weight) if at else 1.0
    except ValueError:
        share = -1.0
    if share <= 0:
        raise InputError(f"{option} {text}: what follows @ is a weight above 0")
    return (name if at else text), share


def _record(
    rank: int,
    folder: Path,
    stage: int | str,
    card: str,
    network: str,
    data: tuple[str, ...],
    encoder: Path | None = None,
) -> None:
    """Note in a run's folder how it was started."""
    from hqtrack.training.checkpoints import Start, code_version, command_line, record_start
    from hqtrack.zoo.weights import sha256_of

    if rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        digest = "" if encoder is None else sha256_of(encoder)
        record_start(folder, Start(stage, card, network, data, command_line(), code_version(), digest))


@contextmanager
def _processes(device: str) -> Iterator[tuple[str, int]]:
    """Join the processes that torchrun started, if it did; give this one's device and rank."""
    import torch
    import torch.distributed as dist

    if device not in ("auto", "cpu") and not device.startswith("cuda"):
        raise InputError(f"--device {device}: there are auto, cpu and cuda")
    cuda = torch.cuda.is_available()
    if device.startswith("cuda") and not cuda:
        raise InputError(f"--device {device}: this machine has no CUDA device that PyTorch can use")
    target = ("cuda" if cuda else "cpu") if device == "auto" else device
    if not dist.is_torchelastic_launched():
        yield target, 0
        return
    if target.startswith("cuda"):
        target = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(target)
    dist.init_process_group("nccl" if target.startswith("cuda") else "gloo")
    try:
        yield target, dist.get_rank()
    finally:
        dist.destroy_process_group()


def _say_what_next(steps: int, folder: Path, card: str) -> None:
    """End a training with the command that follows it."""
    typer.echo(f"trained for {steps} steps: {folder}")
    typer.echo(f"next: hqtrack train export {folder} --card {card}")
