"""Workers: a cluster of this machine's own, or one that exists. Dask distributed does the work."""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import psutil
from distributed import Client, Nanny, Scheduler, SpecCluster, Worker
from distributed.comm.addressing import parse_host_port
from distributed.security import Security

from hqtrack.errors import DataError
from hqtrack.evaluation.tasks import COMPARED_PACKAGES, Need, worker_facts

SECONDS_TO_ANSWER = 10
"""A scheduler that is there answers within this time."""

SECONDS_WITHOUT_WORKERS = 120
"""So long a task waits where all workers have died, for one that is started again."""

LOOPBACK = "127.0.0.1"
"""Where a cluster of this machine listens: nothing but the machine itself reaches it."""

LONGEST_GREETING = 1 << 20
"""Bytes; Dask's has some hundred."""

NO_SCHEDULER = "it is no Dask scheduler: give the address that `dask scheduler` prints"

TRACKER_BYTES = 1_500_000_000
"""What a worker and its tracker need besides weights, measured with hqtrack-light (0.9 GB) and rounded up."""
WEIGHTS_IN_MEMORY = 3
"""Weights count that often: as read from the file, as laid out to run, and what runs through them."""
BYTES_PER_FRAME = 0.19
"""What the toolkit keeps of a frame until its sequence ends, for each pixel of each object."""


@dataclass(frozen=True)
class Workers:
    """How this machine is divided."""

    count: int
    threads: int
    """For each worker's tracker."""
    gpus: int
    """Workers are pinned to one of these each; 0 runs on the processor."""


