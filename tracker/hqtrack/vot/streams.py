"""Keeping a tracker process's standard output for the protocol.

The toolkit reads protocol messages from standard output and joins standard error to the same pipe: a stray
print, also from a compiled library, would corrupt a session, and text without a newline would hang it.
"""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
from contextlib import suppress


class _StrayOutput:
    """What has been printed: collected in a file, handed on as whole lines between messages."""

    def __init__(self) -> None:
        self._errors = os.dup(2)
        descriptor, path = tempfile.mkstemp(prefix="hqtrack-prints-")
        self._reader = open(path, "rb", buffering=0)  # noqa: SIM115 (open as long as the process lives)
        self._rest = b""
        for standard in (1, 2):
            os.dup2(descriptor, standard)
        os.close(descriptor)
        with suppress(OSError):  # Windows deletes no open file: there it stays among the temporary ones
            os.unlink(path)

    def forward(self, *, final: bool = False) -> None:
        """Hand on the lines that are complete; at the end, the last one even if it is not."""
        text = self._rest + self._reader.read()
        if final and text and not text.endswith(b"\n"):
            text += b"\n"
        lines = text[: text.rfind(b"\n") + 1]
        self._rest = text[len(lines) :]
        try:
            # A line that looks like the protocol's must not begin like one.
            while lines:
                line, _, lines = lines.partition(b"\n")
                os.write(self._errors, (b" " if line.startswith(b"@@TRAX:") else b"") + line + b"\n")
        except OSError:
            return  # the toolkit has gone: nobody reads


_stray: _StrayOutput | None = None


def reserve_stdout() -> None:
    """Return standard output to TraX alone, and keep whatever else is printed until `forward_prints`.

    To be called once, before anything is imported that could print.
    """
    global _stray
    protocol = os.dup(1)
    os.set_inheritable(protocol, True)
    os.environ["TRAX_OUT"] = str(protocol)
    _stray = _StrayOutput()
    sys.stdout = sys.stderr
    atexit.register(_stray.forward, final=True)


def forward_prints() -> None:
    """Hand what was printed since the last call on to standard error, in whole lines.

    To be called between messages of the protocol, never during one. Nothing happens where standard output was
    not reserved.
    """
    if _stray is not None:
        sys.stderr.flush()
        _stray.forward()
