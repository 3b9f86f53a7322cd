"""Names of the cards that are used where nobody names one; importing this costs nothing."""

from __future__ import annotations

DEFAULT_CARD = "vmos-light"
"""The card without `--card`, in the command, the page and the Python API."""

LIGHT_REFINER_CARD = "hqtrack-light"
"""The card whose refiner makes masks of boxes and points where no other one is installed."""
