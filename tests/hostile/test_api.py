"""The Python API in surroundings that its networks were not written for: it works, or says what is wrong."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from hostile.small_clip import MASK, frame, light_tracker, tracked
from hqtrack import CardError, HQTrack, HQTrackError, InputError, StateError
from hqtrack.images import Image
from hqtrack.masks import Masks
from hqtrack.video.job import Job
from hqtrack.video.mask_maker import MaskMaker
from hqtrack.video.prompts import Prompt
from hqtrack.video.run import VideoRun

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tracker() -> HQTrack:
    return light_tracker()


@pytest.fixture(scope="module")
def usual(tracker: HQTrack) -> list[Masks]:
    masks = tracked(tracker)
    assert all(each.any() for each in masks)
    return masks


@contextmanager
def default_dtype() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def default_device() -> Iterator[None]:
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


SURROUNDINGS: dict[str, Any] = {
    "float64": default_dtype,
    "meta": default_device,
    "meta as context": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "gradients": torch.enable_grad,
    "inference": torch.inference_mode,
}


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_what_a_caller_set_in_torch_changes_no_mask_and_stays_set(
    tracker: HQTrack, usual: list[Masks], name: str
) -> None:
    with SURROUNDINGS[name]():
        before = torch.get_default_dtype(), torch.get_default_device(), torch.is_autocast_enabled("cpu")
        for each in (tracker, light_tracker()):
            np.testing.assert_array_equal(tracked(each), usual)
        (mask,) = MaskMaker.beside(tracker).masks(frame(0), [Prompt(0, box=(8, 10, 20, 20))])
        assert mask.any()
        assert before == (
            torch.get_default_dtype(),
            torch.get_default_device(),
            torch.is_autocast_enabled("cpu"),
        )


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda tracker: pickle.loads(pickle.dumps(tracker))])
def test_a_copy_goes_on_with_the_same_video_and_its_own_memory(
    tracker: HQTrack, usual: list[Masks], duplicate: Any
) -> None:
    tracker.initialize(frame(0), MASK)
    tracker.track(frame(1))
    other = duplicate(tracker)
    for each in (tracker, other):
        np.testing.assert_array_equal([each.track(frame(index)) for index in (2, 3)], usual[1:])


def test_a_shallow_copy_says_that_it_would_share_the_video(tracker: HQTrack) -> None:
    with pytest.raises(StateError, match="deepcopy"):
        copy.copy(tracker)


def test_threads_with_a_tracker_each_do_not_disturb_each_other(usual: list[Masks]) -> None:
    results: dict[int, list[Masks]] = {}

    def work(number: int, own: HQTrack) -> None:
        results[number] = tracked(own)

    threads = [threading.Thread(target=work, args=(number, light_tracker())) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    for masks in results.values():
        np.testing.assert_array_equal(masks, usual)


def test_a_second_thread_in_the_same_tracker_is_refused(tracker: HQTrack) -> None:
    tracker.initialize(frame(0), MASK)
    inside, done = threading.Event(), threading.Event()
    find = tracker._engine.find  # type: ignore[union-attr]

    def slow(image: Image) -> Any:
        inside.set()
        done.wait(60)
        return find(image)

    tracker._engine.find = slow  # type: ignore[union-attr,method-assign]
    thread = threading.Thread(target=tracker.track, args=(frame(1),))
    thread.start()
    inside.wait(60)
    try:
        for call in (
            lambda: tracker.track(frame(2)),
            lambda: tracker.initialize(frame(0), MASK),
            tracker.reset,
        ):
            with pytest.raises(StateError, match="another thread"):
                call()
    finally:
        done.set()
        thread.join()
    tracker.reset()


FORKED = """
import os, sys
import torch
torch.set_num_threads(2)
from hostile.small_clip import light_tracker, tracked
tracker = light_tracker()
before = tracked(tracker)
torch.rand(1000, 1000) @ torch.rand(1000, 1000)
child = os.fork()
if child == 0:
    after = tracked(tracker)
    new = tracked(light_tracker())
    os._exit(0 if all((a == b).mean() > 0.99 for a, b in zip(before + before, after + new)) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_process_that_was_forked_after_two_threads_have_run_tracks_on() -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "OMP_NUM_THREADS": "2",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED], env=environment, timeout=600, check=False
    )
    assert done.returncode == 0


