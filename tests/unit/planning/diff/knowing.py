"""Runs that are declared, recorded and tried, for the tests of this folder."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from tests.support.requests import request_of
from wfdeploy.manifests.identify.describe import describe
from wfdeploy.manifests.identify.fingerprint import identify
from wfdeploy.manifests.identify.run_ids import run_id
from wfdeploy.model.address import Address
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.model.plan import Change
from wfdeploy.model.request import Body, BodyKind
from wfdeploy.model.run import DeclaredRun, Group, Source
from wfdeploy.model.state import Attempt, AttemptStatus, Record, RecordKey
from wfdeploy.planning.diff.context import AttemptFinding, DiffContext, Identities, Verdict
from wfdeploy.planning.diff.differ import diff
from wfdeploy.planning.diff.reasons import explained
from wfdeploy.planning.identities import compare_fields

NOW_MS = 1_000_000


def declared(
    name: str, body: Any = 1, *, group: Group | None = None, explicit: str | None = None, **delivery: Any
) -> DeclaredRun:
    return DeclaredRun(
        address=Address(f"g/{name}"),
        group=group or Group("g"),
        source=Source("m.yaml", 3),
        request=request_of("https://x.example/wf", body=Body(BodyKind.JSON, body), **delivery),
        workflow_run_id=explicit,
    )


def id_of(address: str, fingerprint: str, generation: int) -> str:
    return run_id("p", "e", address, fingerprint, generation)


def recorded(run: DeclaredRun, generation: int = 1, **more: Any) -> Record:
    desired = identify(run)
    return Record(
        address=run.address,
        fingerprint=desired.fingerprint,
        generation=generation,
        workflow_run_id=run.workflow_run_id or id_of(run.address, desired.fingerprint, generation),
        delivery=desired.delivery,
        request=json.dumps(describe(run.request, b"")),
        **more,
    )


def tried(run: DeclaredRun, status: AttemptStatus = AttemptStatus.UNKNOWN, **more: Any) -> Attempt:
    record = recorded(run)
    return Attempt(
        address=run.address,
        fingerprint=record.fingerprint,
        generation=1,
        workflow_run_id=record.workflow_run_id,
        status=status,
        intent_at_ms=0,
        delivery=record.delivery,
        **more,
    )


@dataclass
class KnownRecords:
    """What the state holds of single addresses."""

    records: dict[Address, Record]
    generations: dict[tuple[str, str], int]
    asked: list[str] = field(default_factory=list)

    def fetch(self, addresses: Collection[Address]) -> None: ...

    def record(self, address: str) -> Record | None:
        self.asked.append(address)
        return self.records.get(Address(address))

    def highest(self, address: str, fingerprint: str) -> int:
        return self.generations.get((address, fingerprint), 0)

    def is_taken_over(self, key: RecordKey) -> bool:
        return False


@dataclass
class Known:
    """What a test's state and listing hold."""

    records: list[Record] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    verdicts: dict[Address, Verdict] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)

    def changes(self, *runs: DeclaredRun) -> list[Change]:
        context, changes = self.compared(*runs)
        return list(explained(changes, context))

    def compared(self, *runs: DeclaredRun) -> tuple[DiffContext, list[Change]]:
        """The changes as the diff gives them, some of them brief."""
        requests = {run.address: run.request for run in runs}
        records = {record.address: record for record in self.records}
        highest = {(r.address, r.fingerprint): r.generation for r in self.records} | self.more.pop("highest", {})
        context = DiffContext(
            identities=Identities(
                run_id=id_of,
                fingerprints_under=lambda run, text: [run.fingerprint] if text.startswith("1:") else [],
                changes=lambda run, before: compare_fields(before, describe(requests[run.address], b"")),
                attempt_label=lambda address, _, generation, tries: f"wfdeploy.{address}.g{generation}.a{tries}",
            ),
            lookups=KnownRecords(records, highest),
            now_ms=NOW_MS,
            attempts={attempt.address: attempt for attempt in self.attempts},
            verdicts=self.verdicts,
            **self.more,
        )
        keys = [
            RecordKey(r.address, r.fingerprint, r.generation, r.workflow_run_id, r.delivery)
            for r in sorted(self.records, key=lambda record: record.address)
        ]
        desired = [identify(run) for run in sorted(runs, key=lambda run: run.address)]
        return context, list(diff(desired, keys, context, self.problems))

    def change(self, *runs: DeclaredRun) -> Change:
        (only,) = self.changes(*runs)
        return only


FOUND = Verdict(AttemptFinding.FOUND, ObservedRun(workflow_run_id="x", state=RunState.SUCCESS, created_at_ms=500))
