"""A tracker whose client speaks the protocol wrongly, or rightly in an unusual way."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
import trax
from trax.client import Client

from hqtrack.errors import InputError
from hqtrack.vot.frames import FrameReader

pytestmark = pytest.mark.slow


@contextmanager
def tracker(module: str = "hqtrack.vot.first_mask") -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def connected(module: str = "hqtrack.vot.first_mask") -> Iterator[tuple[Client, subprocess.Popen[bytes]]]:
    with tracker(module) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Client((process.stdin.fileno(), process.stdout.fileno()), log=lambda _: None), process


def picture(folder: Path, width: int = 32, height: int = 24) -> dict[str, trax.FileImage]:
    file = folder / f"{width}x{height}.png"
    cv2.imwrite(str(file), np.zeros((height, width, 3), np.uint8))
    return {"color": trax.FileImage.create(str(file))}


BOX = trax.Rectangle.create(4, 5, 6, 7)


@pytest.mark.parametrize(
    "message",
    [
        b"hello\n",
        b"@@TRAX:nonsense\n",
        b"@@TRAX:\x00\xff\xfe\n",
        b'@@TRAX:frame "file:///nowhere.png"\n',
        b'@@TRAX:initialize "file:///nowhere.png" "a,b,c"\n',
        b'@@TRAX:initialize "4,5,6,7"\n@@TRAX:frame "data:image/png;AAAA"\n',
    ],
)
def test_what_is_no_request_ends_the_tracker_with_1(message: bytes) -> None:
    with tracker() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"@@TRAX:hello")
        process.stdin.write(message)
        process.stdin.close()
        assert process.wait(60) == 1
        assert b"Traceback" not in process.stdout.read()


@pytest.mark.parametrize(
    "region",
    [BOX, trax.Polygon.create([(4.0, 5.0), (9.0, 5.0), (9.0, 11.0), (4.0, 11.0)])],
    ids=["rectangle", "polygon"],
)
def test_a_region_of_any_kind_is_answered_by_a_mask(region: trax.Region, tmp_path: Path) -> None:
    with connected() as (client, _):
        ((answer, properties),), _ = client.initialize(picture(tmp_path), [(region, {})], {})
        assert answer.type == trax.Region.MASK
        assert answer.array().sum() == 6 * 7
        assert float(properties["confidence"]) == 1
        client.quit()


def test_a_special_region_is_answered_by_an_empty_mask(tmp_path: Path) -> None:
    picture(tmp_path)
    with tracker() as process:  # the library's own client cannot send one
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"@@TRAX:hello")
        image = (tmp_path / "32x24.png").as_uri()
        process.stdin.write(f'@@TRAX:initialize "1"\n@@TRAX:frame "{image}"\n@@TRAX:quit\n'.encode())
        process.stdin.close()
        assert process.wait(60) == 0
        answers = [line for line in process.stdout.read().splitlines() if line.startswith(b"@@TRAX:state")]
        assert len(answers) == 1
        assert answers[0].startswith(b'@@TRAX:state "mask:0,0,1,1" ')


def test_a_rectangle_is_answered_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HQTRACK_REPORT", "rectangle")
    monkeypatch.setenv("HQTRACK_CHANNEL", "ir")
    with connected() as (client, _):
        assert client.channels == ["ir"]
        ((answer, _),), _ = client.initialize({"ir": picture(tmp_path)["color"]}, [(BOX, {})], {})
        assert answer.bounds() == (4, 5, 6, 7)
        client.quit()


def test_a_second_initialize_begins_anew(tmp_path: Path) -> None:
    with connected() as (client, process):
        for count in (2, 1, 3):
            answers, _ = client.initialize(picture(tmp_path), [(BOX, {})] * count, {})
            assert len(answers) == count
        client.quit()
        assert process.wait(60) == 0


def test_a_frame_of_another_size_is_named_to_the_client(tmp_path: Path) -> None:
    with connected() as (client, process):
        client.initialize(picture(tmp_path), [(BOX, {})], {})
        with pytest.raises(trax.TraxException, match=r"the frame has 20 x 10 pixels, but .* with 32 x 24"):
            client.frame(picture(tmp_path, 20, 10), {}, [])
        assert process.wait(60) == 1


def test_images_in_memory_and_encoded_ones_are_read_and_others_refused_with_the_reason() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    deep = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32)
    encoded = cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()
    reader = FrameReader()
    np.testing.assert_array_equal(reader.read(trax.MemoryImage.create(pixels), True), pixels)
    np.testing.assert_array_equal(reader.read(trax.BufferImage.create(encoded), False), pixels)
    grey = reader.read(trax.MemoryImage.create(deep), True)
    assert (grey.shape, grey.min(), grey.max()) == ((24, 32, 3), 0, 255)
    with pytest.raises(InputError, match="5 bytes that are no JPEG or PNG image"):
        reader.read(trax.BufferImage.create(b"\x89PNG\r"), True)
    with pytest.raises(InputError, match="the frame is sent as url; send a file"):
        reader.read(trax.URLImage.create("http://127.0.0.1:9/a.png"), True)


def test_a_session_may_mix_kinds_of_images_and_is_told_what_cannot_be_read(tmp_path: Path) -> None:
    black = np.zeros((24, 32, 3), np.uint8)
    with connected() as (client, process):
        client.initialize(picture(tmp_path), [(BOX, {})], {})
        answers, _ = client.frame({"color": trax.MemoryImage.create(black)}, {}, [])
        assert len(answers) == 1
        encoded = cv2.imencode(".jpg", black)[1].tobytes()
        answers, _ = client.frame({"color": trax.BufferImage.create(encoded)}, {}, [])
        assert answers[0][0].array().sum() == 6 * 7
        with pytest.raises(trax.TraxException, match="bytes that are no JPEG or PNG image"):
            client.frame({"color": trax.BufferImage.create(encoded[:20])}, {}, [])
        assert process.wait(60) == 1


def test_too_many_objects_are_refused_with_the_number(tmp_path: Path) -> None:
    with connected("hqtrack.vot") as (client, process):
        with pytest.raises(trax.TraxException, match="300 objects are too many"):
            client.initialize(
                picture(tmp_path), [(trax.Mask.create(np.ones((3, 3), np.uint8)), {})] * 300, {}
            )
        assert process.wait(60) == 1
