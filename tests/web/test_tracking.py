"""Tracking in its thread, and export, without a browser."""

import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner

from hqtrack import HQTrack, InputError
from hqtrack.cli import app
from hqtrack.masks import iou
from hqtrack.video.mask_maker import MaskMaker
from hqtrack.video.mask_record import MaskRecord
from hqtrack.video.writers.labels import LabelImages
from hqtrack.web.export import COMMAND_FILE, EXPORT_FOLDER, STATE_FILE, export, state_of
from hqtrack.web.service import TrackingService
from hqtrack.web.settings import Settings
from hqtrack.web.store import OpenSession, Store
from hqtrack.web.tracking import Course, SharedTracker
from web_server import filled, green, orange, write_video

COUNT = 10

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared() -> SharedTracker:
    tracker = HQTrack.from_card("vmos-light")
    return SharedTracker(lambda _: (tracker, MaskMaker.beside(tracker)))


@pytest.fixture
def service(tmp_path: Path, shared: SharedTracker) -> TrackingService:
    write_video(tmp_path / "clip.mp4", COUNT)
    store = Store(tmp_path / "sessions", tmp_path / "clip.mp4", upload_limit=1)
    return TrackingService(store, shared, Settings(card="vmos-light"))


@pytest.fixture
def opened(service: TrackingService) -> OpenSession:
    return service.store.create("me", service.store.root, "clip")


@pytest.fixture
def track(service: TrackingService, opened: OpenSession) -> Callable[..., str]:
    """Return what tracks to the end of a course and tells how that was."""

    def run(course: Course = Course()) -> str:  # noqa: B008 - immutable
        service.track(opened, course)
        tracking = service.tracking(opened)
        assert tracking is not None
        tracking.join(120)
        return f"{tracking.state} {tracking.error}".strip()

    return run


def test_a_full_disk_stops_and_what_was_tracked_stays(
    opened: OpenSession, track: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = opened.session
    session.add(0, filled(orange(0)))
    append = MaskRecord.append

    def until_full(record: MaskRecord, name: str, masks: np.ndarray, **marks: Any) -> None:
        if len(record) == 4:
            raise OSError(28, "No space left on device")
        append(record, name, masks, **marks)

    monkeypatch.setattr(MaskRecord, "append", until_full)
    assert track() == "failed No space left on device"
    assert len(session.record) == 4
    monkeypatch.undo()
    assert track() == "done"
    assert len(session.record) == COUNT
    assert session.tracked.restarts == (3,)


def test_two_sessions_are_tracked_one_after_the_other(service: TrackingService, opened: OpenSession) -> None:
    other = service.store.create("you", service.store.root, "clip")
    for each in (opened, other):
        each.session.add(0, filled(orange(0)))
        service.track(each)
    with pytest.raises(InputError, match="already running"):
        service.track(opened)
    for each in (opened, other):
        tracking = service.tracking(each)
        assert tracking is not None
        tracking.join(120)
        assert tracking.state == "done"
        assert len(each.session.record) == COUNT
    np.testing.assert_array_equal(opened.session.record.masks(9), other.session.record.masks(9))


def test_what_is_out_of_date_is_not_exported(
    service: TrackingService, opened: OpenSession, track: Callable[..., str]
) -> None:
    session = opened.session
    item = session.add(0, filled(orange(0)))
    with pytest.raises(InputError, match="nothing is tracked yet"):
        export(session, ["labels"], service.settings)
    assert track() == "done"
    folder = export(session, ["labels"], service.settings)
    assert len(list((folder / "labels").iterdir())) == COUNT
    with pytest.raises(InputError, match="at least one output"):
        export(session, [], service.settings)
    session.set_mask(item.key, 0, filled(green()))
    with pytest.raises(InputError, match="all frames are out of date"):
        export(session, ["labels"], service.settings)
    assert (folder / COMMAND_FILE).is_file(), "an export that fails leaves the one before"
    assert (folder / STATE_FILE).read_text() != state_of(session)
    session.undo()
    assert (folder / STATE_FILE).read_text() == state_of(session)
    session.set_mask(item.key, 5, filled(green()))
    export(session, ["labels"], service.settings)
    assert len(list((folder / "labels").iterdir())) == 5
    assert "--end 5" in (folder / COMMAND_FILE).read_text()


def test_a_deleted_object_is_left_out_and_the_others_keep_their_numbers(
    service: TrackingService, opened: OpenSession, track: Callable[..., str]
) -> None:
    session = opened.session
    gone, stays = session.add(0, filled(orange(0))), session.add(1, filled(green()))
    assert track() == "done"
    session.delete(gone.key)
    session.rename(stays.key, "door")
    service.export(opened, ["labels", "csv"])
    while (exporting := service.exporting(opened)) is not None and exporting.state == "exporting":
        time.sleep(0.01)
    assert exporting is not None
    assert (exporting.state, exporting.share) == ("done", 1)
    folder = session.folder / EXPORT_FOLDER
    values = np.unique(np.array(Pillow.open(sorted((folder / "labels").iterdir())[-1])))
    assert values.tolist() == [0, stays.key]
    assert ",door" in (folder / "boxes.csv").read_text()
    command = (folder / COMMAND_FILE).read_text()
    assert f"id={stays.key},name=door" in command
    assert f"id={gone.key}," not in command
    # Tracking goes on with the one that is left, from a frame that both were tracked to.
    session.set_mask(stays.key, 6, filled(green()))
    assert track() == "done"
    assert session.record.scores(5).keys() == {gone.key, stays.key}
    assert session.record.scores(8).keys() == {stays.key}
    assert iou(session.masks(8, [stays.key])[0], filled(green())) > 0.6


def test_all_outputs_of_the_command_are_exported(
    service: TrackingService, opened: OpenSession, track: Callable[..., str]
) -> None:
    opened.session.add(2, filled(orange(2)))
    assert track() == "done"
    folder = export(opened.session, ["overlay", "labels", "rle", "trajectories", "csv"], service.settings)
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "overlay.mp4",
        "labels",
        "masks.json",
        "trajectories",
        "boxes.csv",
        "given",
        "export.zip",
    }
    words = " ".join(shlex.split((folder / COMMAND_FILE).read_text()))
    assert "--card" not in words  # it is the default
    assert "--object frame=2,mask=" in words


