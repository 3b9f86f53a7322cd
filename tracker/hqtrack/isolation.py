"""What a caller does to PyTorch and to processes, kept away from our networks.

PyTorch's default dtype, default device and autocast hold for a whole process or thread. Networks that were
written for float32 fail under other ones, or compute something else in silence.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread

import torch

logger = logging.getLogger(__name__)

AUTOCAST = ("cpu", "cuda", "mps")
"""Devices on which a caller may have switched autocast on."""

_process = os.getpid()


@contextmanager
def own_settings() -> Iterator[None]:
    """Run networks with PyTorch's original settings, whatever the caller has changed.

    That is default dtype, default device and autocast. The caller's settings hold again afterwards. Where
    nothing is changed this takes microseconds.
    """
    _leave_threads_of_parent()
    with ExitStack() as stack:
        dtype = torch.get_default_dtype()
        if dtype != torch.float32:
            stack.callback(torch.set_default_dtype, dtype)
            torch.set_default_dtype(torch.float32)
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        for kind in AUTOCAST:
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield


def end_with(parent: int) -> None:
    """End this process when its parent is killed; a worker would wait for ever for the next piece of work.

    Args:
        parent: Its number.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    Thread(target=watch, name="hqtrack-parent", daemon=True).start()


def _leave_threads_of_parent() -> None:
    """Compute on one thread in a forked process.

    A fork copies no threads: OpenMP waits for ever for those that its parent had started.
    """
    global _process
    if os.getpid() == _process:
        return
    _process = os.getpid()
    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)
        logger.warning(
            "this process was forked: networks run on one thread here; processes that are started with "
            '"spawn" have all of them'
        )
