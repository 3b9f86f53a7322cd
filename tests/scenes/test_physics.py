"""Rendered clips: what is in them, that a seed fixes them, and how they are written and read."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from hqtrack.errors import DataError, InputError, MissingExtraError
from hqtrack.images import images_in
from hqtrack.scenes.physics import dataset, meshes, models
from hqtrack.scenes.physics.dataset import CLIP_LABELS_FOLDER, CLIP_LIST, check_seeds, write_clip, write_clips
from hqtrack.scenes.physics.settings import CLIP_NAME, ClipSettings
from hqtrack.training.datasets import read_dataset, read_source

SEED = 1001


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> ClipSettings:
    """Tiny clips of three frames, from three photographs."""
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 256, (8, 10, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(noise, (100, 80)))
    return ClipSettings(tuple(images_in(folder)), size=(96, 54), frames=(3, 3))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that is ready for clips."""
    for part in (dataset.FRAMES_FOLDER, CLIP_LABELS_FOLDER, CLIP_LIST.parent):
        (tmp_path / "clips" / part).mkdir(parents=True)
    return tmp_path / "clips"


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in {".jpg", ".png"}
    }


@pytest.mark.parametrize(
    "mesh",
    [
        meshes.ball(0.5),
        meshes.stick(0.05, 1.0, 0),
        meshes.ring(0.5, 0.1),
        meshes.superquadric((0.5, 0.4, 0.05), (0.1, 0.1)),
        meshes.wheel(0.5, 0.05, 3),
        meshes.prism(np.random.default_rng(0), 0.4, 1.0),
        meshes.lump(np.random.default_rng(0), (0.4, 0.4, 0.4)),
        meshes.turned(np.random.default_rng(0), 0.4, 1.0),
    ],
)
def test_a_mesh_is_closed_and_its_outside_is_outside(mesh: meshes.Mesh) -> None:
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    assert float((a * np.cross(b, c)).sum()) > 0  # six times its volume
    np.testing.assert_allclose(np.cross(b - a, c - a).sum(0), 0, atol=1e-9)  # a hole would leave a rest
    assert mesh.vertices.shape == mesh.normals.shape == (len(mesh.places), 3)
    assert ((mesh.places >= 0) & (mesh.places <= 1)).all()


def test_models_have_ropes_puppets_riders_and_thin_bodies() -> None:
    drawn = [models.drawn_model(np.random.default_rng(seed)) for seed in range(80)]
    assert any(len(model) >= 7 and models.objects_of(model) == 1 for model in drawn)
    assert any(models.objects_of(model) == 2 for model in drawn)
    single = [model for model in drawn if len(model) == 1]
    thin = [m for m in single if np.ptp(m[0].mesh.vertices, axis=0).min() < 0.25]
    assert len(single) / 4 < len(thin) < len(single)
    for model in drawn:
        assert all(part.parent < index for index, part in enumerate(model))


