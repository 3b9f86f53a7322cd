"""The page with another engine, in a real browser: EdgeTAM with a small random network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engines.package import install_engines
from web_hand import drag_around, folder_of, open_video, press
from web_server import Server, orange, write_video

pytest.importorskip("playwright.sync_api", reason="these tests drive a browser")
pytest.importorskip("transformers", reason="needs hqtrack[sam2]")
pytest.importorskip("timm", reason="needs hqtrack[sam2]")

pytestmark = pytest.mark.slow


def test_an_object_is_tracked_by_edgetam(
    tab: Any, start: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = install_engines(tmp_path / "package", monkeypatch) / "small-edgetam.toml"
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "clip.mp4", 6)
    server = start(tmp_path / "videos", "--card", card, "--precision", "float32")
    open_video(tab, server, "clip.mp4")
    tab.get_by_text("small-edgetam.toml on auto").wait_for()
    drag_around(tab, orange(0))
    tab.get_by_label("Choose object 1").wait_for()
    press(tab, "Track")
    tab.get_by_text("6 of 6 frames tracked", exact=True).wait_for()
    press(tab, "Export")
    tab.get_by_text("Exported.", exact=True).wait_for()
    assert len(list((folder_of(tab, server) / "export" / "labels").iterdir())) == 6
