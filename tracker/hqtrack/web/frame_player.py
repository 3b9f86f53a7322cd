"""The element that plays frames in the browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import events, ui

from hqtrack.web.store import OpenSession
from hqtrack.web.styling import change_properties

PLAYED_RATE = 30
"""Frames a second; videos that have more are played with fewer."""


class FramePlayer(ui.element, component="frame_player.js"):
    """Plays frames with their masks, over whatever element it is in.

    The browser keeps the time: it fetches several frames at once, and leaves frames out for which there is no
    time. It reports a few times a second where it is.

    Args:
        opened: The session with its frames.
    """

    def __init__(self, opened: OpenSession) -> None:
        super().__init__()
        session = opened.session
        height, width = session.size
        self.props.update(
            {
                "width": width,
                "height": height,
                "count": session.count,
                "source": f"/played/{session.folder.name}",
                "rate": min(PLAYED_RATE, float(opened.fps)),
                "run": 0,
                "first": 0,
            }
        )
        self._runs = 0
        self._on_played: Callable[[int, bool], Any] = lambda frame, playing: None
        self.on("played", self._note)

    def listen(self, on_played: Callable[[int, bool], Any]) -> None:
        """Have something called with the frame at which it is, and whether it plays on."""
        self._on_played = on_played

    def play(self, first: int) -> None:
        """Play from a frame on."""
        self._runs += 1
        self.props.update({"run": self._runs, "first": first})

    def pause(self) -> None:
        """Stop, and report the frame that is seen then."""
        self.props.update({"run": 0})

    def look(self, looks: dict[str, Any]) -> None:
        """Draw masks as `FrameView.look` draws them."""
        change_properties(self, **looks)

    def _note(self, event: events.GenericEventArguments) -> None:
        if int(event.args["run"]) == self._runs:  # not what an earlier run has to say
            self._on_played(int(event.args["frame"]), bool(event.args["playing"]))
