"""SAM 2.1 as an engine finds what the library's own predictor finds, on random weights of a small network."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

transformers = pytest.importorskip("transformers", reason="needs hqtrack[sam2]")

from engines.library import Library, processor_of  # noqa: E402
from engines.rectangles import rectangle  # noqa: E402
from hqtrack import HQTrack, WeightsError  # noqa: E402
from hqtrack.engines import sam2  # noqa: E402
from hqtrack.engines.sam2 import SAM2, starter  # noqa: E402
from hqtrack.masks import label_map  # noqa: E402
from hqtrack.zoo import describe, load_card  # noqa: E402
from hqtrack.zoo.hiera import HIERAS, Hiera, configuration  # noqa: E402

SIDE = 128
SIZE = (60, 100)
SMALL = Hiera(16, 1, (1, 1, 2, 1), (3, 3, 3), (4, 4, 4, 4), 4)


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(3)
    config = configuration(SMALL, image_size=SIDE, memory_attention_num_layers=2)
    model = transformers.Sam2VideoModel(config).eval()
    with torch.no_grad():
        # random weights call every object absent, and then no mask depends on memory
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(5.0)
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(2.0)
    return model


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    rng = np.random.default_rng(5)
    return rng.integers(0, 256, (24, *SIZE, 3), dtype=np.uint8)


square = partial(rectangle, SIZE)
FIRST = np.stack([square(5, 10), square(30, 60)])
LATER = square(35, 5)


def engine_of(model: Any) -> SAM2:
    start = starter(model, device=torch.device("cpu"), dtype=torch.float32)
    engine = start()
    assert isinstance(engine, SAM2)
    return engine


def track(engine: SAM2, frames: np.ndarray) -> list[np.ndarray]:
    return [engine.find(frame).labels.numpy() for frame in frames]


@pytest.mark.slow
def test_masks_are_those_of_the_library(model: Any, frames: np.ndarray) -> None:
    engine = engine_of(model)
    engine.add(frames[0], label_map(FIRST), 2)
    found = track(engine, frames[1:])

    library = Library(model, frames, processor_of(SIDE))
    library.give(0, {1: FIRST[0], 2: FIRST[1]})
    expected = library.track(0, 23)
    assert len(expected) == len(found) == 23
    for number, (ours, theirs) in enumerate(zip(found, expected, strict=True), start=1):
        np.testing.assert_array_equal(ours, theirs, err_msg=f"frame {number}")
    assert len({ours.tobytes() for ours in found}) > 10  # the comparison sees something move
    assert {1, 2} <= {int(value) for ours in found for value in np.unique(ours)}


@pytest.mark.slow
def test_a_correction_is_a_conditioning_frame_of_the_library(model: Any, frames: np.ndarray) -> None:
    engine = engine_of(model)
    engine.add(frames[0], label_map(FIRST), 2)
    found = track(engine, frames[1:10])
    corrected = np.stack([square(20, 30), square(2, 70)])
    engine.add_reference(frames[10], label_map(corrected))
    found += track(engine, frames[11:])

    library = Library(model, frames, processor_of(SIDE))
    library.give(0, {1: FIRST[0], 2: FIRST[1]})
    expected = library.track(0, 9)
    library.give(10, {1: corrected[0], 2: corrected[1]})
    expected += library.track(10, 13)
    for number, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        np.testing.assert_array_equal(ours, theirs, err_msg=f"output {number}")

    plain = engine_of(model)
    plain.add(frames[0], label_map(FIRST), 2)
    assert any((a != b).any() for a, b in zip(track(plain, frames[1:])[10:], found[9:], strict=True))


def test_pictures_of_any_size_are_frames_before_the_first(model: Any, frames: np.ndarray) -> None:
    engine, plain = engine_of(model), engine_of(model)
    engine.add_picture(frames[0], label_map(FIRST[:1]), 1)
    plain.add(frames[0], label_map(FIRST[:1]), 1)
    for ours, theirs in zip(track(engine, frames[1:4]), track(plain, frames[1:4]), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    engine = engine_of(model)
    engine.add_picture(frames[0], label_map(FIRST[:1]), 1)
    engine.add_picture(np.ascontiguousarray(frames[1][:50, :40]), label_map(FIRST[:1, :50, :40]), 1)
    assert engine.count == 2
    assert {found.shape for found in track(engine, frames[1:4])} == {SIZE}


@pytest.mark.slow
def test_an_object_joins_as_in_the_library(model: Any, frames: np.ndarray) -> None:
    engine = engine_of(model)
    engine.add(frames[0], label_map(FIRST), 2)
    found = track(engine, frames[1:6])
    engine.add(frames[5], label_map(LATER[None]), 1)
    assert engine.count == 3
    found += track(engine, frames[6:20])

    library = Library(model, frames, processor_of(SIDE))
    library.give(0, {1: FIRST[0], 2: FIRST[1]})
    expected = library.track(0, 5)
    library.give(5, {3: LATER})
    expected += library.track(5, 14)
    for number, (ours, theirs) in enumerate(zip(found, expected, strict=True), start=1):
        np.testing.assert_array_equal(ours, theirs, err_msg=f"frame {number}")
    assert any((ours == 3).any() for ours in found[5:])


@pytest.mark.slow
def test_others_are_found_as_if_a_removed_object_had_never_been(model: Any, frames: np.ndarray) -> None:
    engine, alone = engine_of(model), engine_of(model)
    engine.add(frames[0], label_map(FIRST), 2)
    alone.add(frames[0], label_map(FIRST[1:]), 1)
    track(engine, frames[1:6])
    track(alone, frames[1:6])
    engine.remove([1])
    assert engine.count == 1
    found, expected = track(engine, frames[6:12]), track(alone, frames[6:12])
    engine.add(frames[11], label_map(LATER[None]), 1)
    alone.add(frames[11], label_map(LATER[None]), 1)
    found, expected = found + track(engine, frames[12:20]), expected + track(alone, frames[12:20])
    for number, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        # memories of several objects are encoded in one batch, which rounds otherwise than a batch of one
        assert (ours != theirs).mean() < 0.01, f"output {number}"
    assert {1, 2} <= {int(value) for ours in found for value in np.unique(ours)}


def test_all_objects_may_be_removed_and_others_join(model: Any, frames: np.ndarray) -> None:
    engine = engine_of(model)
    engine.add(frames[0], label_map(FIRST), 2)
    engine.remove([1, 2])
    assert engine.count == 0
    assert not engine.find(frames[1]).labels.any()
    engine.add(frames[1], label_map(LATER[None]), 1)
    assert any((labels == 1).any() for labels in track(engine, frames[2:8]))


def test_scores_are_of_objects_that_are_seen(model: Any, frames: np.ndarray) -> None:
    engine = engine_of(model)
    engine.add(frames[0], label_map(FIRST), 2)
    found = [engine.find(frame) for frame in frames[1:20]]
    for each in found:
        assert each.scores is not None
        assert ((each.scores >= 0) & (each.scores <= 1)).all()
    assert len({float(score) for each in found for score in each.scores}) > 10


def test_probabilities_come_with_masks_where_they_are_asked_for(model: Any, frames: np.ndarray) -> None:
    start = starter(model, device=torch.device("cpu"), dtype=torch.float32)
    tracker, plain = (
        HQTrack(load_card("sam2.1-tiny"), start, device="cpu", precision="float32") for _ in range(2)
    )
    for each in (tracker, plain):
        each.initialize(frames[0], FIRST)
    seen = 0
    for frame in frames[1:6]:
        masks, probabilities = tracker.track(frame, return_probabilities=True)
        np.testing.assert_array_equal(masks, plain.track(frame))
        assert (probabilities.shape, probabilities.dtype) == ((2, *SIZE), np.float32)
        assert 0 <= probabilities.min() <= probabilities.max() <= 1
        # A pixel is the most probable object's, if that is more probable than not.
        labels = np.where(probabilities.max(0) > 0.5, probabilities.argmax(0) + 1, 0)
        clear = np.abs(np.diff(probabilities, axis=0)[0]) > 1e-6  # logits differ where float32 has but 1
        np.testing.assert_array_equal(label_map(masks)[clear], labels[clear])
        assert clear.mean() > 0.5
        seen += int(masks.sum())
    assert seen
    tracker.remove_objects([1, 2])
    masks, probabilities = tracker.track(frames[6], return_probabilities=True)
    assert masks.shape == probabilities.shape == (0, *SIZE)


def test_an_object_without_a_mask_in_a_correction_is_not_seen(model: Any, frames: np.ndarray) -> None:
    engine = engine_of(model)
    engine.add(frames[0], label_map(FIRST), 2)
    engine.add_reference(frames[1], label_map(np.stack([FIRST[0], np.zeros(SIZE, bool)])))
    assert engine.count == 2
    engine.find(frames[2])


def test_the_frame_that_objects_are_at_is_known(model: Any, frames: np.ndarray) -> None:
    engine = engine_of(model)
    engine.add(frames[0], label_map(FIRST), 2)
    assert engine.is_at(frames[0].copy())
    assert not engine.is_at(frames[1])


def test_weights_are_read_from_a_file(model: Any, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file(model.state_dict(), file)
    read = sam2.model_with(type(model), model.config, file, "small")
    for name, value in model.state_dict().items():
        assert torch.equal(read.state_dict()[name], value), name


def test_weights_of_another_network_are_refused(model: Any, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    state = dict(model.state_dict())
    del state["no_memory_embedding"]
    save_file({**state, "foreign": torch.zeros(1)}, file)
    with pytest.raises(WeightsError, match=r"does not fit small: 1 missing .no_memory_embedding.*foreign"):
        sam2.model_with(type(model), model.config, file, "small")
    wider = {**model.state_dict(), "no_memory_embedding": torch.zeros(1, 1, 7)}
    save_file(wider, file)
    with pytest.raises(WeightsError, match=r"small: 1 mismatched .no_memory_embedding.*looks like SAM 2\.1"):
        sam2.model_with(type(model), model.config, file, "small")
    save_file({"image_encoder.trunk.pos_embed": torch.zeros(1)}, file)
    with pytest.raises(WeightsError, match=r"looks like SAM 2 in its authors' own layout"):
        sam2.model_with(type(model), model.config, file, "small")


@pytest.mark.slow
def test_masks_of_the_full_size_are_those_of_the_library() -> None:
    torch.manual_seed(3)
    full = transformers.Sam2VideoModel(configuration(HIERAS["sam2.1-hiera-tiny"])).eval()
    with torch.no_grad():
        full.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(5.0)
    frames = np.random.default_rng(5).integers(0, 256, (2, 180, 320, 3), dtype=np.uint8)
    mask = rectangle((180, 320), 40, 60, height=70, width=90)
    encode, seen = full.vision_encoder.forward, []

    def encode_once(pixels: torch.Tensor, **settings: Any) -> Any:
        """Encode what differs from all before: the encoder is the library's own, and takes 4 s."""
        for known, features in seen:
            if torch.equal(known, pixels):
                return copy.deepcopy(features)  # the library replaces maps in it
        features = encode(pixels, **settings)
        seen.append((pixels.clone(), copy.deepcopy(features)))
        return features

    full.vision_encoder.forward = encode_once
    engine = engine_of(full)
    engine.add(frames[0], label_map(mask[None]), 1)
    library = Library(full, frames, processor_of(1024))
    library.give(0, {1: mask})
    ours = engine.find(frames[1]).labels.numpy()
    # random weights give logits near zero everywhere: a few round to the other side of it
    assert (ours != library.track(0, 1)[0]).mean() < 1e-4
    assert 0 < (ours > 0).mean() < 1
    assert len(seen) == 2  # the library sees the same pixels


@pytest.mark.parametrize("name", ["sam2.1-hiera-tiny", "sam2.1-hiera-large"])
def test_published_sizes_have_the_published_number_of_parameters_and_are_known(name: str) -> None:
    millions = {"sam2.1-hiera-tiny": 38.9, "sam2.1-hiera-large": 224.4}  # of their authors' table
    with torch.device("meta"):
        model = transformers.Sam2VideoModel(configuration(HIERAS[name]))
    assert sum(value.numel() for value in model.parameters()) / 1e6 == pytest.approx(millions[name], abs=0.2)
    assert describe(model.state_dict()) == f"SAM 2.1 {name.removeprefix('sam2.1-hiera-')}"
