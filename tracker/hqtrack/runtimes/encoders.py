"""A network whose encoder another runtime runs on the processor, and the choice of the runtime.

The encoder gains from what such runtimes do with chains of convolutions. Propagation and decoding do not:
measured, their own arithmetic (`hqtrack.nets.matching`) is faster than what an exporter makes of it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import Timeout
from torch import Tensor

from hqtrack import processor, zoo
from hqtrack.cards import Backend
from hqtrack.errors import InputError, naming, require
from hqtrack.files import lock, make_folder, whole
from hqtrack.nets.interface import Features, Identity, Memory, Propagation, PropagationNetwork
from hqtrack.runtimes.graphs import OPSET, encoder_graph, write_graph
from hqtrack.zoo.weights import known_sha256, record_sha256, recorded, sha256_of

logger = logging.getLogger(__name__)

Encoder = Callable[[Tensor], Features]
"""Maps normalised images (1, 3, H, W), float32 on the CPU, to features."""

PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}
"""The package of each runtime but PyTorch."""

GAINING = frozenset({"VMOSLight"})
"""Networks whose encoders were measured to be faster in ONNX Runtime (`benchmarks/runtimes.py`)."""


EXPORT_SECONDS = 600.0
"""So long another process may take that is exporting the same encoder."""


class Choice(NamedTuple):
    """Which runtime runs an encoder."""

    backend: Backend
    reason: str
    """In half a sentence."""


def choose(
    wanted: Backend, network: PropagationNetwork, *, device: torch.device, dtype: torch.dtype
) -> Choice:
    """Choose the runtime of a network's encoder.

    Args:
        wanted: "auto" takes ONNX Runtime where that is faster, installed, and the graph is kept already.
        network: The network.
        device: Where the network runs.
        dtype: Type of its parameters.

    Raises:
        MissingExtraError: The package of the runtime is not installed.
        InputError: The runtime cannot run there, or in that precision.
    """
    if wanted == "torch":
        return Choice("torch", "as asked for")
    narrow = str(dtype).removeprefix("torch.")
    if wanted != "auto":
        require(PACKAGES[wanted])
        if device.type != "cpu":
            raise InputError(
                f"backend {wanted} is for the CPU, not for {device}; use --device cpu or --backend torch"
            )
        if dtype != torch.float32:
            raise InputError(
                f"backend {wanted} computes in float32, not in {narrow}; leave out --precision, or use "
                "--backend torch"
            )
        return Choice(wanted, "as asked for")
    if device.type != "cpu":
        return Choice("torch", f"the others are for the CPU, not for {device.type}")
    if dtype != torch.float32:
        return Choice("torch", f"this processor is faster in {narrow}, which the others do not use")
    if type(network).__name__ not in GAINING:
        return Choice("torch", "no other is known to be faster with this network")
    if processor.capability().startswith("AVX512"):
        return Choice("torch", "with AVX-512 a whole frame takes it no longer than the others")
    if find_spec(PACKAGES["onnx"]) is None:
        return Choice("torch", "ONNX Runtime is not installed (pip install 'hqtrack[onnx]')")
    if not kept_graph(network).is_file():
        return Choice("torch", "no graph is kept for ONNX Runtime (hqtrack export CARD makes one)")
    return Choice("onnx", "its encoder is faster than PyTorch's in float32")


def encoder_of(
    network: PropagationNetwork, wanted: Backend, *, device: torch.device, dtype: torch.dtype
) -> Encoder | None:
    """Return another runtime's encoder for a network, or None where PyTorch's is taken.

    Args:
        network: In evaluation mode, float32, on the CPU, not folded.
        wanted: See `choose`.
        device: Where the network will run.
        dtype: Type that its parameters will have.

    Raises:
        MissingExtraError: The package of the runtime is not installed.
        InputError: The runtime cannot run there, or the graph cannot be made or read.
        OSError: The graph cannot be kept.
    """
    choice = choose(wanted, network, device=device, dtype=dtype)
    if choice.backend == "torch":
        return None
    path = keep_graph(network)
    return OnnxEncoder(path) if choice.backend == "onnx" else OpenVinoEncoder(path)


def kept_graph(network: PropagationNetwork) -> Path:
    """Return the file in the user's cache that holds the graph of an encoder with these very weights."""
    digest = hashlib.sha256(f"{type(network).__name__} {OPSET}".encode())
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().contiguous().numpy().tobytes())
    return zoo.cache_folder() / "graphs" / f"{digest.hexdigest()[:32]}.onnx"


def keep_graph(network: PropagationNetwork) -> Path:
    """Return the kept graph of an encoder, which is made at first.

    Raises:
        MissingExtraError: The packages of the extra onnx are not installed.
        InputError: The encoder cannot be exported, or the kept graph is damaged.
        WeightsError: The record of its SHA-256 is damaged.
        OSError: The cache cannot be written.
    """
    path = kept_graph(network)
    if not path.is_file():
        require("onnx")
        require("onnxscript")
        with naming(path.parent):
            make_folder(path.parent)
        try:
            with lock(path.with_suffix(".lock"), EXPORT_SECONDS):
                if not path.is_file():
                    _export(network, path)
        except Timeout as error:
            raise InputError(
                f"{path}: another process has been exporting it for {EXPORT_SECONDS:g} s; end that one, or "
                "use --backend torch"
            ) from error
    check_kept(path)
    return path


