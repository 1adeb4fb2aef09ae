"""Failed runs whose dead letter the logs don't tell: looked up in the dead-letter queue, all of them at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from tests.fakes.step_endpoint import StepEndpoint
from tests.support.reconciling import Fleet
from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import Workbench, counts, group, run
from wfdeploy.errors import RemoteFailure
from wfdeploy.model.event import Notice
from wfdeploy.model.plan import Refresh, RequestedAction
from wfdeploy.model.remote import DeadLetter, Gone, ResumeReply
from wfdeploy.testing import WorkflowServer
from wfdeploy.upstash.client import UpstashGateway

CRASH = ["crash"]
FRAGILE = ["run", "fragile", "run"]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with WorkflowServer() as server:
        endpoint = StepEndpoint(lambda: server.url, server.environment["QSTASH_TOKEN"])
        with server.serving(endpoint.wsgi) as base:
            bench = Workbench(tmp_path / "project", server.url, server.environment["QSTASH_TOKEN"])
            yield Fleet(bench, server, endpoint, f"{base}/wf", hides_letters=True)
        endpoint.close()


def fail(fleet: Fleet, count: int, policy: object = "resume") -> None:
    fleet.declare({f"r{number:03}": FRAGILE for number in range(count)}, {"onFailure": policy})
    fleet.apply()
    fleet.settle()
    fleet.endpoint.is_healed = True


def test_many_are_resumed_after_one_listing(fleet: Fleet) -> None:
    fail(fleet, 120)  # two pages of the queue
    assert set(fleet.planned().values()) == {("resume", "failed; attempt 1 of 3")}
    assert fleet.apply() == {"resumed": 120}
    assert fleet.log.count("dead letters") == 1
    fleet.settle()
    assert fleet.apply() == {"kept": 120}
    assert fleet.states() == ["RUN_FAILED"] * 120 + ["RUN_SUCCESS"] * 120
    assert "dead letters" not in fleet.log


def test_what_was_found_is_not_looked_up_again(fleet: Fleet) -> None:
    fail(fleet, 2, {"action": "resume", "backoff": "10m"})
    assert fleet.apply() == {"blocked": 2}
    assert fleet.log.count("dead letters") == 1
    assert fleet.record("g/r000").dlq_id is not None
    assert fleet.apply() == {"blocked": 2}
    assert "dead letters" not in fleet.log
    fleet.server.advance(600)
    assert fleet.apply() == {"resumed": 2}
    assert "dead letters" not in fleet.log


def test_an_entry_that_vanished_was_handled_elsewhere(fleet: Fleet) -> None:
    fail(fleet, 2)
    letters = fleet.server.call("GET", "/v2/workflows/dlq").json()["messages"]
    (taken,) = (letter["dlqId"] for letter in letters if "r000" in letter["workflowRunId"])
    fleet.server.call("DELETE", f"/v2/workflows/dlq/{taken}")
    assert fleet.apply() == {"resumed": 1, "kept": 1}
    fleet.settle()
    for _ in range(2):
        assert fleet.planned() == {"g/r000": ("keep", "failed; handled elsewhere")}
        assert fleet.bench.plan().handled == 1
        assert fleet.apply() == {"kept": 2}
        assert "dead letters" not in fleet.log


def test_it_is_not_asked_where_nothing_is_to_be_resumed_or_restarted(fleet: Fleet) -> None:
    fail(fleet, 2, "report")
    fleet.apply(refresh=Refresh.ALL)
    assert "dead letters" not in fleet.log
    fleet.declare({"r000": FRAGILE, "r001": FRAGILE}, {"onFailure": {"action": "restart", "maxAttempts": 1}})
    assert fleet.apply() == {"triggered": 2}
    assert fleet.log.count("dead letters") == 1, "they must still be there"
    assert "payload" not in fleet.log
    fleet.settle()
    assert fleet.apply() == {"kept": 2}
    assert fleet.apply() == {"kept": 2}
    assert "dead letters" not in fleet.log


def test_with_refresh_off_nobody_is_asked(fleet: Fleet) -> None:
    fail(fleet, 1, "report")
    fleet.apply(refresh=Refresh.ALL)
    fleet.declare({"r000": FRAGILE}, {"onFailure": "resume"})
    assert fleet.apply(refresh=Refresh.OFF) == {"kept": 1}
    assert fleet.log == []
    # What the state knows of it is enough to ask for the rest.
    assert fleet.apply() == {"resumed": 1}


def test_by_hand(fleet: Fleet) -> None:
    fail(fleet, 2, "report")
    assert fleet.apply(requested=RequestedAction.RESUME, targets=("g/r001",)) == {"resumed": 1}
    assert fleet.log.count("dead letters") == 1


async def broken(*_: object, **__: object) -> AsyncIterator[Sequence[DeadLetter]]:
    """The queue, where it can't be listed."""
    none: list[Sequence[DeadLetter]] = []
    for letters in none:
        yield letters
    raise RemoteFailure("listing dead letters: the server answered 404")


