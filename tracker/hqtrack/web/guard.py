"""Who may talk to the page: requests are let through, or refused, before anything else sees them."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OWNER_COOKIE, PASSWORD_COOKIE = "hqtrack-owner", "hqtrack-pass"
"""Cookies: whose sessions a browser may see, and that it gave the password."""

CONTENT_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'self'"
)
"""Browsers load nothing from elsewhere, whatever the page names."""

BODY_LIMIT = 1 << 20
"""Bytes of a request that is no upload."""

_AUTHORITY = r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\])(?::[0-9]{1,5})?"
AUTHORITY = re.compile(_AUTHORITY)
"""A Host header, whole: nothing before the name, and nothing but a port behind it."""
ORIGIN = re.compile(rf"https?://(?P<authority>{_AUTHORITY})")

SINGLE_HEADERS = ("host", "origin")
"""Headers of which two would be read as one by one program and as the other by the next."""

SECONDS_PER_YEAR = 365 * 24 * 3600


class Guard:
    """Lets requests through that come from the page itself, and marks whose they are.

    Refused are a host name that is not the server's (another site's name that was made to point here), a
    request or socket that another site's page opened, a body that is too large, and, where a password is
    set, whoever has not given it. Each browser gets a secret of its own in a cookie; what the rest of the
    program gets of it, as `request.state.owner`, is its hash.

    Args:
        app: What gets the requests that are let through.
        hosts: Names and addresses under which the server is reached; None takes any, for an address that
            needs the password anyway.
        password: What must be given first; None needs none.
        upload_path: Pattern of the paths whose bodies bound themselves.
        token: The secret of the printed link; all browsers that opened it have the same sessions.
        on_link: Called with the earlier and the new owner when a browser opens the printed link.
    """

    def __init__(
        self,
        app: App,
        *,
        hosts: frozenset[str] | None,
        password: str | None,
        upload_path: str,
        token: str | None = None,
        on_link: Callable[[str, str], None] = lambda earlier, owner: None,
    ) -> None:
        self._app, self._hosts, self._password = app, hosts, password
        self._token, self._on_link = token, on_link
        self._upload_path = re.compile(upload_path)
        self._key = secrets.token_bytes(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            headers = _headers(scope["headers"])
            from_here = self._is_from_here(headers)
        except ValueError as error:
            await _answer(scope, send, 400, str(error))
            return
        if not from_here:
            await _answer(scope, send, 403, "This address is not the page's own.")
            return
        cookies = _cookies(headers.get("cookie", ""))
        if self._password is not None and not self._is_let_in(cookies):
            await self._ask(scope, receive, send)
            return
        owner = cookies.get(OWNER_COOKIE, "")
        if self._is_linked(scope):
            if re.fullmatch(r"[\w-]{43}", owner) and owner != self._token:
                self._on_link(_owner_of(owner), _owner_of(self._token or ""))
            cookie = _cookie(OWNER_COOKIE, self._token or "", SECONDS_PER_YEAR)
            await _answer(scope, send, 303, "", [(b"location", b"/"), (b"set-cookie", cookie)])
            return
        fresh = not re.fullmatch(r"[\w-]{43}", owner)
        owner = secrets.token_urlsafe(32) if fresh else owner
        scope.setdefault("state", {})["owner"] = _owner_of(owner)
        bounded = receive
        if scope["type"] == "http" and not self._upload_path.fullmatch(scope["path"]):
            try:
                bounded = await _bounded(receive, BODY_LIMIT)
            except ValueError as error:
                await _answer(scope, send, 413, str(error))
                return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [
                    (b"content-security-policy", CONTENT_POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
                extra += [(b"set-cookie", _cookie(OWNER_COOKIE, owner, SECONDS_PER_YEAR))] if fresh else []
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        await self._app(scope, bounded, send_with_headers)

    def _is_from_here(self, headers: dict[str, str]) -> bool:
        host = AUTHORITY.fullmatch(headers.get("host", ""))
        if host is None:
            raise ValueError("The Host header is not a host name with an optional port.")
        if self._hosts is not None and host["name"].strip("[]").lower() not in self._hosts:
            return False
        if "origin" not in headers or headers["origin"] == "null":
            return "origin" not in headers
        origin = ORIGIN.fullmatch(headers["origin"])
        if origin is None:
            raise ValueError("The Origin header is not http:// or https:// and a host name.")
        return origin["authority"].lower() == host[0].lower()

    def _is_linked(self, scope: Scope) -> bool:
        """Return whether a request opens the printed link."""
        if self._token is None or scope["type"] != "http" or scope["path"] != "/":
            return False
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        return hmac.compare_digest(given.encode(), self._token.encode())

    def _is_let_in(self, cookies: dict[str, str]) -> bool:
        return hmac.compare_digest(cookies.get(PASSWORD_COOKIE, "").encode(), self._ticket())

    def _ticket(self) -> bytes:
        """Return what the cookie holds of who knows the password; it changes with every start."""
        return hmac.new(self._key, (self._password or "").encode(), "sha256").hexdigest().encode()

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask for the password."""
        if scope["type"] == "http" and scope["method"] == "POST":
            body = b""
            more = True
            while more and len(body) < 4096:
                message = await receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
            given = parse_qs(body.decode("utf-8", "replace")).get("password", [""])[0]
            if hmac.compare_digest(given.strip().encode(), (self._password or "").encode()):
                cookie = _cookie(PASSWORD_COOKIE, self._ticket().decode(), SECONDS_PER_YEAR)
                query = scope.get("query_string", b"")  # which may be the printed link's
                location = b"/?" + query if query else b"/"
                await _answer(scope, send, 303, "", [(b"location", location), (b"set-cookie", cookie)])
                return
            await _answer(
                scope, send, 401, LOGIN_PAGE.format(note="That is not the password."), LOGIN_HEADERS
            )
            return
        await _answer(scope, send, 401, LOGIN_PAGE.format(note=""), LOGIN_HEADERS)


