"""What is written is read again as it was: records of unfinished videos, even broken ones, trajectories."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from vot.region.io import read_trajectory

from hostile.corruptions import corrupted
from hostile.strategies import quick
from hqtrack.errors import HQTrackError
from hqtrack.masks import label_map, masks_of
from hqtrack.video.job import Job
from hqtrack.video.journal import FRAMES_FILE, SETTINGS_FILE, Journal, read_job
from hqtrack.video.prompts import Prompt
from hqtrack.video.sources import Frame
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.video.writers import VideoFacts, open_writer

SIZE = (7, 9)
IMAGE = np.zeros((*SIZE, 3), np.uint8)

clips = st.tuples(st.lists(st.integers(0, 3), min_size=1, max_size=6).map(sorted), st.integers(0, 2**32 - 1))


def tracked(clip: tuple[list[int], int]) -> list[TrackedFrame]:
    """Return frames with so many objects each, whose masks are random and disjoint, some of them empty."""
    counts, seed = clip
    rng = np.random.default_rng(seed)
    frames = []
    for index, count in enumerate(counts):
        masks = rng.random((count, *SIZE)) < rng.choice([0.0, 0.1, 0.5])
        frame = Frame(IMAGE, index, Fraction(index, 25), f"{index:08d}")
        frames.append(TrackedFrame(frame, masks_of(label_map(masks), count)))
    return frames


def recorded(folder: Path, frames: list[TrackedFrame]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    journal = Journal.begin(folder, Job("clip.mp4", prompts=(Prompt(0, box=(1, 1, 3, 3)),)))
    for each in frames:
        journal.append(each)
    journal.close()


@quick
@given(clips, st.integers(0, 10**6))
def test_a_broken_record_gives_the_frames_before_the_damage(
    tmp_path: Path, clip: tuple[list[int], int], seed: int
) -> None:
    frames = tracked(clip)
    recorded(tmp_path / "out", frames)
    record = tmp_path / "out" / FRAMES_FILE
    if seed % 8:  # else as it was
        record.write_bytes(corrupted(record.read_bytes(), seed))
    journal = Journal.resume(tmp_path / "out")
    assert journal.left == len(frames) or seed % 8
    for each in frames[: journal.left]:
        try:
            past = journal.past(each.frame)
        except HQTrackError:
            break  # a flipped bit may have given another frame's name or size
        assert past.masks.shape[1:] == SIZE
        if seed % 8 == 0:
            np.testing.assert_array_equal(past.masks, each.masks)
    journal.close()


@quick
@given(st.integers(0, 10**6))
def test_broken_settings_are_read_or_refused(tmp_path: Path, seed: int) -> None:
    recorded(tmp_path / "out", [])
    settings = tmp_path / "out" / SETTINGS_FILE
    settings.write_bytes(corrupted(settings.read_bytes(), seed))
    try:
        job = read_job(tmp_path / "out")
    except HQTrackError as error:
        assert SETTINGS_FILE in str(error)
    else:
        assert isinstance(job.source, str)
        assert isinstance(job.stride, int)


@quick
@given(clips)
def test_trajectories_are_what_the_toolkit_reads(tmp_path: Path, clip: tuple[list[int], int]) -> None:
    frames = tracked(clip)
    shutil.rmtree(tmp_path / "trajectories", ignore_errors=True)
    writer = open_writer("trajectories", tmp_path, VideoFacts(Fraction(25)))
    for each in frames:
        writer.write(each)
    writer.finish()
    files = sorted((tmp_path / "trajectories").iterdir())
    assert len(files) == clip[0][-1]
    for number, file in enumerate(files):
        regions = read_trajectory(str(file))
        assert len(regions) == len(frames)
        begin = next(index for index, each in enumerate(frames) if len(each.masks) > number)
        for region, each in list(zip(regions, frames, strict=True))[begin + 1 :]:
            box = each.boxes[number]
            if box is not None and min(box[2:4]) < 2:
                continue  # the toolkit takes what is one pixel wide or high for empty
            found = region.rasterize((0, 0, SIZE[1] - 1, SIZE[0] - 1)) if not region.is_empty() else 0
            np.testing.assert_array_equal(np.broadcast_to(found, SIZE) > 0, each.masks[number])