def test_a_queue_that_cannot_be_read_stops_nothing_else(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(fleet, 1)

    with monkeypatch.context() as patch:
        patch.setattr(UpstashGateway, "list_dead_letters", broken)
        fleet.declare({"new": ["run"], "r000": FRAGILE}, {"onFailure": "resume"})
        assert fleet.planned()["g/r000"] == ("keep", "failed; its dead letter isn't known, so it can't be resumed")
        assert fleet.apply() == {"triggered": 1, "kept": 1}
        assert any(
            isinstance(event, Notice) and "could not be looked up" in event.message for event in fleet.bench.events
        )
    assert fleet.apply() == {"resumed": 1, "kept": 1}


def test_before_the_queue_can_tell_its_silence_means_nothing() -> None:
    with virtual_bench(lag_s=60.0) as bench:
        remote = bench.remote
        remote.logs_tell_letters = False
        remote.failing = lambda number: number == 0
        bench.write(group("g", [run("a")], policy={"onFailure": "resume"}))
        bench.apply()
        bench.pass_time(120)
        letter, remote.runs[0].letter = remote.runs[0].letter, None  # it doesn't show yet
        assert counts(bench.apply()) == {"kept": 1}
        remote.runs[0].letter = letter
        assert counts(bench.apply()) == {"resumed": 1}


def test_when_it_could_tell_its_silence_is_final() -> None:
    with virtual_bench(lag_s=60.0) as bench:
        _vanished(bench)
        for _ in range(3):
            assert counts(bench.apply()) == {"kept": 1}
            bench.pass_time(61)
        assert bench.remote.letter_listings == 2
        assert len(bench.remote.runs) == 1


def _vanished(bench: VirtualBench) -> None:
    remote = bench.remote
    remote.logs_tell_letters = False
    remote.failing = lambda number: number == 0
    bench.write(group("g", [run("a")], policy={"onFailure": "resume"}))
    bench.apply()
    bench.pass_time(120)
    remote.runs[0].letter = None


@pytest.mark.parametrize("queue", ["holds it", "can't be listed", "does not hold it"])
def test_a_404_is_believed_when_the_queue_says_so_too(queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with virtual_bench(lag_s=5.0) as bench:
        remote = bench.remote
        remote.failing = lambda number: number == 0
        bench.write(group("g", [run("a")], policy={"onFailure": "resume"}))
        bench.apply()
        bench.pass_time(60)

        async def not_found(dlq_id: str, *, labels: Sequence[str]) -> ResumeReply:
            if queue == "does not hold it":
                remote.runs[0].letter = None
            return Gone("404 Not Found: no such path")

        with monkeypatch.context() as patch:
            patch.setattr(remote, "resume", not_found)
            if queue == "can't be listed":
                patch.setattr(remote, "list_dead_letters", broken)
            believed = queue == "does not hold it"
            assert counts(bench.apply()) == ({"kept": 1} if believed else {"rejected": 1})
        bench.pass_time(60)
        assert counts(bench.apply()) == ({"kept": 1} if believed else {"resumed": 1})
