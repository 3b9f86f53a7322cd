"""Videos that hide objects or all but them, and crops of objects."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from hqtrack.video.sources import Frame, open_frames
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers import OutputLook, VideoFacts, open_writer
from hqtrack.video.writers.crops import SteadyWindow
from moving_square import SIZE, picture, post, square

COUNT = 5


def write(kind: str, folder: Path, look: OutputLook = OutputLook(), seen: int = COUNT) -> Path:  # noqa: B008
    writer = open_writer(kind, folder, VideoFacts(Fraction(25), look=look))
    for index in range(COUNT):
        masks = np.stack([square(index), post()])
        masks[0] &= index < seen
        writer.write(TrackedFrame(Frame(picture(index), index, Fraction(index, 25), f"{index:08d}"), masks))
    writer.finish()
    return writer.path


def grain(image: np.ndarray) -> float:
    """Return how much neighbours differ in the ground above both objects, in brightness."""
    grey = image[4:12, 4:90] @ np.array([0.299, 0.587, 0.114])
    return float(np.abs(np.diff(grey, axis=1)).mean())


@pytest.mark.parametrize("kind", ["blur", "pixelate", "blacken"])
def test_objects_are_hidden_or_all_but_them(kind: str, tmp_path: Path) -> None:
    hidden = list(open_frames(write(kind, tmp_path)))
    (tmp_path / "rest").mkdir()
    rest = list(open_frames(write(kind, tmp_path / "rest", OutputLook(hide_rest=True))))
    assert len(hidden) == len(rest) == COUNT
    for index in range(COUNT):
        before = picture(index).astype(int)
        inside = np.zeros(SIZE, bool)
        inside[20:36, 16 + 2 * index : 28 + 2 * index] = True  # the square without its edges
        assert grain(hidden[index].image) > 0.7 * grain(before)
        assert np.abs(rest[index].image[inside] - before[inside]).mean() < 8
        if kind == "blacken":
            assert hidden[index].image[inside].max() < 24
            assert rest[index].image[4:12, 4:90].max() < 24
        else:
            assert grain(rest[index].image) < 0.2 * grain(before)


def test_nothing_can_be_recognized_in_what_is_hidden(tmp_path: Path) -> None:
    """A checkerboard as fine as a face's features leaves no trace, whatever the object's size."""
    for kind in ("blur", "pixelate"):
        for side in (24, 240):
            image = np.zeros((256, 256, 3), np.uint8)
            mask = np.zeros((256, 256), bool)
            mask[8 : 8 + side, 8 : 8 + side] = True
            fine = side // 12
            checks = np.kron(np.indices((12, 12)).sum(0) % 2, np.ones((fine, fine)))
            image[mask] = (255 * checks.astype(np.uint8)).reshape(-1, 1)
            writer = open_writer(kind, tmp_path, VideoFacts(Fraction(25)))
            shown = writer.picture(TrackedFrame(Frame(image, 0, Fraction(0), "0"), mask[None]))  # type: ignore[attr-defined]
            assert shown[mask].std() < 0.35 * image[mask].std()
            assert not shown[~mask].any()


def test_crops_are_pictures_of_the_boxes(tmp_path: Path) -> None:
    folder = write("crops", tmp_path, seen=3)
    assert len(list((folder / "001").iterdir())) == 3
    assert len(list((folder / "002").iterdir())) == COUNT
    crop = np.array(Pillow.open(folder / "001" / "frame_000001.png"))
    assert crop.shape == (24 + 2 * 4, 24 + 2 * 4, 3)
    np.testing.assert_array_equal(crop, picture(1)[12:44, 8:40])


def test_crop_videos_follow_each_object_steadily(tmp_path: Path) -> None:
    folder = write("crop-videos", tmp_path, seen=4)
    frames = [list(open_frames(folder / f"00{number}.mp4")) for number in (1, 2)]
    assert [len(each) for each in frames] == [COUNT, COUNT]
    assert {frame.image.shape for frame in frames[0]} == {(32, 32, 3)}
    middle = frames[0][3].image[12:20, 12:20].reshape(-1, 3).mean(0)
    assert np.abs(middle - (230, 180, 40)).max() < 25


def test_a_window_moves_slowly_and_stays_where_nothing_is_seen() -> None:
    window = SteadyWindow((100, 100, 50, 80, 4000))
    assert (window.width, window.height) == (66, 104)
    image = np.zeros((300, 400, 3), np.uint8)
    image[100:180, 100:150] = 255
    first = window.crop(image)
    window.follow(None)
    np.testing.assert_array_equal(window.crop(image), first)
    window.follow((120, 100, 50, 80, 4000))
    columns = np.flatnonzero(window.crop(image)[52, :, 0] > 128)
    assert 3 <= np.flatnonzero(first[52, :, 0] > 128)[0] - columns[0] <= 4  # 15 % of 20 pixels
    window.follow((0, 0, 400, 300, 9))  # beyond the frame its border is repeated
    assert window.crop(image).shape == (104, 66, 3)
