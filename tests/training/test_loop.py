from __future__ import annotations

import json
import resource
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hqtrack import nets
from hqtrack.errors import WeightsError
from hqtrack.nets.vmos_light import VMOSLight
from hqtrack.training import on_synthetic, on_videos
from hqtrack.training.checkpoints import TrainingError, load_encoder, read_state, save_atomically
from hqtrack.training.datasets import Source, read_dataset
from hqtrack.training.recipes import LIGHT_STAGE2, RECIPES
from hqtrack.training.synthesis import RegionImages
from training.small_data import write_davis
from training.tiny import fresh, tiny


class Killed(Exception):
    """A training ends in the middle."""


@pytest.mark.slow
def test_a_killed_training_ends_as_an_uninterrupted_one(
    images: RegionImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny(4, checkpoint_every=2)
    on_synthetic.run(fresh(), images, [], settings, tmp_path / "whole", workers=0)

    real = on_synthetic.SyntheticBatches.__getitem__

    def killed(self: on_synthetic.SyntheticBatches, step: int) -> on_synthetic.Batch:
        if step == 3:
            raise Killed
        return real(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(on_synthetic.SyntheticBatches, "__getitem__", killed)
        with pytest.raises(Killed):
            on_synthetic.run(fresh(), images, [], settings, tmp_path / "killed", workers=0)
    assert read_state(tmp_path / "killed/checkpoint.pt")["step"] == 2
    torch.manual_seed(123)  # neither the new process's state nor its fresh weights matter
    on_synthetic.run(VMOSLight(), images, [], settings, tmp_path / "killed", workers=0)

    whole, resumed = (read_state(tmp_path / name / "checkpoint.pt") for name in ("whole", "killed"))
    assert resumed["step"] == whole["step"] == 4
    for part in ("network", "ema"):
        for name, value in whole[part].items():
            assert torch.equal(resumed[part][name], value), (part, name)


@pytest.mark.slow
def test_batches_do_not_depend_on_who_makes_them(images: RegionImages, tmp_path: Path) -> None:
    for workers in (0, 1):
        on_synthetic.run(fresh(), images, [], tiny(2), tmp_path / str(workers), workers=workers)
    first, second = (read_state(tmp_path / str(workers) / "checkpoint.pt")["network"] for workers in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_a_share_of_the_sequences_comes_out_of_videos(images: RegionImages, tmp_path: Path) -> None:
    source = Source(read_dataset("davis2017", write_davis(tmp_path, frames=4)), 1.0, 2)
    noise = {
        np.random.default_rng(t).integers(0, 256, (48, 64, 3), np.uint8).mean().round() for t in range(4)
    }
    settings = tiny(1, video_share=1.0)
    batch = on_synthetic.SyntheticBatches(images, settings, videos=[source])[0]
    assert batch.frames.shape == (2, 3, 3, 64, 64)
    # The videos are noise of even brightness, which nothing that is synthesised is.
    assert batch.frames.float().mean((2, 3, 4)).sub(np.mean(list(noise))).abs().max() < 8
    synthetic = on_synthetic.SyntheticBatches(images, tiny(1, video_share=0.0), videos=[source])[0]
    alone = on_synthetic.SyntheticBatches(images, tiny(1))[0]
    assert torch.equal(synthetic.frames, alone.frames)
    both = on_synthetic.SyntheticBatches(images, tiny(8, video_share=0.5), videos=[source])
    on_synthetic.run(
        fresh(), images, [], tiny(2, video_share=0.5), tmp_path / "run", videos=[source], workers=0
    )
    assert {both[step].frames.shape for step in range(8)} == {(2, 3, 3, 64, 64)}


@pytest.mark.slow
def test_the_log_can_be_read_line_by_line_and_by_tensorboard(images: RegionImages, tmp_path: Path) -> None:
    sequences = on_synthetic.validation_sequences(images, 1)
    on_synthetic.run(fresh(), images, sequences, tiny(2), tmp_path, workers=0)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines[0]["settings"]["steps"] == 2
    figures = lines[1]
    assert {"loss", "iou", "lr", "waited", "seconds"} <= set(figures)
    assert "validation_iou" in lines[2]
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    board = events.EventAccumulator(str(tmp_path)).Reload()
    assert board.Scalars("loss")[0].value == pytest.approx(figures["loss"], rel=1e-4)


def test_a_full_disk_leaves_the_previous_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_atomically({"step": 1, "weights": torch.zeros(10)}, path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(TrainingError, match="the previous one is kept"):
            save_atomically({"step": 2, "weights": torch.randn(1_000_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_encoder_starts_with_weights_of_the_encoder_alone(tmp_path: Path) -> None:
    source, network = nets.build("deaott"), nets.build("deaott")
    state = {**source.get_submodule("encoder").state_dict(), "classifier.1.weight": torch.zeros(10, 3)}
    torch.save(state, tmp_path / "encoder.pth")
    load_encoder(network, tmp_path / "encoder.pth")
    for name, value in network.get_submodule("encoder").state_dict().items():
        assert torch.equal(value, state[name])
    torch.save(dict(list(state.items())[5:]), tmp_path / "half.pth")
    with pytest.raises(WeightsError, match="5 missing"):
        load_encoder(network, tmp_path / "half.pth")


def test_an_encoder_of_another_network_is_refused(tmp_path: Path) -> None:
    torch.save(nets.build("deaott").get_submodule("encoder").state_dict(), tmp_path / "mobilenet.pth")
    with pytest.raises(WeightsError, match="an encoder"):
        load_encoder(nets.build("vmos_light"), tmp_path / "mobilenet.pth")
    whole = (tmp_path / "mobilenet.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match=r"cut\.pth"):
        load_encoder(nets.build("vmos_light"), tmp_path / "cut.pth")
    with pytest.raises(WeightsError, match="no checkpoint"):
        load_encoder(nets.build("vmos_light"), tmp_path / "missing.pth")


def test_stage_2_trains_on_videos_and_counts_what_it_could_not_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = read_dataset("davis2017", write_davis(tmp_path / "good", 6))
    bad = read_dataset("davis2017", write_davis(tmp_path / "bad", 2))
    for path in bad[0].images:
        path.write_bytes(path.read_bytes()[:60])
    sources = [Source(good, 1.0, 2), Source(bad, 1.0, 2)]
    settings = replace(
        RECIPES["vmos", 2], steps=2, size=48, short_edge=48, frames=3, batch=2, recipe=LIGHT_STAGE2
    )
    on_videos.run(fresh(), sources, settings, tmp_path / "run", workers=0)
    assert read_state(tmp_path / "run/checkpoint.pt")["step"] == 2
    assert "could not be read and were replaced" in caplog.text
