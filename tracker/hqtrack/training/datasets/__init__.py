"""Video datasets of stage 2: readers of their published formats, and sampling of short sequences."""

from hqtrack.training.datasets.readers import MAX_GAP, READERS, read_dataset
from hqtrack.training.datasets.sampling import ClipSampler, Source
from hqtrack.training.datasets.texts import dataset_names, read_source, weighted
from hqtrack.training.datasets.video import PngVideo, RleVideo, Video

__all__ = [
    "MAX_GAP",
    "READERS",
    "ClipSampler",
    "PngVideo",
    "RleVideo",
    "Source",
    "Video",
    "dataset_names",
    "read_dataset",
    "read_source",
    "weighted",
]
