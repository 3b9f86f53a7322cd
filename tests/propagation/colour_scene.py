"""Frames of coloured blocks, and a tracker that knows each object by its colour."""

from collections.abc import Mapping

import numpy as np

from hqtrack import HQTrack
from hqtrack.cards import Card, MemorySettings, Paradigm, RuleSettings, Weights
from propagation.colour_network import ColourNetwork

ROWS, COLUMNS = 5, 6

SHAPE = (16 * ROWS, 16 * COLUMNS)

COLOURS = [(red, green, blue) for red in (0, 99, 199) for green in (0, 255) for blue in (50, 230)]

GROUND = (128, 128, 128)


def scene(places: Mapping[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Make a frame with objects at block places, counted row by row, and the masks of these objects."""
    image = np.full((*SHAPE, 3), GROUND, np.uint8)
    masks = np.zeros((len(places), *SHAPE), bool)
    for mask, (index, place) in zip(masks, places.items(), strict=True):
        row, column = divmod(place, COLUMNS)
        block = np.s_[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
        image[block], mask[block] = COLOURS[index], True
    return image, masks


def blocks(masks: np.ndarray) -> np.ndarray:
    """Return each block's middle pixel: resizing of logits rounds the corners of masks."""
    return masks[..., 8::16, 8::16]


def colour_card(
    paradigm: Paradigm = "joint",
    slots: int = 2,
    rules: RuleSettings | None = None,
    guided_outlines: bool = False,
) -> Card:
    return Card(
        name="colours",
        title="",
        network="colours",
        weights=Weights(name="none", file="none.safetensors", origin="embedded"),
        memory=MemorySettings(long_term_slots=slots, long_term_gap=1, short_term_distance=2),
        max_long_edge=max(SHAPE),
        rules=rules or {},
        guided_outlines=guided_outlines,
        paradigm=paradigm,
    )


def new_tracker(
    paradigm: Paradigm = "joint",
    slots: int = 2,
    rules: RuleSettings | None = None,
    guided_outlines: bool = False,
) -> HQTrack:
    card = colour_card(paradigm, slots, rules, guided_outlines)
    return HQTrack(card, ColourNetwork(), device="cpu")
