"""States and disks that several modules are tried on."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.test_state_store import BINDING, attempt, record
from wfdeploy.errors import StateUnusable
from wfdeploy.model.address import Address
from wfdeploy.model.blocking import RolloutProgress
from wfdeploy.model.edits import (
    Decide,
    Dismiss,
    Forget,
    Intend,
    PutAttempt,
    PutGroups,
    PutProgress,
    PutRecord,
    PutTombstone,
    RecordOutcomes,
    ReleaseRuns,
    Remember,
    Rename,
    SetHead,
)
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.model.run import OnRemove
from wfdeploy.model.state import Origin
from wfdeploy.state.export import export_lines
from wfdeploy.state.sqlite_store import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "state.db"
    with SqliteStore.create(file, BINDING) as store:
        store.commit([PutRecord(record("g/a"))])
    return file


def settled(names: list[str]) -> RecordOutcomes:
    attempts = [attempt(name)._replace(request='{"body":1,"retries":3}', shared=13) for name in names]
    return RecordOutcomes(attempts, [7] * len(names), Origin.TRIGGERED, 9)


KIB = 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    options = ("-t", "tmpfs", "-o", "size=1M", "tmpfs")
    if mount is None or subprocess.run([mount, *options, folder], capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


def leave(disk: Path, kib: int) -> None:
    for file in disk.iterdir():
        file.unlink()
    (disk / "filler").write_bytes(bytes((1024 - kib) * KIB))


def refused(error: StateUnusable, disk: Path) -> str:
    assert "the disk is full" in error.message or "No space" in error.message
    assert [file.name for file in disk.iterdir()] == ["filler"]
    return "none"


@pytest.fixture
def lines(tmp_path: Path) -> list[str]:
    with SqliteStore.create(tmp_path / "first.db", BINDING) as store:
        store.commit(
            [PutRecord(record("g/é", request='{"body":"\u2028"}', by='{"host":"h"}')), PutRecord(record("g/b"))]
        )
        store.commit([PutRecord(record("g/b", "1:b")), PutAttempt(attempt("g/c"))])
        store.commit([Rename(Address("g/b"), Address("h/b")), Forget(Address("g/é"))])
        store.commit([PutTombstone(Address("g/x"), "1:q", 7), PutGroups({"g": OnRemove.CANCEL})])
        store.commit([SetHead(watermark_ms=12, foreign_ms=13)])
        store.commit([Remember(ObservedRun(workflow_run_id="wfr_q", state=RunState.STARTED, created_at_ms=1))])
        store.commit([Remember(ObservedRun(workflow_run_id="wfr_p", state=RunState.STARTED, created_at_ms=2))])
        store.commit([Dismiss("wfr_p", Address("g/b"))])
        store.commit([Decide("n", 9), PutProgress(RolloutProgress(group="g", open_since_ms=3))])
        store.commit([Intend([attempt("g/d")._replace(request='{"a":1}', shared=5), attempt("g/c2")])])
        store.commit([ReleaseRuns("g", ((Address("g/b"), "1:b"), (Address("g/a"), "1:a")))])
        return list(export_lines(store))
