"""Networks accept exactly the entries of the published checkpoints."""

import json
from pathlib import Path

import pytest

from hqtrack import nets
from hqtrack.errors import HQTrackError

PARITY = Path(__file__).parents[1] / "data" / "parity"


def published_shapes(name: str) -> dict[str, list[int]]:
    return json.loads((PARITY / f"{name}_state_dict.json").read_text())


def shapes_of(name: str) -> dict[str, list[int]]:
    return {key: list(value.shape) for key, value in nets.build(name).state_dict().items()}


def encoder_part(shapes: dict[str, list[int]]) -> dict[str, list[int]]:
    return {key: shape for key, shape in shapes.items() if key.startswith("encoder.")}


@pytest.mark.parametrize("name", ["vmos", "r50_deaotl", "deaott", "r50_aotl", "ms_aot"])
def test_entries_are_those_of_the_published_checkpoint(name: str) -> None:
    assert shapes_of(name) == published_shapes(name)


@pytest.mark.parametrize(
    ("name", "encoder_of", "layers_of"),
    [("vmos_r50", "r50_deaotl", "vmos"), ("deaot_internimage_t", "vmos", "r50_deaotl")],
)
def test_a_variant_combines_a_published_encoder_with_published_layers(
    name: str, encoder_of: str, layers_of: str
) -> None:
    shapes = shapes_of(name)
    assert encoder_part(shapes) == encoder_part(published_shapes(encoder_of))
    layers = {key for key in published_shapes(layers_of) if not key.startswith("encoder.")}
    assert shapes.keys() - encoder_part(shapes).keys() == layers


@pytest.mark.slow
def test_every_name_in_the_list_can_be_built() -> None:
    for name in nets.network_names():
        assert len(nets.build(name).layouts) > 0


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(HQTrackError, match=r"'vmoss'.*r50_deaotl.*vmos_light"):
        nets.build("vmoss")
