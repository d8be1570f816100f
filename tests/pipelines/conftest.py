"""Worker processes start fast when what they import is imported once, pytest included."""

import pytest

from pipelines.fork_server import start_fork_server


@pytest.fixture(scope="session", autouse=True)
def _fork_server() -> None:
    start_fork_server(["pytest", "pipelines_helpers"])
