"""Masks drawn over frames."""

import numpy as np
import pytest

from hqtrack import InputError
from hqtrack.video.drawing import colour_of, contact_sheet, draw_masks, palette

SIZE = 120, 160


def scene() -> tuple[np.ndarray, np.ndarray]:
    image = np.full((*SIZE, 3), 100, np.uint8)
    masks = np.zeros((3, *SIZE), bool)
    masks[0, 10:60, 10:60] = True
    masks[2, 70:110, 90:150] = True
    return image, masks


def test_each_object_is_tinted_and_outlined_in_its_colour() -> None:
    image, masks = scene()
    before = image.copy()
    drawn = draw_masks(image, masks)
    np.testing.assert_array_equal(image, before)
    changed = (drawn != image).any(2)
    for label in (1, 3):
        mask, colour = masks[label - 1], colour_of(label)
        assert changed[mask].mean() > 0.99  # of the edge of a number some pixel may have the colour below
        brightest = int(np.argmax(colour))
        assert drawn[mask][:, brightest].mean() > 130
        assert (np.abs(drawn[mask].astype(int) - colour) < 50).all(
            1
        ).sum() > 100  # its outline, with soft edges
    outside = ~np.any(masks, 0)
    outside[8:62, 8:62] = outside[68:112, 88:152] = False
    assert not changed[outside].any()


def test_a_number_stands_where_its_mask_is_deepest() -> None:
    image = np.zeros((*SIZE, 3), np.uint8)
    ring = np.zeros((1, *SIZE), bool)
    ring[0, 10:110, 20:140] = True
    ring[0, 30:110, 30:130] = False  # what is left is deepest in the bar above; its mean lies in the hole
    drawn = draw_masks(image, ring)
    assert not drawn[60:100, 50:110].any()


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (255, 255, 0), (0, 0, 255)])
@pytest.mark.parametrize("ground", [0, 255])
def test_a_number_is_read_on_any_colour(colour: tuple[int, int, int], ground: int) -> None:
    mask = np.zeros((1, *SIZE), bool)
    mask[0, 10:110, 10:150] = True
    drawn = draw_masks(np.full((*SIZE, 3), ground, np.uint8), mask, labels=[8], colours=[colour])
    around = drawn[30:90, 50:110]
    assert (around.min(2) > 180).sum() > 10, "white"
    assert (around.max(2) < 60).sum() > 10, "and a black edge"


def test_masks_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match="do not fit an image"):
        draw_masks(np.zeros((4, 6, 3), np.uint8), np.zeros((1, 6, 4), bool))


def test_colours_are_those_of_davis_and_bright_where_they_are_drawn() -> None:
    assert palette()[[1, 2, 3]].tolist() == [[128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert len({tuple(colour) for colour in palette().tolist()}) == 256
    assert all(max(colour_of(label)) == 255 for label in range(1, 256))


def test_a_sheet_lays_images_out_in_rows() -> None:
    images = [np.full((60, 80, 3), 50 * k, np.uint8) for k in range(1, 5)]
    sheet = contact_sheet(images, columns=3, width=40)
    assert sheet.shape == (60, 120, 3)
    assert [int(sheet[15, 20 + 40 * k, 0]) for k in range(3)] == [50, 100, 150]
    assert sheet[45, 20, 0] == 200
    assert not sheet[30:, 40:].any()
    with pytest.raises(InputError, match="is empty"):
        contact_sheet([])
