"""Checkpoint files: reading them as published, telling families apart, loading and exporting.

The networks of `hqtrack.nets` keep the names of the published checkpoints, so importing one means unwrapping
it, checking that it belongs to the network, and loading it strictly.
"""

from __future__ import annotations

import pickle
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TypeGuard

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hqtrack import nets
from hqtrack.cards import Card, Weights
from hqtrack.errors import WeightsError, is_out_of_memory
from hqtrack.files import whole
from hqtrack.nets.interface import PropagationNetwork
from hqtrack.zoo.hiera import HIERAS
from hqtrack.zoo.weights import check_sha256, checked_weights, record_sha256, sha256_of

State = dict[str, Tensor]

_COUNTER = ".num_batches_tracked"
_WRAPPERS = ("state_dict", "model")
_SHOWN = 3
"""How many keys of each kind a message names."""


def load_network(card: Card, weights: Path | None = None) -> PropagationNetwork:
    """Build a card's network and load its weights.

    Args:
        card: The system.
        weights: A checkpoint to use instead of the card's.

    Returns:
        The network in evaluation mode, on the CPU, in float32.

    Raises:
        WeightsError: The weights are missing, unreadable, or of another network.
    """
    path = checked_weights(card.weights, weights)
    network = nets.build(card.network)
    load_into(network, card.network, read_checkpoint(path), path)
    return network.float().eval()


def load_into(network: nn.Module, name: str, state: State, path: Path) -> None:
    """Load a checkpoint into a network, all of it.

    Args:
        network: What to fill.
        name: What messages call it.
        state: The checkpoint's tensors.
        path: Where they come from, for messages.

    Raises:
        WeightsError: They are of another network, or not finite.
    """
    check_family(name, network.state_dict(), state, path)
    bad = [key for key, value in state.items() if not bool(torch.isfinite(value).all())]
    if bad:
        raise WeightsError(
            f"{path}: {_first(bad, 'tensors are not finite')}: they are damaged, or their training failed; "
            "give other weights"
        )
    network.load_state_dict(state, strict=True)


def verify(weights: Weights, path: Path) -> str:
    """Read a weight file and compare it with what is known of it: the card's SHA-256, else the recorded one.

    A published file that was put in place by hand has neither: its SHA-256 is recorded if it is a checkpoint.

    Returns:
        What was found, in a few words.

    Raises:
        WeightsError: The file is not what it should be.
    """
    digest = check_sha256(weights, path, again=True)
    if digest is not None:
        return f"good {digest[:12]}…"
    read_checkpoint(path)
    digest = sha256_of(path)
    if weights.origin != "published":
        return f"the card states no SHA-256; it is {digest}"
    record_sha256(path, digest)
    return f"recorded {digest[:12]}… (its authors publish none)"


def read_checkpoint(path: Path) -> State:
    """Read the tensors of a checkpoint: safetensors, or a `.pth` file as the authors publish them.

    Wrappers (`state_dict`, `model`) and the prefix `module.` of parallel training are removed. So are the
    batch counters of normalisation layers: nothing reads them, and published files have them or not. No code
    in the file is run.

    Raises:
        WeightsError: The file is missing, damaged, or holds more than tensors.
    """
    if not path.is_file():
        raise WeightsError(f"no checkpoint at {path}")
    state = _unwrapped(read_content(path))
    tensors = {key: value for key, value in state.items() if isinstance(key, str) and _is_plain(value)}
    if len(tensors) < max(len(state), 1):
        found = ", ".join(str(key) for key in list(state)[:_SHOWN]) or "nothing"
        raise WeightsError(
            f"{path}: no tensors of a network in it (it holds {found}); expected a state dict, "
            f"alone or under {' or '.join(_WRAPPERS)}"
        )
    kept = (key for key in tensors if not key.endswith(_COUNTER))
    return {key.removeprefix("module."): tensors[key] for key in kept}


