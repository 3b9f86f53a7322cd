"""Graphs outside of PyTorch give the same masks, and what cannot be exported or run is refused in a line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hqtrack import HQTrack
from hqtrack.cli import app
from hqtrack.masks import label_map, masks_of
from hqtrack.runtimes.encoders import OnnxEncoder
from moving_discs import clip, discs

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

EXAMPLES = Path(__file__).parents[2] / "examples"
JOIN = 7
"""The frame in which further objects join."""


DRIVER = """
import sys
sys.modules["torch"] = None  # an import of PyTorch is an error from here on
sys.path.insert(0, sys.argv[1])
import numpy as np
from pathlib import Path
from track_graphs import GraphTracker
given = np.load(sys.argv[3])
tracker = GraphTracker(Path(sys.argv[2]), threads=1)
tracker.refer(given["frames"][0], given["first"])
found = [given["first"]]
for index, frame in enumerate(given["frames"][1:], 1):
    labels = tracker.track(frame)
    if index == int(given["join"]):
        labels = np.where(given["joining"] > 0, given["joining"], labels)
        tracker.refer(frame, labels)
    if index == int(given["join"]) + 3:
        labels = given["corrected"]
        tracker.refer(frame, labels)
    found.append(labels)
np.save(sys.argv[4], np.stack(found))
assert sys.modules["torch"] is None
"""


@pytest.mark.slow
@pytest.mark.parametrize("size", [(144, 208), (130, 250)])
def test_masks_of_the_graphs_without_pytorch_are_those_of_pytorch(
    graphs: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    frames = clip(*size)
    first = discs(0, *size)[:3]
    joining = discs(JOIN, *size)[3:]
    corrected = discs(JOIN + 3, *size)
    tracker = HQTrack.from_card(
        "vmos-light", rules="off", guided_outlines="off", backend="torch", device="cpu", precision="float32"
    )
    expected = [label_map(tracker.initialize(frames[0], first))]
    for index, frame in enumerate(frames[1:], 1):
        masks = tracker.track(frame)
        if index == JOIN:
            masks = tracker.add_objects(frame, joining)
        if index == JOIN + 3:
            tracker.add_reference(frame, corrected)
            masks = corrected
        expected.append(label_map(masks))

    numbered = label_map(np.concatenate([np.zeros((3, *size), bool), joining]))
    np.savez(
        tmp_path / "given.npz",
        frames=np.stack(frames),
        first=expected[0],
        join=JOIN,
        joining=numbered,
        corrected=label_map(corrected),
    )
    command = [sys.executable, "-c", DRIVER, EXAMPLES, graphs, tmp_path / "given.npz", tmp_path / "found.npy"]
    subprocess.run([*map(str, command)], check=True, timeout=500)
    found = np.load(tmp_path / "found.npy")
    assert found.max() == 10
    assert masks_of(found[-1], 10).any((1, 2)).sum() >= 8, "objects are tracked, not lost"
    assert (found == np.stack(expected)).mean() >= 0.999


@pytest.mark.slow
def test_the_refiner_gives_the_same_logits(graphs: Path) -> None:
    import onnxruntime
    import torch

    from hqtrack import zoo
    from hqtrack.nets.light_segmenter import LightSegmenter

    path = zoo.checked_weights(zoo.load_card("hqtrack-light").all_weights[1])
    network = LightSegmenter()
    zoo.load_into(network, "light_segmenter", zoo.read_checkpoint(path), path)
    crops = torch.randn(5, 3, 224, 224)
    prompts = torch.zeros(5, 4, 224, 224)
    prompts[:, 1, 40:180, 50:170] = 1
    with torch.inference_mode():
        logits, quality = network.float().eval()(crops, prompts)
    session = onnxruntime.InferenceSession(str(graphs / "refine.onnx"), providers=["CPUExecutionProvider"])
    found = session.run(None, {"crops": crops.numpy(), "prompts": prompts.numpy()})
    torch.testing.assert_close(torch.from_numpy(found[0]), logits, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(torch.from_numpy(found[1]), quality, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_graphs_hold_plain_operators_alone_and_are_described(graphs: Path) -> None:
    import onnx

    described = json.loads((graphs / "system.json").read_text())
    assert list(described["graphs"]) == ["encode", "reference", "propagate", "decode", "memorize", "refine"]
    assert described["memory"] == {"long_term_slots": 5, "long_term_gap": 5, "short_term_distance": 1}
    for graph in described["graphs"].values():
        model = onnx.load(str(graphs / graph["file"]))
        assert {node.domain for node in model.graph.node} <= {"", "ai.onnx", "pkg.onnxscript.torch_lib"}
        assert [each.name for each in model.graph.input] == graph["inputs"]
        assert [each.name for each in model.graph.output] == graph["outputs"]


@pytest.mark.slow
def test_graphs_of_another_format_and_changed_ones_are_refused(graphs: Path, tmp_path: Path) -> None:
    for file in graphs.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    command = [sys.executable, str(EXAMPLES / "track_graphs.py"), str(tmp_path), "frames", "first.png", "out"]
    described = (tmp_path / "system.json").read_text()
    (tmp_path / "system.json").write_text(described.replace('"format": 1', '"format": 2'))
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "format 2, not 1; export the card anew" in refused.stderr
    (tmp_path / "system.json").write_text(described)
    (tmp_path / "decode.onnx").write_bytes(b"changed")
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "decode.onnx: is not the file that was exported" in refused.stderr


def test_a_card_of_another_engine_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", "cutie-base", "-o", str(tmp_path / "out")])
    assert done.exit_code != 0
    assert "the engine cutie cannot be exported" in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_memory_is_flat_over_2000_frames(graphs: Path) -> None:
    import psutil
    import torch

    encode, image = OnnxEncoder(graphs / "encode.onnx"), torch.randn(1, 3, 64, 96)
    process = psutil.Process()

    def after(frames: int) -> int:
        for _ in range(frames):
            encode(image)
        return int(process.memory_info().rss)

    early = after(200)
    assert after(2000) - early < 8 << 20
