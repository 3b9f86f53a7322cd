"""Items that a thread makes ahead."""

import pytest

from hqtrack import DataError
from hqtrack.video.sources.prefetch import prefetch


def test_decoding_runs_ahead_by_a_bounded_number() -> None:
    import threading

    made = 0
    ready = threading.Event()

    def items():
        nonlocal made
        for number in range(100):
            made += 1
            if made == 4:
                ready.set()
            yield number

    ahead = prefetch(items(), 3)
    assert next(ahead) == 0
    assert ready.wait(5)
    assert 4 <= made <= 6
    assert list(ahead) == list(range(1, 100))


def test_an_error_in_the_decoding_thread_reaches_the_reader() -> None:
    def items():
        yield 1
        raise DataError("frame 2 is broken")

    ahead = prefetch(items(), 3)
    assert next(ahead) == 1
    with pytest.raises(DataError, match="frame 2"):
        next(ahead)
