"""A report has an event loop.

Release 0.9.0 asks asyncio for the loop of its thread without having made one, which Python 3.14 refuses.
"""

from __future__ import annotations

import asyncio
import warnings


def mend() -> bool:
    """Make an event loop for this thread; returns whether it had none and Python makes none by itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 and 3.13 make one, and warn
        try:
            asyncio.get_event_loop()
        except RuntimeError:
            asyncio.set_event_loop(asyncio.new_event_loop())
            return True
    return False
