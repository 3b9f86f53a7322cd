"""The calls of a network as ONNX graphs: of any frame size, number of objects, and length of memory.

A graph takes and gives tensors alone, so what passes between the calls is spread out into numbered ones. Each
call is made twice, with unlike sizes, which shows the sides that vary.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hqtrack.errors import InputError, require
from hqtrack.nets.interface import Memory, MemoryEntry, Propagation, PropagationNetwork
from hqtrack.nets.light_segmenter import PROMPTS, LightSegmenter

OPSET = 20
"""Of ONNX operators: ONNX Runtime 1.17 and OpenVINO 2024 know it."""

Tensors = tuple[Tensor, ...]
Function = Callable[..., Tensors]


class Graph(NamedTuple):
    """One call, ready to be written."""

    name: str
    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    example: Tensors
    other: Tensors
    """An example whose sides differ from the first one's wherever they may vary."""


class _Call(nn.Module):
    """A function of tensors, as the exporter wants it."""

    def __init__(self, network: nn.Module, function: Function) -> None:
        super().__init__()
        self.network = network  # so that its weights are found
        self._function = function

    def forward(self, *tensors: Tensor) -> Tensors:
        return self._function(*tensors)


class _Sizes(NamedTuple):
    """Sizes of an example."""

    height: int
    width: int
    references: int
    kept: int
    objects: int


_FIRST = _Sizes(192, 288, 2, 3, 2)
_OTHER = _Sizes(224, 256, 3, 2, 3)


def propagation_graphs(network: PropagationNetwork) -> Iterator[Graph]:
    """Return the five calls of a propagation network.

    Inputs and outputs, in this order. Maps and tokens are those of `hqtrack.nets.interface`; B is 1.

    - encode: image to feature_0, …
    - reference: features, masks to key_0, value_0, key_1, … of each layer's memory
    - propagate: features, the references' memory, that of the kept frames (its T may be 0), that of an
      earlier frame, to embedding_0, … and pending_0, …
    - decode: features, embeddings, identities (1, S) int64 to logits (1, S, h, w)
    - memorize: pendings, masks to the frame's memory

    Masks are one-hot (1, max_objects + 1, H, W) float32, background first, zero where there is no object.

    Args:
        network: In evaluation mode, float32, on the CPU.
    """
    first, other = (_example(network, sizes) for sizes in (_FIRST, _OTHER))
    layers = len(network.layouts)
    features = _numbered("feature", len(first.features))
    embeddings = _numbered("embedding", len(first.embeddings))
    pending = _numbered("pending", sum(first.pending))

    def memory(prefix: str = "") -> tuple[str, ...]:
        return tuple(f"{prefix}{part}_{layer}" for layer in range(layers) for part in ("key", "value"))

    def encode(image: Tensor) -> Tensors:
        return tuple(network.encode(image))

    def reference(*tensors: Tensor) -> Tensors:
        *levels, masks = tensors
        return _flat(network.reference(tuple(levels), network.embed_identity(masks)))

    def propagate(*tensors: Tensor) -> Tensors:
        levels, known, kept, recent = _split(tensors, len(features), 2 * layers, 2 * layers, 2 * layers)
        long_term = tuple(
            MemoryEntry(torch.cat([a.key, b.key], 2), torch.cat([a.value, b.value], 2))
            for a, b in zip(_memory(known), _memory(kept), strict=True)
        )
        references = known[0].shape[2] // recent[0].shape[2]
        return _parts(network.propagate(levels, long_term, _memory(recent), references))

    def decode(*tensors: Tensor) -> Tensors:
        levels, embedded, (identities,) = _split(tensors, len(features), len(embeddings), 1)
        return (network.decode(levels, Propagation(embedded, ()), identities),)

    def memorize(*tensors: Tensor) -> Tensors:
        *parts, (masks,) = _split(tensors, *first.pending, 1)
        return _flat(network.memorize(Propagation((), tuple(parts)), network.embed_identity(masks)))

    shapes: tuple[tuple[str, Function, tuple[str, ...], tuple[str, ...]], ...] = (
        ("encode", encode, ("image",), features),
        ("reference", reference, (*features, "masks"), memory()),
        (
            "propagate",
            propagate,
            (*features, *memory("known_"), *memory("kept_"), *memory("recent_")),
            (*embeddings, *pending),
        ),
        ("decode", decode, (*features, *embeddings, "identities"), ("logits",)),
        ("memorize", memorize, (*pending, "masks"), memory()),
    )
    for (name, function, inputs, outputs), example, unlike in zip(
        shapes, first.calls, other.calls, strict=True
    ):
        yield Graph(name, _Call(network, function), inputs, outputs, example, unlike)


def encoder_graph(network: PropagationNetwork) -> Graph:
    """Return the first call alone; see `propagation_graphs`."""
    return next(propagation_graphs(network))


