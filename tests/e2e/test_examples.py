"""The examples of features, on the embedded server, whose time passes when the test says so."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scripts.docs_examples import EXAMPLES
from tests.support.local_server import LocalServer
from tests.support.workbench import Workbench, counts
from wfdeploy.localserver.clock import ManualClock
from wfdeploy.model.plan import RequestedAction
from wfdeploy.operations.rollouts import approve
from wfdeploy.project.file import load_project

BEGIN = datetime(2026, 11, 23, 20, tzinfo=UTC)  # a Monday


class Examples:
    """A copy of the examples. Whoever waits lets the server's time go by."""

    def __init__(self, root: Path, server: LocalServer, clock: ManualClock) -> None:
        shutil.copytree(EXAMPLES, root)
        self.bench = Workbench(root, server.url, server.token, clock=self)
        self.bench.project = load_project(cwd=root, environment="local")
        self.bench.server(log_lag_s=0.0, log_lag_given=True)
        self._server, self._clock = server, clock
        self._variables = {"app_url": server.demo_url}

    def apply(self, example: str, **selection: Any) -> dict[str, int]:
        file = str(self.bench.root / f"{example}.yaml")
        report = self.bench.apply(paths=[file], variables=self._variables, **selection)
        self.pass_time(5)  # the demo takes a second
        return counts(report)

    def pass_time(self, seconds: float) -> None:
        until_ms = self._clock.now_ms() + round(1000 * seconds)
        self._server.pass_time(self._clock, lambda _: False, until_ms=until_ms, timeout_s=30)

    @property
    def accepted(self) -> Counter[str]:
        """How many runs the server took, by group."""
        return Counter(run.run_id.split("-")[0].removeprefix("wfr_") for run in self._server.accepted())

    # --- a clock ---

    def now_ms(self) -> int:
        return self._clock.now_ms()

    def monotonic(self) -> float:
        return self._clock.now_ms() / 1000

    async def sleep(self, seconds: float) -> None:
        self.pass_time(seconds)


@pytest.fixture
def examples(tmp_path: Path) -> Iterator[Examples]:
    clock = ManualClock(round(1000 * BEGIN.timestamp()), real_endpoints=True)
    with LocalServer(demo=True, clock=clock) as server:
        yield Examples(tmp_path / "examples", server, clock)


def test_order(examples: Examples) -> None:
    assert [examples.apply("order") for _ in range(4)] == [
        {"triggered": 2, "blocked": 2},
        {"triggered": 1, "blocked": 1, "kept": 2},
        {"triggered": 1, "kept": 3},
        {"kept": 4},
    ]


def test_rollouts(examples: Examples) -> None:
    let_go = []
    for _ in range(5):
        examples.apply("rollouts")
        let_go.append(examples.accepted.total())
    assert let_go == [1, 4, 4, 6, 6], "the second step bakes once it was seen to have finished, the third waits"
    approve(examples.bench.workspace, "migrate")
    assert examples.apply("rollouts") == {"triggered": 2, "kept": 6}
    assert examples.apply("rollouts") == {"kept": 8}


def test_failures(examples: Examples) -> None:
    assert examples.apply("failures") == {"triggered": 3}
    assert examples.apply("failures") == {"resumed": 1, "blocked": 1, "kept": 1}
    assert examples.apply("failures") == {"resumed": 1, "blocked": 1, "kept": 1}
    assert examples.apply("failures") == {"blocked": 1, "kept": 2}, "no third time"
    waited = []
    for _ in range(3):
        minutes = 0
        while examples.apply("failures").get("triggered") is None:
            examples.pass_time(55)
            minutes += 1
        waited.append(minutes)
    assert waited == [pytest.approx(10, abs=1), pytest.approx(20, abs=1), pytest.approx(40, abs=1)]
    examples.pass_time(86_400)
    assert examples.apply("failures") == {"kept": 3}, "given up"
    assert examples.accepted["sync"] == 4


def test_schedules(examples: Examples) -> None:
    assert examples.apply("schedules") == {"triggered": 3}, "the backfill"
    nights = []
    for _ in range(7 * 24):
        examples.pass_time(3595)
        done = examples.apply("schedules")
        if done.get("triggered"):
            now = datetime.fromtimestamp(examples.now_ms() / 1000, UTC)
            nights.append(now.strftime("%a"))
    assert nights == ["Tue", "Wed", "Thu", "Fri", "Mon"]
    assert examples.accepted == {"october": 3, "nightly": 10}


def test_runs_by_hand(examples: Examples) -> None:
    assert examples.apply("runs") == {"triggered": 3}
    assert examples.apply("runs") == {"kept": 3}, "without a policy nothing is done about the failed one"
    assert examples.apply("runs", requested=RequestedAction.CANCEL, labels=("late",)) == {"cancelled": 1}
    assert examples.apply("runs", requested=RequestedAction.RESUME, targets=("invoices/globex",)) == {"resumed": 1}
    assert examples.apply("runs", requested=RequestedAction.RESTART, targets=("invoices/globex",)) == {"triggered": 1}
    assert examples.apply("runs", requested=RequestedAction.RETRIGGER, targets=("invoices/a*",)) == {"triggered": 1}
    examples.pass_time(7 * 3600)
    assert examples.accepted["invoices"] == 5, "what was cancelled never began"
