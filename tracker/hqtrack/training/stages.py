"""The trainings of `hqtrack train`, from what a person gives to a trained network in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import cv2
import torch
from torch import nn

from hqtrack import nets
from hqtrack.errors import InputError
from hqtrack.nets.interface import PropagationNetwork
from hqtrack.nets.light_segmenter import LightSegmenter
from hqtrack.training import on_synthetic, on_videos, refiner
from hqtrack.training.checkpoints import (
    CHECKPOINT_FILE,
    Start,
    code_version,
    command_line,
    load_encoder,
    read_state,
    record_start,
)
from hqtrack.training.crops import CropSampler, Photographs
from hqtrack.training.datasets import Source, dataset_names, read_source, weighted
from hqtrack.training.processes import joined
from hqtrack.training.recipes import REFINER, SynthesisTraining, VideoTraining, training_of
from hqtrack.training.synthesis import RegionImages
from hqtrack.zoo import load_card, load_into, read_checkpoint
from hqtrack.zoo.weights import sha256_of


@dataclass(frozen=True, kw_only=True)
class Run:
    """What every training is given."""

    card: str
    """A card's name or file: whose network, or whose refiner."""
    folder: Path | None = None
    """Of the training; None: runs/CARD-STAGE."""
    steps: int | None = None
    """Instead of the recipe's."""
    batch: int | None = None
    """Instead of the recipe's, over all processes."""
    workers: int = 1
    """Processes that make batches; with 0 this one makes them."""
    seed: int = 0
    device: str = "auto"
    start: Path | None = None
    """Weights to start with: a checkpoint file, or the folder of a training."""
    encoder: Path | None = None
    """Weights of the encoder alone to start with."""

    def folder_of(self, stage: str) -> Path:
        """Return the folder of a stage's training."""
        return self.folder or Path("runs") / f"{Path(self.card).stem}-{stage}"


