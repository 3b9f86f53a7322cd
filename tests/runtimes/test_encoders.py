"""Encoders in another runtime: the same masks, taken where they are faster, else refused in a line."""

from __future__ import annotations

import pickle
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from hqtrack import HQTrack, nets, processor
from hqtrack.errors import InputError, MissingExtraError
from hqtrack.nets.interface import PropagationNetwork
from hqtrack.runtimes import encoders
from hqtrack.runtimes.encoders import OnnxEncoder, choose, keep_graph, kept_graph
from hqtrack.zoo.weights import CACHE_VARIABLE
from moving_discs import clip, discs

CPU = torch.device("cpu")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep graphs in a folder of the test's own."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def network() -> PropagationNetwork:
    torch.manual_seed(0)
    return nets.build("vmos_light").eval()


def test_auto_takes_pytorch_until_a_graph_is_kept(
    cache: Path, network: PropagationNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(processor, "capability", lambda: "AVX2")
    choice = choose("auto", network, device=CPU, dtype=torch.float32)
    assert choice.backend == "torch"
    assert "hqtrack export" in choice.reason
    kept_graph(network).parent.mkdir(parents=True)
    kept_graph(network).touch()
    assert choose("auto", network, device=CPU, dtype=torch.float32).backend == "onnx"
    monkeypatch.setattr(processor, "capability", lambda: "AVX512")
    assert choose("auto", network, device=CPU, dtype=torch.float32).backend == "torch"


def test_auto_takes_pytorch_where_that_is_faster(cache: Path, network: PropagationNetwork) -> None:
    assert choose("auto", network, device=CPU, dtype=torch.bfloat16).backend == "torch"
    assert choose("auto", network, device=torch.device("cuda"), dtype=torch.float32).backend == "torch"
    assert choose("auto", nets.build("deaott"), device=CPU, dtype=torch.float32).backend == "torch"


def test_other_weights_have_another_graph(cache: Path, network: PropagationNetwork) -> None:
    torch.manual_seed(1)
    assert kept_graph(network) == kept_graph(network)
    assert kept_graph(network) != kept_graph(nets.build("vmos_light").eval())


def test_what_a_runtime_cannot_do_is_refused(network: PropagationNetwork) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(InputError, match="computes in float32, not in bfloat16; leave out --precision"):
        choose("onnx", network, device=CPU, dtype=torch.bfloat16)
    with pytest.raises(InputError, match="is for the CPU, not for cuda"):
        choose("onnx", network, device=torch.device("cuda"), dtype=torch.float32)


def test_a_missing_runtime_is_named_with_its_extra(
    network: PropagationNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hqtrack.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hqtrack\[openvino\]'"):
        choose("openvino", network, device=CPU, dtype=torch.float32)


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "torn.onnx").write_bytes(b"not a graph")
    with pytest.raises(InputError, match=r"torn\.onnx: ONNX Runtime .* cannot run it: .*; remove the file"):
        OnnxEncoder(tmp_path / "torn.onnx")


def test_a_kept_graph_that_was_damaged_is_refused(
    cache: Path, network: PropagationNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may run all the same, and find other masks."""
    monkeypatch.setattr(encoders, "require", lambda package: None)
    monkeypatch.setattr(encoders, "encoder_graph", lambda network: None)
    monkeypatch.setattr(encoders, "write_graph", lambda graph, part: part.write_bytes(b"a graph"))
    path = keep_graph(network)
    assert keep_graph(network) == path
    path.write_bytes(b"a gr4ph!")
    with pytest.raises(InputError, match="is damaged; remove the file to export it again"):
        keep_graph(network)
    path.unlink()
    assert keep_graph(network).read_bytes() == b"a graph"


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, network: PropagationNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    with pytest.raises(OSError, match="cache"):
        keep_graph(network)


@pytest.mark.slow
def test_masks_are_those_of_pytorch(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    monkeypatch.setenv(CACHE_VARIABLE, str(request.getfixturevalue("exported") / "cache"))
    monkeypatch.setattr(processor, "capability", lambda: "AVX2")
    monkeypatch.setattr(encoders, "write_graph", None)  # from here on the kept graph is used

    frames, masks = clip(144, 208)[:8], discs(0, 144, 208)[:2]
    found = {}
    for backend in (
        "torch",
        "auto",
        *(name for name, package in encoders.PACKAGES.items() if find_spec(package)),
    ):
        tracker = HQTrack.from_card("vmos-light", backend=backend, device="cpu", precision="float32")
        tracker.initialize(frames[0], masks)
        found[backend] = np.stack([tracker.track(frame) for frame in frames[1:]])
    assert found["torch"].any((0, 2, 3)).all()
    assert (found["auto"] == found["onnx"]).all()
    shares = {name: (each == found["torch"]).mean() for name, each in found.items()}
    assert min(shares.values()) >= 0.999, shares
    assert caplog.text == ""

    copied = pickle.loads(pickle.dumps(tracker))  # of the last backend, in mid-video
    np.testing.assert_array_equal(copied.track(frames[-1]), tracker.track(frames[-1]))
