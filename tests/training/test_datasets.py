"""Each reader reads a tiny folder in the published format, which the test writes itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vot.region import Mask, Region, Special
from vot.region.io import write_trajectory
from vot.utilities import write_properties

from hqtrack.errors import DataError
from hqtrack.masks import rle_encode
from hqtrack.training.datasets import ClipSampler, Source, Video, read_dataset
from hqtrack.training.datasets.sampling import known_objects, merged, reflected
from small_workspace import write_sequence
from training.small_data import HEIGHT, WIDTH, masks_at, write_davis, write_image, write_labels


def check(video: Video, numbers: tuple[int, int], frames: int) -> None:
    """The video has these frames, and each frame both objects where they were drawn."""
    assert len(video) == frames
    for t in range(frames):
        image, objects = video.frame(t)
        assert image.shape == (HEIGHT, WIDTH, 3)
        assert sorted(np.unique(objects)) == [0, *sorted(numbers)]
        for number, mask in zip(numbers, masks_at(t), strict=True):
            np.testing.assert_array_equal(objects == number, mask)


def test_davis_2017_is_read(tmp_path: Path) -> None:
    (video,) = read_dataset("davis2017", write_davis(tmp_path))
    assert video.name == "bear"
    check(video, (1, 2), 3)


def test_youtube_vos_keeps_only_frames_that_its_list_names(tmp_path: Path) -> None:
    base = tmp_path / "train"
    for t in range(3):
        write_image(base / "JPEGImages/0a1b" / f"{5 * t:05}.jpg", t)
        write_labels(base / "Annotations/0a1b" / f"{5 * t:05}.png", t, palette=True)
    objects = {
        "1": {"category": "cat", "frames": ["00000", "00005"]},
        "2": {"category": "dog", "frames": ["00005"]},
    }
    (base / "meta.json").write_text(json.dumps({"videos": {"0a1b": {"objects": objects}}}))
    (video,) = read_dataset("youtube-vos", tmp_path)
    check(video, (1, 2), 2)


@pytest.mark.parametrize("images", ["imgs", "images"])
def test_things_of_vipseg_are_objects_and_stuff_is_background(tmp_path: Path, images: str) -> None:
    for t in range(2):
        write_image(tmp_path / images / "12_abc" / f"{t:08}.jpg", t)
        path = tmp_path / "panomasks/12_abc" / f"{t:08}.png"
        write_labels(path, t, (6100, 6101))
        values = np.array(Image.open(path))
        values[:3] = 124  # stuff: the category's number
        Image.fromarray(values).save(path)
    (tmp_path / "train.txt").write_text("12_abc\n")
    (video,) = read_dataset("vipseg", tmp_path)
    check(video, (6100, 6101), 2)


def test_burst_is_read_and_its_track_0_is_an_object(tmp_path: Path) -> None:
    names = [f"frame{t:04}.jpg" for t in range(2)]
    for t, name in enumerate(names):
        write_image(tmp_path / "frames/train/LaSOT/cat-1" / name, t)
    sequence = {
        "id": 7, "width": WIDTH, "height": HEIGHT, "seq_name": "cat-1", "dataset": "LaSOT", "fps": 30,
        "all_image_paths": names, "annotated_image_paths": names, "neg_category_ids": [],
        "not_exhaustive_category_ids": [], "track_category_ids": {"0": 3, "4": 5},
        "segmentations": [
            {
                track: {"rle": rle_encode(mask)["counts"], "is_gt": True, "score": 1.0}
                for track, mask in zip(("0", "4"), masks_at(t), strict=True)
            }
            for t in range(2)
        ],
    }  # fmt: skip
    file = tmp_path / "annotations/train/train.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"sequences": [sequence], "categories": [], "split": "train"}))
    (video,) = read_dataset("burst", tmp_path)
    assert video.name == "LaSOT/cat-1"
    check(video, (1, 5), 2)


def test_mots_is_read_from_run_lengths_and_its_ignored_region_is_background(tmp_path: Path) -> None:
    lines = []
    corner = np.zeros((HEIGHT, WIDTH), bool)
    corner[:3, :3] = True
    for t in range(2):
        write_image(tmp_path / "train/MOTS20-02/img1" / f"{t + 1:06}.jpg", t)
        for number, mask in zip((2001, 2002, 10000), (*masks_at(t), corner), strict=True):
            category = 10 if number == 10000 else 2
            lines.append(f"{t + 1} {number} {category} {HEIGHT} {WIDTH} {rle_encode(mask)['counts']}")
    text = tmp_path / "train/MOTS20-02/gt/gt.txt"
    text.parent.mkdir(parents=True)
    text.write_text("\n".join(lines) + "\n")
    (video,) = read_dataset("mots", tmp_path)
    check(video, (2001, 2002), 2)


def test_mots_is_read_from_pngs(tmp_path: Path) -> None:
    for t in range(2):
        write_image(tmp_path / "training/image_02/0001" / f"{t:06}.png", t)
        path = tmp_path / "instances/0001" / f"{t:06}.png"
        write_labels(path, t, (1000, 2000))
        values = np.array(Image.open(path))
        values[:3, :3] = 10000
        Image.fromarray(values).save(path)
    (video,) = read_dataset("mots", tmp_path)
    check(video, (1000, 2000), 2)


def test_ovis_is_read_with_compressed_and_plain_run_lengths(tmp_path: Path) -> None:
    names = [f"0b1c/img_{t + 1:07}.jpg" for t in range(3)]
    for t, name in enumerate(names):
        write_image(tmp_path / "train" / name, t)

    def plain(mask: np.ndarray) -> dict[str, object]:
        flat = np.concatenate([[False], mask.ravel(order="F")])
        changes = np.flatnonzero(flat[1:] != flat[:-1])
        return {"size": [HEIGHT, WIDTH], "counts": np.diff([0, *changes, mask.size]).tolist()}

    tracks = [
        {"id": 31, "video_id": 4, "segmentations": [rle_encode(masks_at(t)[0]) for t in range(3)]},
        {"id": 32, "video_id": 4, "segmentations": [*(plain(masks_at(t)[1]) for t in range(2)), None]},
    ]
    video_entry = {"id": 4, "width": WIDTH, "height": HEIGHT, "length": 3, "file_names": names}
    content = {"videos": [video_entry], "annotations": tracks, "categories": []}
    (tmp_path / "annotations_train.json").write_text(json.dumps(content))
    (video,) = read_dataset("ovis", tmp_path)
    assert len(video) == 3
    assert sorted(np.unique(video.objects(2))) == [0, 1]
    for t in range(2):
        np.testing.assert_array_equal(video.objects(t) == 1, masks_at(t)[0])
        np.testing.assert_array_equal(video.objects(t) == 2, masks_at(t)[1])


def test_sequences_of_the_vot_toolkit_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "walk"
    trajectories: list[list[Region]] = [[], []]
    for t in range(3):
        write_image(folder / "color" / f"{t + 1:08d}.jpg", t)
        for trajectory, mask in zip(trajectories, masks_at(t), strict=True):
            trajectory.append(Mask(mask.astype(np.uint8), optimize=True))
    for number, trajectory in enumerate(trajectories, 1):
        write_trajectory(str(folder / f"groundtruth_{number:03d}.txt"), trajectory)
    channels = {"channels.color": "color/%08d.jpg", "channel.default": "color"}
    write_properties(str(folder / "sequence"), {"length": 3, "width": WIDTH, "height": HEIGHT, **channels})
    (tmp_path / "list.txt").write_text("walk\n")
    (video,) = read_dataset("vot", tmp_path)
    check(video, (1, 2), 3)

    # An object that is not there has a region without a place.
    trajectories[1][1] = Special(0)
    write_trajectory(str(folder / "groundtruth_003.txt"), trajectories[1])
    (folder / "groundtruth_002.txt").unlink()
    (video,) = read_dataset("vot", tmp_path)
    assert sorted(np.unique(video.objects(1))) == [0, 1]

    (folder / "groundtruth_004.txt").write_text("0\n")
    with pytest.raises(DataError, match=r"groundtruth_004.txt: 1 regions for 3 frames"):
        read_dataset("vot", tmp_path)[0].objects(0)


@pytest.mark.parametrize("properties", ["", "length=two\nwidth=64\nheight=48\nchannel.default=color\n"])
def test_a_folder_without_the_toolkits_properties_is_no_sequence(tmp_path: Path, properties: str) -> None:
    (tmp_path / "walk").mkdir()
    (tmp_path / "walk" / "sequence").write_text(properties)
    (tmp_path / "list.txt").write_text("walk\n")
    with pytest.raises(DataError, match="walk: no sequence of the VOT toolkit"):
        read_dataset("vot", tmp_path)


@pytest.mark.parametrize("name", ["davis2017", "youtube-vos", "vipseg", "burst", "mots", "ovis", "vot"])
def test_an_empty_folder_is_no_dataset(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=str(tmp_path)):
        read_dataset(name, tmp_path)


def sampler(*sources: Source, **settings: object) -> ClipSampler:
    return ClipSampler(sources, **{"size": 40, "short_edge": 48, "merge": 0.0, **settings})  # type: ignore[arg-type]


def test_a_sequence_numbers_the_objects_of_its_first_frame(tmp_path: Path) -> None:
    videos = read_dataset("davis2017", write_davis(tmp_path, 8))
    seen = set()
    for seed in range(10):
        clip = sampler(Source(videos, 1.0, 2)).sample(np.random.default_rng(seed))
        assert clip.frames.shape == (5, 3, 40, 40)
        assert clip.labels.shape == (5, 40, 40)
        assert (clip.frames.dtype, clip.labels.dtype) == (np.uint8, np.uint8)
        shown = np.unique(clip.labels[0])
        assert shown.tolist() == list(range(len(shown)))
        assert set(np.unique(clip.labels)) <= set(shown.tolist())
        seen.add(len(shown))
    assert max(seen) == 3


def test_the_same_generator_gives_the_same_sequence(tmp_path: Path) -> None:
    source = Source(read_dataset("davis2017", write_davis(tmp_path, 8)), 1.0, 2)
    first, second, other = (sampler(source).sample(np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.frames, second.frames)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert not np.array_equal(first.frames, other.frames)


class Recorded:
    """A video that remembers which frames were read."""

    name = "recorded"

    def __init__(self, length: int) -> None:
        self.length = length
        self.read: list[int] = []

    def __len__(self) -> int:
        return self.length

    def objects(self, index: int) -> np.ndarray:
        return np.ones((HEIGHT, WIDTH), np.int32)

    def frame(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        self.read.append(index)
        return np.zeros((HEIGHT, WIDTH, 3), np.uint8), self.objects(index)


def test_gaps_stay_within_the_limit_and_both_directions_occur() -> None:
    forwards = backwards = 0
    for seed in range(40):
        video = Recorded(60)
        sampler(Source([video], 1.0, 4)).sample(np.random.default_rng(seed))  # type: ignore[list-item]
        steps = np.diff(video.read)
        assert len(video.read) == 5
        assert np.all((np.abs(steps) >= 1) & (np.abs(steps) <= 4))
        forwards += int(np.all(steps > 0))
        backwards += int(np.all(steps < 0))
    assert forwards + backwards == 40
    assert min(forwards, backwards) >= 10


def test_a_short_video_is_reflected_at_its_ends() -> None:
    assert [reflected(i, 3) for i in range(7)] == [0, 1, 2, 1, 0, 1, 2]
    video = Recorded(2)
    sampler(Source([video], 1.0, 12)).sample(np.random.default_rng(0))  # type: ignore[list-item]
    assert set(video.read) <= {0, 1}


def test_datasets_are_mixed_by_weight() -> None:
    rare, common = Recorded(10), Recorded(10)
    mixed = sampler(Source([rare], 1.0, 2), Source([common], 3.0, 2))  # type: ignore[list-item]
    for seed in range(200):
        mixed.sample(np.random.default_rng(seed))
    assert 0.65 < len(common.read) / (len(common.read) + len(rare.read)) < 0.85


def test_a_damaged_frame_is_named_and_another_sequence_is_drawn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = read_dataset("davis2017", write_davis(tmp_path / "good", 8))
    bad = read_dataset("davis2017", write_davis(tmp_path / "bad", 2))
    for path in bad[0].images:
        path.write_bytes(path.read_bytes()[:60])
    mixed = sampler(Source(good, 1.0, 2), Source(bad, 1.0, 2))
    clips = [mixed.sample(np.random.default_rng(seed)) for seed in range(8)]
    skipped = [line for clip in clips for line in clip.skipped]
    assert skipped
    assert all(str(tmp_path / "bad") in line for line in skipped)
    assert str(tmp_path / "bad") in caplog.text


def test_a_dataset_without_one_readable_frame_ends_the_training(tmp_path: Path) -> None:
    videos = read_dataset("davis2017", write_davis(tmp_path, 2))
    for path in videos[0].images:
        path.unlink()
    with pytest.raises(DataError, match="in a row"):
        sampler(Source(videos, 1.0, 2)).sample(np.random.default_rng(0))


def test_videos_of_a_list_that_are_missing_are_named_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_davis(tmp_path / "davis")
    (root / "ImageSets/2017/train.txt").write_text("bear\ndog\nswan\n")
    assert [video.name for video in read_dataset("davis2017", root)] == ["bear"]
    assert "2 of 3 videos have fewer than two annotated frames, such as dog" in caplog.text


def test_an_annotation_of_another_size_is_an_error(tmp_path: Path) -> None:
    (video,) = read_dataset("davis2017", write_davis(tmp_path))
    Image.fromarray(np.ones((10, 12), np.uint8)).save(video.labels[0])  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="12x10"):
        video.frame(0)


def test_of_more_objects_than_identities_a_random_choice_is_kept() -> None:
    objects = np.arange(16, dtype=np.int32).reshape(4, 4)
    first, second = (known_objects([objects], 10, np.random.default_rng(seed))[0] for seed in (0, 1))
    assert sorted(np.unique(first)) == list(range(11))
    assert not np.array_equal(first, second)


def test_pasted_objects_hide_what_lies_below_them() -> None:
    below = [np.zeros((2, 2, 3), np.uint8)], [np.array([[1, 1], [0, 2]], np.int32)]
    above = [np.full((2, 2, 3), 9, np.uint8)], [np.array([[0, 1], [0, 0]], np.int32)]
    images, objects = merged(below, above)
    assert objects[0].tolist() == [[1, 4], [0, 2]]
    assert images[0][..., 0].tolist() == [[0, 9], [0, 0]]


@pytest.mark.parametrize(
    ("name", "file", "content"),
    [
        ("vot", "list.txt", b"\xff\xfe"),
        ("davis2017", "ImageSets/2017/train.txt", b"\xff\xfe"),
        ("youtube-vos", "train/meta.json", b"\xff\xfe"),
        ("youtube-vos", "train/meta.json", b"[" * 100_000),
        ("youtube-vos", "train/meta.json", b'{"videos": [1]}'),
        ("youtube-vos", "train/meta.json", b'{"videos": {"a": {"objects": {"1": {"frames": 3}}}}}'),
        ("ovis", "annotations_train.json", b'{"annotations": 3, "videos": []}'),
        ("mots", "train/a/gt/gt.txt", b"\xff\xfe"),
    ],
)
def test_a_damaged_list_is_named(tmp_path: Path, name: str, file: str, content: bytes) -> None:
    for folder in ("train", "JPEGImages/480p", "Annotations/480p"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DataError, match=str(tmp_path)):
        read_dataset(name, tmp_path)


def test_annotations_of_more_frames_than_a_video_has_are_named(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    content = {
        "videos": [{"id": 1, "file_names": ["a/0.jpg", "a/1.jpg"]}],
        "annotations": [{"video_id": 1, "segmentations": [None, None, {"size": [2, 2], "counts": [4]}]}],
    }
    (tmp_path / "annotations_train.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=f"{tmp_path}: its annotations are not those of ovis"):
        read_dataset("ovis", tmp_path)


@pytest.mark.parametrize("line", ["word", "m0,0,99999999,99999999,1,2", "m-5,-5,-3,4,1,2", "mx,y"])
def test_a_word_in_a_ground_truth_is_named(tmp_path: Path, line: str) -> None:
    write_sequence(tmp_path / "walk", 5)
    (tmp_path / "list.txt").write_text("walk\n")
    file = next(tmp_path.glob("*/groundtruth*.txt"))
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], line, *lines[2:]]) + "\n")
    with pytest.raises(DataError, match=file.name):
        read_dataset("vot", tmp_path)[0].objects(1)


def test_an_empty_ground_truth_is_named(tmp_path: Path) -> None:
    write_sequence(tmp_path / "walk", 5)
    (tmp_path / "list.txt").write_text("walk\n")
    file = next(tmp_path.glob("*/groundtruth*.txt"))
    file.write_text("")
    with pytest.raises(DataError, match=f"{file.name}: 0 regions"):
        read_dataset("vot", tmp_path)[0].objects(1)