WRONG: dict[str, Any] = {
    "card None": lambda: HQTrack.from_card(None),  # type: ignore[arg-type]
    "card 3": lambda: HQTrack.from_card(3),  # type: ignore[arg-type]
    "card empty": lambda: HQTrack.from_card(""),
    "device None": lambda: HQTrack.from_card("vmos-light", device=None),  # type: ignore[arg-type]
    "device 3": lambda: HQTrack.from_card("vmos-light", device=3),  # type: ignore[arg-type]
    "device text": lambda: HQTrack.from_card("vmos-light", device="cpu:x"),
    "precision None": lambda: HQTrack.from_card("vmos-light", precision=None),  # type: ignore[arg-type]
    "precision list": lambda: HQTrack.from_card("vmos-light", precision=[]),  # type: ignore[arg-type]
    "weights number": lambda: HQTrack.from_card("vmos-light", weights=3),  # type: ignore[arg-type]
    "setting unknown": lambda: HQTrack.from_card("vmos-light", gap=3),
    "setting None text": lambda: HQTrack.from_card("vmos-light", long_term_gap="None"),
}
"""Calls that say what is wrong, by what it is."""


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_named_in_a_line(name: str) -> None:
    with pytest.raises((CardError, InputError)) as caught:
        WRONG[name]()
    assert "\n" not in str(caught.value)


SENSELESS: dict[str, Any] = {
    "image None": lambda tracker: tracker.initialize(None, MASK),
    "image float": lambda tracker: tracker.initialize(frame(0).astype(float), MASK),
    "image grey": lambda tracker: tracker.initialize(frame(0)[..., 0], MASK),
    "image empty": lambda tracker: tracker.initialize(np.zeros((0, 0, 3), np.uint8), MASK),
    "image tensor": lambda tracker: tracker.initialize(torch.zeros(48, 64, 3, dtype=torch.uint8), MASK),
    "masks None": lambda tracker: tracker.initialize(frame(0), None),
    "masks text": lambda tracker: tracker.initialize(frame(0), "mask"),
    "masks objects": lambda tracker: tracker.initialize(frame(0), [object()]),
    "masks ragged": lambda tracker: tracker.initialize(frame(0), [MASK[0], MASK[0, :3]]),
    "masks nan": lambda tracker: tracker.initialize(frame(0), np.full(MASK.shape, np.nan)),
    "masks empty": lambda tracker: tracker.initialize(frame(0), MASK & False),
    "ids twice": lambda tracker: tracker.initialize(frame(0), np.repeat(MASK, 2, 0), ids=[1, 1]),
    "ids text": lambda tracker: tracker.initialize(frame(0), MASK, ids=["1"]),
    "ids large": lambda tracker: tracker.initialize(frame(0), MASK, ids=[1 << 70]),
    "ids negative": lambda tracker: tracker.initialize(frame(0), MASK, ids=[-1]),
    "other size": lambda tracker: (tracker.initialize(frame(0), MASK), tracker.track(frame(0)[:20])),
    "too early": lambda tracker: (tracker.reset(), tracker.track(frame(0))),
    "too many": lambda tracker: tracker.initialize(frame(0), np.repeat(MASK, 300, 0)),
}
"""What a tracker cannot be given, by what it is."""


@pytest.mark.parametrize("name", SENSELESS)
def test_what_cannot_be_tracked_is_named_in_a_line(tracker: HQTrack, name: str) -> None:
    with pytest.raises(HQTrackError) as caught:
        SENSELESS[name](tracker)
    assert "\n" not in str(caught.value)


def test_paths_may_be_texts_and_texts_may_be_paths(tmp_path: Path, tracker: HQTrack) -> None:
    (tmp_path / "clip").mkdir()
    for index in range(2):
        cv2.imwrite(str(tmp_path / "clip" / f"{index}.png"), frame(index))
    job = Job(source=tmp_path / "clip", prompts=(Prompt(0, mask=MASK[0], id=1),), outputs=("csv",))  # type: ignore[arg-type]
    result = VideoRun(job, str(tmp_path / "out"), tracker=tracker).track()
    assert result.frames == 2
    assert (tmp_path / "out" / "boxes.csv").is_file()
