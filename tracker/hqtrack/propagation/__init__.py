"""VMOS at run time: what is remembered of a video, and when (paper section 3.2)."""

from hqtrack.propagation.memory import LongTermMemory, ShortTermMemory
from hqtrack.propagation.propagator import Found, Propagator

__all__ = ["Found", "LongTermMemory", "Propagator", "ShortTermMemory"]