def divide(
    tasks: int,
    *,
    cores: int,
    memory: int,
    gpus: int,
    need: int,
    wanted: int | None = None,
) -> Workers:
    """Decide how many workers this machine should have.

    Args:
        tasks: What there is to do; more workers than tasks would idle.
        cores: Of the processor.
        memory: Free bytes.
        gpus: Accelerators; each gets one worker.
        need: Bytes that one worker and its tracker need.
        wanted: Workers that somebody asked for, whatever the memory holds.

    Example:
        >>> divide(10, cores=8, memory=16_000_000_000, gpus=0, need=4_000_000_000)
        Workers(count=4, threads=2, gpus=0)
    """
    count = wanted or gpus or min(cores, max(1, memory // need))
    count = max(1, min(count, tasks))
    return Workers(count, max(1, cores // count), gpus)


def memory_need(frames: int, pixels: int, objects: int, weights: int) -> int:
    """Estimate the bytes that one worker and its tracker need.

    Args:
        frames: Of the longest sequence.
        pixels: Of its frames.
        objects: In it.
        weights: Bytes of the largest system's weight files.
    """
    return int(TRACKER_BYTES + WEIGHTS_IN_MEMORY * weights + BYTES_PER_FRAME * frames * pixels * objects)


def cores() -> int:
    """Count the processor's cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_memory() -> int:
    """Return the free bytes of this machine."""
    return int(psutil.virtual_memory().available)


def gpus() -> list[str]:
    """Return the accelerators that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    if not _has_gpu_driver():
        return []
    import torch

    count = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[:count] if visible else [str(index) for index in range(count)]


def _has_gpu_driver() -> bool:
    """Check for a driver, without which PyTorch finds no GPU: to import PyTorch and count none takes seconds.

    Where it is not known what the driver would be, there may be one.
    """
    if sys.platform != "linux" or any(Path(file).exists() for file in ("/dev/kfd", "/dev/dxg")):
        return True  # AMD's, and that of Linux inside of Windows
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


class _WithoutPages:
    """Part of a cluster that has no HTTP server.

    Dask starts one in its scheduler and in each worker. It asks nobody who they are, and is not needed here.
    """

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """Start nothing."""


class PrivateScheduler(_WithoutPages, Scheduler):
    """Dask's scheduler without its HTTP server."""


class PrivateWorker(_WithoutPages, Worker):
    """Dask's worker without its HTTP server."""


@contextlib.contextmanager
def local_cluster(workers: Workers, devices: Sequence[str] = ()) -> Iterator[Client]:
    """Start workers on this machine, for as long as the context lasts.

    A worker that dies is started again. Its task is given to another once; a second death is the task's own.
    Scheduler, nannies and workers listen on the loopback interface, and take nobody without the certificate,
    which is made here and lives in these processes alone: other users of the machine are kept out too.
    """
    security = Security.temporary()
    private = {"host": LOOPBACK, "protocol": "tls", "security": security, "dashboard": False}
    options: dict[int, dict[str, Any]] = {}
    for index in range(workers.count):
        environment = {"OMP_NUM_THREADS": str(workers.threads), "MKL_NUM_THREADS": str(workers.threads)}
        if devices:
            environment["CUDA_VISIBLE_DEVICES"] = devices[index % len(devices)]
        options[index] = {
            "cls": Nanny,
            "options": {
                **private,
                "worker_class": PrivateWorker,
                "nthreads": 1,
                "memory_limit": 0,  # nothing is kept in a worker that could be moved away
                "env": environment,
                "silence_logs": logging.CRITICAL,
            },
        }
    settings = {
        "distributed.scheduler.allowed-failures": 1,
        "distributed.scheduler.no-workers-timeout": f"{SECONDS_WITHOUT_WORKERS}s",
        # A worker that starts again slowly, on a busy machine, would be given up for good after 15 s.
        "distributed.deploy.lost-worker-timeout": "1h",
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.worker.daemon": False,
    }
    scheduler = {"cls": PrivateScheduler, "options": private}
    with (
        dask.config.set(settings),
        SpecCluster(
            workers=options, scheduler=scheduler, security=security, silence_logs=logging.CRITICAL
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextlib.contextmanager
def existing_cluster(scheduler: str) -> Iterator[Client]:
    """Connect to a cluster that somebody has started, with the certificates of Dask's own settings.

    Args:
        scheduler: Address such as `tls://host:8786`, or a scheduler file.

    Raises:
        DataError: It does not answer in time, is no scheduler, or wants a certificate.
    """
    address = _address_in(Path(scheduler)) if Path(scheduler).is_file() else scheduler
    if "://" not in address:
        raise DataError(f"{scheduler!r} is neither an address such as tls://host:8786 nor a scheduler file")
    # A client that fails while it is made cannot be closed: what can be known is looked at before.
    if address.startswith("tls://") and Security().get_connection_args("client")["ssl_context"] is None:
        raise DataError(
            f"the scheduler {address} speaks TLS, and Dask's settings name no certificate for it; set "
            "distributed.comm.tls (ca-file, client.cert, client.key) see docs/compare.md"
        )
    try:
        _check_speaks_dask(address)
        with dask.config.set({"distributed.comm.timeouts.connect": SECONDS_TO_ANSWER}):
            client = Client(address, timeout=SECONDS_TO_ANSWER)
    except DataError:  # it answers, but is no scheduler
        raise
    except (OSError, TimeoutError, ValueError) as error:
        raise DataError(
            f"the scheduler {address} does not answer within {SECONDS_TO_ANSWER} s ({error}); check that it "
            "runs (`dask scheduler`), that its port can be reached from here, and that certificates agree"
        ) from error
    with client:
        yield client


def _check_speaks_dask(address: str) -> None:
    """Check that what listens at an address greets as Dask does.

    Dask's client waits for ever for the greeting of a server that waits itself, as those of HTTP do.

    Raises:
        DataError: It greets in another way, or not at all.
        OSError: Nothing listens, or certificates do not agree.
        ValueError: It is no address.
    """
    scheme, _, location = address.partition("://")
    if scheme in ("http", "https"):
        raise DataError(f"{address} is the address of a page; {NO_SCHEDULER}")
    if scheme not in ("tcp", "tls"):
        return
    deadline = time.monotonic() + SECONDS_TO_ANSWER
    with contextlib.ExitStack() as stack:
        host, port = parse_host_port(location)
        connection = stack.enter_context(socket.create_connection((host, port), SECONDS_TO_ANSWER))
        if scheme == "tls":
            context = Security().get_connection_args("client")["ssl_context"]
            connection = stack.enter_context(context.wrap_socket(connection, server_hostname=host))
        length = int.from_bytes(_received(connection, 8, address, deadline), "little")
        if not 0 < length <= LONGEST_GREETING:
            raise DataError(f"what listens at {address} speaks another protocol; {NO_SCHEDULER}")
        _received(connection, length, address, deadline)


def _received(connection: socket.socket, count: int, address: str, deadline: float) -> bytes:
    """Return the next bytes of a greeting.

    Raises:
        DataError: They do not come in time.
    """
    received = b""
    while len(received) < count:
        connection.settimeout(max(deadline - time.monotonic(), 0.01))
        try:
            part = connection.recv(count - len(received))
        except TimeoutError:
            part = b""
        if not part:
            raise DataError(f"what listens at {address} does not greet as Dask does; {NO_SCHEDULER}")
        received += part
    return received


def _address_in(file: Path) -> str:
    """Read a scheduler's address from the file that it wrote.

    Raises:
        DataError: It is no such file.
    """
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["address"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{file} is no scheduler file ({error!r}); `dask scheduler --scheduler-file {file}` writes one"
        ) from error


def page_of(client: Client) -> str:
    """Return the address of a page that shows the cluster at work, or nothing where it has no HTTP server."""
    services = client.scheduler_info(n_workers=0)["services"]
    return str(client.dashboard_link) if "dashboard" in services else ""


def is_open_to_all(client: Client) -> bool:
    """Check whether whoever reaches the cluster's ports may run code there: it has no TLS."""
    return not scheduler_address(client).startswith(("tls://", "inproc://"))


def scheduler_address(client: Client) -> str:
    """Return the address that a client is connected to."""
    return str(client.scheduler_info(n_workers=0)["address"])


def check_workers(client: Client, workspace: Path, needs: Sequence[Need], run: str) -> int:
    """Check that every worker runs what this command runs and has what it needs; gives their number.

    Raises:
        DataError: There is no worker, or one lacks something; the message names it.
    """
    workers = client.scheduler_info(n_workers=-1)["workers"]
    if not workers:
        address = scheduler_address(client)
        raise DataError(
            f"the scheduler {address} has no workers; start some with `dask worker {address} --nthreads 1`"
        )
    for address, facts in workers.items():
        if facts["nthreads"] != 1:
            raise DataError(
                f"worker {address} runs {facts['nthreads']} tasks at a time, which would share its processor "
                "or GPU; start workers with --nthreads 1, as many as there should be trackers at a time"
            )
    answers = client.run(worker_facts, str(workspace), tuple(needs), run, on_error="return")
    here = worker_facts(str(workspace), (), run)
    for address, answer in answers.items():
        if isinstance(answer, BaseException):
            raise DataError(f"worker {address} cannot run hqtrack: {type(answer).__name__}: {answer}")
        if answer["problems"]:
            raise DataError(f"worker {address} on {answer['host']}: {answer['problems'][0]}")
        _compare(here, answer, address)
    return len(answers)


def _compare(here: dict[str, Any], there: dict[str, Any], address: str) -> None:
    """Check that a worker gives the results that this command would give.

    Raises:
        DataError: It would not.
    """
    worker = f"worker {address} on {there['host']}"
    for name in COMPARED_PACKAGES:
        if there["versions"][name] != here["versions"][name]:
            raise DataError(
                f"{worker} has {name} {there['versions'][name]}, this command {here['versions'][name]}; "
                "results would depend on where they are made: install the same versions everywhere"
            )
    for name, frames in here["sequences"].items():
        if there["sequences"].get(name) != frames:
            raise DataError(
                f"{worker} has {there['sequences'].get(name, 'no')} frames of the sequence {name}, this "
                f"command {frames}; put the same dataset there"
            )
