"""What the time line shows, without a browser."""

from pathlib import Path

import numpy as np
import pytest

from hqtrack.web.session import Session
from hqtrack.web.tracks import Span, doubtful_stretches, marks, spans, tracks_of
from web_server import COUNT, HEIGHT, WIDTH, filled

LEFT, RIGHT = filled((10, 10, 20, 20)), filled((100, 10, 20, 20))


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Return a session whose first object is doubtful, then lost, found again, and lost to the end."""
    session = Session(
        tmp_path, owner="me", source="/clip.mp4", title="clip", size=(HEIGHT, WIDTH), count=COUNT
    )
    session.add(0, LEFT)
    session.add(2, RIGHT)
    session.begin(session.plan(), None)
    for frame, score in enumerate((1, 1, 0.98, 0.79, 0.5, 0, 0, 0.9, 0.7, 0)):
        masks = [LEFT if score else np.zeros_like(LEFT), RIGHT][: 1 if frame < 2 else 2]
        session.append(f"{frame}", np.array(masks), [score, 1][: len(masks)])
    return session


def test_scores_become_spans_from_where_an_object_begins(session: Session) -> None:
    first, second = session.objects
    assert spans(session, first) == [
        Span(0, 2, 1),
        Span(2, 3, 0.95),
        Span(3, 4, 0.75),
        Span(4, 5, 0.5),
        Span(5, 7, 0),
        Span(7, 8, 0.9),
        Span(8, 9, 0.7),
        Span(9, 10, 0),
    ]
    assert spans(session, second) == [Span(2, 10, 1)]


def test_keys_lead_to_doubtful_stretches_and_to_marks(session: Session) -> None:
    assert doubtful_stretches(session) == [3, 8]
    assert marks(session) == [0, 2, 9], "first frames, and where the first object is lost"
    session.set_mask(2, 6, LEFT)
    assert marks(session) == [0, 2, 5, 6], "the correction, from which on all is out of date"
    assert tracks_of(session)["stale"] == 6
    assert [row["corrections"] for row in tracks_of(session)["rows"]] == [[], [6]]
