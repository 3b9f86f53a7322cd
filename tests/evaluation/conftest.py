"""A small workspace of the real toolkit, and two workers that all tests share."""

from collections.abc import Iterator
from pathlib import Path

import dask
import pytest
from distributed import Client

from hqtrack.evaluation.cluster import Workers, local_cluster
from small_workspace import LENGTHS, Run, make_workspace, write_sequence


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    for name, length in LENGTHS.items():
        write_sequence(folder / name, length)
    (folder / "list.txt").write_text("\n".join(LENGTHS) + "\n")
    return folder


@pytest.fixture
def workspace(tmp_path: Path, dataset: Path) -> Path:
    return make_workspace(tmp_path / "workspace", dataset)


@pytest.fixture(scope="package")  # no longer: workers that have nothing to do watch themselves all the time
def cluster() -> Iterator[Client]:
    with local_cluster(Workers(2, 1, 0)) as client:
        tls = client.security.get_tls_config_for_role("client")
        settings = {
            "distributed.comm.tls.ca-file": tls["ca_file"],
            "distributed.comm.tls.client.cert": tls["cert"],
            "distributed.comm.tls.client.key": tls["key"],
        }
        with dask.config.set(settings):  # as somebody sets them who uses `--scheduler`
            yield client


@pytest.fixture
def run(cluster: Client) -> Run:
    return Run(cluster)
