"""Stage-1 data: sequences synthesised from static images with region labels (paper section 3).

A sequence is a photograph seen by a moving camera (`background`). In front of it `objects` move, turn, deform
and hide one another: they are cut out of other photographs, or built of several textured parts. `camera` adds
light, blur, noise and compression. Every random choice comes from one seed (`draws`).

`hqtrack.scenes` makes sequences too: a few scripted scenes at full size, drawn by OpenCV with exact masks, to
measure trackers on. The ones here are many, small and random, to learn from, and are made by PyTorch on the
device that trains. That is why there are two cameras.
"""

from hqtrack.training.synthesis.region_images import RegionImages
from hqtrack.training.synthesis.synthesizer import (
    LEAST_SYNTHETIC_PIXELS,
    SequenceBatch,
    SequenceSynthesizer,
)

__all__ = ["LEAST_SYNTHETIC_PIXELS", "RegionImages", "SequenceBatch", "SequenceSynthesizer"]
