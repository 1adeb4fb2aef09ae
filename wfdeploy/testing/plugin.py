"""The pytest plugin: one fixture. Nothing is loaded before a test requests it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from wfdeploy.testing.server import WorkflowServer


@pytest.fixture(scope="session")
def _workflow_server_port() -> int:
    """One port for the whole session: applications read the server's address once, when they are imported."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture
def workflow_server(_workflow_server_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkflowServer]:
    """An Upstash Workflow server for this test alone, in memory, whose time passes only when the test lets it.

    While it runs, the variables that the official SDKs read (`QSTASH_URL`, `QSTASH_TOKEN` and the signing keys) are in
    the environment; they stay the same for the whole session.
    """
    try:
        from wfdeploy.testing.server import WorkflowServer
    except ModuleNotFoundError as error:
        pytest.fail(f"workflow_server needs more: pip install 'wfdeploy[local]' ({error})", pytrace=False)
    with WorkflowServer(port=_workflow_server_port) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server
