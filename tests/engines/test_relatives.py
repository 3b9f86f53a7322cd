"""EdgeTAM and SAM 3's tracker as engines find what the library's own predictor finds, on random weights."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

transformers = pytest.importorskip("transformers", reason="needs hqtrack[sam2]")

from engines.library import Library, processor_of, sam3_processor_of  # noqa: E402
from engines.rectangles import rectangle  # noqa: E402
from engines.small import small_edgetam, small_sam3  # noqa: E402
from hqtrack import CardError  # noqa: E402
from hqtrack.engines import edgetam, load_engine, sam3  # noqa: E402
from hqtrack.engines.sam2 import SAM2, model_with, starter_of  # noqa: E402
from hqtrack.masks import label_map  # noqa: E402
from hqtrack.zoo import load_card  # noqa: E402

SIZE = (48, 64)
CPU = torch.device("cpu")
square = partial(rectangle, SIZE, height=16, width=20)
FIRST = np.stack([square(4, 6), square(25, 38)])
CORRECTED = np.stack([square(14, 20), square(2, 40)])


@pytest.fixture(scope="module")
def small_tracker() -> Any:
    return small_sam3(max_object_pointers_in_encoder=6)


def compare(engine: SAM2, library: Library, frames: np.ndarray) -> None:
    """Compare engine and library on frames, with a correction in the middle."""
    middle = len(frames) // 2
    engine.add(frames[0], label_map(FIRST), 2)
    found = [engine.find(frame).labels.numpy() for frame in frames[1:middle]]
    engine.add_reference(frames[middle], label_map(CORRECTED))
    found += [engine.find(frame).labels.numpy() for frame in frames[middle + 1 :]]

    library.give(0, {1: FIRST[0], 2: FIRST[1]})
    expected = library.track(0, middle - 1)
    library.give(middle, {1: CORRECTED[0], 2: CORRECTED[1]})
    expected += library.track(middle, len(frames) - 1 - middle)
    assert len(found) == len(expected) == len(frames) - 2
    for number, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        np.testing.assert_array_equal(ours, theirs, err_msg=f"output {number}")
    assert len({ours.tobytes() for ours in found}) > len(found) // 2  # the comparison sees something change


def frames_of(count: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, *SIZE, 3), dtype=np.uint8)


@pytest.mark.slow
def test_masks_of_edgetam_are_those_of_the_library() -> None:
    model = small_edgetam(max_object_pointers_in_encoder=6)
    engine = starter_of(SAM2, model, device=CPU, dtype=torch.float32)()
    assert isinstance(engine, SAM2)
    frames = frames_of(10)
    compare(engine, Library(model, frames, processor_of(128)), frames)


@pytest.mark.slow
def test_masks_of_sam_3_are_those_of_the_library(small_tracker: Any) -> None:
    engine = sam3.starter(small_tracker, device=CPU, dtype=torch.float32)()
    assert isinstance(engine, SAM2)
    frames = frames_of(12)
    compare(engine, Library(small_tracker, frames, sam3_processor_of(112)), frames)


def test_weights_of_sam_3_are_read_as_they_are_published(small_tracker: Any, tmp_path: Path) -> None:
    """The file has the detector, too, and the tracker under names of its own."""
    state = {}
    for name, value in small_tracker.state_dict().items():
        published = name.replace("vision_encoder.backbone.", "detector_model.vision_encoder.backbone.")
        published = published.replace("vision_encoder.neck.", "tracker_neck.")
        if published == name:
            published = f"tracker_model.{name}"
        state[published] = value.clone()
    state["detector_model.detr_encoder.weight"] = torch.zeros(1)
    save_file(state, tmp_path / "model.safetensors")
    read = model_with(type(small_tracker), small_tracker.config, tmp_path / "model.safetensors", "small")
    for name, value in small_tracker.state_dict().items():
        assert torch.equal(read.state_dict()[name], value), name


def test_published_sizes_have_the_published_number_of_parameters() -> None:
    pytest.importorskip("timm", reason="needs hqtrack[sam2]")
    with torch.device("meta"):
        model = transformers.EdgeTamVideoModel(edgetam.configuration())
    millions = sum(value.numel() for value in model.parameters()) / 1e6
    assert millions == pytest.approx(13.9, abs=0.05)  # of the paper's table


@pytest.mark.parametrize("card", ["edgetam", "sam3-tracker"])
def test_an_unknown_network_is_refused(card: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'name = "mine"\ntitle = "Mine"\nbase = "{card}"\nnetwork = "dis"\n')
    with pytest.raises(CardError, match=r"network = 'dis'.*" + card):
        load_engine(load_card(path), device=CPU, dtype=torch.float32)
