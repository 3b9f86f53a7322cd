from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from typer.testing import CliRunner

from hqtrack import nets
from hqtrack.cards import read_card
from hqtrack.cli.train import app
from hqtrack.errors import HQTrackError, InputError
from hqtrack.nets.vmos_light import VMOSLight
from hqtrack.refinement import build_refiner
from hqtrack.scenes import dataset
from hqtrack.training.checkpoints import CHECKPOINT_FILE, TrainingError, read_state, starts_of
from hqtrack.training.recipes import RECIPES, Phase
from hqtrack.zoo import load_card, load_network
from hqtrack.zoo.weights import sha256_of
from training.small_data import write_davis, write_static

CARD = """\
name = "mine"
title = "A light network of mine"
network = "vmos_light"

[weights]
file = "mine.safetensors"
origin = "embedded"

[memory]
long_term_gap = 5
"""


def invoke(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module", autouse=True)
def small_frames() -> Iterator[None]:
    """Have the light network trained on three small frames: these tests are about the commands."""
    with pytest.MonkeyPatch.context() as patch:
        for stage in (1, 2):
            small = replace(RECIPES["vmos_light", stage], phases=(Phase(0.0, 64, 3, 1),))
            patch.setitem(RECIPES, ("vmos_light", stage), small)
        yield


@pytest.fixture(scope="module")
def trained(static_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A card of one's own, and the run that trained it for two steps."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "mine.toml").write_text(CARD)
    run = folder / "run"
    for steps in ("1", "2"):  # the second command goes on where the first one ended
        arguments = ("--data", static_folder, "--folder", run, "--batch", "1", "--workers", "0")
        invoke("stage1", "--card", folder / "mine.toml", "--steps", steps, "--device", "cpu", *arguments)
    return folder / "mine.toml", run


@pytest.mark.slow
def test_stage_1_trains_resumes_and_notes_how(trained: tuple[Path, Path]) -> None:
    _, run = trained
    assert read_state(run / CHECKPOINT_FILE)["step"] == 2
    starts = starts_of(run)
    assert [start.stage for start in starts] == [1, 1]
    assert starts[0].network == "vmos_light"
    assert starts[0].commit


@pytest.mark.slow
def test_a_run_does_not_go_on_with_another_encoder(trained: tuple[Path, Path], static_folder: Path) -> None:
    card, run = trained
    encoder = run.parent / "encoder.pth"
    torch.save(nets.build("vmos_light").get_submodule("encoder").state_dict(), encoder)
    arguments = (
        "--data",
        static_folder,
        "--folder",
        run,
        "--batch",
        "1",
        "--workers",
        "0",
        "--device",
        "cpu",
    )
    with pytest.raises(TrainingError, match="another encoder"):
        invoke("stage1", "--card", card, "--steps", "2", "--encoder", encoder, *arguments)


@pytest.mark.slow
def test_a_run_does_not_go_on_with_another_data_set(trained: tuple[Path, Path], tmp_path: Path) -> None:
    card, run = trained
    more = write_static(tmp_path / "photos", 4)
    arguments = ("--folder", run, "--batch", "1", "--workers", "0", "--device", "cpu", "--steps", "3")
    with pytest.raises(TrainingError, match=r"another data set \(3 photographs .*; now 4 .*--from"):
        invoke("stage1", "--card", card, "--data", more, *arguments)
    assert read_state(run / CHECKPOINT_FILE)["step"] == 2


@pytest.mark.slow
def test_exported_weights_load_and_the_card_says_where_they_come_from(trained: tuple[Path, Path]) -> None:
    card, run = trained
    for _ in range(2):  # a second export replaces what the first one said
        invoke("export", run, "--card", card)
    file = card.with_name("mine.safetensors")
    settings = read_card(card)
    assert settings.weights.sha256 == sha256_of(file)
    assert settings.memory.long_term_gap == 5
    text = card.read_text()
    for word in ("# data: ", "# command: ", "# commit: ", "sha256"):
        assert text.count(word) == 1
    assert file.stat().st_size < 12e6
    with safe_open(file, "pt") as content:
        assert content.metadata()["steps"] == "2"
        assert content.get_tensor("decoder.identity_logits.weight").dtype == torch.float16
    network = load_network(load_card(card))
    averaged = read_state(run / CHECKPOINT_FILE)["ema"]
    for name, value in network.named_parameters():
        torch.testing.assert_close(value, averaged[name], rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_of_several_trainings_the_mean_is_exported(trained: tuple[Path, Path], tmp_path: Path) -> None:
    card, run = trained
    other = tmp_path / "other"
    shutil.copytree(run, other)
    state = read_state(run / CHECKPOINT_FILE)
    state["ema"] = {key: value + 1 for key, value in state["ema"].items()}
    torch.save(state, other / CHECKPOINT_FILE)
    file = tmp_path / "mean.safetensors"
    invoke("export", run, other, "--card", card, "--out", file)
    with safe_open(file, "pt") as content:
        assert content.metadata()["steps"] == "2 and 2"
        bias = content.get_tensor("project16.bias")
    torch.testing.assert_close(bias, state["ema"]["project16.bias"] - 0.5)


def test_scenes_for_training_are_not_those_that_are_measured(tmp_path: Path) -> None:
    taken = []

    def noted(folder: Path, seeds: tuple[int, ...]) -> list[str]:
        taken.extend(seeds)
        return [f"{seed}" for seed in seeds]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "write_dataset", noted)
        assert "3 sequences" in invoke("scenes", tmp_path, "--count", "3")
    assert len(taken) == 3
    assert not {dataset.SAMPLE_SEED, *dataset.TEST_SEEDS} & set(taken)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--size", "96", "54"), "--size: is of rendered clips; add --physics"),
        (("--physics",), "--physics needs --photographs"),
        (("--physics", "--photographs", "EMPTY"), "no images in this folder"),
        (
            ("--physics", "--photographs", "PHOTOS", "--first-seed", "7"),
            "seeds below 1000 are kept for measuring",
        ),
    ],
)
def test_options_of_rendered_clips_that_do_not_fit_are_named(
    options: tuple[str, ...], said: str, static_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    folders = {"EMPTY": str(tmp_path / "empty"), "PHOTOS": str(static_folder / "images")}
    with pytest.raises(HQTrackError, match=said):
        invoke("scenes", tmp_path / "clips", *(folders.get(each, each) for each in options))
    assert not (tmp_path / "clips").exists()


@pytest.mark.slow
def test_stage_2_starts_with_the_weights_of_stage_1(
    trained: tuple[Path, Path], static_folder: Path, tmp_path: Path
) -> None:
    card, run = trained
    davis = write_davis(tmp_path / "davis", 4)
    arguments = ("--steps", "1", "--batch", "1", "--workers", "0", "--device", "cpu", "--from", run)
    command = ("stage2", "--card", card, "--data", f"davis2017={davis}@2", "--folder", tmp_path / "run")
    with pytest.raises(InputError, match="--photographs"):
        invoke(*command, *arguments)
    invoke(*command, "--photographs", static_folder, *arguments)
    before, after = (
        read_state(run / CHECKPOINT_FILE)["ema"],
        read_state(tmp_path / "run" / CHECKPOINT_FILE)["network"],
    )
    weight = "decoder.identity_logits.weight"
    assert 0 < float((after[weight] - before[weight]).abs().max()) < 0.01
    assert starts_of(tmp_path / "run")[0].data == ("davis2017", "all photographs")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("davis2017", "DATASET=FOLDER"),
        ("davis2017=", "DATASET=FOLDER"),
        ("davis2017=/x@0", "weight above 0"),
        ("davis2017=/x@much", "weight above 0"),
    ],
)
def test_a_dataset_that_is_not_understood_is_named(value: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(HQTrackError, match=said):
        invoke("stage2", "--card", "hqtrack-light", "--data", value, "--folder", tmp_path / "run")


def test_an_unknown_dataset_lists_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(HQTrackError, match="youtube-vos"):
        invoke(
            "stage2", "--card", "hqtrack-light", "--data", f"davis={tmp_path}", "--folder", tmp_path / "run"
        )


def test_an_empty_folder_ends_stage_1_before_anything_is_written(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(HQTrackError, match="no usable image"):
        invoke("stage1", "--card", "hqtrack-light", "--data", tmp_path, "--folder", run)
    assert not run.exists()


def test_weights_of_another_network_are_refused(static_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "other.pth"
    torch.save({"encoder.weight": torch.zeros(3)}, file)
    with pytest.raises(HQTrackError, match="vmos_light"):
        invoke("stage1", "--card", "hqtrack-light", "--data", static_folder, "--from", file)


def test_a_run_that_does_not_exist_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(HQTrackError, match="--command"):
        invoke("export", tmp_path / "nothing", "--card", "hqtrack-light")


DRIVER = """
import sys
from pathlib import Path
import torch
import torch.distributed as dist
from hqtrack.nets.vmos_light import VMOSLight
from dataclasses import replace
from hqtrack.training import on_synthetic
from hqtrack.training.recipes import RECIPES, Phase
from hqtrack.training.synthesis import RegionImages
dist.init_process_group("gloo")
torch.manual_seed(dist.get_rank())
settings = replace(RECIPES["vmos_light", 1], steps=2, phases=(Phase(0.0, 64, 3, 2),))
network = VMOSLight()
images = RegionImages.from_folder(Path(sys.argv[1]))
on_synthetic.run(network, images, [], settings, Path(sys.argv[2]), workers=0)
torch.save(dict(network.named_parameters()), Path(sys.argv[2]) / f"rank{dist.get_rank()}.pt")
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_processes_started_by_torchrun_train_the_same_weights(tmp_path: Path) -> None:
    photos, driver = write_static(tmp_path / "photos"), tmp_path / "driver.py"
    driver.write_text(DRIVER)
    run = tmp_path / "run"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*command, str(driver), str(photos), str(run)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(run / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first.keys() == dict(VMOSLight().named_parameters()).keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    state = read_state(run / CHECKPOINT_FILE)
    assert state["step"] == 2
    assert all(torch.equal(state["network"][name], first[name]) for name in first)


@pytest.mark.slow
def test_the_light_refiner_trains_resumes_and_is_exported_into_its_section(
    static_folder: Path, tmp_path: Path
) -> None:
    card, run = tmp_path / "mine.toml", tmp_path / "run"
    refiner = (
        '\n[refiner]\nkind = "light"\n\n[refiner.weights]\nfile = "fine.safetensors"\norigin = "embedded"\n'
    )
    card.write_text(CARD + refiner)
    (static_folder / "all.txt").write_text("\n".join(p.stem for p in (static_folder / "images").iterdir()))
    for steps in ("1", "2"):
        arguments = ("--steps", steps, "--batch", "1", "--workers", "0", "--device", "cpu", "--folder", run)
        few = ("--list", "all.txt@2", "--validation-crops", "1")
        invoke("refiner", "--card", card, "--data", static_folder, *few, *arguments)
    assert read_state(run / CHECKPOINT_FILE)["step"] == 2
    assert [start.stage for start in starts_of(run)] == ["refiner", "refiner"]
    invoke("export", run, "--card", card)
    settings = read_card(card)
    assert settings.refiner is not None
    weights = settings.refiner.weights
    assert weights.sha256 == sha256_of(tmp_path / "fine.safetensors")
    assert settings.weights.sha256 is None
    build_refiner(settings.refiner, weights=tmp_path / "fine.safetensors")


def test_a_card_without_light_refiner_cannot_train_one(static_folder: Path, tmp_path: Path) -> None:
    arguments = ("--data", static_folder, "--list", "all.txt", "--folder", tmp_path / "run")
    with pytest.raises(HQTrackError, match="has no light refiner"):
        invoke("refiner", "--card", "vmos-light", *arguments)
