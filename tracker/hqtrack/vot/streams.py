"""Keeping a tracker process's standard output for the protocol."""

from __future__ import annotations

import os
import sys


def reserve_stdout() -> None:
    """Give standard output to TraX alone; whatever else prints goes to standard error.

    The toolkit reads protocol messages from standard output, so a stray print, also from a compiled library,
    would corrupt a session. To be called before anything is imported that could print.
    """
    protocol = os.dup(1)
    os.set_inheritable(protocol, True)
    os.environ["TRAX_OUT"] = str(protocol)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
