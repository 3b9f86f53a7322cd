"""The rules of a session that need no toolkit."""

import errno
import select
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import trax

from hqtrack.errors import DataError
from hqtrack.masks import label_map, masks_of
from hqtrack.vot.first_mask import FirstMask
from hqtrack.vot.regions import encode_mask, place_mask
from hqtrack.vot.session import TrackedSequence, serve
from hqtrack.vot.workspace import create_workspace

IMAGE = np.zeros((12, 16, 3), np.uint8)


def square(x: int, y: int, side: int = 3) -> np.ndarray:
    mask = np.zeros((12, 16), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def test_a_cropped_mask_is_placed_at_its_offset() -> None:
    np.testing.assert_array_equal(place_mask(np.ones((3, 3), np.uint8), (4, 5), (12, 16)), square(4, 5))


def test_a_mask_is_sent_cropped_to_its_box() -> None:
    region = encode_mask(square(4, 5))
    assert region.size() == (3, 3)
    assert region.offset() == (4, 5)
    assert region.array().all()


def test_an_empty_mask_is_sent_as_a_mask_without_foreground() -> None:
    assert not encode_mask(np.zeros((12, 16), bool)).array().any()


def test_an_object_with_an_empty_first_mask_keeps_its_place_and_stays_empty() -> None:
    sequence = TrackedSequence(FirstMask())
    empty = np.zeros((12, 16), bool)
    sequence.step(IMAGE, [square(1, 1), empty, square(8, 4)])
    first, second, third = sequence.step(IMAGE, [])
    np.testing.assert_array_equal(first, square(1, 1))
    np.testing.assert_array_equal(third, square(8, 4))
    assert not second.any()


def test_a_sequence_may_start_with_empty_masks_only() -> None:
    sequence = TrackedSequence(FirstMask())
    (mask,) = sequence.step(IMAGE, [np.zeros((12, 16), bool)])
    assert not mask.any()
    masks = sequence.step(IMAGE, [square(2, 2)])
    assert [m.any() for m in masks] == [False, True]


def test_an_object_announced_later_comes_last() -> None:
    sequence = TrackedSequence(FirstMask())
    sequence.step(IMAGE, [square(1, 1)])
    masks = sequence.step(IMAGE, [square(8, 4)])
    np.testing.assert_array_equal(masks[0], square(1, 1))
    np.testing.assert_array_equal(masks[1], square(8, 4))
    assert len(sequence.step(IMAGE, [])) == 2


def test_a_challenge_workspace_lists_our_trackers(tmp_path: Path) -> None:
    create_workspace(tmp_path / "vots", "vots2023")
    assert "vots2023" in (tmp_path / "vots" / "config.yaml").read_text()
    assert "[HQTrackLight]" in (tmp_path / "vots" / "trackers.ini").read_text()


def test_an_existing_workspace_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mine")
    with pytest.raises(DataError, match=r"config\.yaml already"):
        create_workspace(tmp_path, "vots2023")
    assert (tmp_path / "config.yaml").read_text() == "mine"


def test_half_a_workspace_is_not_left_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(python: str = "") -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("hqtrack.vot.workspace.registry_text", full)
        with pytest.raises(OSError, match=r"No space left on device: '.*vots'"):
            create_workspace(tmp_path / "vots", "stack.yaml")
    create_workspace(tmp_path / "vots", "stack.yaml")


def test_an_unknown_stack_is_told_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no stack 'vots1999'"):
        create_workspace(tmp_path / "vots", "vots1999")
    assert not (tmp_path / "vots").exists()


def test_a_frame_without_objects_reports_no_masks() -> None:
    sequence = TrackedSequence(FirstMask())
    assert sequence.step(IMAGE, []) == []


def test_a_first_frame_is_answered_with_the_masks_as_the_tracker_took_them() -> None:
    class Taking(FirstMask):
        """Gives contested pixels to the later object, as HQTrack does."""

        def initialize(self, image: np.ndarray, masks: np.ndarray) -> np.ndarray:
            return super().initialize(image, masks_of(label_map(masks), len(masks)))

    first, second = np.zeros((2, *IMAGE.shape[:2]), bool)
    first[:3], second[2:5] = True, True
    taken = TrackedSequence(Taking()).step(IMAGE, [first, np.zeros_like(first), second])
    assert [mask.sum() for mask in taken] == [2 * IMAGE.shape[1], 0, 3 * IMAGE.shape[1]]
    assert not (taken[0] & taken[2]).any()


def test_the_tracker_ends_when_the_toolkit_dies() -> None:
    command = [sys.executable, "-m", "hqtrack.vot.first_mask"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    assert all(line.startswith("@@TRAX:") for line in done.stdout.splitlines())


@pytest.mark.skipif(not hasattr(select, "poll"), reason="this system cannot look at a pipe")
@pytest.mark.parametrize("message", [b'@@TRAX:initialize "0,0,5,5"\n', b'@@TRAX:initialize "0,0'])
def test_the_tracker_ends_when_the_toolkit_dies_between_a_message_and_its_frame(message: bytes) -> None:
    command = [sys.executable, "-m", "hqtrack.vot.first_mask"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as tracker:
        assert tracker.stdin is not None
        assert tracker.stdout is not None
        assert tracker.stdout.readline().startswith(b"@@TRAX:hello")
        tracker.stdin.write(message)
        tracker.stdin.close()
        try:
            assert tracker.wait(30) == 1
        finally:
            tracker.kill()


def test_a_fault_while_loading_reaches_the_toolkit(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons: list[str] = []
    request = SimpleNamespace(type=trax.TraxStatus.INITIALIZE)
    server = SimpleNamespace(wait=lambda: request, quit=lambda reason: reasons.append(reason))
    monkeypatch.setattr(trax, "Server", lambda *_, **__: server)

    def load() -> FirstMask:
        raise IndexError("pop from empty list")

    assert serve(load, name="Broken") == 1
    assert reasons == ["IndexError: pop from empty list (a fault of the tracker, see its log)"]


def test_a_sequence_announced_without_objects_ends_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The toolkit never sends this, so a planted server takes its place.
    frame = tmp_path / "frame.png"
    cv2.imwrite(str(frame), IMAGE)
    image = trax.FileImage.create(str(frame))
    request = SimpleNamespace(type=trax.TraxStatus.INITIALIZE, image={"color": image}, objects=[])
    reasons: list[str] = []
    server = SimpleNamespace(wait=lambda: request, quit=lambda reason: reasons.append(reason))
    monkeypatch.setattr(trax, "Server", lambda *_, **__: server)
    assert serve(FirstMask, name="FirstMask") == 1
    assert reasons == ["the toolkit sent no object; a sequence needs at least one first mask"]
