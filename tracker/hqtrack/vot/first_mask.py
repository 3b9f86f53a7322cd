"""The baseline that every tracker must beat: each object stays where its first mask was.

Run by the toolkit as `python -m hqtrack.vot.first_mask`; it takes the settings of `hqtrack.vot.settings`.
"""

from __future__ import annotations

import numpy as np

from hqtrack.images import Image
from hqtrack.masks import Masks


class FirstMask:
    """Repeats the first masks."""

    def __init__(self) -> None:
        self._masks: Masks = np.zeros((0, 0, 0), bool)

    def initialize(self, image: Image, masks: Masks) -> Masks:
        """Remember the first masks (N, H, W) of a sequence, and give them back."""
        self._masks = masks
        return masks

    def track(self, image: Image) -> Masks:
        """Return the first masks again, (N, H, W)."""
        return self._masks

    def add_objects(self, image: Image, masks: Masks) -> Masks:
        """Remember further masks (M, H, W) too."""
        self._masks = np.concatenate([self._masks, masks])
        return self._masks


if __name__ == "__main__":
    from hqtrack.vot.streams import reserve_stdout

    reserve_stdout()
    import os
    from functools import partial

    from hqtrack.vot.session import serve
    from hqtrack.vot.settings import session_settings

    raise SystemExit(serve(FirstMask, name="FirstMask", settings=partial(session_settings, os.environ)))
