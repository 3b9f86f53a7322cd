"""Readers of the video datasets of stage 2 (paper section 3), in the formats in which they are published.

Each reader takes the folder that unpacking the dataset gives, and lists its annotated videos; files are
opened when frames are read.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vot.utilities import read_properties

from hqtrack.errors import DataError
from hqtrack.training.datasets.video import (
    RleVideo,
    TrajectoryVideo,
    Video,
    folder,
    paired,
    read_json,
    read_names,
)

logger = logging.getLogger(__name__)

VIPSEG_FIRST_THING = 125
"""VIPSeg's masks hold the category (at most 124) of stuff, and 100 * category + instance of things."""
MOTS_IGNORED = 10_000
"""MOTS's number of regions that are neither object nor background."""


def davis2017(root: Path) -> list[Video]:
    """DAVIS 2017: `ImageSets/2017/train.txt`, `JPEGImages` and `Annotations` in 480p, else full size."""
    names = read_names(root / "ImageSets" / "2017" / "train.txt")
    resolution = folder(root / "JPEGImages" / "480p", root / "JPEGImages" / "Full-Resolution").name
    images, labels = root / "JPEGImages" / resolution, root / "Annotations" / resolution
    return [paired(name, images / name, labels / name) for name in names]


def physics(root: Path) -> list[Video]:
    """Rendered clips of `hqtrack train scenes --physics`: laid out as DAVIS 2017."""
    return davis2017(root)


def youtube_vos(root: Path) -> list[Video]:
    """YouTube-VOS 2018 and 2019: `train/meta.json`, `train/JPEGImages`, `train/Annotations`.

    Only frames that `meta.json` lists for some object are annotated.
    """
    base = root / "train" if (root / "train").is_dir() else root
    videos: list[Video] = []
    for name, video in _section(read_json(base / "meta.json"), "videos", base / "meta.json").items():
        listed = {stem for item in video["objects"].values() for stem in item["frames"]}
        whole = paired(name, base / "JPEGImages" / name, base / "Annotations" / name)
        kept = [i for i, path in enumerate(whole.images) if path.stem in listed]
        images, labels = (tuple(files[i] for i in kept) for files in (whole.images, whole.labels))
        videos.append(type(whole)(name, images, labels))
    return videos


def vipseg(root: Path) -> list[Video]:
    """VIPSeg: `train.txt`, `panomasks` and `imgs` (or `images`, as its 720p version names them).

    Things are objects; stuff is background.
    """
    images, labels = folder(root / "imgs", root / "images"), folder(root / "panomasks")
    lists = next((path for path in (root / "train.txt", root.parent / "train.txt") if path.is_file()), None)
    names = read_names(lists or root / "train.txt")
    return [paired(name, images / name, labels / name, smallest=VIPSEG_FIRST_THING) for name in names]


def burst(root: Path) -> list[Video]:
    """BURST: `annotations/train/train.json` (or `train/train.json`) and `frames/train/<dataset>/<video>`."""
    candidates = (root / "annotations" / "train" / "train.json", root / "train" / "train.json")
    file = next((path for path in candidates if path.is_file()), candidates[0])
    frames = folder(root / "frames" / "train", root / "frames", root / "train")
    videos: list[Video] = []
    for sequence in _section(read_json(file), "sequences", file):
        where = frames / sequence["dataset"] / sequence["seq_name"]
        size = [sequence["height"], sequence["width"]]
        runs = tuple(
            # Track numbers are strings in JSON and may be 0, which is background here.
            {int(track) + 1: {"size": size, "counts": item["rle"]} for track, item in masks.items()}
            for masks in sequence["segmentations"]
        )
        images = tuple(where / name for name in sequence["annotated_image_paths"])
        if len(images) != len(runs):
            raise DataError(
                f"{file}: {where.name} has {len(images)} annotated images, {len(runs)} annotations"
            )
        videos.append(RleVideo(f"{sequence['dataset']}/{sequence['seq_name']}", images, runs))
    return videos


def mots(root: Path) -> list[Video]:
    """MOTS: `train/<video>/img1` with run lengths in `gt/gt.txt`, or `instances` PNGs next to `images`.

    The second is how KITTI MOTS (`image_02`) and the first release of MOTSChallenge come.
    """
    base = folder(root / "train", root / "training", root)
    instances = next((p for p in (root / "instances", base / "instances") if p.is_dir()), None)
    if instances is not None:
        images = folder(base / "image_02", base / "images", root / "images")
        return [
            paired(path.name, images / path.name, path, ignored=frozenset({MOTS_IGNORED}))
            for path in sorted(instances.iterdir())
            if path.is_dir()
        ]
    return [_mots_text(path) for path in sorted(base.iterdir()) if (path / "gt" / "gt.txt").is_file()]


