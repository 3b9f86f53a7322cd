"""Strangers' requests to the page are answered with 400 to 422, and leave it as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostile import page_talk
from web_server import Server, write_video

pytestmark = pytest.mark.slow


def test_no_request_gets_in_from_elsewhere_or_breaks_the_page(tmp_path: Path) -> None:
    pytest.importorskip("nicegui")
    server = Server(write_video(tmp_path / "clip.mp4", 4), tmp_path / "sessions")
    try:
        host = server.address.removeprefix("http://")
        session, cookie = page_talk.first_session(host)
        wrong = {}
        for foreign, requests in (
            (True, page_talk.foreign_requests(host)),
            (False, page_talk.odd_requests(host, session, cookie)),
        ):
            for name, content in requests.items():
                outcome = page_talk.verdict(
                    page_talk.talk(host, content, hang_up=name in page_talk.UNENDED), foreign=foreign
                )
                if outcome not in ("refused", "recovered"):
                    wrong[name] = outcome
        assert not wrong
        own = page_talk.ask(
            host, [f"GET /frames/{session}/0.jpg HTTP/1.1", f"Host: {host}", f"Cookie: {cookie}"]
        )
        assert own.status == 200, "the page is as it was"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "sessions"]
    finally:
        server.kill()
    assert "Traceback" not in server.rest()
