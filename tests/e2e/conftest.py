"""One server and one project for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.workbench import Workbench
from wfdeploy.localserver.serve import LocalServer


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as server:
        yield server


@pytest.fixture
def bench(server: LocalServer, tmp_path: Path) -> Workbench:
    return Workbench(tmp_path / "project", server.url, server.token)
