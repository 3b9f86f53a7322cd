"""Which frame is looked at: by slider, by steps, playing, or following what is tracked."""

from __future__ import annotations

import time
from collections.abc import Callable

from nicegui import events, ui

from hqtrack.web.store import OpenSession
from hqtrack.web.styling import icon_button, keep_arrows

PLAYED_RATE = 25
"""Frames per second at most while playing."""

ON_DRAG_SCRIPT = """(frame) => {
  clearTimeout(window.laterFrame);
  const wait = (window.emittedAt ?? 0) + 50 - performance.now();
  const emitNow = () => { window.emittedAt = performance.now(); emit(frame); };
  if (wait > 0) window.laterFrame = setTimeout(emitNow, wait); else emitNow();
}"""
"""Emits a frame at most every 50 ms, or the browser would ask for the next before it has shown one."""

ON_RELEASE_SCRIPT = "(frame) => { clearTimeout(window.laterFrame); emit(frame); }"
"""Emits the frame at which the slider is released at once."""


class TimeLine:
    """The frame that is looked at.

    Args:
        opened: The session with its frames.
        look_at: Shows a frame.
        frame: The one that is shown first.
    """

    def __init__(self, opened: OpenSession, look_at: Callable[[int], None], frame: int) -> None:
        self._look_at = look_at
        self._count = opened.session.count
        self._fps = float(opened.fps)
        self._rate = min(PLAYED_RATE, float(opened.fps))
        self.frame = 0
        self._playing: tuple[float, int] | None = None
        """When playing began, and with which frame."""
        self._following = frame == 0
        self._latest = len(opened.session.record)
        """Frames that were tracked when it was last looked."""
        with ui.row(wrap=False).classes("items-center gap-2 w-full"):
            self._play_button = icon_button("play_arrow", "Play (space)", self.toggle_play)
            icon_button("chevron_left", "A frame back", lambda: self.step(-1))
            icon_button("chevron_right", "A frame on", lambda: self.step(1))
            # `ui.slider` has its last word up to 50 ms late: too late for a key pressed meanwhile.
            self._slider = ui.element("q-slider")
            self._slider.on("update:model-value", self._on_slider, js_handler=ON_DRAG_SCRIPT)
            self._slider.on("change", self._on_slider, js_handler=ON_RELEASE_SCRIPT)
            self._slider.classes("grow").props('aria-label="Frame"')
            self._slider.props.update(
                {"model-value": 0, "min": 0, "max": max(1, self._count - 1), "disable": self._count == 1}
            )
            keep_arrows(self._slider)
            self._place = ui.label().classes("w-40 text-right tabular-nums whitespace-nowrap")
            self._place.tooltip(f"Frames 0 to {self._count - 1}")
        self._go(frame)

    def go_to(self, frame: int) -> None:
        """Show a frame, or the first or last one, and stay there."""
        self.stay()
        self._go(frame)

    def step(self, frames: int) -> None:
        """Go on by some frames, or back."""
        self.go_to(self.frame + frames)

    def stay(self) -> None:
        """Neither play nor follow what is tracked."""
        self._playing, self._following = None, False

    def follow(self) -> None:
        """Show the frame that was tracked last from now on."""
        self._playing, self._following = None, True

    def toggle_play(self) -> None:
        """Play from here (at the end: from the start), or pause."""
        playing = self._playing is not None
        self.stay()
        if not playing and self._count > 1:
            if self.frame == self._count - 1:
                self._go(0)
            self._playing = time.monotonic(), self.frame

    def tick(self, tracked: int) -> None:
        """Go on where it plays, or follows the frames that are tracked."""
        if self._playing is not None:
            began, first = self._playing
            self._go(first + int((time.monotonic() - began) * self._rate))
            if self.frame == self._count - 1:
                self._playing = None
        if tracked != self._latest:
            self._latest = tracked
            if self._following and tracked:
                self._go(tracked - 1)
        playing = self._playing is not None
        self._play_button.props(f"icon={'pause' if playing else 'play_arrow'}")

    def _go(self, frame: int) -> None:
        self.frame = min(max(0, frame), self._count - 1)
        self._slider.props["model-value"] = self.frame
        self._place.text = f"frame {self.frame} · {clock(self.frame / self._fps)}"
        self._look_at(self.frame)

    def _on_slider(self, event: events.GenericEventArguments) -> None:
        frame = int(event.args or 0)
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
