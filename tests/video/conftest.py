"""A light HQ-SAM."""

from light_sam import calls, light_network, light_sam, picture, refiner  # noqa: F401
