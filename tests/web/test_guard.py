"""Who may talk to the page, tried with requests as a browser and as others send them."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from hqtrack.web.guard import BODY_LIMIT, OWNER_COOKIE, PASSWORD_COOKIE, Guard

HOSTS = frozenset({"127.0.0.1", "localhost"})


def ask(
    guard: Guard,
    *,
    path: str = "/",
    query: str = "",
    kind: str = "http",
    method: str = "GET",
    body: bytes = b"",
    **headers: str,
) -> tuple[int, dict[str, list[str]]]:
    """Send a request; gives the status (0: a socket was refused, 1: it reached the page) and headers."""
    scope = {
        "type": kind,
        "path": path,
        "query_string": query.encode(),
        "method": method,
        "headers": [
            (name.encode(), each.encode()) for name, value in headers.items() for each in value.split("\n")
        ],
    }
    sent: list[dict[str, Any]] = []
    chunks = [body[place : place + 65536] for place in range(0, len(body), 65536)] or [b""]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(guard(scope, receive, send))
    if sent[0]["type"] == "websocket.close":
        return 0, {}
    found: dict[str, list[str]] = {}
    for name, value in sent[0].get("headers", []):
        found.setdefault(name.decode(), []).append(value.decode())
    return sent[0]["status"], found


class Behind:
    """Stands for the page: remembers whose requests come through."""

    def __init__(self) -> None:
        self.owners: list[str] = []
        self.taken = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.owners.append(scope["state"]["owner"])
        while (message := await receive())["type"] == "http.request":
            self.taken += len(message["body"])
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
def guard(behind: Behind) -> Guard:
    return Guard(behind, hosts=HOSTS, password=None, upload_path=r"/upload/\w+")


@pytest.mark.parametrize("host", ["127.0.0.1:8090", "localhost:8090", "LOCALHOST"])
def test_the_page_is_reached_under_its_own_names(guard: Guard, host: str) -> None:
    assert ask(guard, host=host)[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.0.2.7:8090"])
def test_another_name_that_points_here_is_refused(guard: Guard, behind: Behind, host: str) -> None:
    assert ask(guard, host=host)[0] == 403
    assert ask(guard, kind="websocket", host=host)[0] == 0
    assert behind.owners == []


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:9999", "null"])
def test_another_sites_page_is_refused(guard: Guard, behind: Behind, origin: str, kind: str) -> None:
    assert ask(guard, kind=kind, host="127.0.0.1:8090", origin=origin)[0] in (0, 403)
    assert behind.owners == []


@pytest.mark.parametrize("password", [None, "correct horse"])
@pytest.mark.parametrize(
    "headers",
    [
        *(
            {"host": host}
            for host in (
                "",
                "evil.example@127.0.0.1",
                "127.0.0.1/evil",
                "127.0.0.1?x",
                "127.0.0.1#x",
                "127.0.0.1:80:80",
                "127.0.0.1\n127.0.0.1",
                "127.0.0.1\nevil.example",
                "[",
                "]",
                "[abc]",
                "http://[",
            )
        ),
        *(
            {"host": "127.0.0.1", "origin": origin}
            for origin in ("ftp://127.0.0.1", "http://[", "[", "]", "http://127.0.0.1/x", "//127.0.0.1", "")
        ),
        {"host": "127.0.0.1", "origin": "http://127.0.0.1\nhttp://evil.example"},
    ],
)
def test_headers_that_are_no_host_and_no_origin_are_bad_requests(
    behind: Behind, headers: dict[str, str], password: str | None
) -> None:
    hosts = HOSTS if password is None else None
    guard = Guard(behind, hosts=hosts, password=password, upload_path="-")
    assert ask(guard, **headers)[0] == 400
    assert ask(guard, kind="websocket", **headers)[0] == 0
    assert behind.owners == []


def test_each_browser_is_told_apart_by_a_secret_that_stays_in_it(guard: Guard, behind: Behind) -> None:
    _, first = ask(guard, host="localhost")
    _, second = ask(guard, host="localhost")
    cookie = first["set-cookie"][0]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert cookie != second["set-cookie"][0]
    _, again = ask(guard, host="localhost", cookie=cookie.split(";")[0])
    assert "set-cookie" not in again
    assert behind.owners[0] == behind.owners[2] != behind.owners[1]
    assert behind.owners[0] not in cookie, "what is stored with a session does not open it"
    _, forged = ask(guard, host="localhost", cookie=f"{OWNER_COOKIE}={behind.owners[0]}")
    assert forged["set-cookie"]
    assert behind.owners[3] != behind.owners[0]


def test_browsers_are_told_to_load_nothing_from_elsewhere(guard: Guard) -> None:
    _, headers = ask(guard, host="localhost")
    assert headers["content-security-policy"][0].startswith("default-src 'self'")


def test_a_body_that_is_no_upload_is_bounded(guard: Guard, behind: Behind) -> None:
    assert ask(guard, host="localhost", method="POST", body=bytes(3 * BODY_LIMIT))[0] == 413
    assert behind.taken == 0
    assert ask(guard, host="localhost", method="POST", body=bytes(BODY_LIMIT))[0] == 200
    assert behind.taken == BODY_LIMIT
    behind.taken = 0
    ask(guard, host="localhost", method="POST", path="/upload/x", body=bytes(3 * BODY_LIMIT))
    assert behind.taken == 3 * BODY_LIMIT


def test_a_password_is_asked_for_before_anything_is_seen(behind: Behind) -> None:
    guard = Guard(behind, hosts=None, password="correct horse", upload_path="-")
    for kind in ("http", "websocket"):
        assert ask(guard, kind=kind, host="any.example")[0] in (0, 401)
        assert ask(guard, kind=kind, host="any.example", cookie=f"{PASSWORD_COOKIE}=wrong")[0] in (0, 401)
    for wrong in ("", "wrong", "correct hors", "Correct horse"):
        body = f"password={quote(wrong)}".encode()
        assert ask(guard, host="any.example", method="POST", body=body)[0] == 401
    assert behind.owners == []
    status, headers = ask(guard, host="any.example", method="POST", body=b"password=correct+horse")
    assert (status, headers["location"]) == (303, ["/"])
    cookie = headers["set-cookie"][0].split(";")[0]
    assert ask(guard, host="any.example", cookie=cookie)[0] == 200
    assert ask(guard, kind="websocket", host="any.example", cookie=cookie)[0] == 200
    other = Guard(behind, hosts=None, password="correct horse", upload_path="-")
    assert ask(other, host="any.example", cookie=cookie)[0] == 401, "a new start needs the new password"


def test_browsers_that_open_the_printed_link_have_the_same_sessions(behind: Behind) -> None:
    moved: list[tuple[str, str]] = []
    token = "t" * 43
    guard = Guard(
        behind,
        hosts=HOSTS,
        password=None,
        upload_path="",
        token=token,
        on_link=lambda earlier, owner: moved.append((earlier, owner)),
    )
    ask(guard, host="localhost", cookie=f"{OWNER_COOKIE}={'a' * 43}")
    for cookie in ("", f"{OWNER_COOKIE}={'a' * 43}"):
        status, headers = ask(guard, query=f"token={token}", host="localhost", cookie=cookie)
        assert (status, headers["location"]) == (303, ["/"]), "the secret leaves the address"
        assert headers["set-cookie"][0].startswith(f"{OWNER_COOKIE}={token}; HttpOnly; SameSite=Strict")
    ask(guard, host="localhost", cookie=f"{OWNER_COOKIE}={token}")
    assert moved == [(behind.owners[0], behind.owners[1])], "what a browser had goes with it"
    for wrong in ("t" * 42, "", "é"):
        status, headers = ask(guard, query=f"token={quote(wrong)}", host="localhost")
        assert status == 200
        assert token not in headers["set-cookie"][0]


def test_the_printed_link_needs_the_password_too(behind: Behind) -> None:
    guard = Guard(behind, hosts=None, password="secret", upload_path="", token="t" * 43)
    status, _ = ask(guard, query=f"token={'t' * 43}", host="any.example")
    assert status == 401
    status, headers = ask(
        guard, query=f"token={'t' * 43}", method="POST", body=b"password=secret", host="any.example"
    )
    assert (status, headers["location"]) == (303, [f"/?token={'t' * 43}"])
    assert not behind.owners
