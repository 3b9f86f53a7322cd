"""What the browser plays: several frames to an answer, at the size at which they are shown."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hqtrack import InputError

pytest.importorskip("nicegui", reason="these tests need the page's packages")

from nicegui import Client
from nicegui.page import page

from hqtrack.web.frame_player import FramePlayer
from hqtrack.web.playing import MOST_FRAMES, played
from hqtrack.web.store import OpenSession, Store
from hqtrack.web.time_line import TimeLine
from web_server import WIDTH, filled, orange, picture, write_video


@pytest.fixture
def opened(tmp_path: Path) -> OpenSession:
    file = write_video(tmp_path / "clip.mp4", 8)
    store = Store(tmp_path / "sessions", file, upload_limit=0)
    opened = store.create("me", file, "clip")
    opened.session.add(2, filled(orange(2)))
    return opened


def parts(answer: bytes) -> list[tuple[dict[str, Any], np.ndarray | None]]:
    """Return what an answer says of each frame, and its picture."""
    line, pictures = answer.split(b"\n", 1)
    found = []
    for each in json.loads(line):
        jpeg, pictures = pictures[: each["bytes"]], pictures[each["bytes"] :]
        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if jpeg else None
        found.append((each, image))
    assert pictures == b""
    return found


def test_frames_come_with_their_masks_as_large_as_they_are_shown(opened: OpenSession) -> None:
    found = parts(played(opened, 1, count=3, step=1, width=WIDTH // 2))
    assert [each["frame"] for each, _ in found] == [1, 2, 3]
    assert [[mask["key"] for mask in each["masks"]] for each, _ in found] == [[], [1], []]
    for each, image in found:
        assert image is not None
        assert image.shape[1] == WIDTH // 2
        expected = cv2.resize(picture(each["frame"]), image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        assert np.abs(image[..., ::-1].astype(int) - expected).mean() < 20
    ((_, whole),) = parts(played(opened, 0, count=1, step=1, width=4000))
    assert whole is not None
    assert whole.shape[1] == WIDTH, "frames are not enlarged"


def test_where_frames_are_left_out_the_last_one_is_still_shown(opened: OpenSession) -> None:
    found = parts(played(opened, 2, count=6, step=3, width=WIDTH))
    assert [each["frame"] for each, _ in found] == [2, 5, 7]


def test_a_frame_that_cannot_be_read_is_left_out(opened: OpenSession) -> None:
    opened.frames.image(7)
    opened.frames._reader._path = Path("gone.mp4")  # type: ignore[union-attr]
    opened.frames._reader._forget()  # type: ignore[union-attr]
    opened.frames._kept.clear()
    found = parts(played(opened, 3, count=2, step=1, width=WIDTH))
    assert [(each["frame"], image) for each, image in found] == [(3, None), (4, None)]


@pytest.mark.parametrize(
    ("first", "count", "step", "width"),
    [(8, 1, 1, 64), (-1, 1, 1, 64), (0, 0, 1, 64), (0, MOST_FRAMES + 1, 1, 64), (0, 1, 0, 64), (0, 1, 1, 0)],
)
def test_what_makes_no_sense_is_refused(
    opened: OpenSession, first: int, count: int, step: int, width: int
) -> None:
    with pytest.raises(InputError, match="cannot be played"):
        played(opened, first, count=count, step=step, width=width)


class Player(FramePlayer):
    """A player without a browser."""

    def __init__(self) -> None:
        self.said: list[object] = []

    def play(self, first: int) -> None:
        self.said.append(first)

    def pause(self) -> None:
        self.said.append("pause")


@pytest.fixture
def line(opened: OpenSession) -> tuple[TimeLine, Player, list[tuple[int, bool]]]:
    player, looked = Player(), list[tuple[int, bool]]()
    with Client(page("/line")):
        line = TimeLine(opened, player, lambda *what: looked.append(what), lambda key: None, 0)
    looked.clear()
    return line, player, looked


def test_where_playing_stops_the_frame_is_shown_that_was_seen_last(
    line: tuple[TimeLine, Player, list[tuple[int, bool]]],
) -> None:
    time_line, player, looked = line
    time_line.toggle_play()
    time_line._on_played(3, True)
    assert (time_line.frame, player.said, looked) == (3, [0], [(0, True), (3, True)])
    time_line.toggle_play()
    time_line._on_played(5, False)
    assert (time_line.frame, player.said[1:], looked[2:]) == (5, ["pause"], [(5, False)])
    time_line.toggle_play()
    time_line._on_played(7, False)  # at the end, or because somebody pressed on the frame
    assert (time_line.frame, looked[-1]) == (7, (7, False))
    time_line.toggle_play()
    assert player.said[-1] == 0, "from the end it begins again"


def test_who_goes_to_a_frame_while_it_plays_stays_there(
    line: tuple[TimeLine, Player, list[tuple[int, bool]]],
) -> None:
    time_line, player, looked = line
    time_line.toggle_play()
    time_line.go_to(2)
    time_line._on_played(4, False)  # what the browser showed when it heard of it
    assert (time_line.frame, player.said, looked[-1]) == (2, [0, "pause"], (2, False))
