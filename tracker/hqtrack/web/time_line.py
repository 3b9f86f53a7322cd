"""Which frame is looked at: by the time line, by steps, playing, or following what is tracked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from nicegui import events, ui

from hqtrack.web.frame_player import FramePlayer
from hqtrack.web.store import OpenSession
from hqtrack.web.styling import change_properties, icon_button

SECONDS_PER_LOAD = 0.5
"""Between two times at which the browser loads what is tracked."""


class TimeLineView(ui.element, component="time_line.js"):
    """The rows of the time line in the browser.

    Args:
        count: Frames of the video.
        frames: Where the browser finds frames.
        on_go: Called with a frame that is pointed at, and the object whose row or mark it was, or None.
    """

    def __init__(self, count: int, frames: str, on_go: Callable[[int, int | None], None]) -> None:
        super().__init__()
        self.props.update(
            {"count": count, "frames": frames, "frame": 0, "chosen": 0, "text": "", "source": ""}
        )

        def go(event: events.GenericEventArguments) -> None:
            key = event.args["key"]
            on_go(int(event.args["frame"]), None if key is None else int(key))

        self.on("go", go)
        self.classes("w-full")

    def show(self, **values: object) -> None:
        """Change what is shown: frame, chosen, text, source."""
        change_properties(self, **values)


class TimeLine:
    """The frame that is looked at.

    Args:
        opened: The session with its frames.
        player: Plays frames over the one that is shown.
        look_at: Shows a frame; True where the player shows it already.
        choose: Chooses an object.
        frame: The one that is shown first.
    """

    def __init__(
        self,
        opened: OpenSession,
        player: FramePlayer,
        look_at: Callable[[int, bool], None],
        choose: Callable[[int], None],
        frame: int,
    ) -> None:
        self._look_at, self._choose = look_at, choose
        self._session = opened.session
        self._loaded: tuple[object, float] = (None, -1.0)
        """What the rows show, and when they were loaded."""
        self._count = opened.session.count
        self._fps = float(opened.fps)
        self.frame = 0
        self._player = player
        self._player.listen(self._on_played)
        self._playing = False
        self._stopping = False
        """True until the player reports the frame at which it stopped."""
        self._following = frame == 0
        self._latest = len(opened.session.record)
        """Frames that were tracked when it was last looked."""
        self._view: TimeLineView
        with ui.row(wrap=False).classes("items-center gap-2 w-full"):
            self._play_button = icon_button("play_arrow", "Play (space)", self.toggle_play)
            icon_button("chevron_left", "A frame back", lambda: self.step(-1))
            icon_button("chevron_right", "A frame on", lambda: self.step(1))
            ui.space()
            for icon, label, factor in (
                ("zoom_out", "Show more frames", 2),
                ("zoom_in", "Show fewer frames", 0.5),
            ):
                icon_button(icon, label, partial(self._zoom, factor))
            self._place = ui.label().classes("w-40 text-right tabular-nums whitespace-nowrap")
            self._place.tooltip(f"Frames 0 to {self._count - 1}")
        self._view = TimeLineView(self._count, f"/frames/{self._session.folder.name}", self._on_go)
        self._load()
        self._go(frame)

    def go_to(self, frame: int) -> None:
        """Show a frame, or the first or last one, and stay there."""
        self.stay()
        self._go(frame)

    def _zoom(self, factor: float) -> None:
        self._view.run_method("zoom", factor)

    def step(self, frames: int) -> None:
        """Move by some frames, or back."""
        self.go_to(self.frame + frames)

    def stay(self) -> None:
        """Neither play nor follow what is tracked."""
        self._following = False
        if self._playing:
            self._playing, self._stopping = False, True
            self._player.pause()

    def follow(self) -> None:
        """Show the frame that was tracked last from now on."""
        self.stay()
        self._following = True

    def toggle_play(self) -> None:
        """Play from here (at the end: from the start), or pause."""
        playing = self._playing
        self.stay()
        if not playing and self._count > 1:
            if self.frame == self._count - 1:
                self._go(0)
            self._playing, self._stopping = True, False
            self._look_at(self.frame, True)
            self._player.play(self.frame)

    def _on_played(self, frame: int, playing: bool) -> None:
        """Note which frame the player shows, and show the one at which it stopped."""
        if playing and self._playing:
            self._place_at(frame)
            self._look_at(frame, True)
        elif not playing and (self._playing or self._stopping):
            self.stay()
            self._go(frame)

    def tick(self, tracked: int) -> None:
        """Follow the frames that are tracked."""
        if tracked != self._latest:
            self._latest = tracked
            if self._following and tracked:
                self._go(tracked - 1)
        self._load()
        self._play_button.props(f"icon={'pause' if self._playing else 'play_arrow'}")

    def _go(self, frame: int) -> None:
        self._stopping = False
        self._place_at(min(max(0, frame), self._count - 1))
        self._look_at(self.frame, False)

    def _place_at(self, frame: int) -> None:
        self.frame = frame
        self._place.text = f"frame {frame} · {clock(frame / self._fps)}"
        self._view.show(frame=frame, text=self._place.text)

    def show_chosen(self, key: int | None) -> None:
        """Highlight the row of an object."""
        self._view.show(chosen=key or 0)

    def jump(self, frames: Sequence[int], forward: bool) -> None:
        """Show the next one of some frames, or the one before; stays where there is none."""
        found = [each for each in frames if (each > self.frame if forward else each < self.frame)]
        if found:
            self.go_to(min(found) if forward else max(found))

    def _load(self) -> None:
        """Reload the rows in the browser where they changed, but not too often."""
        session = self._session
        state, now = (session.version, len(session.record)), time.monotonic()
        seen, loaded = self._loaded
        if state != seen and (seen is None or now - loaded > SECONDS_PER_LOAD):
            self._loaded = state, now
            self._view.show(source=f"/tracks/{session.folder.name}?v={state[0]}.{state[1]}")

    def _on_go(self, frame: int, key: int | None) -> None:
        if key is not None:
            self._choose(key)
        if frame != self.frame:
            self.go_to(frame)


def clock(seconds: float) -> str:
    """Return a time in a video.

    Example:
        >>> clock(75.5), clock(3600)
        ('1:15.50', '1:00:00.00')
    """
    hundredths = round(seconds * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    front = f"{hours}:{minutes:02d}" if hours else str(minutes)
    return f"{front}:{rest // 100:02d}.{rest % 100:02d}"
