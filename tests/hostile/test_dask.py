"""What is no part of a cluster neither gets in nor stops it, and what is no scheduler is not waited for."""

from __future__ import annotations

import pytest

from hostile import dask_talk
from hqtrack.errors import DataError
from hqtrack.evaluation import cluster as clusters
from hqtrack.evaluation.cluster import Workers, existing_cluster, local_cluster

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", dask_talk.GREETINGS)
def test_another_server_is_no_scheduler(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "SECONDS_TO_ANSWER", 1)
    with (
        dask_talk.greeting(dask_talk.GREETINGS[name]) as address,
        pytest.raises(DataError, match=r"^what listens at .* no Dask scheduler: .* `dask scheduler` prints"),
        existing_cluster(address),
    ):
        pass


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8787", "https://h/status", "tcp://127.0.0.1", "tcp://[", "x://y"]
)
def test_what_is_no_schedulers_address_is_refused_in_a_line(address: str) -> None:
    with pytest.raises(DataError) as refusal, existing_cluster(address):
        pass
    assert "\n" not in str(refusal.value)
    assert address in str(refusal.value)


def test_garbage_leaves_the_cluster_as_it_was() -> None:
    with local_cluster(Workers(1, 1, 0)) as client:
        for address in dask_talk.parts(client):
            for content in dask_talk.GARBAGE.values():
                dask_talk.send(address, content)
        assert dask_talk.works(client)