def _export(network: PropagationNetwork, path: Path) -> None:
    logger.warning("exporting the encoder to ONNX, once; it is kept as %s", path)
    with whole(path) as part:
        write_graph(encoder_graph(network), part)
        record_sha256(path, sha256_of(part))


def check_kept(path: Path) -> None:
    """Check that a kept graph is as it was written: a damaged one may run, and find other masks.

    Raises:
        InputError: It is not.
    """
    record = recorded(path)
    if record is not None and known_sha256(path) != record.sha256:
        raise InputError(f"{path}: is damaged; remove the file to export it again, or use --backend torch")


class OnnxEncoder:
    """An encoder in ONNX Runtime, with as many threads as PyTorch has.

    Args:
        path: The graph.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        InputError: The file is no graph, or one that this release cannot run.
    """

    def __init__(self, path: Path) -> None:
        require(PACKAGES["onnx"])
        import onnxruntime

        self._path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors alone
        # Threads that wait busily would take the processor from PyTorch's, whose turn it is then.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its errors have no common class
            raise _unreadable(path, "ONNX Runtime", onnxruntime.__version__, error) from error

    def __reduce__(self) -> tuple[type[OnnxEncoder], tuple[Path]]:
        """Load the graph again for a copy: sessions cannot be copied."""
        return OnnxEncoder, (self._path,)

    def __call__(self, images: Tensor) -> Features:
        """Map (1, 3, H, W) to features."""
        found: list[Any] = self._session.run(None, {"image": images.contiguous().numpy()})
        return tuple(torch.from_numpy(each) for each in found)


class OpenVinoEncoder:
    """An encoder in OpenVINO, with as many threads as PyTorch has, in float32.

    Args:
        path: The graph.

    Raises:
        MissingExtraError: OpenVINO is not installed.
        InputError: The file is no graph, or one that this release cannot run.
    """

    def __init__(self, path: Path) -> None:
        require(PACKAGES["openvino"])
        import openvino

        self._path = path
        settings = {
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        try:
            compiled = openvino.Core().compile_model(str(path), "CPU", settings)
        except RuntimeError as error:
            raise _unreadable(path, "OpenVINO", openvino.__version__, error) from error
        self._request, self._outputs = compiled.create_infer_request(), compiled.outputs

    def __reduce__(self) -> tuple[type[OpenVinoEncoder], tuple[Path]]:
        """Load the graph again for a copy: requests cannot be copied."""
        return OpenVinoEncoder, (self._path,)

    def __call__(self, images: Tensor) -> Features:
        """Map (1, 3, H, W) to features."""
        found = self._request.infer([images.contiguous().numpy()], share_inputs=True)
        # What it gives is overwritten by the next frame, which comes while this one is still remembered.
        return tuple(torch.from_numpy(found[output].copy()) for output in self._outputs)


def _unreadable(path: Path, runtime: str, version: str, error: Exception) -> InputError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return InputError(
        f"{path}: {runtime} {version} cannot run it: {reason}; remove the file to export it again, or use "
        "--backend torch"
    )


class ForeignEncoder(PropagationNetwork):
    """A network of which another runtime runs the encoder: the same calls, the same answers up to rounding.

    Args:
        network: Answers all other calls.
        encoder: Of the same weights.
    """

    def __init__(self, network: PropagationNetwork, encoder: Encoder) -> None:
        super().__init__()
        self.network = network
        self.encode_elsewhere = encoder
        self.max_objects = network.max_objects
        self.align_corners = network.align_corners
        self.layouts = network.layouts
        self.memory_format = network.memory_format

    def encode(self, images: Tensor) -> Features:
        """See `PropagationNetwork.encode`."""
        return self.encode_elsewhere(images)

    def embed_identity(self, one_hot: Tensor) -> Identity:
        """See `PropagationNetwork.embed_identity`."""
        return self.network.embed_identity(one_hot)

    def reference(self, features: Features, identity: Identity) -> Memory:
        """See `PropagationNetwork.reference`."""
        return self.network.reference(features, identity)

    def propagate(
        self,
        features: Features,
        long_term: Memory,
        short_term: Memory,
        references: float = 1,
        identities: int | None = None,
    ) -> Propagation:
        """See `PropagationNetwork.propagate`."""
        return self.network.propagate(features, long_term, short_term, references, identities)

    def decode(self, features: Features, propagation: Propagation, identities: Tensor) -> Tensor:
        """See `PropagationNetwork.decode`."""
        return self.network.decode(features, propagation, identities)

    def memorize(self, propagation: Propagation, identity: Identity) -> Memory:
        """See `PropagationNetwork.memorize`."""
        return self.network.memorize(propagation, identity)