def _mots_text(path: Path) -> Video:
    """Read a video whose every line is: frame, object, class, height, width, run lengths."""
    runs: dict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
    file = path / "gt" / "gt.txt"
    for line, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        words = text.split()
        try:
            frame, number, _, height, width = (int(word) for word in words[:5])
            counts = words[5]
        except (ValueError, IndexError) as error:
            raise DataError(f"{file}, line {line}: expected six values, found {text[:60]!r}") from error
        if number != MOTS_IGNORED:
            runs[frame][number] = {"size": [height, width], "counts": counts}
    images = sorted(p for p in (path / "img1").glob("*") if p.stem.isdigit())
    return RleVideo(path.name, tuple(images), tuple(runs[int(image.stem)] for image in images))


def ovis(root: Path) -> list[Video]:
    """OVIS: `annotations_train.json` in the format of YouTube-VIS, frames under `train`."""
    file = root / "annotations_train.json"
    content = read_json(file)
    frames = folder(root / "train")
    tracks: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for track in _section(content, "annotations", file):
        tracks[track["video_id"]].append(track)
    videos: list[Video] = []
    for video in _section(content, "videos", file):
        names = video["file_names"]
        runs: list[dict[int, Mapping[str, Any]]] = [{} for _ in names]
        for number, track in enumerate(tracks[video["id"]], 1):
            for index, run in enumerate(track["segmentations"]):
                if run:
                    runs[index][number] = run
        images = tuple(frames / name for name in names)
        videos.append(RleVideo(str(Path(names[0]).parent), images, tuple(runs)))
    return videos


def vot(root: Path) -> list[Video]:
    """Sequences of the VOT toolkit: `list.txt`, and a folder for each with a `sequence` file."""
    videos: list[Video] = []
    for name in read_names(root / "list.txt"):
        try:
            properties = read_properties(str(root / name / "sequence"))
            size = int(properties["height"]), int(properties["width"])
            pattern = properties[f"channels.{properties['channel.default']}"]
            images = tuple(root / name / (pattern % (i + 1)) for i in range(int(properties["length"])))
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise DataError(f"{root / name}: no sequence of the VOT toolkit: {error!r}") from error
        videos.append(
            TrajectoryVideo(name, images, size, tuple(sorted((root / name).glob("groundtruth*.txt"))))
        )
    return videos


def _section(content: Any, key: str, file: Path) -> Any:
    """Return a part of a JSON file."""
    if not isinstance(content, dict) or key not in content:
        raise DataError(f"{file}: no {key!r} in it; is it the annotation file of this dataset?")
    return content[key]


READERS: Mapping[str, Callable[[Path], list[Video]]] = MappingProxyType(
    {
        "davis2017": davis2017,
        "physics": physics,
        "youtube-vos": youtube_vos,
        "vipseg": vipseg,
        "burst": burst,
        "mots": mots,
        "ovis": ovis,
        "vot": vot,
    }
)
"""Datasets by the name that the command line uses."""

MAX_GAP: Mapping[str, int] = MappingProxyType(
    {
        "davis2017": 15,
        "physics": 4,
        "youtube-vos": 3,
        "vipseg": 3,
        "burst": 3,
        "mots": 12,
        "ovis": 3,
        "vot": 12,
    }
)
"""Most frames between two samples: more where frames follow one another at 24 to 30 a second.

Rendered clips have 16 to 24 frames, at 11 to 30 a second.
"""


def read_dataset(name: str, root: Path) -> list[Video]:
    """List the videos of a dataset that have at least two annotated frames.

    Args:
        name: A key of `READERS`.
        root: Its folder.

    Raises:
        DataError: The name is unknown, or the folder is not laid out as that dataset.
    """
    if name not in READERS:
        raise DataError(f"no dataset {name!r}; there are {', '.join(READERS)}")
    try:
        videos = READERS[name](root)
    except DataError:
        raise
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{root}: its annotations are not those of {name}: {error!r}") from error
    usable = [video for video in videos if len(video) >= 2]
    if usable and len(usable) < len(videos):
        left_out = next(video.name for video in videos if len(video) < 2)
        logger.warning(
            "%s: %d of %d videos have fewer than two annotated frames, such as %s, and are left out; is the "
            "data set complete?",
            *(root, len(videos) - len(usable), len(videos), left_out),
        )
    if not usable:
        raise DataError(f"{root} holds no video with two annotated frames; is it the folder of {name}?")
    if not any(_shows_objects(video) for video in usable):
        raise DataError(
            f"{root}: no annotation of {name} names an object; label images hold object numbers, 0 for "
            "background"
        )
    return usable


def _shows_objects(video: Video) -> bool:
    """Return whether the first, middle or last frame of a video has an object, as far as they can be read."""
    for index in (0, len(video) // 2, len(video) - 1):
        try:
            if video.objects(index).any():
                return True
        except DataError:
            return True  # what is wrong with it is said where the frame is needed
    return False
