"""A light HQ-SAM, and a tracker that the tests of a process share."""

import pytest

from hqtrack import HQTrack
from light_sam import calls, light_network, light_sam, picture, refiner  # noqa: F401


@pytest.fixture(scope="session")
def tracker() -> HQTrack:
    """Return the light tracker without its refiner; videos are tracked with it one after the other."""
    return HQTrack.from_card("vmos-light", device="cpu", precision="float32")
