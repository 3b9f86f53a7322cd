"""Frame rates that are no whole numbers.

Release 0.9.0 reads `fps=29.97` as nothing, and every real-time experiment ends with "float() argument must be
a string or a real number, not 'NoneType'".
"""

from __future__ import annotations

import functools
import logging
import math
import os
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

from vot.dataset import common
from vot.utilities import read_properties

logger = logging.getLogger(__name__)


def mend() -> bool:
    """Read frame rates as numbers; returns whether some were lost."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sequence").write_text("fps=29.97\n")
        if common._read_metadata(folder)["fps"] is not None:
            return False
    original = common._read_metadata

    @functools.wraps(original)
    def _read_metadata(path: str) -> dict[str, Any]:
        metadata: dict[str, Any] = original(path)
        if metadata["fps"] is None or metadata["fps"] <= 0:
            file = os.path.join(path, "sequence")
            text = read_properties(file).get("fps", "")
            rate = rate_of(text)
            if rate is None:
                logger.warning("%s: fps=%s is no frame rate; the experiment's own is used", file, text)
                del metadata["fps"]
            else:
                metadata["fps"] = rate
        return metadata

    common._read_metadata = _read_metadata
    return True


def rate_of(text: str) -> float | None:
    """Return a frame rate, or None where the text is none.

    Example:
        >>> [rate_of(text) for text in ("29.97", "30000/1000", "0", "fast")]
        [29.97, 30.0, None, None]
    """
    try:
        rate = float(Fraction(text.strip()))
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    return rate if rate > 0 and math.isfinite(rate) else None