def refiner_graph(network: LightSegmenter, side: int) -> Graph:
    """Return the light refiner: crops and prompts (B, 3 and 4, side, side) to logits and quality.

    Args:
        network: In evaluation mode, float32, on the CPU.
        side: Of the crops, in pixels; a multiple of 32.
    """

    def refine(crops: Tensor, prompts: Tensor) -> Tensors:
        return tuple(network(crops, prompts))

    example, other = (
        (torch.zeros(batch, 3, side, side), torch.zeros(batch, PROMPTS, side, side)) for batch in (2, 3)
    )
    return Graph(
        "refine", _Call(network, refine), ("crops", "prompts"), ("logits", "quality"), example, other
    )


def write_graph(graph: Graph, path: Path) -> None:
    """Write a graph as one ONNX file, and check it.

    Raises:
        MissingExtraError: The packages of the extra onnx are not installed.
        InputError: PyTorch's exporter cannot express the call.
    """
    for module in ("onnx", "onnxscript"):
        require(module)
    import onnx

    for talkative in ("onnxscript", "onnx_ir", "torch.onnx"):
        logging.getLogger(talkative).setLevel(logging.ERROR)
    sides = tuple(
        {
            side: torch.export.Dim.DYNAMIC
            for side, (one, another) in enumerate(zip(a.shape, b.shape, strict=True))
            if one != another
        }
        for a, b in zip(graph.example, graph.other, strict=True)
    )
    # The exporter talks on stdout, which belongs to TraX in a tracker, and warns of its own workings.
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(sys.stderr),
        torch.inference_mode(False),
        _nothing_overwritten(graph.module),
    ):
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                graph.module.eval(),
                graph.example,
                input_names=graph.inputs,
                output_names=graph.outputs,
                dynamic_shapes={"tensors": sides},
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
            assert program is not None, "only exports of PyTorch's older exporter are None"
            program.save(path)
            onnx.checker.check_model(str(path), full_check=True)
        except (
            torch.onnx.OnnxExporterError,
            onnx.checker.ValidationError,
            onnx.shape_inference.InferenceError,
        ) as error:
            raise InputError(
                f"the call {graph.name} cannot be exported: {_reason(error)}; track with --backend torch"
            ) from error


@contextlib.contextmanager
def _nothing_overwritten(module: nn.Module) -> Iterator[None]:
    """Have activations leave their inputs alone for as long as the context lasts.

    The exporter knows ReLU6 as one operator; of one in place it makes a dozen, and takes twice as long.
    """
    changed = [part for part in module.modules() if getattr(part, "inplace", False) is True]
    for part in changed:
        part.inplace = False  # type: ignore[assignment]
    try:
        yield
    finally:
        for part in changed:
            part.inplace = True  # type: ignore[assignment]


def _reason(error: BaseException) -> str:
    """Return the first line of what an error came from."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class _Example(NamedTuple):
    features: Tensors
    embeddings: Tensors
    pending: tuple[int, ...]
    """Number of tensors that each layer waits with."""
    calls: tuple[Tensors, ...]
    """Arguments of the five calls."""


@torch.no_grad()
def _example(network: PropagationNetwork, sizes: _Sizes) -> _Example:
    """Make each call once, with memories of random frames."""
    extra = 1 if network.align_corners else 0
    image = torch.randn(1, 3, sizes.height + extra, sizes.width + extra)
    masks = torch.zeros(1, network.max_objects + 1, *image.shape[-2:])
    masks[:, 0] = 1
    features = tuple(network.encode(image))
    frame = network.reference(features, network.embed_identity(masks))
    known, kept = (
        _flat(MemoryEntry(*(torch.cat([part] * count, 2) for part in entry)) for entry in frame)
        for count in (sizes.references, sizes.kept)
    )
    found = network.propagate(features, frame, frame)
    identities = torch.arange(sizes.objects + 1)[None]
    pending = tuple(tensor for layer in found.pending for tensor in layer)
    return _Example(
        features,
        tuple(found.embeddings),
        tuple(len(layer) for layer in found.pending),
        (
            (image,),
            (*features, masks),
            (*features, *known, *kept, *_flat(frame)),
            (*features, *found.embeddings, identities),
            (*pending, masks),
        ),
    )


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}_{index}" for index in range(count))


def _split(tensors: Tensors, *counts: int) -> list[Tensors]:
    """Cut tensors into groups of so many."""
    groups, start = [], 0
    for count in counts:
        groups.append(tensors[start : start + count])
        start += count
    return groups


def _flat(memory: Sequence[MemoryEntry] | Iterator[MemoryEntry]) -> Tensors:
    return tuple(part for entry in memory for part in entry)


def _memory(tensors: Tensors) -> Memory:
    return tuple(MemoryEntry(*pair) for pair in _split(tensors, *[2] * (len(tensors) // 2)))


def _parts(propagation: Propagation) -> Tensors:
    return (*propagation.embeddings, *(tensor for layer in propagation.pending for tensor in layer))
