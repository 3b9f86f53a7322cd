"""Dividing a machine, and workers that are not what they should be."""

import asyncio
import errno
import importlib.metadata
import os
import shutil
import time
from pathlib import Path

import dask
import psutil
import pytest
from distributed import Client, LocalCluster, rpc
from distributed.security import Security
from vot.experiment import UnsupervisedExperiment

from hqtrack.errors import DataError
from hqtrack.evaluation import cluster as clusters
from hqtrack.evaluation.cluster import (
    Workers,
    check_workers,
    divide,
    existing_cluster,
    local_cluster,
    memory_need,
)
from hqtrack.evaluation.evaluate import outcome_of
from hqtrack.evaluation.results import trajectory_length
from hqtrack.evaluation.tasks import Need, Task, reason, run_task, worker_facts
from small_workspace import Recorder

pytestmark = pytest.mark.slow

GB = 1_000_000_000
CONNECT = "distributed.comm.timeouts.connect"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"tasks": 20, "cores": 8, "memory": 64 * GB, "gpus": 0, "need": 2 * GB}, Workers(8, 1, 0)),
        ({"tasks": 20, "cores": 8, "memory": 9 * GB, "gpus": 0, "need": 3 * GB}, Workers(3, 2, 0)),
        ({"tasks": 2, "cores": 8, "memory": 64 * GB, "gpus": 0, "need": 2 * GB}, Workers(2, 4, 0)),
        ({"tasks": 20, "cores": 8, "memory": 1 * GB, "gpus": 0, "need": 2 * GB}, Workers(1, 8, 0)),
        ({"tasks": 20, "cores": 16, "memory": 9 * GB, "gpus": 4, "need": 9 * GB}, Workers(4, 4, 4)),
        ({"tasks": 20, "cores": 8, "memory": GB, "gpus": 0, "need": GB, "wanted": 5}, Workers(5, 1, 0)),
    ],
)
def test_a_machine_is_divided_by_gpus_or_by_memory_and_cores(
    given: dict[str, int], expected: Workers
) -> None:
    assert divide(**given) == expected


def test_memory_grows_with_the_longest_sequence_and_the_largest_weights() -> None:
    short = memory_need(100, 1280 * 720, 5, 0)
    assert memory_need(10_000, 1280 * 720, 5, 0) - short > 8 * GB  # as the toolkit was measured to grow
    assert memory_need(100, 1280 * 720, 5, 2 * GB) - short == 6 * GB


def test_scheduler_nannies_and_workers_listen_on_the_loopback_interface_alone(cluster: Client) -> None:
    me = psutil.Process()
    listening = [
        connection.laddr
        for process in [me, *me.children(recursive=True)]
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 5  # a scheduler, and two nannies with a worker each
    assert {address.ip for address in listening} == {"127.0.0.1"}
    parts = cluster.scheduler_info(n_workers=-1)
    assert parts["services"] == {}  # no HTTP server
    assert all(worker["services"] == {} for worker in parts["workers"].values())


def test_whoever_lacks_the_certificate_is_refused_by_every_part(cluster: Client) -> None:
    parts = cluster.scheduler_info(n_workers=-1)
    addresses = [parts["address"]]
    for address, worker in parts["workers"].items():
        addresses += [address, worker["nanny"]]
    stranger = Security.temporary()  # a certificate of one's own is none
    for address in addresses:
        for security, other in ((stranger, address), (Security(), address.replace("tls://", "tcp://"))):

            async def ask(security: Security = security, other: str = other) -> None:
                async with rpc(other, connection_args=security.get_connection_args("client")) as part:
                    await part.identity()

            with pytest.raises(OSError, match=r".*"), dask.config.set({CONNECT: 2}):
                asyncio.run(asyncio.wait_for(ask(), 10))


def test_a_scheduler_whose_certificate_is_missing_is_told(
    cluster: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "SECONDS_TO_ANSWER", 2)
    nothing = {f"distributed.comm.tls.{key}": None for key in ("ca-file", "client.cert", "client.key")}
    with (
        dask.config.set(nothing),
        pytest.raises(DataError, match=r"speaks TLS.*no certificate.*distributed\.comm\.tls"),
        existing_cluster(cluster.scheduler_info()["address"]),
    ):
        pass


def test_a_scheduler_that_does_not_answer_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "SECONDS_TO_ANSWER", 1)
    started = time.monotonic()
    with (
        pytest.raises(DataError, match=r"scheduler tcp://127\.0\.0\.1:9 does not answer within 1 s"),
        existing_cluster("tcp://127.0.0.1:9"),
    ):
        pass
    assert time.monotonic() - started < 25  # Dask by itself waits for 30 s
    with pytest.raises(DataError, match="neither an address"), existing_cluster("nowhere.json"):
        pass


