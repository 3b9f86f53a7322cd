"""What a person said and what was tracked: numbers, undoing, what is stale, and how tracking goes on."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hqtrack import DataError, InputError
from hqtrack.masks import masks_of
from hqtrack.video.objects import TrackedObject
from hqtrack.video.sources import Frame
from hqtrack.video.tracked_frame import TrackedFrame
from hqtrack.web.plan import references
from hqtrack.web.saved import SESSION_FILE
from hqtrack.web.session import Session
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
        session.append(f"{index:08d}", np.array(masks, bool).reshape(-1, HEIGHT, WIDTH))


def test_objects_keep_their_numbers_whatever_joins_or_goes(session: Session) -> None:
    late, early = session.add(5, LEFT), session.add(2, RIGHT)
    assert [item.key for item in session.objects] == [early.key, late.key] == [2, 1]
    assert late.title == "object 1"
    paint = early.paint
    session.rename(late.key, " ball ")
    assert session.find(late.key).title == "ball"
    session.delete(late.key)
    assert [(item.key, item.paint) for item in session.objects] == [(2, paint)]
    assert session.add(0, LEFT).key == 3, "a number is not used again while undoing may bring it back"


def test_an_addition_that_was_undone_leaves_no_gap(session: Session) -> None:
    session.add(0, LEFT)
    session.undo()
    assert session.add(0, RIGHT).key == 1


def test_deleting_needs_no_tracking(session: Session) -> None:
    first, second, third = session.add(0, LEFT), session.add(0, RIGHT), session.add(3, filled((60, 60, 9, 9)))
    track(session, COUNT)
    session.delete(second.key)
    assert session.stale() is None
    assert session.next_frame() is None
    assert [shown.object.key for shown in session.shown(9)] == [first.key, third.key]
    np.testing.assert_array_equal(session.mask(first.key, 9), LEFT)
    # What is tracked again is tracked without it; what stays, stays.
    session.set_mask(first.key, 30, RIGHT)
    plan = session.plan()
    assert [item.key for item in plan.tracked.objects] == [first.key, third.key]
    assert plan.tracked.deleted == (second.key,)
    session.begin(plan, session.masks(30, [first.key, third.key]))
    again = Session.load(session.folder)
    assert len(again.record) == 31
    np.testing.assert_array_equal(again.mask(first.key, 10), LEFT)
    np.testing.assert_array_equal(again.mask(third.key, 30), filled((60, 60, 9, 9)))
    session.undo()
    session.undo()
    assert session.stale() == 0, "brought back after frames were tracked without it"


def test_a_lost_object_is_known_by_the_frame_since_which_it_is_not_seen(session: Session) -> None:
    item, seen = session.add(0, LEFT), session.add(0, RIGHT)
    assert session.lost(item.key) is None
    session.begin(session.plan(), None)
    nothing = np.zeros_like(LEFT)
    for index in range(10):
        session.append(f"{index}", np.array([nothing if index in (3, 7, 8, 9) else LEFT, RIGHT]))
    assert (session.lost(item.key), session.lost(seen.key)) == (7, None)
    session.set_mask(seen.key, 8, LEFT)
    assert session.lost(item.key) == 7
    session.set_mask(seen.key, 6, LEFT)
    assert session.lost(item.key) is None, "what is out of date does not count"


def test_a_record_of_an_earlier_version_is_read(session: Session, tmp_path: Path) -> None:
    late, early = session.add(5, LEFT), session.add(2, RIGHT)
    track(session, 10)
    lines = [json.loads(line) for line in (tmp_path / "record.jsonl").read_text().splitlines()]
    for line in lines:
        del line["ids"], line["scores"]
    (tmp_path / "record.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    again = Session.load(tmp_path)
    np.testing.assert_array_equal(again.mask(late.key, 9), LEFT)
    np.testing.assert_array_equal(again.mask(early.key, 9), RIGHT)
    assert again.record.scores(9) == {early.key: 1, late.key: 1}


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
    assert references(plan) == [2, 9]


def test_a_correction_makes_later_frames_stale_and_stays_a_reference(session: Session) -> None:
    item = session.add(0, LEFT)
    track(session, COUNT)
    assert session.next_frame() is None
    session.set_mask(item.key, 30, RIGHT)
    assert session.stale() == session.next_frame() == 30
    plan = session.plan()
    assert (plan.start, plan.corrected, plan.tracked.restarts) == (31, True, ())
    assert references(plan) == [0, 30]
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
    assert session.stale() is None
    assert [shown.object.key for shown in session.shown(12)] == [1]


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


def test_swapped_objects_need_no_tracking_and_tracking_continues_from_what_is_shown(session: Session) -> None:
    one, other = session.add(0, LEFT), session.add(0, RIGHT)
    track(session, 20)
    session.set_mask(one.key, 15, filled((60, 60, 9, 9)))
    session.begin(session.plan(), np.stack([filled((60, 60, 9, 9)), RIGHT]))
    for index in range(16, 20):
        session.append(f"{index}", np.stack([LEFT, RIGHT]), [0.5, 0.7])
    session.identify("swap", (one.key, other.key), 10)
    assert session.stale() is None
    np.testing.assert_array_equal(session.mask(one.key, 9), LEFT)
    np.testing.assert_array_equal(session.mask(one.key, 10), RIGHT)
    assert session.scores(18) == {one.key: 0.7, other.key: 0.5}
    # A correction belongs to who is shown there.
    np.testing.assert_array_equal(session.mask(other.key, 15), filled((60, 60, 9, 9)))
    assert [region.frame for region in session.find(other.key).corrections] == [15]
    plan = session.plan()
    assert (plan.start, plan.tracked.restarts) == (20, (19,))
    session.begin(plan, None)
    np.testing.assert_array_equal(session.masks(19, [one.key, other.key]), np.stack([RIGHT, LEFT]))
    session.append("20", np.stack([RIGHT, LEFT]))
    np.testing.assert_array_equal(Session.load(session.folder).mask(one.key, 20), RIGHT)
    session.undo()
    assert session.stale() == 20, "what was tracked after it was tracked of it"
    np.testing.assert_array_equal(session.mask(one.key, 12), LEFT)
    session.redo()
    assert session.stale() is None
    # What is tracked again is not swapped once more.
    session.set_mask(one.key, 12, RIGHT | LEFT)
    session.begin(session.plan(), np.stack([RIGHT, LEFT]))
    session.append("13", np.stack([RIGHT, LEFT]))
    np.testing.assert_array_equal(session.mask(one.key, 13), RIGHT)
    np.testing.assert_array_equal(session.mask(one.key, 11), RIGHT)
    session.undo()
    session.undo()
    np.testing.assert_array_equal(session.mask(one.key, 13), RIGHT)


def test_an_object_becomes_part_of_another_from_a_frame_on(session: Session) -> None:
    part, whole = session.add(0, LEFT), session.add(0, RIGHT)
    track(session, 20)
    session.set_mask(whole.key, 18, RIGHT)
    before = session.given
    session.identify("merge", (part.key, whole.key), 5)
    assert session.stale() == 18
    np.testing.assert_array_equal(session.mask(whole.key, 5), LEFT | RIGHT)
    np.testing.assert_array_equal(session.mask(whole.key, 18), LEFT | RIGHT)
    assert session.mask(part.key, 5) is None
    np.testing.assert_array_equal(session.mask(part.key, 4), LEFT)
    session.undo()
    assert session.given == before
    for pair, frame, why in (
        ((1, 1), 5, "two objects"),
        ((1, 2), 0, "go to a later one"),
        ((1, 2), 18, "out of date"),
        ((1, 9), 5, "was deleted"),
    ):
        with pytest.raises(InputError, match=why):
            session.identify("swap", pair, frame)


def test_a_session_is_tracked_again_from_here_and_another_card_makes_all_out_of_date(
    session: Session,
) -> None:
    session.card = "a"
    session.add(0, LEFT)
    track(session, COUNT)
    plan = session.plan(since=11)
    assert (plan.start, plan.corrected, plan.tracked.restarts) == (12, False, (11,))
    with pytest.raises(InputError, match="all frames are tracked"):
        session.plan(since=COUNT - 1)
    session.choose("b", "cpu")
    assert (session.stale(), session.plan().start) == (0, 0)
    assert session.plan().tracked.card == "b"
    session.choose("a", "")
    assert session.stale() is None
    assert Session.load(session.folder).card == "a"


def test_a_mask_before_an_object_begins_is_its_first_one_where_it_was_tracked_backward(
    session: Session,
) -> None:
    item, other = session.add(6, LEFT), session.add(0, RIGHT)
    track(session, 10)
    session.begin_backward()
    for frame in range(6, 1, -1):
        wide = LEFT | RIGHT  # where another one is surer, that has the pixels
        found = np.stack([wide, np.zeros_like(LEFT)]) if frame < 6 else np.stack([LEFT, np.zeros_like(LEFT)])
        objects = [TrackedObject(item.key), TrackedObject(other.key)]
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        session.append_backward(
            TrackedFrame(
                Frame(image, frame, Fraction(0), f"{frame}"), found, objects=objects, scores=[0.4, 0]
            )
        )
    assert session.stale() is None
    assert session.mask(item.key, 1) is None, "it was tracked to frame 2"
    again = Session.load(session.folder)
    for each in (session, again):
        np.testing.assert_array_equal(each.mask(item.key, 3), LEFT)
        np.testing.assert_array_equal(each.mask(other.key, 3), RIGHT)
    assert session.scores(3) == {item.key: 0.4, other.key: 1}
    session.set_mask(item.key, 4, RIGHT)
    moved = session.find(item.key)
    assert (moved.first.frame, [region.frame for region in moved.corrections]) == (4, [6])
    assert session.mask(item.key, 3) is None, "what was tracked backward was of another mask"
    assert session.stale() == 4
    session.undo()
    np.testing.assert_array_equal(session.mask(item.key, 3), LEFT)
