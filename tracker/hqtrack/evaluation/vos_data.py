"""Data sets of video object segmentation as they are published: where frames and annotations are.

DAVIS-2016 and 2017, YouTube-VOS, MOSE and LVOS have a palette image for each annotated frame; SA-V has a
folder for each object.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from hqtrack.errors import DataError, InputError, did_you_mean
from hqtrack.images import images_in
from hqtrack.masks import MAX_OBJECTS
from hqtrack.video.prompts import Prompt

FRAME_FOLDERS = ("JPEGImages", "JPEGImages_24fps")
LABEL_FOLDERS = ("Annotations", "Annotations_6fps")
RESOLUTIONS = ("480p", "Full-Resolution", "1080p")
"""Folders of DAVIS between those of the data set and those of sequences; the first that is there is taken."""

PARTS = ("", "valid", "val", "test", "train")
"""Folders in which data sets of several parts have the folders of frames."""


@dataclass(frozen=True)
class VosSequence:
    """A sequence of a data set."""

    name: str
    frames: Path
    """Folder of its images."""
    labels: Path
    """Folder of its annotations."""

    @property
    def is_per_object(self) -> bool:
        """Return whether there is a folder for each object, as in SA-V, whose ids begin at 0."""
        return any(each.is_dir() for each in self.labels.iterdir())

    def annotated(self) -> list[str]:
        """Return the names, without suffix, of the frames that are annotated, in their order."""
        folders = [each for each in self.labels.iterdir() if each.is_dir()] or [self.labels]
        return sorted({file.stem for folder in folders for file in folder.glob("*.png")})

    def truth(self, stem: str) -> npt.NDArray[np.int64]:
        """Return the annotation of a frame, (H, W): 0 background, else the number of an object.

        A mask of black and white shows object 1. Objects of folders are numbered from 1.

        Raises:
            DataError: It cannot be read.
        """
        if not self.is_per_object:
            labels = _read(self.labels / f"{stem}.png")
            return np.where(labels > 0, 1, 0) if {*np.unique(labels)} <= {0, 255} else labels
        found: npt.NDArray[np.int64] | None = None
        for folder in object_folders(self.labels):
            file = folder / f"{stem}.png"
            if file.exists():
                mask = _read(file) > 0
                found = np.zeros(mask.shape, np.int64) if found is None else found
                found[mask] = int(folder.name) + 1
        if found is None:
            raise DataError(f"{self.labels}: no object has an annotation of frame {stem}")
        return found

    def prompts(self, stems: Sequence[str]) -> list[Prompt]:
        """Return each object with its mask in the first frame that shows it.

        Args:
            stems: Names of all frames without suffix, in their order.

        Raises:
            DataError: An annotation cannot be read, or there is no object.
        """
        places = {stem: index for index, stem in enumerate(stems)}
        known: dict[int, Prompt] = {}
        for stem in self.annotated():
            if stem not in places:
                raise DataError(f"{self.labels / stem}.png: there is no frame of this name in {self.frames}")
            labels = self.truth(stem)
            for number in np.unique(labels):
                if 0 < number < 255 and number not in known:
                    known[int(number)] = Prompt(places[stem], mask=labels == number, id=int(number))
        if not known:
            raise DataError(f"{self.labels}: shows no object; its mask must be in the first annotation")
        if len(known) > MAX_OBJECTS:
            raise DataError(f"{self.labels}: {len(known)} objects are too many; track at most {MAX_OBJECTS}")
        return sorted(known.values(), key=lambda each: each.frame)


def object_folders(folder: Path) -> list[Path]:
    """Return the folders that are named with an object's number, in their order."""
    return sorted(each for each in folder.iterdir() if each.is_dir() and each.name.isdecimal())


def _read(file: Path) -> npt.NDArray[np.int64]:
    try:
        with Pillow.open(file) as image:
            labels = np.asarray(image)
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise DataError(f"{file}: not a readable annotation; is the file complete?") from error
    if labels.ndim != 2:
        raise DataError(f"{file}: is an image in colours; annotations are palette images or grey")
    return labels.astype(np.int64)


def label_image(file: Path) -> npt.NDArray[np.int64]:
    """Read a palette image, (H, W): the numbers of objects.

    Raises:
        DataError: It cannot be read.
    """
    return _read(file)


def find_sequences(root: Path, *, split: str | None = None, names: Path | None = None) -> list[VosSequence]:
    """List the sequences of a data set.

    Args:
        root: Its folder, or that of one of its parts (`valid`, `train`).
        split: Name of a list in `ImageSets` (`val`, `test-dev`); by default `val` where there is one, else
            all sequences that are annotated.
        names: A file of names, one a line, instead.

    Raises:
        DataError: The folder is no data set, is empty, or lacks a sequence that the list names.
        InputError: There is no such list.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    frames, labels = _folders(root)
    present = {each.name for each in labels.iterdir() if each.is_dir()}
    if not present:
        raise DataError(f"{labels}: holds no sequence; it should have a folder of annotations for each")
    listed = _listed(root, split, names)
    wanted = sorted(present) if listed is None else listed
    for name in wanted:
        for folder in (frames, labels):
            if not (folder / name).is_dir():
                raise DataError(
                    f"{folder / name}: is missing, but {_origin(names, split)} names it; "
                    f"{did_you_mean(name, present)}unpack the whole data set, or give a list with --list"
                )
    return [VosSequence(name, frames / name, labels / name) for name in wanted]


def _origin(names: Path | None, split: str | None) -> str:
    return str(names) if names is not None else f"the list {split}" if split else "Annotations"


def _folders(root: Path) -> tuple[Path, Path]:
    """Return the folders of frames and annotations, in each of which is a folder for each sequence."""
    for part in PARTS:
        frames = [root / part / name for name in FRAME_FOLDERS if (root / part / name).is_dir()]
        labels = [root / part / name for name in LABEL_FOLDERS if (root / part / name).is_dir()]
        if frames and labels:
            for resolution in RESOLUTIONS:
                if (labels[0] / resolution).is_dir() and (frames[0] / resolution).is_dir():
                    return frames[0] / resolution, labels[0] / resolution
            return frames[0], labels[0]
    raise DataError(
        f"{root}: has no folders JPEGImages and Annotations; give the folder of DAVIS, YouTube-VOS, MOSE, "
        "LVOS or SA-V, or that of one of its parts"
    )


def _listed(root: Path, split: str | None, names: Path | None) -> list[str] | None:
    """Return the names of a list; None if there is none and none is asked for."""
    file = names
    lists = {file.stem: file for file in _lists(root)}
    if file is None:
        if split is not None and split not in lists:
            raise InputError(f"--split {split[:40]}: no such list; there are {', '.join(lists) or 'none'}")
        file = lists.get(split or "val")
    if file is None:
        return None
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: not a readable list of names") from error
    # Lists of DAVIS-2016 name each frame: /JPEGImages/480p/bear/00000.jpg
    found = [Path(line.split()[0]) for line in lines if line.split()]
    kept = [path.parent.name if path.suffix else path.name for path in found]
    if not kept:
        raise DataError(f"{file}: names no sequence")
    return list(dict.fromkeys(kept))


def _lists(root: Path) -> Iterator[Path]:
    """Find lists, those of 2016 before those of 2017, and those before what is in the folder itself."""
    yield from sorted(root.glob("*.txt"))
    yield from sorted(root.glob("ImageSets/*.txt"))
    yield from sorted(root.glob("ImageSets/*/*.txt"))


def stems_of(folder: Path) -> list[str]:
    """Return the names of a sequence's frames without suffix, in their order."""
    return [file.stem for file in images_in(folder)]
