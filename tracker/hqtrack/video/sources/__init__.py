"""Where frames come from: a folder or pattern of images, a video file, a camera.

What decodes them shows pixels as they are meant: upright, deinterlaced, with the range of a screen.
"""

from hqtrack.video.sources.camera import CameraFrames
from hqtrack.video.sources.images import ImageFrames, PageFrames
from hqtrack.video.sources.opening import exact_rate, open_frames
from hqtrack.video.sources.source import Frame, FrameSource
from hqtrack.video.sources.videos import VideoFrames

__all__ = [
    "CameraFrames",
    "Frame",
    "FrameSource",
    "ImageFrames",
    "PageFrames",
    "VideoFrames",
    "exact_rate",
    "open_frames",
]
