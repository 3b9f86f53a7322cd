"""Items that a thread works on behind."""

import threading

import pytest

from hqtrack import DataError
from hqtrack.video.backlog import Backlog


def test_all_items_are_done_in_order_before_it_is_left() -> None:
    done: list[int] = []
    with Backlog(done.append, 2) as backlog:
        for number in range(50):
            backlog.hand_over(number)
    assert done == list(range(50))


def test_no_more_items_wait_than_asked_for() -> None:
    gate = threading.Event()
    handed = 0

    def hand_all(backlog: Backlog[int]) -> None:
        nonlocal handed
        for number in range(10):
            backlog.hand_over(number)
            handed += 1

    with Backlog(lambda _: gate.wait(), 3) as backlog:
        thread = threading.Thread(target=hand_all, args=(backlog,))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        assert handed <= 4  # three wait, one is at work
        gate.set()
        thread.join()
    assert handed == 10


def test_an_error_is_raised_where_the_next_item_comes() -> None:
    failed = threading.Event()

    def fail(number: int) -> None:
        failed.set()
        raise DataError(f"item {number} is broken")

    def hand_all() -> None:
        with Backlog(fail, 2) as backlog:
            backlog.hand_over(0)
            failed.wait()
            for number in range(1, 100):
                backlog.hand_over(number)

    with pytest.raises(DataError, match="item 0"):
        hand_all()


def test_an_error_in_the_last_item_is_raised_at_the_end() -> None:
    def fail(number: int) -> None:
        raise DataError(f"item {number} is broken")

    with pytest.raises(DataError, match="item 7"), Backlog(fail, 2) as backlog:
        backlog.hand_over(7)


def test_what_waits_is_done_after_an_error_elsewhere() -> None:
    done: list[int] = []

    def hand_all_and_fail() -> None:
        with Backlog(done.append, 5) as backlog:
            for number in range(5):
                backlog.hand_over(number)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        hand_all_and_fail()
    assert done == list(range(5))


def test_what_waits_is_dropped_after_an_interruption() -> None:
    gate = threading.Event()
    done: list[int] = []

    def work(number: int) -> None:
        gate.wait()
        done.append(number)

    def hand_all_and_interrupt() -> None:
        with Backlog(work, 5) as backlog:
            for number in range(5):
                backlog.hand_over(number)
            threading.Timer(0.2, gate.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hand_all_and_interrupt()
    assert done in ([], [0])  # the one at work is finished
