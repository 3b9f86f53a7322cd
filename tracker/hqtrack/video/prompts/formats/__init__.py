"""Formats of annotation tools, detectors and data sets, from which objects are read.

One file a format. Each knows files of its kind by their content; what can be read is listed from `FORMATS`.
"""

from hqtrack.video.prompts.formats.annotation import Annotation, AnnotationFile, PromptFormat, TargetVideo
from hqtrack.video.prompts.formats.reading import (
    FORMATS,
    annotation_files,
    format_of,
    is_annotation_file,
    read_annotations,
    readable_formats,
)

__all__ = [
    "FORMATS",
    "Annotation",
    "AnnotationFile",
    "PromptFormat",
    "TargetVideo",
    "annotation_files",
    "format_of",
    "is_annotation_file",
    "read_annotations",
    "readable_formats",
]
