"""A server in the hands of a test, and an application for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.step_endpoint import StepEndpoint
from wfdeploy.testing import WorkflowServer


@pytest.fixture
def server() -> Iterator[WorkflowServer]:
    with WorkflowServer() as running:
        yield running


@pytest.fixture
def application(server: WorkflowServer) -> Iterator[StepEndpoint]:
    it = StepEndpoint(lambda: server.url, server.environment["QSTASH_TOKEN"])
    yield it
    it.close()


def wsgi(application: StepEndpoint) -> Any:
    return application.wsgi


@pytest.fixture
def url(server: WorkflowServer, application: StepEndpoint) -> Iterator[str]:
    with server.serving(wsgi(application)) as base:
        yield f"{base}/wf"
