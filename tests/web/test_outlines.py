"""Masks as the browser draws them, and the pace of previews, without a browser."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from hqtrack.web.outlines import masks_in, path_of, text_place
from hqtrack.web.preview import Pace
from hqtrack.web.session import Session
from web_server import COUNT, HEIGHT, WIDTH, filled


def rasterized(path: str, size: tuple[int, int]) -> np.ndarray:
    """Return the pixels (H, W) whose middles are inside a path of straight lines, by the rule "evenodd"."""
    zoom = 16
    inside = np.zeros((size[0] * zoom, size[1] * zoom), np.uint8)
    for line in path.split("Z")[:-1]:
        corners = [[float(value) for value in corner.split()] for corner in line[1:].split("L")]
        one = np.zeros_like(inside)
        cv2.fillPoly(one, [np.round(np.array(corners) * zoom).astype(np.int32)], 1)
        inside ^= one
    return inside[zoom // 2 :: zoom, zoom // 2 :: zoom].astype(bool)


def test_a_path_has_exactly_the_pixels_of_its_mask() -> None:
    mask = filled((0, 0, 60, 50)) & ~filled((20, 20, 11, 9))  # with a hole, at the frame's corner
    mask |= filled((100, 70, 1, 1)) | filled((101, 71, 1, 1)) | filled((159, 119, 1, 1))
    mask |= np.random.default_rng(5).random((HEIGHT, WIDTH)) > 0.8
    assert np.array_equal(rasterized(path_of(mask), (HEIGHT, WIDTH)), mask)
    assert path_of(np.zeros((4, 4), bool)) == ""


def test_a_text_is_deep_in_its_mask() -> None:
    ring = filled((20, 20, 80, 80)) & ~filled((30, 30, 60, 60))
    x, y = text_place(ring | filled((100, 20, 50, 30))) or (0, 0)
    assert 102 < x < 138  # the block and a part of the ring are 60 wide, 30 high
    assert 25 < y < 45
    assert text_place(np.zeros((4, 4), bool)) is None


def test_the_browser_gets_what_is_seen_in_a_frame(tmp_path: Path) -> None:
    session = Session(
        tmp_path, owner="me", source="/clip.mp4", title="clip", size=(HEIGHT, WIDTH), count=COUNT
    )
    session.add(0, filled((10, 10, 20, 20)))
    assert masks_in(session, 0) == [
        {"key": 1, "colour": "#e69f00", "path": "M10 10L10 30L30 30L30 10Z", "at": (19.5, 19.5)}
    ]
    assert masks_in(session, 1) == [], "not tracked yet"


@pytest.mark.parametrize(
    ("seconds", "quick"),
    [((), True), ((9.0,), True), ((9.0, 0.1), True), ((0.1, 9.0), True), ((0.1, 9.0, 0.2), False)],
)
def test_previews_end_where_two_masks_in_a_row_take_long(seconds: tuple[float, ...], quick: bool) -> None:
    times = iter([time for each in seconds for time in (0.0, each)])
    pace = Pace(lambda: next(times))
    for _ in seconds:
        pace.timed(lambda: None)
    assert pace.quick == quick
