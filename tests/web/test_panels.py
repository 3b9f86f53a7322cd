"""The panels next to the frame."""

import asyncio
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import pytest

from hqtrack.video.writers import WRITERS, VideoFacts, WriterKind, open_writer

pytest.importorskip("nicegui", reason="these tests need the page's packages")

from nicegui import Client, ui
from nicegui.events import KeyboardAction, KeyboardKey, KeyboardModifiers, KeyEventArguments
from nicegui.page import page

from hqtrack.web.canvas import Canvas
from hqtrack.web.export_panel import ExportPanel
from hqtrack.web.frame_view import FrameView
from hqtrack.web.object_list import ObjectRow
from hqtrack.web.outlines import path_of
from hqtrack.web.page import SessionPage
from hqtrack.web.pointing import Drag
from hqtrack.web.preferences import Preferences
from hqtrack.web.service import TrackingService
from hqtrack.web.settings import Settings
from hqtrack.web.store import Store
from hqtrack.web.tracking import SharedTracker
from web_server import filled, green, orange, write_video


def test_the_page_offers_every_writer_by_its_title(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = WriterKind("other/*.png", "Other images", "other images.", ".labels:LabelImages")
    monkeypatch.setitem(WRITERS, "other", other)
    with Client(page("/panels")) as client:
        store = Store(tmp_path / "sessions", write_video(tmp_path / "clip.mp4", 1), upload_limit=1)
        service = TrackingService(store, SharedTracker(cast("Any", None)), Settings())
        ExportPanel(service, store.create("me", store.root, "clip"), lambda do: do(), ())
        shown = [each.text for each in client.elements.values() if isinstance(each, ui.checkbox)]
    assert shown == [*(kind.title for kind in WRITERS.values()), "Largest part alone"]
    assert "Other images" in shown
    assert open_writer("other", tmp_path, VideoFacts(Fraction(25))).path == tmp_path / "other"


def test_hovering_shows_what_a_click_would_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(FrameView, "preview", lambda self, path: shown.append(path))
    shared = SharedTracker(cast("Any", None))
    monkeypatch.setattr(shared, "mask", lambda *of: filled(green()))
    with Client(page("/canvas")):
        store = Store(tmp_path / "sessions", write_video(tmp_path / "clip.mp4", 1), upload_limit=1)
        opened = store.create("me", store.root, "clip")
        service = TrackingService(store, shared, Settings())
        canvas = Canvas(service, opened, change=lambda do: do(), on_press=lambda: None)
        asyncio.run(canvas.preview(Drag(0, [(120, 90)])))
        opened.session.add(0, filled(orange(0)))
        asyncio.run(canvas.preview(Drag(0, [(30, 40)])))  # where a click would choose the other object
        asyncio.run(canvas.preview(Drag(0, [(120, 90)], exclude=True)))  # nothing is there to take from
    assert shown == [path_of(filled(green())), "", ""]
    assert len(opened.session.objects) == 1


def test_keys_go_from_one_doubtful_stretch_to_the_next_and_from_mark_to_mark(tmp_path: Path) -> None:
    store = Store(tmp_path / "sessions", write_video(tmp_path / "clip.mp4", 8), upload_limit=1)
    opened = store.create("me", store.root, "clip")
    session = opened.session
    session.add(0, filled(green()))
    session.begin(session.plan(), None)
    for frame, score in enumerate((1, 1, 0.5, 0.5, 1, 0.7, 1, 1)):
        session.append(f"{frame}", filled(green())[None], [score])
    service = TrackingService(store, SharedTracker(cast("Any", None)), Settings())
    with Client(page("/keys")) as client:
        shown = SessionPage(service, opened, Preferences(), "me")
        press = KeyboardAction(keydown=True, keyup=False, repeat=False)

        def frame_after(key: str, *, shift: bool = False) -> int:
            held = KeyboardModifiers(alt=False, ctrl=False, meta=False, shift=shift)
            pressed = KeyboardKey(name=key, code=key, location=0)
            shown._on_key(
                KeyEventArguments(
                    sender=client.content, client=client, action=press, key=pressed, modifiers=held
                )
            )
            return shown._time_line.frame

        assert [frame_after(key) for key in ("Home", ".", ".", ".", "End", ",", ",", ",")] == [
            *(0, 2, 5, 5),
            *(7, 5, 2, 2),
        ]
        assert frame_after("ArrowLeft", shift=True) == 0


def test_a_name_that_is_undone_before_it_was_shown_leaves_its_field(tmp_path: Path) -> None:
    store = Store(tmp_path / "sessions", write_video(tmp_path / "clip.mp4", 1), upload_limit=1)
    session = store.create("me", store.root, "clip").session
    session.add(0, filled(green()))
    (item,) = session.objects
    with Client(page("/names")):
        row = ObjectRow("/thumbnails/clip")
    row.show(item, None)
    row.name.value = "cat"  # which somebody types; the session takes the name and loses it again
    row.show(item, None)
    assert row.name.value == "cat", "what is being typed stays"
    row.forget()
    row.show(item, None)
    assert row.name.value == ""
