"""The kinds of output: names, titles and help. What writes them is loaded when it is used: that is slow."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from hqtrack.video.writers.writer import Writer


@dataclass(frozen=True)
class WriterKind:
    """A kind of output.

    Example:
        >>> kind = WRITERS["labels"]
        >>> kind.name, kind.is_folder, kind.writer().__name__
        ('labels', True, 'LabelImages')
    """

    files: str
    """The file that it makes, or all in the folder that it makes: overlay.mp4, labels/*.png."""
    title: str
    """As the page names it."""
    help: str
    """What it holds, in a sentence."""
    place: str
    """Where its writer is: a module, by its place from this package, and a class."""
    wanted: bool = False
    """True: the command writes it unless it is asked not to."""

    @property
    def name(self) -> str:
        """Return the name of the file or folder."""
        return PurePosixPath(self.files).parts[0]

    @property
    def is_folder(self) -> bool:
        """Return whether it is a folder of files."""
        return self.name != self.files

    def files_in(self, folder: Path) -> list[Path]:
        """Return the files of this kind that an earlier run left in a folder."""
        path = folder / self.name
        if not self.is_folder:
            return [path] if path.exists() else []
        found = path.rglob(PurePosixPath(self.files).name) if path.is_dir() else ()
        return sorted(file for file in found if not file.is_dir())

    def writer(self) -> type[Writer]:
        """Return the class that writes it."""
        module, name = self.place.split(":")
        return cast("type[Writer]", getattr(import_module(module, __package__), name))


WRITERS: dict[str, WriterKind] = {
    "overlay": WriterKind(
        "overlay.mp4",
        "Overlay video",
        "the video with the masks drawn over it.",
        ".overlay:OverlayVideo",
        wanted=True,
    ),
    "labels": WriterKind(
        "labels/*.png",
        "Label images",
        "an indexed PNG for each frame.",
        ".labels:LabelImages",
    ),
    "rle": WriterKind(
        "masks.json",
        "COCO masks",
        "COCO annotations with RLE masks.",
        ".coco:CocoMasks",
    ),
    "trajectories": WriterKind(
        "trajectories/*.txt",
        "VOT trajectories",
        "a file for each object, in the VOT toolkit's format.",
        ".trajectories:Trajectories",
    ),
    "csv": WriterKind(
        "boxes.csv",
        "Table of boxes",
        "boxes, areas and scores.",
        ".table:BoxTable",
    ),
    "youtube-vis": WriterKind(
        "youtube-vis.json",
        "YouTube-VIS masks",
        "YouTube-VIS annotations: an entry for each object.",
        ".tracks:YouTubeVis",
    ),
    "mots": WriterKind(
        "mots/*.png",
        "MOTS images",
        "PNG of 16 bits as MOTS has them: 2000 + id.",
        ".mots:MotsImages",
    ),
    "yolo": WriterKind(
        "yolo/*.txt",
        "YOLO outlines",
        "a text file of outlines for each frame, and data.yaml.",
        ".yolo:YoloOutlines",
    ),
    "cvat": WriterKind(
        "cvat.xml",
        "CVAT tracks",
        "CVAT for video: a track of masks for each object.",
        ".tracks:CvatTracks",
    ),
    "cutouts": WriterKind(
        "cutouts/*.png",
        "Cut-outs",
        "a PNG with alpha for each frame: the objects alone.",
        ".compositing:CutOuts",
    ),
    "alpha": WriterKind(
        "cutout.mov",
        "Video with alpha",
        "a ProRes 4444 video with alpha: the objects alone.",
        ".compositing:AlphaVideo",
    ),
    "green": WriterKind(
        "green.mp4",
        "Green screen",
        "a video of the objects on a green ground.",
        ".compositing:GreenScreen",
    ),
    "mattes": WriterKind(
        "mattes/*.png",
        "Mattes",
        "a black-and-white PNG for each object and frame.",
        ".compositing:Mattes",
    ),
    "frames": WriterKind(
        "frames/*.png",
        "Frames",
        "a PNG of each frame; annotations name these files.",
        ".compositing:FrameImages",
    ),
    "blur": WriterKind(
        "blurred.mp4",
        "Blurred video",
        "the video with the objects blurred.",
        ".hiding:BlurredVideo",
    ),
    "pixelate": WriterKind(
        "pixelated.mp4",
        "Pixelated video",
        "the video with the objects pixelated.",
        ".hiding:PixelatedVideo",
    ),
    "blacken": WriterKind(
        "blackened.mp4",
        "Blackened video",
        "the video with the objects black.",
        ".hiding:BlackenedVideo",
    ),
    "crops": WriterKind(
        "crops/*.png",
        "Crops",
        "a picture of each object's box in each frame that shows it.",
        ".crops:CropImages",
    ),
    "crop-videos": WriterKind(
        "crop-videos/*.mp4",
        "Crop videos",
        "a steady video that follows each object.",
        ".crops:CropVideos",
    ),
}
"""Kinds of output by their options, in the order in which they are listed."""
