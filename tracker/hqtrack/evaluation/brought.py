"""What somebody brings into a workspace: frames with label images, and results of other programs."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from vot.dataset import Sequence as VotSequence
from vot.experiment import Experiment, UnsupervisedExperiment
from vot.region import Mask, Region, Special
from vot.region.io import read_trajectory, write_trajectory
from vot.tracker import Tracker
from vot.tracker.results import Trajectory
from vot.utilities import write_properties

from hqtrack.errors import DataError, HQTrackError, InputError
from hqtrack.evaluation.sequences import sort_sequences
from hqtrack.evaluation.vos_data import VosSequence, find_sequences, label_image, stems_of
from hqtrack.evaluation.workspaces import add_entries, open_workspace, resolve, write_atomically
from hqtrack.files import fresh_folder
from hqtrack.images import images_in, natural_order
from hqtrack.video.sources import FrameSource, open_frames

logger = logging.getLogger(__name__)

LABELS = ("labels", "masks", "Annotations")
FRAMES = ("frames", "images", "color")
VIDEOS = {".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v"}

LongLabels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class AnnotatedClip:
    """Frames, and label images of some or all of them."""

    name: str
    frames: Path
    """A video, or a folder of images."""
    labels: VosSequence

    def open(self) -> FrameSource:
        """Return its frames."""
        return open_frames(self.frames)

    def truth(self, index: int, stem: str) -> LongLabels | None:
        """Return the label map (H, W) of a frame; None where it is not annotated."""
        if self.frames.is_dir():
            return self.labels.truth(stem) if stem in self.labels.annotated() else None
        for name in self.labels.annotated():
            if name.isdecimal() and int(name) == index:
                return self.labels.truth(name)
        return None


def find_clips(source: Path) -> list[AnnotatedClip]:
    """Find clips in a folder.

    It is a data set with `JPEGImages` and `Annotations`; or it holds videos, each with a folder of label
    images of its name; or folders with `frames` and `labels`, or one of these itself.

    Raises:
        DataError: There is none.
    """
    if not source.is_dir():
        raise DataError(f"{source}: no such folder")
    if any(source.glob("**/JPEGImages*")):
        return [AnnotatedClip(each.name, each.frames, each) for each in find_sequences(source)]
    clips = []
    for file in natural_order([each for each in source.iterdir() if each.suffix.lower() in VIDEOS]):
        places = [source / file.stem, source / f"{file.stem}_masks", source / "labels", source / "masks"]
        labels = next((found for place in places if (found := _labels_in(place))), None)
        if labels is not None:
            clips.append(AnnotatedClip(file.stem, file, VosSequence(file.stem, source, labels)))
    for folder in [source, *natural_order([each for each in source.iterdir() if each.is_dir()])]:
        frames = next((folder / name for name in FRAMES if (folder / name).is_dir()), None)
        inner = next((folder / name for name in LABELS if (folder / name).is_dir()), None)
        if frames is not None and inner is not None:
            clips.append(AnnotatedClip(folder.name, frames, VosSequence(folder.name, frames, inner)))
    if not clips:
        raise DataError(
            f"{source}: holds no frames with label images; give a data set with JPEGImages and Annotations, "
            "folders with frames and labels, or videos next to folders of label images of the same name"
        )
    return clips


def _labels_in(folder: Path) -> Path | None:
    """Return the folder of label images that a folder is, or that it has."""
    for place in (*(folder / name for name in LABELS), folder):
        if place.is_dir() and images_in(place):
            return place
    return None


def bring_data(source: Path, sequences: Path) -> list[str]:
    """Lay clips out as a data set of the toolkit; nothing is written where one of them has an error.

    Args:
        source: See `find_clips`.
        sequences: Folder of the workspace.

    Returns:
        The names of the sequences.

    Raises:
        DataError: One line for each clip that cannot be used.
    """
    clips = find_clips(source)
    read: dict[str, tuple[AnnotatedClip, int, dict[int, list[Region]]]] = {}
    problems = []
    for clip in clips:
        if (sequences / clip.name).exists():
            problems.append(f"{sequences / clip.name} is there already")
            continue
        try:
            read[clip.name] = (clip, *_truth_of(clip))
        except HQTrackError as error:
            problems.append(str(error))
    if problems:
        raise DataError("; ".join(problems))
    for clip, begin, objects in read.values():
        _write(clip, begin, objects, sequences / clip.name)
    earlier = sequences / "list.txt"
    names = [*(earlier.read_text().split() if earlier.exists() else []), *read]
    write_atomically(earlier, "".join(f"{name}\n" for name in names))
    return list(read)


def _truth_of(clip: AnnotatedClip) -> tuple[int, dict[int, list[Region]]]:
    """Return the first frame with an object, and the regions of each object from there on."""
    begin = 0
    objects: dict[int, list[Region]] = {}
    count = 0
    for index, (stem, shape) in enumerate(_frames_of(clip)):
        labels = clip.truth(index, stem)
        if labels is not None and labels.shape != shape:
            raise DataError(
                f"{clip.labels.labels}: the annotation of frame {stem} has {_pixels(labels.shape)} "
                f"pixels, the frame {_pixels(shape)}"
            )
        values = [] if labels is None else [int(v) for v in np.unique(labels) if v]
        if not objects and not values:
            begin = index + 1
            continue
        for value in values:
            objects.setdefault(value, [Special(0)] * count)
        count += 1
        for value, regions in objects.items():
            if labels is None:
                regions.append(Special(0))  # not annotated
            else:
                regions.append(Mask((labels == value).astype(np.uint8), optimize=True))
    if not objects:
        raise DataError(f"{clip.labels.labels}: no object in any annotation of {clip.frames}")
    if begin:
        logger.warning("%s: begins with frame %d, the first with an object", clip.name, begin)
    return begin, objects


def _frames_of(clip: AnnotatedClip) -> Iterator[tuple[str, tuple[int, int]]]:
    """Return the name without suffix, and the height and width, of each frame."""
    stems = stems_of(clip.frames) if clip.frames.is_dir() else None
    for index, frame in enumerate(clip.open()):
        yield stems[index] if stems else str(index), (frame.image.shape[0], frame.image.shape[1])


def _pixels(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"


def _write(clip: AnnotatedClip, begin: int, objects: dict[int, list[Region]], folder: Path) -> None:
    part = folder.with_name(f"{folder.name}.part")
    fresh_folder(part)
    (part / "color").mkdir()
    source = clip.open()
    files = images_in(clip.frames) if clip.frames.is_dir() else []
    copied = bool(files) and all(file.suffix.lower() in (".jpg", ".jpeg") for file in files)
    suffix = "jpg" if copied or not files else "png"
    size, count = (0, 0), 0
    for index, frame in enumerate(source):
        if index < begin:
            continue
        count += 1
        size = frame.image.shape[:2]
        file = part / "color" / f"{count:08d}.{suffix}"
        if copied:
            shutil.copyfile(files[index], file)
        elif not cv2.imwrite(str(file), frame.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95]):
            raise DataError(f"{file} cannot be written; is the disk full?")
    for value, regions in objects.items():
        write_trajectory(str(part / f"groundtruth_{value:03d}.txt"), regions)
    properties = {
        "name": folder.name,
        "fps": float(source.fps),
        "length": count,
        "width": size[1],
        "height": size[0],
        "channels.color": f"color/%08d.{suffix}",
        "channel.default": "color",
        "format": "default",
    }
    write_properties(str(part / "sequence"), properties)
    part.rename(folder)


def bring_results(folder: Path, name: str, source: Path) -> list[str]:
    """Store what another program found as a tracker's results, so that the toolkit's analyses take them.

    Args:
        folder: The workspace.
        name: The tracker's; it gets an entry in the registry.
        source: For each sequence a folder of label images of its name, or a file of boxes `SEQUENCE.txt`, one
            region a line as x,y,width,height.

    Returns:
        The names of the sequences.

    Raises:
        DataError: One line for each sequence whose results cannot be used; then nothing is stored.
    """
    workspace = open_workspace(folder.resolve())
    experiment = next(
        (e for e in workspace.stack if isinstance(e, UnsupervisedExperiment) and not e.realtime), None
    )
    if experiment is None:
        raise DataError(f"{folder}: its stack has no experiment without restarts and real time")
    if name not in workspace.registry.identifiers():
        entry = f"[{name}]\nlabel = {name}\nprotocol = trax\ncommand = results-of-another-program\n"
        add_entries(folder, {name: entry})
        workspace = open_workspace(folder.resolve())
        experiment = workspace.stack.experiments[experiment.identifier]
    (tracker,) = resolve(workspace, [name])
    found: dict[str, tuple[VotSequence, dict[str, Trajectory]]] = {}
    problems = []
    for sequence in sort_sequences(workspace.dataset)[0]:
        (whole,) = experiment.transform(sequence)[:1]
        try:
            found[sequence.name] = whole, _results_of(whole, source)
        except HQTrackError as error:
            problems.append(str(error))
    if problems:
        raise DataError("; ".join(problems))
    for sequence, trajectories in found.values():
        _store(experiment, tracker, sequence, trajectories)
    shutil.rmtree(folder / "cache" / "analysis", ignore_errors=True)  # it does not notice new results
    return list(found)


def _store(
    experiment: Experiment, tracker: Tracker, sequence: VotSequence, trajectories: dict[str, Trajectory]
) -> None:
    results = experiment.results(tracker, sequence)
    for name, trajectory in trajectories.items():
        part = f"{sequence.name}_{name}" if len(trajectories) > 1 else sequence.name
        trajectory.write(results, f"{part}_001")


def _results_of(sequence: VotSequence, source: Path) -> dict[str, Trajectory]:
    names = list(sequence.objects())
    boxes = source / f"{sequence.name}.txt"
    labels = _labels_in(source / sequence.name)
    if labels is not None:
        found = _from_labels(sequence, labels, names)
    elif boxes.is_file():
        if len(names) > 1:
            raise InputError(f"{boxes}: boxes of one object, but {sequence.name} has {len(names)}")
        try:
            found = {names[0]: list(read_trajectory(str(boxes)))}
        except Exception as error:  # the toolkit's reader raises whatever it meets
            raise DataError(f"{boxes}: is no list of boxes x,y,width,height: {error}") from error
    else:
        raise DataError(f"{source}: has neither a folder {sequence.name} nor a file {boxes.name}")
    trajectories = {}
    for name, regions in found.items():
        if len(regions) != len(sequence):
            raise InputError(
                f"{labels or boxes}: has {len(regions)} frames, but {sequence.name} has {len(sequence)}"
            )
        trajectories[name] = trajectory = Trajectory(len(regions))
        for index, region in enumerate(regions):
            trajectory.set(index, region if index else Special(Trajectory.INITIALIZATION), {"time": 0.0})
    return trajectories


def _from_labels(sequence: VotSequence, folder: Path, names: list[str]) -> dict[str, list[Region]]:
    """Return each object's masks; its label is the number that it is named by, else its place from 1."""
    numbered = all(name.isdecimal() and int(name) > 0 for name in names)
    values = {name: int(name) if numbered else place for place, name in enumerate(names, start=1)}
    found: dict[str, list[Region]] = {name: [] for name in names}
    width, height = sequence.size
    for file in images_in(folder):
        labels = label_image(file)
        if labels.shape != (height, width):
            raise InputError(
                f"{file}: has {_pixels(labels.shape)} pixels, but {sequence.name} {width} x {height}"
            )
        for name, value in values.items():
            found[name].append(Mask((labels == value).astype(np.uint8), optimize=True))
    return found
