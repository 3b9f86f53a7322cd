"""HQTrack: tracking anything in high quality, for the VOT toolkit and for any video (arXiv 2307.13974).

`from hqtrack import HQTrack` is the tracker; `hqtrack.nets.build` gives the networks alone. Names are
imported when they are first used, so that `import hqtrack` stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hqtrack.errors import CardError, DataError, HQTrackError, InputError, StateError, WeightsError

if TYPE_CHECKING:
    __version__: str
    from hqtrack import masks, nets
    from hqtrack.tracker import HQTrack
    from hqtrack.video.track_video import VideoFrame, to_supervision, track_video

__all__ = [
    "CardError",
    "DataError",
    "HQTrack",
    "HQTrackError",
    "InputError",
    "StateError",
    "VideoFrame",
    "WeightsError",
    "__version__",
    "masks",
    "nets",
    "to_supervision",
    "track_video",
]


def __getattr__(name: str) -> Any:
    if name == "HQTrack":
        return importlib.import_module("hqtrack.tracker").HQTrack
    if name in ("VideoFrame", "to_supervision", "track_video"):
        return getattr(importlib.import_module("hqtrack.video.track_video"), name)
    if name == "__version__":
        from importlib import metadata

        return metadata.version("hqtrack")
    if name in ("masks", "nets"):
        return importlib.import_module(f"hqtrack.{name}")
    raise AttributeError(f"module 'hqtrack' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
