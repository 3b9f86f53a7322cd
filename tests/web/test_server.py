"""The server as it is started, asked by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from web_server import Server

pytestmark = pytest.mark.slow

Start = Callable[..., Server]


def test_another_address_needs_the_password_that_is_printed_once(tab: Any, clip: Path, start: Start) -> None:
    server = start(clip, "--host", "0.0.0.0")
    password = server.line().strip().rpartition(" ")[2]
    assert len(password) >= 32
    address = server.address.replace("0.0.0.0", "127.0.0.1")
    assert requests.get(address, timeout=60).status_code == 401
    tab.goto(address)
    for given in (password[:-1], password):
        tab.get_by_label("Password, as the terminal printed it").fill(given)
        tab.get_by_role("button", name="Open").click()
        tab.get_by_text("That is not the password." if given != password else "Drag a box around").wait_for()
    assert "/session/" in tab.url
    assert requests.get(tab.url, timeout=60).status_code == 401


def test_each_browser_has_sessions_of_its_own(clip: Path, start: Start) -> None:
    address = start(clip).address
    mine, yours = requests.Session(), requests.Session()
    page = mine.get(address, timeout=60)
    frame = page.url.replace("/session/", "/frames/") + "/0.jpg"
    assert mine.get(frame, timeout=60).headers["content-type"] == "image/jpeg"
    for other in (yours, requests):
        answer = other.get(frame, timeout=60)
        assert (answer.status_code, answer.text) == (404, "there is no such session")
        assert "there is no such session" in other.get(page.url, timeout=60).text
    assert mine.get(frame.replace("/0.jpg", "/40.jpg"), timeout=60).status_code == 422
    assert mine.get(frame, headers={"Host": "evil.example"}, timeout=60).status_code == 403
    assert mine.get(frame, headers={"Origin": "http://evil.example"}, timeout=60).status_code == 403
    mine.close()
    yours.close()


def test_the_printed_link_shows_the_sessions_in_every_browser(clip: Path, start: Start) -> None:
    server = start(clip)
    link = server.said.split("the page is at ")[1].split()[0]
    mine, yours = requests.Session(), requests.Session()
    before = mine.get(server.address, timeout=60).url
    assert mine.get(link, timeout=60).url == before, "what the browser began before stays its own"
    frame = before.replace("/session/", "/frames/") + "/0.jpg"
    assert yours.get(frame, timeout=60).status_code == 404
    assert yours.get(link, timeout=60).url == before
    assert yours.get(frame, timeout=60).status_code == 200
    mine.close()
    yours.close()
