"""Which runs continue failed ones that somebody resumed or restarted elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from wfdeploy.errors import RemoteFailure
from wfdeploy.manifests.identify.run_ids import attempt_label, run_id
from wfdeploy.model.address import Address
from wfdeploy.model.observed import Continuation, ObservedRun, RunState
from wfdeploy.model.state import Ended, HistoryEntry, Origin, Record, RecordKey, Standing
from wfdeploy.model.workflow_id import id_key
from wfdeploy.planning.diff.failure_policy import Handling
from wfdeploy.planning.listing.dead_letters import DeadLetters
from wfdeploy.planning.listing.discovery import Discovery
from wfdeploy.planning.listing.successors import Failed, Successors, continued, find_successors
from wfdeploy.ports import RecordReader

NOW_MS = 1_795_442_400_000
LABELS = ("wfdeploy.p.e", "mine")


def listed(name: str, at_s: int, state: RunState = RunState.FAILED, **fields: Any) -> ObservedRun:
    """A run that began so many seconds after the first, and took one second."""
    created_ms = NOW_MS + 1000 * at_s
    ended_ms = None if state is RunState.STARTED else created_ms + 1000
    values = {"url": "https://x/wf", "labels": LABELS, "completed_at_ms": ended_ms, **fields}
    return ObservedRun(name, state, created_ms, **values)


def ours(name: str, at_s: int = 0, **fields: Any) -> ObservedRun:
    """The first run of an address, which failed."""
    return listed(run_id("p", "e", f"g/{name}", "1:" + "a" * 26, 1), at_s, **fields)


def record(run: ObservedRun, address: str, **fields: Any) -> Record:
    values = {"run_state": run.state, "observed_at_ms": NOW_MS, "created_at_ms": run.created_at_ms, **fields}
    return Record(
        address=Address(address),
        fingerprint="1:x",
        generation=1,
        workflow_run_id=run.workflow_run_id,
        recorded_at_ms=run.created_at_ms,
        **values,
    )


@dataclass
class Scene:
    """What is recorded, what the server lists, and which dead letters it still has."""

    runs: Sequence[ObservedRun]
    records: Mapping[str, ObservedRun]
    letters: Collection[ObservedRun] = ()
    payloads: Mapping[str, str | None] = field(default_factory=dict)
    """By workflow run id; all others have the same one."""
    past: Mapping[str, ObservedRun] = field(default_factory=dict)
    ended: Ended = Ended.SUPERSEDED
    expired: bool = False
    reads: list[str] = field(default_factory=list)

    def find(self) -> Successors:
        failed = [Failed(record(run, address).standing) for address, run in self.records.items()]
        return asyncio.run(
            find_successors(
                cast(Discovery, self),
                failed,
                self._looked_up([one.standing for one in failed]),
                cast(RecordReader, self),
            )
        )

    def certain(self) -> dict[str, str]:
        """The run that surely continues each failed one."""
        return {address: found.runs[-1].workflow_run_id for address, found in self.find().certain.items()}

    # --- as a `Discovery` and its gateway ----------------------------------------------------------------------

    workspace = SimpleNamespace(clock=SimpleNamespace(now_ms=lambda: NOW_MS))

    @property
    def gateway(self) -> Scene:
        return self

    async def runs_since(self, standings: Collection[Standing]) -> Sequence[ObservedRun]:
        since_ms = min(standing.created_at_ms or 0 for standing in standings)
        return [run for run in self.runs if run.created_at_ms >= since_ms]

    async def dead_letters(self, standings: Sequence[Standing]) -> DeadLetters:
        return self._looked_up(standings)

    async def read_payload_digest(self, workflow_run_id: str, created_at_ms: int) -> str | None:
        self.reads.append(workflow_run_id)
        if self.payloads.get(workflow_run_id) == "broken":
            raise RemoteFailure("no answer")
        return self.payloads.get(workflow_run_id, "the same")

    def _looked_up(self, standings: Sequence[Standing]) -> DeadLetters:
        keys = {id_key(standing.workflow_run_id) for standing in standings}
        there = {id_key(run.workflow_run_id) for run in self.letters}
        expired = keys if self.expired else set[str]()
        return DeadLetters(keys, NOW_MS, dict.fromkeys(keys & there, "1-1"), NOW_MS, expired=expired)

    # --- as a `RecordReader` -----------------------------------------------------------------------------------

    def keys_with_ids(self, workflow_run_ids: Collection[str]) -> Iterator[RecordKey]:
        return (record(run, address).key for address, run in self.records.items())

    def past_runs(self, workflow_run_ids: Collection[str]) -> Collection[tuple[str, int | None]]:
        return [(run.workflow_run_id, run.created_at_ms) for run in self.past.values()]

    def history(self) -> Sequence[HistoryEntry]:
        return [HistoryEntry(record(run, address), self.ended, NOW_MS) for address, run in self.past.items()]


A, B = ours("a"), ours("b")


@pytest.mark.parametrize("state", [RunState.STARTED, RunState.SUCCESS, RunState.FAILED, RunState.CANCELED])
def test_a_run_that_came_after_the_failure_with_the_same_payload(state: RunState) -> None:
    assert Scene([A, listed("wfr_new", 9, state)], {"g/a": A}).certain() == {"g/a": "wfr_new"}


@pytest.mark.parametrize(
    "other",
    [
        listed("wfr_new", 9, url="https://x/other"),
        listed("wfr_new", 9, labels=("wfdeploy.p.e",)),
        listed("wfr_new", -9),
        listed("wfr_new", -1),
        ours("c", 9),
    ],
)
def test_no_other_run_continues_it(other: ObservedRun) -> None:
    found = Scene([A, other], {"g/a": A}).find()
    assert found.continuations == {
        Address("g/a"): Continuation(address=Address("g/a"), workflow_run_id=A.workflow_run_id)
    }
    assert found.handling[id_key(A.workflow_run_id)] is Handling.HANDLED


def test_another_payload_is_another_run() -> None:
    assert Scene([A, listed("wfr_new", 9)], {"g/a": A}, payloads={"wfr_new": "other"}).certain() == {}


def test_nothing_is_listed_while_the_dead_letter_is_there() -> None:
    scene = Scene([A, listed("wfr_new", 9)], {"g/a": A}, letters=[A])
    found = scene.find()
    assert (found.continuations, found.handling) == ({}, {id_key(A.workflow_run_id): Handling.OPEN})
    assert scene.reads == []


def test_of_two_that_do_the_same_the_one_without_its_letter() -> None:
    assert Scene([A, B, listed("wfr_new", 9)], {"g/a": A, "g/b": B}, letters=[A]).certain() == {"g/b": "wfr_new"}


def test_two_that_do_the_same_are_not_told_apart() -> None:
    found = Scene([A, B, listed("wfr_1", 9), listed("wfr_2", 9)], {"g/a": A, "g/b": B}).find()
    assert found.certain == {}
    assert [[run.workflow_run_id for run in one.runs] for one in found.unclear(lambda _: True)] == [
        ["wfr_1", "wfr_2"]
    ] * 2


def test_a_run_of_another_shard_that_does_the_same_makes_it_unclear() -> None:
    assert Scene([A, B, listed("wfr_new", 9)], {"g/a": A}).certain() == {}
    assert Scene([A, B, listed("wfr_new", 9)], {"g/a": A}, payloads={B.workflow_run_id: "other"}).certain()


def test_so_does_a_former_run_of_an_address() -> None:
    scene = Scene([A, B, listed("wfr_new", 9)], {"g/a": A}, past={"g/b": B})
    assert [one.is_past for one in scene.find().unclear(lambda _: True)] == [False, True]
    scene.ended = Ended.RESUMED  # its dead letter was used up
    assert scene.certain() == {"g/a": "wfr_new"}


def test_a_former_run_is_told_of_and_not_followed() -> None:
    scene = Scene([A, listed("wfr_new", 9)], {"g/b": B}, past={"g/a": A}, payloads={B.workflow_run_id: "other"})
    found = scene.find()
    assert found.certain == {}
    assert [(one.address, one.is_certain) for one in found.past] == [("g/a", True)]


@pytest.mark.parametrize("unread", [None, "broken"])
@pytest.mark.parametrize("which", [A.workflow_run_id, "wfr_new"])
def test_a_payload_that_does_not_show_proves_nothing(which: str, unread: str | None) -> None:
    found = Scene([A, listed("wfr_new", 9)], {"g/a": A}, payloads={which: unread}).find()
    assert found.certain == {}
    assert [len(one.runs) for one in found.unclear(lambda _: True)] == [1]


def test_a_label_of_its_own_needs_no_payload() -> None:
    one, other = (attempt_label("a" * 26, 1, tries) for tries in (1, 2))
    first, second = (listed(f"wfr_{label[-2:]}", 0, labels=(*LABELS, label)) for label in (one, other))
    news = [listed("wfr_x", 9, labels=(*LABELS, other)), listed("wfr_y", 9, labels=(*LABELS, one))]
    scene = Scene([first, second, *news], {"g/a": first, "g/b": second})
    assert scene.certain() == {"g/a": "wfr_y", "g/b": "wfr_x"}
    assert scene.reads == []


def test_the_first_run_with_a_label_of_its_own_is_ours() -> None:
    resumed = listed("wfr_x", 9, labels=(*LABELS, attempt_label("a" * 26, 1, 1)))
    assert Scene([A, resumed], {"g/a": A}).certain() == {}


def test_a_chain_is_followed() -> None:
    chain = [listed("wfr_1", 9), listed("wfr_2", 19), listed("wfr_3", 29, RunState.STARTED)]
    found = Scene([A, *chain], {"g/a": A}).find().continuations[Address("g/a")]
    assert ([run.workflow_run_id for run in found.runs], found.is_certain) == (["wfr_1", "wfr_2", "wfr_3"], True)


@pytest.mark.parametrize(
    "runs",
    [
        [listed("wfr_1", 9, RunState.STARTED), listed("wfr_2", 19)],
        [listed("wfr_1", 9, RunState.SUCCESS), listed("wfr_2", 19)],
        [listed("wfr_1", 9, completed_at_ms=NOW_MS + 60_000), listed("wfr_2", 19)],
    ],
)
def test_runs_side_by_side_are_no_chain(runs: list[ObservedRun]) -> None:
    assert Scene([A, *runs], {"g/a": A}).certain() == {}


def test_what_has_expired_may_be_started_again_if_nothing_came_after_it() -> None:
    key = id_key(A.workflow_run_id)
    assert Scene([A], {"g/a": A}, expired=True).find().handling[key] is Handling.EXPIRED
    assert Scene([A, listed("wfr_new", 9)], {"g/a": A}, expired=True).find().handling[key] is Handling.HANDLED
    assert Scene([], {"g/a": A}, expired=True).find().handling[key] is Handling.UNCLEAR, "the logs forgot it too"


def test_the_record_follows_the_run_that_continues_it() -> None:
    failed = record(A, "g/a", tries=1, request="{}", dlq_id="1-1", handled=True)
    run = listed("wfr_2", 19, dlq_id="2-2")
    found = Continuation(
        address=failed.address, workflow_run_id=A.workflow_run_id, runs=(listed("wfr_1", 9), run), is_certain=True
    )
    made = continued(failed, found, {}, NOW_MS + 60_000)
    assert (made.workflow_run_id, made.triggered_id) == ("wfr_2", A.workflow_run_id)
    assert (made.tries, made.dlq_id, made.handled, made.request) == (3, "2-2", False, "{}")
    assert (made.origin, made.run_state) == (Origin.ADOPTED, RunState.FAILED)
    assert continued(failed, found, {"wfr_2": Handling.HANDLED}, NOW_MS).handled
