"""What propagates: one interface, VMOS and other networks behind it, and a registry for further ones."""

from hqtrack.engines.engine import Engine, LearnsFromPictures, Load, Start, engine_names, load_engine

__all__ = ["Engine", "LearnsFromPictures", "Load", "Start", "engine_names", "load_engine"]