def test_clips_are_written_as_training_reads_them_and_a_seed_fixes_every_byte(
    settings: ClipSettings, folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("pybullet")
    assert write_clip(folder, SEED, settings) is None
    name = CLIP_NAME.format(SEED)
    (folder / CLIP_LIST).write_text(f"{name}\n")
    video = read_dataset("physics", folder)[0]
    frames = [video.frame(index) for index in range(len(video))]
    assert len(frames) == 3
    assert all(image.shape == (54, 96, 3) for image, _ in frames)
    first = frames[0][1]
    count = int(first.max())
    assert count >= 2
    assert np.unique(first).tolist() == list(range(count + 1))
    assert set(np.unique([labels for _, labels in frames])) <= set(range(count + 1))
    assert (frames[0][1] != frames[-1][1]).any()  # something moves

    before = files_of(folder)
    (folder / CLIP_LABELS_FOLDER / name / "00002.png").unlink()  # half there: it is made again, the same
    assert write_clip(folder, SEED, settings) is None
    assert files_of(folder) == before
    assert write_clip(folder, SEED + 1, settings) is None
    after = files_of(folder)
    assert len(after) == 12
    frame = str(dataset.FRAMES_FOLDER / name / "00000.jpg")
    assert after[frame] != after[frame.replace(name, CLIP_NAME.format(SEED + 1))]


@pytest.mark.slow
def test_workers_make_what_is_missing_and_complete_clips_stay(settings: ClipSettings, tmp_path: Path) -> None:
    pytest.importorskip("pybullet")
    folder = tmp_path / "clips"
    made = list(write_clips(folder, range(1000, 1002), settings, workers=2))
    assert sorted(clip.name for clip in made) == ["physics-001000", "physics-001001"]
    assert {clip.problem for clip in made} == {None}
    assert (folder / CLIP_LIST).read_text().split() == ["physics-001000", "physics-001001"]
    kept = folder / CLIP_LABELS_FOLDER / "physics-001000" / "00000.png"
    time = kept.stat().st_mtime_ns
    (folder / dataset.FRAMES_FOLDER / "physics-001001" / "00001.jpg").unlink()
    assert len(list(write_clips(folder, range(1000, 1002), settings, workers=1))) == 2
    assert kept.stat().st_mtime_ns == time
    assert len(files_of(folder)) == 12
    assert not list(folder.glob(".*.part"))


@pytest.mark.parametrize(
    ("version", "machine", "remedy"),
    [
        ((3, 11), "x86_64", "pip install 'hqtrack\\[training\\]'"),
        ((3, 12), "x86_64", "no wheel for Python 3.12 on .*; use Python 3.11 on Linux x86_64"),
        ((3, 11), "arm64", "no wheel for Python 3.11 on .* arm64; use Python 3.11 on Linux x86_64"),
    ],
)
def test_a_missing_pybullet_is_named_with_the_remedy(
    version: tuple[int, int], machine: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pybullet", None)  # as if it were not installed
    monkeypatch.setattr(dataset, "sys", SimpleNamespace(version_info=version, platform="linux"))
    monkeypatch.setattr(dataset.platform, "machine", lambda: machine)
    with pytest.raises(MissingExtraError, match=remedy):
        dataset.require_pybullet()


def test_seeds_are_for_training_or_for_measuring() -> None:
    check_seeds(range(1000, 1010), measuring=False)
    check_seeds(range(200, 212), measuring=True)
    with pytest.raises(InputError, match="--first-seed 999: seeds below 1000 are kept for measuring"):
        check_seeds(range(999, 1010), measuring=False)
    with pytest.raises(InputError, match="--measuring: has the seeds 0 to 999, not 990 to 1009"):
        check_seeds(range(990, 1010), measuring=True)


@pytest.mark.parametrize(("name", "refused"), [("physics-000999", True), ("physics-001000", False)])
def test_nothing_is_trained_on_clips_for_measuring(name: str, refused: bool, tmp_path: Path) -> None:
    for kind, suffix in (("JPEGImages", "jpg"), ("Annotations", "png")):
        (tmp_path / kind / "480p" / name).mkdir(parents=True)
        for index in range(2):
            cv2.imwrite(
                str(tmp_path / kind / "480p" / name / f"0000{index}.{suffix}"), np.ones((4, 4), np.uint8)
            )
    (tmp_path / "ImageSets" / "2017").mkdir(parents=True)
    (tmp_path / CLIP_LIST).write_text(f"{name}\n")
    for dataset_name in ("physics", "davis2017"):
        text = f"{dataset_name}={tmp_path}"
        assert len(read_source(text, measuring=True).videos) == 1
        if refused:
            with pytest.raises(InputError, match="physics-000999 is kept for measuring"):
                read_source(text)
        else:
            assert len(read_source(text).videos) == 1


def test_what_cannot_be_rendered_is_named(
    settings: ClipSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "require_pybullet", lambda: None)

    def problem(folder: Path, **changes: object) -> str:
        changed = ClipSettings(**{**vars(settings), **changes})  # type: ignore[arg-type]
        with pytest.raises((DataError, InputError)) as raised:
            list(write_clips(folder, [SEED], changed, workers=1))
        return str(raised.value)

    assert "--size 96 8: has at least 32 pixels" in problem(tmp_path / "new", size=(96, 8))
    assert "--frames 5 4: expected the least" in problem(tmp_path / "new", frames=(5, 4))
    assert not (tmp_path / "new").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    assert "no rendered clips; name a new folder" in problem(tmp_path / "other")
    clips = tmp_path / "clips"
    assert list(write_clips(clips, [], settings, workers=1)) == []
    assert "size: [96, 54], now [64, 54]" in problem(clips, size=(64, 54))
    assert "photographs: 3 files" in problem(clips, photographs=settings.photographs[:2])
    (clips / "physics.json").write_text(json.dumps([]))
    assert "physics.json: is damaged" in problem(clips)
