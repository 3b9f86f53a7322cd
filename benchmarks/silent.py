"""What a part of the light network is worth: the `hqtrack` command, with that part saying nothing.

    python benchmarks/silent.py whole-objects train stage2 --card vmos-light --folder without-objects …
    python benchmarks/quality.py vot=SEQUENCES --weights without-objects.safetensors --silent whole-objects

A silent part says what it says where it knows nothing. `quality.py --silent` alone shows how much weights
rely on a part that they were trained with; training without it, too, shows what others make up for. A run
does not remember the silence: name the part again when you resume it.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from hqtrack.cli import main
from hqtrack.nets.vmos_light import LongTermMatch, ObjectComparison, ReferenceMatch

PARTS = ("references-alone", "references-at-stride-8", "whole-objects")
"""What identities are told from besides the memory."""


def silence(part: str) -> None:
    """Silence a part of every light network of this process from now on."""
    register_module_forward_hook(partial(_silenced, part))


def _silenced(part: str, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
    """Return what a part of the light network gives where it knows nothing; other outputs unchanged.

    The references alone see what all memory together sees; at stride 8 nothing is matched; a token is as like
    to every object, and whole objects are called what they are.
    """
    if part == "references-alone" and isinstance(module, LongTermMatch) and inputs[3] is not None:
        first = inputs[3]
        everything = output[..., : (output.shape[-1] + first) // 2]
        return torch.cat([everything, everything[..., first:]], dim=-1)
    if part == "references-at-stride-8" and isinstance(module, ReferenceMatch):
        return torch.zeros_like(output)
    if part == "whole-objects" and isinstance(module, ObjectComparison):
        present = (output[0] > 0).to(output[0].dtype)
        return present / present.sum(1, keepdim=True), inputs[3]
    return output


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in PARTS:
        sys.exit(f"name a part, {', '.join(PARTS)}, and then a command of hqtrack with its options")
    silence(sys.argv.pop(1))
    main()
