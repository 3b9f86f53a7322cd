"""What a person said and what was tracked: numbers, undoing, what is stale, and how tracking goes on."""

from pathlib import Path

import numpy as np
import pytest

from hqtrack import DataError, InputError
from hqtrack.masks import masks_of
from hqtrack.web.session import SESSION_FILE, Session
from web_server import COUNT, HEIGHT, WIDTH, filled

LEFT, RIGHT = filled((10, 10, 20, 20)), filled((100, 10, 20, 20))


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path, owner="me", source="/clip.mp4", title="clip", size=(HEIGHT, WIDTH), count=COUNT)


def track(session: Session, frames: int) -> None:
    """Record frames as a tracker would that sees nothing move."""
    plan = session.plan()
    session.begin(plan, None)
    for index in range(plan.start, plan.start + frames):
        begun = [item for item in session.objects if item.first.frame <= index]
        masks = [item.first.mask(session.size) for item in begun]
        session.record.append(f"{index:08d}", np.array(masks, bool).reshape(-1, HEIGHT, WIDTH))


def test_objects_are_numbered_by_the_frame_in_which_they_begin(session: Session) -> None:
    late, early = session.add(5, LEFT), session.add(2, RIGHT)
    assert (session.number(early.key), session.number(late.key)) == (1, 2)
    assert session.name_of(late.key) == "object 2"
    session.rename(late.key, " ball ")
    assert session.name_of(late.key) == "ball"


def test_an_object_is_shown_from_where_it_begins_with_what_was_said_or_else_tracked(session: Session) -> None:
    item = session.add(2, LEFT)
    assert [len(session.shown(frame)) for frame in (1, 2, 3)] == [0, 1, 0]
    track(session, 10)
    assert [len(session.shown(frame)) for frame in (1, 2, 3, 9, 10)] == [0, 1, 1, 1, 0]
    session.set_mask(item.key, 6, RIGHT)
    np.testing.assert_array_equal(session.mask(item.key, 6), RIGHT)
    np.testing.assert_array_equal(session.mask(item.key, 7), LEFT)


def test_every_change_is_undone_and_done_again(session: Session) -> None:
    states = [session.objects]
    item = session.add(0, LEFT)
    states.append(session.objects)
    session.set_mask(item.key, 0, RIGHT)
    states.append(session.objects)
    session.rename(item.key, "ball")
    states.append(session.objects)
    session.recolour(item.key, (1, 2, 3))
    states.append(session.objects)
    session.delete(item.key)
    for state in reversed(states):
        assert session.undo()
        assert session.objects == state
    assert not session.undo()
    for state in states[1:]:
        assert session.redo()
        assert session.objects == state
    session.add(0, RIGHT)
    assert session.redo() is False, "who says something new goes on from there"


def test_what_makes_no_sense_is_refused_and_changes_nothing(session: Session) -> None:
    nothing = np.zeros((HEIGHT, WIDTH), bool)
    with pytest.raises(InputError, match="the mask is empty"):
        session.add(0, nothing)
    item = session.add(4, LEFT)
    before = session.objects
    with pytest.raises(InputError, match="needs a pixel in the frame in which it begins"):
        session.set_mask(item.key, 4, nothing)
    with pytest.raises(InputError, match="begins in frame 4"):
        session.set_mask(item.key, 3, RIGHT)
    with pytest.raises(InputError, match="was not tracked to frame 5"):
        session.set_mask(item.key, 5, RIGHT)
    assert session.objects == before
    session.delete(item.key)
    with pytest.raises(InputError, match="was deleted"):
        session.set_mask(item.key, 4, LEFT)
    with pytest.raises(InputError, match="no object yet"):
        session.plan()


def test_an_object_may_be_erased_where_it_is_not_seen(session: Session) -> None:
    item = session.add(0, LEFT)
    track(session, 8)
    session.set_mask(item.key, 5, np.zeros((HEIGHT, WIDTH), bool))
    assert session.stale() == 5
    assert not session.mask(item.key, 5).any()


def test_a_stop_is_gone_on_with_by_a_reference(session: Session) -> None:
    session.add(2, LEFT)
    track(session, 10)
    plan = session.plan()
    assert (plan.start, plan.corrected, plan.tracked.restarts) == (10, False, (9,))
    assert session.references(plan) == [2, 9]


