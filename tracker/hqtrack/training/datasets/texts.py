"""How a command names datasets and their shares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hqtrack.errors import InputError
from hqtrack.scenes.physics.settings import FIRST_RENDERED_SEED, seed_of
from hqtrack.training.datasets.readers import MAX_GAP, read_dataset
from hqtrack.training.datasets.sampling import Source


def read_source(text: str, *, measuring: bool = False) -> Source:
    """Read the dataset that `DATASET=FOLDER@WEIGHT` names.

    Args:
        text: What was given.
        measuring: Whether it is measured on, rather than trained on.

    Raises:
        InputError: It is written otherwise, or has rendered clips that are kept for measuring.
        DataError: There is no such dataset, or it cannot be read.
    """
    name, equals, rest = text.partition("=")
    folder, share = weighted(rest, "--data")
    if not equals or not folder:
        raise InputError(f"--data {text}: expected DATASET=FOLDER or DATASET=FOLDER@WEIGHT")
    videos = read_dataset(name, Path(folder))
    for video in videos:
        seed = seed_of(video.name)
        if seed is not None and seed < FIRST_RENDERED_SEED and not measuring:
            raise InputError(
                f"--data {text}: {video.name} is kept for measuring, as all seeds below "
                f"{FIRST_RENDERED_SEED} are; make other clips with hqtrack train scenes --physics"
            )
    return Source(videos, share, MAX_GAP[name])


def dataset_names(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the datasets' names of several `DATASET=FOLDER@WEIGHT`."""
    return tuple(text.partition("=")[0] for text in texts)


def weighted(text: str, option: str) -> tuple[str, float]:
    """Return the name and the weight of `NAME@WEIGHT`; the weight is 1 if there is none.

    Args:
        text: What was given.
        option: Of the command, for the message.

    Raises:
        InputError: The weight is not a number above 0.
    """
    name, at, weight = text.rpartition("@")
    try:
        share = float(weight) if at else 1.0
    except ValueError:
        share = -1.0
    if share <= 0:
        raise InputError(f"{option} {text}: what follows @ is a weight above 0")
    return (name if at else text), share
