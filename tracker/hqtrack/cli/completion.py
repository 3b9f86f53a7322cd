"""Values that the shell offers for an argument or an option, found without PyTorch and without the toolkit.

Where something cannot be read, nothing is offered: a Tab never ends in an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from configparser import ConfigParser
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

PRECISIONS = ("auto", "float32", "bfloat16", "float16")

BACKENDS = ("auto", "torch", "onnx", "openvino")


def complete_backends(incomplete: str) -> list[str]:
    """Return the runtimes of encoders that begin so."""
    return _beginning(incomplete, BACKENDS)


def complete_precisions(incomplete: str) -> list[str]:
    """Return the precisions that begin so."""
    return _beginning(incomplete, PRECISIONS)


def complete_cards(incomplete: str) -> list[str]:
    """Return the cards that begin so, by the names of their files."""
    from hqtrack.zoo import card_names

    return _beginning(incomplete, card_names())


def complete_weights(incomplete: str) -> list[str]:
    """Return the weights and cards that begin so."""
    from hqtrack.zoo import card_names, known_weights

    return _beginning(incomplete, dict.fromkeys([*(each.label for each in known_weights()), *card_names()]))


def complete_studies(incomplete: str) -> list[str]:
    """Return the paper's tables and figures that begin so."""
    from hqtrack.evaluation.paper import studies

    return _beginning(incomplete, studies())


def complete_trackers(incomplete: str) -> list[str]:
    """Return the trackers of the registry in the working directory and the cards that begin so."""
    registry = ConfigParser(interpolation=None, strict=False)
    with suppress(Exception):
        registry.read("trackers.ini", encoding="utf-8")
    return _beginning(incomplete, [*registry.sections(), *complete_cards("")])


def complete_stacks(incomplete: str) -> list[str]:
    """Return our own stack and the toolkit's that begin so, by the names of their files."""
    names = ["stack.yaml"]
    toolkit = find_spec("vot")
    for package in (toolkit and toolkit.submodule_search_locations) or ():
        folder = Path(package) / "stack"
        names += [file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml")]
    return _beginning(incomplete, sorted(names))


def _beginning(incomplete: str, values: Iterable[str]) -> list[str]:
    return [value for value in values if value.startswith(incomplete)]
