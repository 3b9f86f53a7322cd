"""What a browser remembers over a reload: in the address what is looked at, in cookies what is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nicegui import ui

from hqtrack.video.writers import WRITERS

THEME_COOKIE, OUTPUTS_COOKIE = "hqtrack-theme", "hqtrack-outputs"


@dataclass(frozen=True)
class Preferences:
    """What the page begins with."""

    frame: int = 0
    tool: str = "box"
    dark: bool | None = None
    """None follows the system."""
    outputs: tuple[str, ...] = ("overlay", "labels")
    """Chosen kinds of output."""

    @classmethod
    def of(cls, query: Mapping[str, str], cookies: Mapping[str, str]) -> Preferences:
        """Read an address's query and cookies; what they do not have is as in a new browser."""
        frame, theme = query.get("frame", ""), cookies.get(THEME_COOKIE)
        outputs = cookies.get(OUTPUTS_COOKIE)
        return cls(
            frame=int(frame) if frame.isascii() and frame.isdigit() and len(frame) < 10 else 0,
            tool=query.get("tool", cls.tool),
            dark={"dark": True, "light": False}.get(theme or ""),
            outputs=cls.outputs
            if outputs is None
            else tuple(kind for kind in outputs.split(".") if kind in WRITERS),
        )


def remember(cookie: str, value: str) -> None:
    """Store a choice in the browser for a year."""
    ui.run_javascript(f"document.cookie = '{cookie}={value}; Max-Age=31536000; Path=/; SameSite=Strict'")
