"""A light HQ-SAM."""

from light_sam import (  # noqa: F401
    calls,
    light_checkpoint,
    light_network,
    light_sam,
    one_block_network,
    one_block_network_of_full_side,
    picture,
    refiner,
)
