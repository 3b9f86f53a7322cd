"""SAM 2.1 with distractor-aware memory: what the network is shown, on random weights of a small network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

transformers = pytest.importorskip("transformers", reason="needs hqtrack[sam2]")

from hqtrack.engines import dam_sam2, sam2  # noqa: E402
from hqtrack.engines.dam_sam2 import DistractorAwareSAM2  # noqa: E402
from hqtrack.engines.distractors import Hypotheses  # noqa: E402
from hqtrack.zoo.hiera import Hiera, configuration  # noqa: E402

SIZE = (48, 64)
CPU = torch.device("cpu")


@pytest.fixture
def model() -> Any:
    torch.manual_seed(3)
    small = Hiera(16, 1, (1, 1, 2, 1), (3, 3, 3), (4, 4, 4, 4), 4)
    model = transformers.Sam2VideoModel(configuration(small, image_size=64, memory_attention_num_layers=1))
    with torch.no_grad():  # random weights call every object absent
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(5.0)
    return model.eval()


def frames(count: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, *SIZE, 3), dtype=np.uint8)


def labels(*corners: tuple[int, int]) -> np.ndarray:
    result = np.zeros(SIZE, np.uint8)
    for number, (top, left) in enumerate(corners, 1):
        result[top : top + 15, left : left + 15] = number
    return result


def engine_of(model: Any) -> DistractorAwareSAM2:
    engine = dam_sam2.starter(model, device=CPU, dtype=torch.float32)()
    assert isinstance(engine, DistractorAwareSAM2)
    return engine


def decide(engine: DistractorAwareSAM2, monkeypatch: pytest.MonkeyPatch, divided: set[int]) -> None:
    """Have objects seen in every frame, and another hypothesis in some."""
    target = labels((5, 5)) > 0
    for each in engine._objects:
        see = each.frames.see

        def constructed(number: int, _: Hypotheses, see: Any = see) -> None:
            masks = np.stack([target, labels((33, 49)) > 0 if number in divided else target])
            see(number, Hypotheses(masks, 0, 0.9, True))

        monkeypatch.setattr(each.frames, "see", constructed)


def test_the_first_frame_after_a_given_mask_is_found_as_without(model: Any) -> None:
    images = frames(2)
    plain = sam2.starter(model, device=CPU, dtype=torch.float32)()
    aware = engine_of(model)
    for engine in (plain, aware):
        engine.add(images[0], labels((5, 5), (25, 30)), 2)
    assert torch.equal(plain.find(images[1]).labels, aware.find(images[1]).labels)


def test_the_network_reads_given_masks_anchors_and_recent_frames(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = frames(30)
    engine = engine_of(model)
    engine.add(images[0], labels((5, 5)), 1)
    decide(engine, monkeypatch, divided={8, 9, 20})
    read: list[list[torch.Tensor]] = []
    gather = model._build_memory_attention_inputs

    def note(found: Any, *args: Any) -> Any:
        read.append([output["maskmem_features"] for _, output in found if output is not None])
        return gather(found, *args)

    monkeypatch.setattr(model, "_build_memory_attention_inputs", note)
    memories = {}
    for number in range(1, 30):
        engine.find(images[number])
        outputs = engine._session.output_dict_per_obj[0]
        memories[number] = outputs["non_cond_frame_outputs"][number]["maskmem_features"]
    given = engine._session.output_dict_per_obj[0]["cond_frame_outputs"]
    assert sorted(given) == [0, 8, 20]
    first = given[0]["maskmem_features"]
    expected = [first, memories[8], memories[20], memories[20], memories[25], memories[28]]
    shown = [memory for memory in read[-1] if len(memory)]
    assert len(shown) == len(expected)
    for ours, right in zip(shown, expected, strict=True):
        assert torch.equal(ours, right)


@pytest.mark.slow
def test_memory_is_flat_objects_join_are_corrected_and_leave(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = frames(10)
    engine = engine_of(model)
    engine.add(images[0], labels((5, 5), (25, 30)), 2)
    decide(engine, monkeypatch, divided=set(range(200)))
    sizes = []
    for number in range(1, 61):
        engine.find(images[number % 10])
        if number in (30, 45, 60):
            outputs = engine._session.output_dict_per_obj[0]
            sizes.append((len(outputs["cond_frame_outputs"]), len(outputs["non_cond_frame_outputs"])))
    assert (
        sizes[0] == sizes[1] == sizes[2] == (4, 17)
    )  # given and three anchors; pointers and the frame itself
    engine.add(images[0], labels((30, 5)), 1)
    engine.find(images[1])
    engine.remove([1])
    assert engine.count == 2
    engine.add_reference(images[2], labels((5, 5), (30, 5)))
    assert engine.find(images[3]).labels.max() <= 2
