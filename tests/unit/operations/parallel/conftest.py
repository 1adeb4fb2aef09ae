"""Processes for manifests of any size."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from wfdeploy.operations import reading
from wfdeploy.operations.parallel import crew


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Any size is worthwhile, and there are two processors. The processes that were started."""
    started: list[subprocess.Popen[bytes]] = []
    start = crew._started

    def noted(folder: Path) -> subprocess.Popen[bytes]:
        started.append(start(folder))
        return started[-1]

    monkeypatch.setattr(crew, "WORTHWHILE_BYTES", 10)
    monkeypatch.setattr(reading, "WORTHWHILE_BYTES", 10)
    monkeypatch.setattr(crew, "_processors", lambda: 2)
    monkeypatch.setattr(crew, "_started", noted)
    yield started
    assert all(process.returncode is not None for process in started), "none is left behind"
