"""Where frames come from: a folder or pattern of images, a video file, a camera, a stream.

What decodes them shows pixels as they are meant: upright, deinterlaced, with the range of a screen. The
decoders are imported when they are first used, so that help and a misspelt name need none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hqtrack.video.sources.source import Frame, FrameSource

if TYPE_CHECKING:
    from hqtrack.video.sources.camera import CameraFrames
    from hqtrack.video.sources.images import ImageFrames, PageFrames
    from hqtrack.video.sources.opening import exact_rate, open_frames
    from hqtrack.video.sources.streams import StreamFrames
    from hqtrack.video.sources.videos import VideoFrames

__all__ = [
    "CameraFrames",
    "Frame",
    "FrameSource",
    "ImageFrames",
    "PageFrames",
    "StreamFrames",
    "VideoFrames",
    "exact_rate",
    "open_frames",
]

_MODULES = {
    "CameraFrames": "camera",
    "ImageFrames": "images",
    "PageFrames": "images",
    "StreamFrames": "streams",
    "VideoFrames": "videos",
    "exact_rate": "opening",
    "open_frames": "opening",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
