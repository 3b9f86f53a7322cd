"""From files of any of the formats to objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hqtrack.errors import DataError, HQTrackError, InputError
from hqtrack.images import IMAGE_SUFFIXES, natural_order
from hqtrack.video.prompts.formats.annotation import Annotation, AnnotationFile, PromptFormat, TargetVideo
from hqtrack.video.prompts.formats.arrays import ARRAYS
from hqtrack.video.prompts.formats.coco import COCO
from hqtrack.video.prompts.formats.cvat import CVAT
from hqtrack.video.prompts.formats.label_studio import LABEL_STUDIO
from hqtrack.video.prompts.formats.labelme import LABELME
from hqtrack.video.prompts.formats.linking import objects_of_annotations
from hqtrack.video.prompts.formats.mot import MOT
from hqtrack.video.prompts.formats.sa_v import SA_V
from hqtrack.video.prompts.formats.table import TABLE
from hqtrack.video.prompts.formats.via import VIA
from hqtrack.video.prompts.formats.voc import VOC
from hqtrack.video.prompts.formats.vot import VOT
from hqtrack.video.prompts.formats.yolo import YOLO
from hqtrack.video.prompts.formats.youtube_vis import YOUTUBE_VIS
from hqtrack.video.prompts.prompt import Prompt

FORMATS: tuple[PromptFormat, ...] = (
    COCO,
    YOUTUBE_VIS,
    SA_V,
    LABELME,
    LABEL_STUDIO,
    VIA,
    CVAT,
    VOC,
    YOLO,
    MOT,
    VOT,
    TABLE,
    ARRAYS,
)
"""In the order in which they are tried."""

_SUFFIXES = frozenset(suffix for each in FORMATS for suffix in each.suffixes)

_NO_ANNOTATIONS = frozenset(
    {"classes.txt", "obj.names", "predefined_classes.txt", "readme.txt", "notes.json"}
)
"""Files that tools put next to annotations."""


def readable_formats() -> str:
    """Return what can be read, for messages."""
    return ", ".join(each.title for each in FORMATS)


def is_annotation_file(path: Path) -> bool:
    """Return whether a file's name ends as those of a format do."""
    return path.suffix.lower() in _SUFFIXES


def annotation_files(folder: Path) -> list[Path]:
    """Return the annotations of a folder; none if it is one of masks as images.

    Next to images, files are annotations if one is named like an image, as tools save them.

    Raises:
        DataError: The folder cannot be read.
    """
    try:
        names = [file for file in folder.iterdir() if file.name[0] != "." and file.is_file()]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error
    images = {file.stem for file in names if file.suffix.lower() in IMAGE_SUFFIXES}
    files = [file for file in names if is_annotation_file(file) and file.name.lower() not in _NO_ANNOTATIONS]
    if images and images.isdisjoint(file.stem for file in files):
        return []
    return natural_order(files)


def format_of(file: AnnotationFile) -> PromptFormat:
    """Return the format of a file.

    Raises:
        InputError: It is none that can be read.
    """
    for each in FORMATS:
        if file.suffix in each.suffixes and each.fits(file):
            return each
    raise InputError(
        f"annotations {file.path}: have no known format; known formats are {readable_formats()}, and "
        "masks as images"
    )


def read_annotations(path: Path, files: Sequence[Path], video: TargetVideo) -> list[Prompt]:
    """Read the objects of a file, or of all files of a folder.

    Args:
        path: The file or folder, for messages.
        files: What is read.
        video: The video that they are about.

    Raises:
        InputError: A file is of no known format, or its values are impossible.
        DataError: A file cannot be read.
    """
    annotations = [annotation for file in files for annotation in _annotations(AnnotationFile(file), video)]
    return objects_of_annotations(annotations, video, path)


def _annotations(file: AnnotationFile, video: TargetVideo) -> list[Annotation]:
    """Read a file; what Python reports of entries that are not as they should be becomes one line."""
    form = format_of(file)
    try:
        return form.read(file, video)
    except HQTrackError:
        raise
    except KeyError as error:
        reason = f"an entry lacks {error.args[0]!r}"
    except (AttributeError, IndexError, OverflowError, TypeError, ValueError) as error:
        reason = f"an entry is not as it should be: {str(error)[:120]}"
    raise InputError(f"annotations {file.path}: are read as {form.title}, but {reason}")