LOGIN_HEADERS = [(b"content-type", b"text/html; charset=utf-8")]

LOGIN_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>HQTrack</title>
<meta name="viewport" content="width=device-width"><style>:root{{color-scheme:light dark;font:16px system-ui}}
body{{display:grid;place-items:center;min-height:90vh}}form{{display:grid;gap:12px;width:22em}}
input,button{{font:inherit;padding:8px}}</style>
<form method="post"><h1>HQTrack</h1><label for="p">Password, as the terminal printed it</label>
<input id="p" name="password" type="password" autofocus required autocomplete="current-password">
<button>Open</button><p role="alert">{note}</p></form></html>"""


def _owner_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by their names in small letters.

    Raises:
        ValueError: One that decides who asks is there twice.
    """
    headers: dict[str, str] = {}
    for name_bytes, value in raw:
        name = name_bytes.decode("latin-1").lower()
        if name in SINGLE_HEADERS and name in headers:
            raise ValueError(f"There is more than one {name.title()} header.")
        headers[name] = value.decode("latin-1")
    return headers


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def _cookie(name: str, value: str, seconds: int) -> bytes:
    return f"{name}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}".encode()


async def _bounded(receive: Receive, limit: int) -> Receive:
    """Take a request's body before anything else sees it; returns what passes it on.

    Raises:
        ValueError: It exceeds the limit of bytes.
    """
    taken = 0
    messages: list[Message] = []
    while not messages or messages[-1].get("more_body", False):
        messages.append(await receive())
        taken += len(messages[-1].get("body", b""))
        if taken > limit:
            raise ValueError(f"A request has at most {limit} bytes here.")
    left = iter(messages)

    async def bounded() -> Message:
        return next(left, None) or await receive()

    return bounded


async def _answer(
    scope: Scope, send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 4403})
        return
    body = text.encode()
    base = [(b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    kind = headers or [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": [*base, *kind]})
    await send({"type": "http.response.body", "body": body})
