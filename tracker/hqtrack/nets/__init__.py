"""Networks only: stateless modules that know nothing of files, devices or video."""

from hqtrack.nets.registry import build, network_names

__all__ = ["build", "network_names"]