def test_tracking_leads_to_a_frame_backward_and_again_from_here(
    service: TrackingService, opened: OpenSession, track: Callable[..., str], tmp_path: Path
) -> None:
    session = opened.session
    with pytest.raises(InputError, match="nothing to track backward"):
        track(Course(backward=True))
    item, other = session.add(4, filled(orange(4))), session.add(0, filled(green()))
    assert track(Course(until=6)) == "done"
    assert len(session.record) == 7
    with pytest.raises(InputError, match="frame 5 is tracked already"):
        track(Course(until=5))
    assert track() == "done"
    before = session.masks(9, [item.key])
    assert session.mask(item.key, 1) is None
    assert track(Course(backward=True)) == "done"
    found = session.mask(item.key, 1)
    assert found is not None
    assert iou(found, filled(orange(1))) > 0.6
    np.testing.assert_array_equal(session.masks(9, [item.key]), before)
    # The printed command makes the same files.
    folder = export(session, ["labels"], service.settings)
    command = (folder / COMMAND_FILE).read_text()
    assert "--direction both" in command
    words = shlex.split(command)
    words[words.index("-o") + 1] = str(tmp_path / "again")
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, result.output
    for ours in sorted((folder / "labels").iterdir()):
        theirs = tmp_path / "again" / "labels" / ours.name
        assert ours.read_bytes() == theirs.read_bytes(), ours.name
    assert track(Course(since=5, until=7)) == "done"
    assert len(session.record) == 8
    assert session.tracked.restarts == (5,)
    assert [shown.object.key for shown in session.shown(1)] == [other.key, item.key]


def test_a_full_disk_ends_an_export_and_the_one_before_stays(
    service: TrackingService,
    opened: OpenSession,
    track: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened.session.add(0, filled(orange(0)))
    assert track(Course(until=3)) == "done"
    folder = export(opened.session, ["labels"], service.settings)
    left = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LabelImages, "write", refuse)
    service.export(opened, ["labels"])
    exporting = service.exporting(opened)
    assert exporting is not None
    until = time.monotonic() + 60
    while exporting.state == "exporting" and time.monotonic() < until:
        time.sleep(0.01)
    assert exporting.state == "failed"
    assert "No space left" in exporting.error
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == left
    assert [path.name for path in opened.session.folder.glob("*.part")] == []


def test_a_video_that_vanishes_ends_tracking_with_its_name(
    service: TrackingService, opened: OpenSession, track: Callable[..., str]
) -> None:
    opened.session.add(0, filled(orange(0)))
    Path(opened.session.source).unlink()
    assert "clip.mp4" in track()
    assert track().startswith("failed")
