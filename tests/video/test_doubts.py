"""Which frames a person should look at."""

from fractions import Fraction

import numpy as np

from hqtrack.video.doubts import Doubts, is_doubtful
from hqtrack.video.objects import TrackedObject
from hqtrack.video.sources import Frame
from hqtrack.video.tracked_frame import TrackedFrame


def test_doubtful_frames_are_named_in_ranges_and_unseen_objects_are_not_doubtful() -> None:
    doubts = Doubts()
    objects = (TrackedObject(2), TrackedObject(7, name="dog"))
    scores = [(0.9, 0.0), (0.2, 0.0), (0.3, 0.99), (0.95, 0.1), (0.1, 1.0)]
    for index, each in enumerate(scores):
        frame = Frame(np.zeros((4, 6, 3), np.uint8), 10 * index, Fraction(index, 25), str(index))
        doubts.see(TrackedFrame(frame, np.ones((2, 4, 6), bool), objects=objects, scores=each))
    assert [is_doubtful(score) for score in (0.0, 0.01, 0.89, 0.9, 1.0)] == [False, True, True, False, False]
    assert doubts.lines() == ["object 2 doubtful in frames 10-20, 40", "dog doubtful in frames 30"]
