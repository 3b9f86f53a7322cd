"""The panels next to the frame."""

from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import pytest

from hqtrack.video.writers import WRITERS, VideoFacts
from hqtrack.video.writers.labels import LabelImages

pytest.importorskip("nicegui", reason="these tests need the page's packages")

from nicegui import Client, ui
from nicegui.page import page

from hqtrack.web.export import Settings
from hqtrack.web.export_panel import ExportPanel
from hqtrack.web.service import TrackingService
from hqtrack.web.store import Store
from hqtrack.web.tracking import SharedTracker
from web_server import write_video


def test_the_page_offers_every_writer_by_its_title(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class OtherImages(LabelImages):
        option = "other"
        title = "Other images"
        name = "other"

    monkeypatch.setitem(WRITERS, OtherImages.option, OtherImages)
    with Client(page("/panels")) as client:
        store = Store(tmp_path / "sessions", write_video(tmp_path / "clip.mp4", 1), upload_limit=1)
        service = TrackingService(store, SharedTracker(cast("Any", None)), Settings())
        ExportPanel(service, store.create("me", store.root, "clip"), lambda do: do(), ())
        shown = [each.text for each in client.elements.values() if isinstance(each, ui.checkbox)]
    assert shown == [writer.title for writer in WRITERS.values()]
    assert "Other images" in shown
    assert OtherImages(tmp_path, VideoFacts(Fraction(25))).path == tmp_path / "other"
