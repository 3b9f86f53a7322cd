"""With what the page tracks."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hqtrack.defaults import DEFAULT_CARD


@dataclass(frozen=True)
class Settings:
    """With what the page tracks, as the options of `hqtrack track` have it."""

    card: str = DEFAULT_CARD
    weights: str | None = None
    device: str = "auto"
    precision: str = "auto"
    max_long_edge: int | None = None
    backend: str | None = None

    def options(self) -> list[str]:
        """Return what differs from the command's own values."""
        values = vars(self)
        return [
            word
            for name, default in vars(Settings()).items()
            if values[name] != default
            for word in (f"--{name.replace('_', '-')}", str(values[name]))
        ]

    def with_choice(self, card: str, device: str) -> Settings:
        """Return them with a card and a device that were chosen on the page; empty ones change nothing.

        A file of weights and a backend belong to the card with which the server was started.
        """
        chosen = replace(self, device=device or self.device)
        if card in ("", self.card):
            return chosen
        return replace(chosen, card=card, weights=None, backend=None)
