"""Reading one image."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from gradient_image import picture, write
from hqtrack import DataError
from hqtrack.images import images_in, read_image


def test_a_colour_image_is_read_as_rgb(tmp_path: Path) -> None:
    np.testing.assert_array_equal(
        read_image(write(tmp_path / "a.png", picture(level=200)[..., ::-1])), picture(level=200)
    )


def test_a_grey_image_gets_three_equal_channels(tmp_path: Path) -> None:
    grey = np.arange(24 * 32, dtype=np.uint32).reshape(24, 32).astype(np.uint8)
    image = read_image(write(tmp_path / "a.png", grey))
    assert image.shape == (24, 32, 3)
    for channel in range(3):
        np.testing.assert_array_equal(image[..., channel], grey)


def test_of_16_bit_values_the_upper_8_bits_are_kept(tmp_path: Path) -> None:
    deep = np.full((24, 32, 3), 0x7F20, np.uint16)
    image = read_image(write(tmp_path / "a.png", deep))
    assert image.dtype == np.uint8
    assert np.all(np.abs(image.astype(int) - 0x7F) <= 1)


def test_transparency_is_dropped_and_the_colours_under_it_stay(tmp_path: Path) -> None:
    rgba = np.dstack([picture(level=90)[..., ::-1], np.zeros((24, 32), np.uint8)])
    np.testing.assert_array_equal(read_image(write(tmp_path / "a.png", rgba)), picture(level=90))


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\xff\xd8\xff\xe0 cut short"])
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.jpg"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.jpg"):
        read_image(file)


def test_a_jpeg_that_is_cut_short_is_an_error(tmp_path: Path) -> None:
    file = write(tmp_path / "cut.jpg", picture(240, 320))
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(DataError, match="cut short"):
        read_image(file)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.png"):
        read_image(tmp_path / "nowhere.png")


def noisy_jpeg() -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (64, 96, 3)).astype(np.uint8)
    return cv2.imencode(".jpg", noise)[1].tobytes()


def test_damage_inside_a_jpeg_is_said_once_for_each_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = noisy_jpeg()
    (tmp_path / "good.jpg").write_bytes(good)
    read_image(tmp_path / "good.jpg")
    assert not caplog.text
    bad = good[:1500] + bytes(600) + good[2100:]
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(bad)
        assert read_image(tmp_path / name).shape == (64, 96, 3)
    assert "a.jpg: is damaged" in caplog.text
    assert "b.jpg" not in caplog.text


@pytest.mark.parametrize("name", ["a.webp", "a.tif", "a.png"])
def test_further_pictures_of_a_file_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    pages = [Pillow.new("RGB", (8, 6), colour) for colour in ("red", "blue")]
    pages[0].save(tmp_path / f"one-{name}")
    read_image(tmp_path / f"one-{name}")
    assert not caplog.text
    pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
    read_image(tmp_path / name)
    assert f"{name}: contains several pictures" in caplog.text


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(DataError, match="is not a file"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a" * 300, "a\0b"])
def test_a_name_that_no_file_can_have_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_image(tmp_path / name)


def test_hidden_files_of_a_folder_are_no_images(tmp_path: Path) -> None:
    for name in ("000.png", "._000.png", "001.PNG", "notes.txt"):
        (tmp_path / name).touch()
    assert [file.name for file in images_in(tmp_path)] == ["000.png", "001.PNG"]
