"""Which networks exist. A variant is data; `build` makes any of them from one set of parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from hqtrack.errors import CardError
from hqtrack.nets.aot import AOT
from hqtrack.nets.deaot import DeAOT
from hqtrack.nets.encoders import build_encoder
from hqtrack.nets.interface import PropagationNetwork
from hqtrack.nets.ms_aot import MSAOT
from hqtrack.nets.vmos import VMOS
from hqtrack.nets.vmos_light import VMOSLight


@dataclass(frozen=True)
class Variant:
    """A network of the AOT family: which layers, on which encoder, how many of them at stride 16."""

    family: Literal["aot", "deaot", "vmos", "ms_aot"]
    encoder: Literal["internimage_t", "resnet50", "mobilenetv2"]
    layers: int


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        "vmos": Variant("vmos", "internimage_t", 3),
        "vmos_r50": Variant("vmos", "resnet50", 3),
        "deaot_internimage_t": Variant("deaot", "internimage_t", 3),
        "r50_deaotl": Variant("deaot", "resnet50", 3),
        "deaott": Variant("deaot", "mobilenetv2", 1),
        "r50_aotl": Variant("aot", "resnet50", 3),
        "ms_aot": Variant("ms_aot", "resnet50", 3),
    }
)
"""Published: vmos (HQTrack), r50_deaotl and deaott (DeAOT), r50_aotl (AOT), ms_aot (pyramid AOT; Table 1). Of
the paper's tables: deaot_internimage_t (Table 2, row 2) and vmos_r50 (Table 5)."""

LIGHT_NETWORK = "vmos_light"
"""Our own small network, whose structure is not a variant of the published ones."""


def network_names() -> list[str]:
    """Return every name that `build` knows."""
    return sorted([*VARIANTS, LIGHT_NETWORK])


def build(name: str) -> PropagationNetwork:
    """Make a network with fresh weights, in training mode, on the default device.

    Args:
        name: One of `network_names()`.

    Raises:
        CardError: The name is unknown.
    """
    if name == LIGHT_NETWORK:
        return VMOSLight()
    if name not in VARIANTS:
        raise CardError(f"unknown network {name!r}; the networks are {', '.join(network_names())}")
    variant = VARIANTS[name]
    families: dict[str, Callable[..., PropagationNetwork]] = {
        "aot": AOT,
        "deaot": DeAOT,
        "vmos": VMOS,
        "ms_aot": MSAOT,
    }
    return families[variant.family](build_encoder(variant.encoder), layers=variant.layers)
