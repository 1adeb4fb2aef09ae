"""The embedded server killed at any moment: every run goes on where it was, every step is recorded once.

What a kill leaves is what was committed. So the file is copied after each commit of a whole day of workflows, with
every kind of step, and a server begins anew on each copy. A second test kills real processes.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.step_endpoint import StepEndpoint
from tests.support.day_of_workflows import Operator, Third, check, drive, in_progress
from tests.support.local_server import LocalServer
from wfdeploy.localserver.clock import ManualClock
from wfdeploy.localserver.store import database
from wfdeploy.localserver.tenants import DEFAULT_TENANT
from wfdeploy.testing.apps import serving


@dataclass(frozen=True)
class Copy:
    """The file as it was after a commit, when that was by the server's clock, and how the endpoint was then."""

    file: Path
    now_ms: int
    is_healed: bool


@pytest.fixture
def where() -> dict[str, str]:
    """Where the server is at present."""
    return {}


@pytest.fixture
def endpoint(where: dict[str, str]) -> Iterator[StepEndpoint]:
    it = StepEndpoint(lambda: where["url"], DEFAULT_TENANT.token)
    yield it
    it.close()


@pytest.fixture
def url(endpoint: StepEndpoint) -> Iterator[str]:
    with serving(Third(endpoint)) as base:
        yield base


def record(folder: Path, where: dict[str, str], endpoint: StepEndpoint, url: str) -> list[Copy]:
    """Let everything happen once, and copy the file after each commit."""
    copies: list[Copy] = []
    clock = ManualClock(int(time.time() * 1000), real_endpoints=True)
    whole = database.transaction

    @contextlib.contextmanager
    def copied(connection: sqlite3.Connection) -> Iterator[None]:
        with whole(connection):
            yield
        copy = folder / f"{len(copies)}.db"
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{folder / 'whole.db'}{suffix}", f"{copy}{suffix}")
        copies.append(Copy(copy, clock.now_ms(), endpoint.is_healed))

    with pytest.MonkeyPatch.context() as patch, LocalServer(folder / "whole.db", clock=clock) as server:
        patch.setattr(database, "transaction", copied)
        where["url"] = server.url
        drive(server, clock, endpoint, url)
    return copies


SHARDS = 4


@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_moment_at_which_it_may_be_killed(
    tmp_path: Path, where: dict[str, str], endpoint: StepEndpoint, url: str, shard: int
) -> None:
    copies = record(tmp_path, where, endpoint, url)
    check(tmp_path / "whole.db")
    assert len(copies) > 80
    for number, copy in itertools.islice(enumerate(copies), shard, None, SHARDS):
        print(f"killed after commit {number} of {len(copies)}")
        clock = ManualClock(copy.now_ms, real_endpoints=True)
        endpoint.is_healed = copy.is_healed
        with LocalServer(copy.file, clock=clock) as server:
            where["url"] = server.url
            drive(server, clock, endpoint, url)
        check(copy.file)


PROGRAM = """
import sys
from pathlib import Path
from wfdeploy.localserver.clock import MachineClock
from tests.support.local_server import LocalServer
from wfdeploy.localserver.serve import serve_forever

server = LocalServer(Path(sys.argv[1]), clock=MachineClock(scale=20_000))
serve_forever(server, on_ready=lambda running: print(running.url, flush=True))
"""
"""A day takes four seconds."""


@contextlib.contextmanager
def process(file: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(file)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as child:
        try:
            assert child.stdout is not None
            yield child, child.stdout.readline().strip()
        finally:
            child.kill()


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_random_times_again_and_again(
    tmp_path: Path, where: dict[str, str], endpoint: StepEndpoint, url: str, seed: int
) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    file = tmp_path / "x.db"
    for _ in range(10):
        with process(file) as (_, where["url"]):
            ends = time.monotonic() + chance.uniform(0.02, 0.5)
            with contextlib.closing(Operator(where["url"], endpoint, url)) as operator:
                while time.monotonic() < ends:
                    operator.act()
    with process(file) as (child, where["url"]):
        deadline = time.monotonic() + 30
        with (
            contextlib.closing(Operator(where["url"], endpoint, url)) as operator,
            contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection,
        ):
            while operator.act() or in_progress(connection):
                assert time.monotonic() < deadline
        child.terminate()
        child.wait(10)
    check(file)