def test_a_correction_makes_later_frames_stale_and_stays_a_reference(session: Session) -> None:
    item = session.add(0, LEFT)
    track(session, COUNT)
    assert session.next_frame() is None
    session.set_mask(item.key, 30, RIGHT)
    assert session.stale() == session.next_frame() == 30
    plan = session.plan()
    assert (plan.start, plan.corrected, plan.tracked.restarts) == (31, True, ())
    assert session.references(plan) == [0, 30]
    session.begin(plan, RIGHT[None])
    assert session.stale() is None
    assert len(session.record) == 31
    np.testing.assert_array_equal(session.record.masks(30), RIGHT[None])
    np.testing.assert_array_equal(session.record.masks(29), LEFT[None])


def test_undoing_a_correction_before_going_on_makes_nothing_stale(session: Session) -> None:
    item = session.add(0, LEFT)
    track(session, COUNT)
    session.set_mask(item.key, 30, RIGHT)
    session.rename(item.key, "ball")
    session.undo()
    session.undo()
    assert session.stale() is None


def test_a_correction_that_changes_again_is_tracked_again_from_the_frame_before(session: Session) -> None:
    item = session.add(0, LEFT)
    track(session, 20)
    session.set_mask(item.key, 10, RIGHT)
    session.begin(session.plan(), RIGHT[None])
    session.remove_correction(item.key, 10)
    plan = session.plan()
    assert (plan.start, plan.corrected, plan.tracked.restarts) == (10, False, (9,))


def test_an_earlier_correction_keeps_later_ones(session: Session) -> None:
    item = session.add(0, LEFT)
    track(session, COUNT)
    session.set_mask(item.key, 30, RIGHT)
    session.begin(session.plan(), RIGHT[None])
    session.set_mask(item.key, 20, RIGHT)
    plan = session.plan()
    assert plan.start == 21
    assert [region.frame for region in plan.tracked.objects[0].corrections] == [20, 30]


def test_an_object_that_joins_or_goes_later_is_tracked_from_its_first_frame(session: Session) -> None:
    session.add(0, LEFT)
    track(session, 20)
    other = session.add(8, RIGHT)
    plan = session.plan()
    assert (plan.start, plan.corrected, plan.tracked.restarts) == (8, False, (7,))
    track(session, 12)
    assert masks_of(np.zeros((HEIGHT, WIDTH), int), 2).shape == session.record.masks(12).shape
    session.delete(other.key)
    assert session.stale() == 8
    assert [shown.number for shown in session.shown(12)] == [1]


def test_a_session_is_taken_up_as_it_was(session: Session, tmp_path: Path) -> None:
    item = session.add(1, LEFT)
    session.recolour(item.key, (9, 8, 7))
    track(session, 5)
    session.set_mask(item.key, 3, RIGHT)
    with (tmp_path / "record.jsonl").open("a") as file:
        file.write('{"frame": "cut off by a power c')
    again = Session.load(tmp_path)
    assert again.objects == session.objects
    assert again.tracked == session.tracked
    assert len(again.record) == 5
    assert again.stale() == 3
    assert again.add(0, LEFT).key != item.key


def test_a_damaged_session_is_told(session: Session, tmp_path: Path) -> None:
    session.save()
    (tmp_path / SESSION_FILE).write_text("{")
    with pytest.raises(DataError, match=r"session\.json: cannot be read"):
        Session.load(tmp_path)


def test_a_full_disk_loses_nothing_that_was_said(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.add(0, LEFT)
    before, content = session.objects, (tmp_path / SESSION_FILE).read_bytes()

    def refuse(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hqtrack.files.create", refuse)
    with pytest.raises(OSError, match="No space"):
        session.add(0, RIGHT)
    with pytest.raises(OSError, match="No space"):
        session.undo()
    assert session.objects == before
    assert (tmp_path / SESSION_FILE).read_bytes() == content


def test_a_session_of_an_earlier_version_is_read(session: Session, tmp_path: Path) -> None:
    session.add(0, LEFT)
    track(session, 3)
    track(session, 2)
    before, basis = session.objects, session.tracked
    assert basis.restarts == (2,)
    file = tmp_path / SESSION_FILE
    text = file.read_text().replace('"objects"', '"things"').replace('"restarts"', '"gone_on"')
    file.write_text(text)
    loaded = Session.load(tmp_path)
    assert (loaded.objects, loaded.tracked) == (before, basis)
