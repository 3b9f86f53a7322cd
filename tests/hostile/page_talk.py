"""What a stranger may send to the page: requests by hand, right and broken ones."""

from __future__ import annotations

import re
import socket
from typing import NamedTuple

SECONDS = 300.0
"""So long an answer may take, on a machine that does other things too."""


class Answer(NamedTuple):
    """What the page answered."""

    status: int | None
    """None where it closed the connection without a word."""
    head: str


FOREIGN_HOSTS = (
    *(
        "evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1/evil",
        "127.0.0.1?x",
        "127.0.0.1#x",
        "127.0.0.1.evil",
    ),
    *(
        "[",
        "]",
        "[abc]",
        "http://[",
        "127.0.0.1:99999999",
        "127.0.0.1:80:80",
        "localhost.",
        "0",
        " ",
        "\t",
        "\xff",
    ),
)
FOREIGN_ORIGINS = (
    "http://evil.example",
    "ftp://{host}",
    "null",
    "http://",
    "http://[",
    "{host}",
    "http://{host}/x",
)


def ask(host: str, lines: list[str], body: bytes = b"") -> Answer:
    """Send a request, and return what comes back."""
    return talk(host, "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body)


def talk(host: str, content: bytes, *, hang_up: bool = False) -> Answer:
    """Send bytes, and return what comes back; who hangs up says that nothing more will come."""
    name, port = host.rsplit(":", 1)
    received = b""
    with socket.create_connection((name, int(port)), SECONDS) as connection:
        try:
            connection.sendall(content)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
            while len(received) < 1 << 16 and (part := connection.recv(1 << 14)):
                received += part
        except OSError:
            pass  # it may close while we still write
    text = received.decode("latin-1")
    found = re.match(r"HTTP/1\.[01] (\d{3})", text)
    return Answer(int(found[1]) if found else None, text.split("\r\n\r\n")[0])


def first_session(host: str) -> tuple[str, str]:
    """Open the page as a browser does; returns the session's name and the cookie that owns it."""
    answer = ask(host, ["GET / HTTP/1.1", f"Host: {host}"])
    name = re.search(r"location: /session/(\S+)", answer.head, re.IGNORECASE)
    cookie = re.search(r"set-cookie: (hqtrack-owner=[^;\r]+)", answer.head, re.IGNORECASE)
    assert name, answer
    assert cookie, answer
    return name[1], cookie[1]


def foreign_requests(host: str) -> dict[str, bytes]:
    """Return requests that another site's page, or a name that was made to point here, would send."""
    port = host.rsplit(":", 1)[1]
    heads = {f"Host {name!r}": f"Host: {name}" for name in FOREIGN_HOSTS}
    heads |= {f"Origin {o!r}": f"Host: {host}\r\nOrigin: {o.format(host=host)}" for o in FOREIGN_ORIGINS}
    heads |= {
        "two hosts": f"Host: {host}\r\nHost: evil.example",
        "two equal hosts": f"Host: {host}\r\nHost: {host}",
        "two origins": f"Host: {host}\r\nOrigin: http://{host}\r\nOrigin: http://evil.example",
        "another host with the port": f"Host: evil.example:{port}",
        "no host": "Accept: */*",
    }
    return {
        name: f"GET / HTTP/1.1\r\n{head}\r\nConnection: close\r\n\r\n".encode("latin-1")
        for name, head in heads.items()
    }


def odd_requests(host: str, session: str, cookie: str) -> dict[str, bytes]:
    """Return requests of somebody who is let in, and asks for what is not there."""
    digits, up = "9" * 5000, "%2e%2e%2f" * 6
    paths = [
        *(
            f"/frames/{session}/{index}.jpg"
            for index in ("-1", "9" * 30, digits, "0%00", "٣".encode().hex(), "1e3")
        ),
        *(
            f"/frames/{session}/0.jpg?{query}"
            for query in (f"o={digits}", "o=" + "9" * 30, "c=" + "9" * 30, "m=9")
        ),
        *(
            f"/frames/{session}/0.jpg?{query}"
            for query in (f"x={digits}", "x=1.2.a..", "x=%C2%B2", "c=-1", "o=-5")
        ),
        *(f"/frames/{name}/0.jpg" for name in ("..", up, "%00", "a" * 5000, session.upper() + "x")),
        *(
            f"/export/{session}/{file}"
            for file in ("session.json", f"{up}etc%2fpasswd", "%00", "..", "a" * 5000)
        ),
        *(
            f"/{place}/{name}"
            for place in ("tracks", "thumbnails", "session")
            for name in ("..", up, "%00", "nobody")
        ),
        *(
            "/" + up + "etc/passwd",
            "//evil.example/",
            "/%ff",
            "/?token=" + "a" * 5000,
            "/?token=%C3%A4",
            "/%5c..%5c",
        ),
        *(
            "/_nicegui_ws/socket.io/?EIO=4&transport=polling",
            "/_nicegui/x/static/..%2f..%2f",
            "/_nicegui/" + up,
        ),
    ]
    own = f"Host: {host}\r\nCookie: {cookie}\r\nConnection: close"
    requests = {
        f"GET {path[:80]}": f"GET {path} HTTP/1.1\r\n{own}\r\n\r\n".encode("latin-1") for path in paths
    }
    for file in (
        "a.mp4",
        "../a.mp4",
        "a.exe",
        "%00.mp4",
        "%F0%9F%98%80" * 90 + ".mp4",
        "." * 300,
        "",
        "a" * 5000 + ".png",
    ):
        line = f"POST /upload/{session}?file={file} HTTP/1.1\r\n{own}\r\nContent-Length: 3\r\n\r\nabc"
        requests[f"upload of {file[:60]}"] = line.encode()
    head = f"POST /upload/{session}?file=a.mp4 HTTP/1.1\r\n{own}\r\n"
    requests |= {
        "an upload without an end": f"{head}Content-Length: 999999\r\n\r\nabc".encode(),
        "an upload of another length": f"{head}Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde".encode(),
        "a negative length": f"{head}Content-Length: -3\r\n\r\nabc".encode(),
        "a length of exabytes": f"{head}Content-Length: {digits}\r\n\r\nabc".encode(),
        "pieces of no length": f"{head}Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n".encode(),
        "a body of 2 MB": f"POST / HTTP/1.1\r\n{own}\r\nContent-Length: 2000000\r\n\r\n".encode()
        + bytes(2_000_000),
        "a header of 200 kB": f"GET / HTTP/1.1\r\nX: {'a' * 200_000}\r\n{own}\r\n\r\n".encode(),
        "ten thousand headers": b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 10_000 + f"{own}\r\n\r\n".encode(),
        "a cookie of noise": f"GET / HTTP/1.1\r\nHost: {host}\r\nCookie: \xff=;;\x01,\r\n\r\n".encode(
            "latin-1"
        ),
        "an unknown method": f"HACK / HTTP/1.1\r\n{own}\r\n\r\n".encode(),
        "a hello of TLS": bytes.fromhex("16030100f8010000f40303") + bytes(240),
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
        "zeros": bytes(4096),
        "nothing": b"",
    }
    return requests


UNENDED = frozenset(
    {"an upload without an end", "an upload of another length", "a length of exabytes", "a negative length"}
    | {"pieces of no length", "a body of 2 MB", "a hello of TLS", "HTTP/2", "zeros", "nothing"}
)
"""Requests after which a server may wait for more."""


def verdict(answer: Answer, *, foreign: bool) -> str:
    """Return "refused" or "recovered", or what is wrong with an answer."""
    if foreign:
        return "refused" if answer.status in (400, 403) else f"was answered with {answer.status}"
    if answer.status is not None and answer.status >= 500 and answer.status != 507:
        return f"was answered with {answer.status}"
    return "recovered" if answer.status is not None and answer.status < 400 else "refused"