@dataclass(frozen=True)
class StaticImages:
    """Photographs with index maps of their regions."""

    folder: Path
    """With images/ and labels/."""
    lists: Sequence[str] = ()
    """Files in `folder` that name images to use; empty: all. A refiner's may end with @WEIGHT."""
    validation: str | None = None
    """File in `folder` that names images to validate on."""

    def read(self) -> RegionImages:
        """Read those to train on."""
        return RegionImages.from_lists(self.folder, self.lists)

    def validation_sequences(self, rank: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Make the sequences to validate on; only the first process (rank 0) has some."""
        if self.validation is None or rank != 0:
            return []
        return on_synthetic.validation_sequences(RegionImages.from_folder(self.folder, self.validation))


class Trained(NamedTuple):
    """What a training has done."""

    folder: Path
    steps: int
    rank: int
    """Of this process: 0 is the one that writes."""


def train_on_images(run: Run, images: StaticImages, videos: Sequence[str] = ()) -> Trained:
    """Train stage 1: on sequences synthesised from static images.

    Args:
        run: See there.
        images: What sequences are made of.
        videos: `DATASET=FOLDER[@WEIGHT]`, to take a share of the sequences from.

    Raises:
        InputError: Something that was given cannot be used.
        DataError: Images or videos cannot be read.
        WeightsError: The weights to start with are missing, damaged, or another network's.
        TrainingError: The folder holds another training, or the training failed.
    """
    network, name = _network(run)
    with joined(run.device) as (device, rank):
        settings = training_of(name, 1, steps=run.steps, batch=run.batch, seed=run.seed)
        assert isinstance(settings, SynthesisTraining), "there is no other stage 1"
        regions, sequences = images.read(), images.validation_sequences(rank)
        sources = [read_source(text) for text in videos]
        folder = run.folder_of("stage1")
        if rank == 0:
            named = f"{images.folder.absolute().name} ({', '.join(images.lists or ['all images'])})"
            found = contents_of([item.name for item in regions.items], sources)
            _note(run, folder, 1, name, (named, *dataset_names(videos)), found)
        on_synthetic.run(
            network, regions, sequences, settings, folder, videos=sources, workers=run.workers, device=device
        )
    return Trained(folder, settings.steps, rank)


def train_on_videos(run: Run, data: Sequence[str], images: StaticImages | None = None) -> Trained:
    """Train stage 2: on annotated videos, which the light network mixes with synthetic sequences.

    Args:
        run: See there.
        data: `DATASET=FOLDER[@WEIGHT]` of each data set.
        images: What synthetic sequences are made of, for networks that mix them in.

    Raises:
        InputError: Something that was given cannot be used, such as images for a network that takes none.
        DataError: Images or videos cannot be read.
        WeightsError: The weights to start with are missing, damaged, or another network's.
        TrainingError: The folder holds another training, or the training failed.
    """
    network, name = _network(run)
    with joined(run.device) as (device, rank):
        sources = [read_source(text) for text in data]
        settings = training_of(name, 2, steps=run.steps, batch=run.batch, seed=run.seed)
        folder = run.folder_of("stage2")
        if isinstance(settings, VideoTraining):
            if images is not None:
                raise InputError(
                    f"stage 2 of {name} trains on videos alone; leave out --photographs and lists"
                )
            if rank == 0:
                _note(run, folder, 2, name, dataset_names(data), contents_of([], sources))
            on_videos.run(network, sources, settings, folder, workers=run.workers, device=device)
            return Trained(folder, settings.steps, rank)
        if images is None:
            raise InputError(
                f"stage 2 of {name} mixes videos with synthetic sequences: give --photographs, a folder in "
                "the layout of stage 1's --data"
            )
        regions, sequences = images.read(), images.validation_sequences(rank)
        if rank == 0:
            named = (*dataset_names(data), *(images.lists or ["all photographs"]))
            found = contents_of([item.name for item in regions.items], sources)
            _note(run, folder, 2, name, named, found)
        on_synthetic.run(
            network, regions, sequences, settings, folder, videos=sources, workers=run.workers, device=device
        )
    return Trained(folder, settings.steps, rank)


def train_refiner(
    run: Run,
    images: StaticImages,
    videos: Sequence[str] = (),
    validation_videos: Sequence[str] = (),
    validation_crops: int | None = None,
) -> Trained:
    """Train the light refiner on crops of photographs and videos; a tenth of the photographs is held back.

    Args:
        run: See there.
        images: The photographs.
        videos: `DATASET=FOLDER[@WEIGHT]`, to take a share of the crops from.
        validation_videos: The same, to validate on.
        validation_crops: For each kind of prompts, instead of the recipe's.

    Raises:
        InputError: The card has no light refiner, or something that was given cannot be used.
        DataError: Images or videos cannot be read.
        WeightsError: The weights to start with are missing, damaged, or another network's.
        TrainingError: The folder holds another training, or the training failed.
    """
    card = load_card(run.card).refiner
    if card is None or card.kind != refiner.LIGHT_REFINER:
        raise InputError(
            f"--card {run.card}: has no light refiner to train; choose one whose refiner is light"
        )
    # Threads of OpenCV would not live on in the workers, which would wait for them for ever.
    cv2.setNumThreads(0)
    torch.manual_seed(0)
    network = LightSegmenter()
    _start(network, refiner.LIGHT_REFINER, run)
    settings = replace(
        REFINER,
        steps=run.steps or REFINER.steps,
        batch=run.batch or REFINER.batch,
        validation_crops=validation_crops or REFINER.validation_crops,
        seed=run.seed,
    )
    with joined(run.device) as (device, rank):
        chosen = [weighted(text, "--list") for text in images.lists]
        photographs = [
            (Photographs.from_lists(images.folder, [name]).split(), share) for name, share in chosen
        ]
        sources = [read_source(text) for text in videos]
        measured = [read_source(text, measuring=True) for text in validation_videos]
        training, held_back = (
            CropSampler([(halves[part], share) for halves, share in photographs], given, side=settings.side)
            for part, given in enumerate((sources, measured))
        )
        folder = run.folder_of("refiner")
        if rank == 0:
            named = ", ".join(Path(text).name for text in images.lists)
            data = (f"{images.folder.absolute().name} ({named})", *dataset_names(videos))
            names = [item.image.stem for halves, _ in photographs for item in halves[0].items]
            _note(run, folder, "refiner", refiner.LIGHT_REFINER, data, contents_of(names, sources))
        refiner.run(network, training, held_back, settings, folder, workers=run.workers, device=device)
    return Trained(folder, settings.steps, rank)


def _network(run: Run) -> tuple[PropagationNetwork, str]:
    """Build a card's network, with fresh weights or given ones, and return it with its name."""
    name = load_card(run.card).network
    torch.manual_seed(0)
    network = nets.build(name)
    _start(network, name, run)
    return network, name


def _start(network: nn.Module, name: str, run: Run) -> None:
    """Load the weights to start with, where there are any."""
    if run.encoder is not None:
        load_encoder(network, run.encoder)
    if run.start is not None:
        path = run.start / CHECKPOINT_FILE if run.start.is_dir() else run.start
        state = read_state(path)["ema"] if path.name == CHECKPOINT_FILE else read_checkpoint(path)
        load_into(network, name, state, path)


def contents_of(photographs: Sequence[str], sources: Sequence[Source]) -> str:
    """Return in a line what a training learns from, so that another data set can be noticed.

    Args:
        photographs: Their names.
        sources: Videos.
    """
    videos = [f"{video.name} {len(video)}" for source in sources for video in source.videos]
    digest = sha256("\n".join([*sorted(photographs), "", *sorted(videos)]).encode()).hexdigest()[:8]
    return f"{len(photographs)} photographs and {len(videos)} videos, {digest}"


def _note(
    run: Run, folder: Path, stage: int | str, network: str, data: tuple[str, ...], contents: str
) -> None:
    """Note in a training's folder how it was started."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder = "" if run.encoder is None else sha256_of(run.encoder)
    start = Start(stage, run.card, network, data, command_line(), code_version(), encoder, contents)
    record_start(folder, start)
