"""What reaches the parts of a cluster that is no part of it, and schedulers that are none."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from distributed import Client
from distributed.comm.addressing import parse_host_port

SECONDS = 300.0
"""So long a task may take after something went wrong; a worker starts in a few."""

GARBAGE: dict[str, bytes] = {
    "nothing": b"",
    "a request of HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a length of exabytes": b"\xff" * 64,
    "zeros": bytes(4096),
    "a message of Dask without TLS": (24).to_bytes(8, "little") + (1).to_bytes(8, "little") * 2 + b"\x80" * 8,
    "half a hello of TLS": bytes.fromhex("16030100f8010000f40303") + bytes(100),
    "a hello of SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
}

GREETINGS: dict[str, bytes | None] = {
    "a server of HTTP, which waits": None,
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "zeros": bytes(64),
    "a length of exabytes": b"\xff" * 64,
    "a length without a message": (90).to_bytes(8, "little") + b"ab",
}
"""What other servers say to whoever connects; None says nothing."""


def send(address: str, content: bytes) -> None:
    """Send bytes to a part of a cluster, and hang up."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(parse_host_port(address.partition("://")[2]), SECONDS) as connection,
    ):
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(0.2)
        connection.recv(1)


def parts(client: Client) -> list[str]:
    """Return the addresses of the scheduler, of the workers and of their nannies."""
    known = client.scheduler_info(n_workers=-1)
    nannies = [worker["nanny"] for worker in known["workers"].values()]
    return [known["address"], *known["workers"], *nannies]


def works(client: Client) -> bool:
    """Check that the cluster still does what it is asked to."""
    return bool(client.submit(pow, 2, 10, pure=False).result(timeout=SECONDS) == 1024)


def die_once(mark: str) -> str:
    """End the process that runs this, but not the one that runs it again."""
    if not Path(mark).exists():
        Path(mark).touch()
        os._exit(1)
    return "done"


@contextlib.contextmanager
def greeting(content: bytes | None) -> Iterator[str]:
    """Listen as another server does that greets in its own way; yields its address for Dask."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []

        def serve() -> None:
            with contextlib.suppress(OSError):  # it is closed at the end
                while True:
                    connection, _ = server.accept()
                    taken.append(connection)
                    if content is not None:
                        connection.sendall(content)

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        finally:
            for connection in taken:
                connection.close()