def read_content(path: Path) -> object:
    """Read whatever a checkpoint file holds, without running code from it.

    Raises:
        WeightsError: The file is damaged, or holds what only code could read.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # PyTorch's own message advises to switch this protection off.
        raise WeightsError(
            f"{path}: it is not a PyTorch checkpoint, or it contains code, which is not run. "
            "Save its state dict alone, or get it again."
        ) from error
    except Exception as error:  # PyTorch raises many kinds for files of other programs and for damaged ones
        if is_out_of_memory(error):
            raise
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise WeightsError(f"{path}: damaged or not a checkpoint: {reason}. Get it again.") from error


def export_published(network: PropagationNetwork, path: Path) -> None:
    """Write a network's weights in the published layout.

    `.safetensors` gives the bare tensors; any other suffix the authors' own form, which their loaders read:
    a PyTorch file with the tensors under `state_dict`. The file appears under its name only once complete.

    Raises:
        WeightsError: The file cannot be written.
    """
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    try:
        with whole(path) as part:
            if path.suffix == ".safetensors":
                save_file(state, part)
            else:
                torch.save({"state_dict": state}, part)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise WeightsError(f"cannot write {path}: {error}") from error


def check_family(
    network: str, expected: Mapping[str, Tensor], state: Mapping[str, Tensor], path: Path
) -> None:
    """Check that a checkpoint has a network's keys and shapes.

    Args:
        network: Name of the network, for the message.
        expected: The network's state dict.
        state: The checkpoint's.
        path: Where the checkpoint comes from, for the message.

    Raises:
        WeightsError: It does not; the message names the family it looks like and the keys that differ.
    """
    missing = [key for key in expected if key not in state and not key.endswith(_COUNTER)]
    unexpected = [key for key in state if key not in expected]
    reshaped = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    if not (missing or unexpected or reshaped):
        return
    differences = [
        _first(missing, "missing"),
        _first(unexpected, "not of this network"),
        _first(reshaped, "of another shape"),
    ]
    raise WeightsError(
        f"{path} does not fit the network {network} ({describe(expected)}): it looks like {describe(state)}. "
        f"Of {len(expected)} keys: {'; '.join(text for text in differences if text)}. "
        "Give weights of this network, or choose a card whose network they fit (hqtrack cards)."
    )


_OF_OTHER_LIBRARIES: Mapping[str, str] = {
    "detector_model.": "SAM 3",
    "image_encoder.trunk.": "SAM 2 in its authors' own layout, not that of transformers (model.safetensors)",
    "spatial_perceiver.": "EdgeTAM",
    "memory_attention.": "SAM 2.1",
    "object_transformer.": "Cutie",
}
"""What a beginning of a key is of, the most special first."""


def describe(state: Mapping[str, Tensor]) -> str:
    """Return which family of networks a state dict looks like, such as `"DeAOT with ResNet-50, 3 layers"`."""
    keys = state.keys()
    for prefix, family in _OF_OTHER_LIBRARIES.items():
        if _any(keys, prefix):
            return " ".join(filter(None, (family, _size(keys, family))))
    if "mask_decoder.iou_token.weight" in keys:
        family = "HQ-SAM" if "mask_decoder.hf_token.weight" in keys else "SAM"
        return f"{family} with {_sam_encoder(state)}"
    if "decoder.match_weights" in keys:
        return "VMOS-light"
    if "MSLSTT.decoder_norms.0.weight" in keys:
        return f"MS-AOT with {_encoder(keys, prefix='encoder.') or 'an unknown encoder'}"
    layers = len({key.split(".")[2] for key in keys if key.startswith("LSTT.layers.")})
    if layers == 0:
        encoder = _encoder(keys, prefix="")
        return f"an encoder alone ({encoder})" if encoder else "no known network"
    if _any(keys, "LSTT.layer_s8."):
        family = "VMOS"
    elif "id_norm.weight" in keys:
        family = "DeAOT"
    else:
        family = "AOT"
    encoder = _encoder(keys, prefix="encoder.") or "an unknown encoder"
    return f"{family} with {encoder}, {layers} layer{'s' if layers > 1 else ''}"


def _size(keys: Collection[str], family: str) -> str:
    """Name which network of a family from another library keys belong to; empty where there is one."""
    if family == "Cutie":
        return "base" if "pixel_encoder.res2.0.conv3.weight" in keys else "small"
    if family == "SAM 2.1":
        start = "vision_encoder.backbone.blocks."
        blocks = len({key.removeprefix(start).split(".")[0] for key in keys if key.startswith(start)})
        sizes = {sum(hiera.blocks): name.removeprefix("sam2.1-hiera-") for name, hiera in HIERAS.items()}
        return sizes.get(blocks, "")
    return ""


def _unwrapped(content: object) -> dict[str, object]:
    """Take the state dict out of what training scripts wrap around it; gives nothing if that has no end."""
    opened = set()
    while isinstance(content, dict) and id(content) not in opened:
        opened.add(id(content))
        wrapper = next((key for key in _WRAPPERS if isinstance(content.get(key), dict)), None)
        if wrapper is None:
            return content
        content = content[wrapper]
    return {}


def _is_plain(value: object) -> TypeGuard[Tensor]:
    """Return whether something is a tensor with real numbers in memory."""
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not (value.is_complex() or value.is_quantized)
    )


def _first(keys: list[str], what: str) -> str:
    """Name the first few keys of a kind and their count."""
    if not keys:
        return ""
    more = ", …" if len(keys) > _SHOWN else ""
    return f"{len(keys)} {what} ({', '.join(keys[:_SHOWN])}{more})"


def _any(keys: Iterable[str], prefix: str) -> bool:
    return any(key.startswith(prefix) for key in keys)


def _encoder(keys: Iterable[str], prefix: str) -> str:
    """Name the encoder that keys below a prefix belong to, or give an empty string."""
    names = [key.removeprefix(prefix) for key in keys if key.startswith(prefix)]
    blocks = len({name.split(".")[1] for name in names if name.startswith("layer3.")})
    if blocks:
        return {6: "ResNet-50", 23: "ResNet-101"}.get(blocks, "a ResNet")
    if _any(names, "features."):
        return "MobileNet"
    if any(".dcn." in name for name in names):
        depth = len({name.split(".")[3] for name in names if name.startswith("levels.2.blocks.")})
        return "InternImage-T" if depth == 18 else "InternImage"
    if _any(names, "layers.0.blocks."):
        return "Swin"
    return ""


def _sam_encoder(state: Mapping[str, Tensor]) -> str:
    """Name a SAM's image encoder by the width of its patch embedding."""
    patches = state.get("image_encoder.patch_embed.proj.weight")
    if patches is None:
        return "ViT-Tiny" if _any(state, "image_encoder.layers.") else "an unknown encoder"
    return {1280: "ViT-H", 1024: "ViT-L", 768: "ViT-B"}.get(patches.shape[0], "an unknown encoder")