def test_workers_that_lack_something_are_named(
    cluster: Client, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check_workers(cluster, workspace, (), "run-1") == 2
    with pytest.raises(DataError, match=r"worker tls://.*R50.*weights"):
        check_workers(cluster, workspace, (Need("X", "deaot-r50"),), "run-2")
    with pytest.raises(DataError, match=r"worker tls://.*is no workspace"):
        check_workers(cluster, tmp_path / "elsewhere", (), "run-3")
    version = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "0.0" if name == "torch" else version(name)
    )
    with pytest.raises(DataError, match=r"has torch .*this command 0\.0.*same versions"):
        check_workers(cluster, workspace, (), "run-4")


def test_a_dataset_that_a_worker_lacks_is_told(cluster: Client, workspace: Path) -> None:
    assert (
        len(worker_facts(str(workspace), (), "run-5")["sequences"]) == 3
    )  # this process keeps what it opened
    (workspace / "sequences" / "list.txt").write_text("long\nmiddle\n")
    with pytest.raises(DataError, match=r"worker tls://.* no frames of the sequence short, this command 5"):
        check_workers(cluster, workspace, (), "run-5")
    shutil.rmtree(workspace / "sequences")
    with pytest.raises(DataError, match=r"worker tls://.*: no dataset in .*sequences"):
        check_workers(cluster, workspace, (), "run-6")


def test_tasks_do_not_wait_for_ever_for_workers_that_are_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clusters, "SECONDS_WITHOUT_WORKERS", 1)
    with local_cluster(Workers(1, 1, 0)) as client:
        client.retire_workers(close_workers=True)
        client.cluster.scale(0)
        future = client.submit(len, "task")
        outcome = outcome_of(future, 2.0)
    assert "no worker is left" in str(outcome.failure)


def test_workers_that_share_a_processor_are_refused(workspace: Path) -> None:
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as two,
        Client(two) as client,
        pytest.raises(DataError, match=r"2 tasks at a time.*--nthreads 1"),
    ):
        check_workers(client, workspace, (), "run")


def test_a_full_disk_is_told_and_leaves_nothing_half(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(self: object, tracker: object, sequence: object, **_: object) -> None:
        folder = workspace / "results" / "FirstMask" / "baseline" / "short"
        folder.mkdir(parents=True)
        (folder / "short_0_001.bin").write_bytes(b"\1\0")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(UnsupervisedExperiment, "execute", fill)
    task = Task(str(workspace), "FirstMask", "short", ("baseline",), 5, "full-disk")
    outcome = run_task(task)
    assert outcome.failure is not None
    assert "is full" in outcome.failure
    assert "free space" in outcome.failure
    assert not list((workspace / "results").rglob("*.bin"))


def test_a_tracker_does_not_inherit_how_dask_frees_memory(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str | None] = []

    def look(self: object, tracker: object, sequence: object, **_: object) -> None:
        seen.append(os.environ.get("MALLOC_TRIM_THRESHOLD_"))

    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    monkeypatch.setattr(UnsupervisedExperiment, "execute", look)
    run_task(Task(str(workspace), "FirstMask", "short", ("baseline",), 5, "memory"))
    assert seen == [None]


def test_a_trackers_own_words_are_found_among_the_protocols() -> None:
    log = "@@TRAX:frame x\nloading\nValueError: no cheese\n@@TRAX:quit \nProcess exited with code (1)\n"
    assert reason(RuntimeError("Unable to connect"), log).endswith("Unable to connect: ValueError: no cheese")
    assert reason(RuntimeError("a card that is unknown"), None) == "RuntimeError: a card that is unknown"


@pytest.mark.parametrize("content", [b"", b"\1\0", b"\1\0\2\0\0\0" + b"\0" * 5, b"\1\0\1\0\0\0" + b"\0" * 6])
def test_a_trajectory_of_the_wrong_length_is_broken(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"ends too early|its length"):
        trajectory_length(content)
    assert trajectory_length(b"\1\0\1\0\0\0" + b"\0" * 5) == 1


def test_a_recorder_takes_what_a_watcher_takes() -> None:
    Recorder().cluster("2 workers", "http://localhost")


@pytest.mark.parametrize(
    ("driver", "visible", "expected"),
    [(False, None, []), (True, None, ["0", "1"]), (True, "3,GPU-7,5", ["3", "GPU-7"])],
)
def test_gpus_are_counted_where_there_is_a_driver(
    monkeypatch: pytest.MonkeyPatch, driver: bool, visible: str | None, expected: list[str]
) -> None:
    def count() -> int:
        assert driver, "PyTorch is imported, and asked in vain"
        return 2

    monkeypatch.setattr(clusters, "_has_gpu_driver", lambda: driver)
    monkeypatch.setattr("torch.cuda.device_count", count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert clusters.gpus() == expected
