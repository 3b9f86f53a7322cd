"""Tracking in its thread, and export, without a browser."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hqtrack import HQTrack, InputError
from hqtrack.video.mask_maker import MaskMaker
from hqtrack.video.mask_record import MaskRecord
from hqtrack.web.desk import Desk
from hqtrack.web.export import COMMAND, Settings, export
from hqtrack.web.store import Open, Store
from hqtrack.web.tracking import Engine
from web_server import filled, green, orange, write_video

COUNT = 10

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine() -> Engine:
    tracker = HQTrack.from_card("vmos-light")
    return Engine(lambda: (tracker, MaskMaker.beside(tracker)))


@pytest.fixture
def desk(tmp_path: Path, engine: Engine) -> Desk:
    write_video(tmp_path / "clip.mp4", COUNT)
    store = Store(tmp_path / "sessions", tmp_path / "clip.mp4", upload_limit=1)
    return Desk(store, engine, Settings(card="vmos-light"))


@pytest.fixture
def opened(desk: Desk) -> Open:
    return desk.store.create("me", desk.store.root, "clip")


@pytest.fixture
def track(desk: Desk, opened: Open) -> Callable[[], str]:
    """Return what tracks to the end and tells how that was."""

    def run() -> str:
        desk.track(opened)
        tracking = desk.tracking(opened)
        assert tracking is not None
        tracking.join(120)
        return f"{tracking.state} {tracking.error}".strip()

    return run


def test_a_full_disk_stops_and_what_was_tracked_stays(
    opened: Open, track: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = opened.session
    session.add(0, filled(orange(0)))
    append = MaskRecord.append

    def until_full(record: MaskRecord, name: str, masks: np.ndarray) -> None:
        if len(record) == 4:
            raise OSError(28, "No space left on device")
        append(record, name, masks)

    monkeypatch.setattr(MaskRecord, "append", until_full)
    assert track() == "failed No space left on device"
    assert len(session.record) == 4
    monkeypatch.undo()
    assert track() == "done"
    assert len(session.record) == COUNT
    assert session.tracked.gone_on == (3,)


def test_two_sessions_are_tracked_one_after_the_other(desk: Desk, opened: Open) -> None:
    other = desk.store.create("you", desk.store.root, "clip")
    for each in (opened, other):
        each.session.add(0, filled(orange(0)))
        desk.track(each)
    with pytest.raises(InputError, match="being tracked already"):
        desk.track(opened)
    for each in (opened, other):
        tracking = desk.tracking(each)
        assert tracking is not None
        tracking.join(120)
        assert tracking.state == "done"
        assert len(each.session.record) == COUNT
    np.testing.assert_array_equal(opened.session.record.masks(9), other.session.record.masks(9))


def test_what_is_not_tracked_as_it_was_said_is_not_exported(
    desk: Desk, opened: Open, track: Callable[[], str]
) -> None:
    session = opened.session
    thing = session.add(0, filled(orange(0)))
    with pytest.raises(InputError, match="nothing is tracked yet"):
        export(session, ["labels"], desk.settings)
    assert track() == "done"
    folder = export(session, ["labels"], desk.settings)
    assert len(list((folder / "labels").iterdir())) == COUNT
    session.say(thing.key, 5, filled(green()))
    with pytest.raises(InputError, match="go on first, or undo it"):
        export(session, ["labels"], desk.settings)
    session.undo()
    with pytest.raises(InputError, match="at least one output"):
        export(session, [], desk.settings)
    assert (folder / COMMAND).is_file(), "an export that fails leaves the one before"


def test_all_outputs_of_the_command_are_exported(desk: Desk, opened: Open, track: Callable[[], str]) -> None:
    opened.session.add(2, filled(orange(2)))
    assert track() == "done"
    folder = export(opened.session, ["overlay", "labels", "rle", "trajectories", "csv"], desk.settings)
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
    words = (folder / COMMAND).read_text()
    assert "--card" not in words  # it is the default
    assert "--object frame=2,mask=" in words
