"""What all tests share."""

import gc
from collections.abc import Iterator
from functools import cache

import pytest
import typer.testing


def pytest_collection_finish() -> None:
    """Have what was imported searched for garbage no more: that took a second each time."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def command_built_once() -> Iterator[None]:
    """Have Typer build the command for the first test that runs it: it reads every function's signature."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(typer.main.get_command), raising=False)
        yield
