"""Values to render: every action, every kind of difference, and text that means harm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wfdeploy.model.address import Address
from wfdeploy.model.diagnostic import Diagnostic, Place, Severity
from wfdeploy.model.event import ApplyReport, Outcome, Result
from wfdeploy.model.observed import Continuation, ObservedRun, RunState
from wfdeploy.model.plan import ABSENT, Action, Change, FieldChange, Plan
from wfdeploy.model.run import Source
from wfdeploy.model.status import RowStatus, StatusRow

NOON_MS = 1_795_435_200_000
LONG_URL = "https://app.example.com/api/workflow/a-rather-long-path/that/goes/on/and/on/{}/onboard/with-a-tail"


def change(address: str, action: Action, reason: str, *diff: FieldChange, line: int = 1, sends: bool = False) -> Change:
    return Change(
        address=Address(address),
        action=action,
        reason=reason,
        run_id=f"wfr_{address.replace('/', '-')}",
        fingerprint="1:abc",
        generation=1,
        source=Source("manifests/runs.yaml", line),
        diff=diff,
        sends=sends,
    )


def plan_of(changes: Sequence[Change], *, keep: int = 0) -> Plan:
    ordered = tuple(sorted(changes, key=lambda one: one.address))
    summary = {action: sum(one.action is action for one in ordered) for action in Action}
    summary[Action.KEEP] += keep
    return Plan(
        project="shop",
        environment="production",
        url="https://qstash.upstash.io",
        token_source="QSTASH_TOKEN",
        state=".wfdeploy/state/production.db",
        lineage="0123",
        serial=7,
        verified=True,
        changes=ordered,
        summary=summary,
        sends=sum(one.sends for one in ordered),
    )


def every_action() -> Plan:
    changes = [
        change("onboarding/acme", Action.TRIGGER, "new", sends=True),
        change(
            "onboarding/globex",
            Action.RETRIGGER,
            "the request changed: generation 2",
            FieldChange("body.seats", 12, 14),
            FieldChange("body.tags", ["a"], ["a", "b"]),
            FieldChange("contentType", "text/plain", ABSENT),
            FieldChange("destination", LONG_URL.format("v1"), LONG_URL.format("v2")),
            FieldChange("headers.x-team", ABSENT, "sales"),
            FieldChange("body.note", "one\ntwo\nthree\nfour\n", "one\n2\nthree\nfour\nfive\n"),
            FieldChange("headers.x-null", None, False),
            line=9,
            sends=True,
        )._replace(warnings=("its first run has not started yet: it still starts as it was",)),
        change("jobs/resumed", Action.RESUME, "failed on the server, and onFailure is resume"),
        change("jobs/restarted", Action.RESTART, "failed on the server, and onFailure is restart", sends=True),
        change("jobs/gone", Action.CANCEL, "no longer declared, and onRemove is cancel")._replace(source=None),
        change("jobs/old", Action.FORGET, "no longer declared, and --prune")._replace(source=None),
        change("jobs/lost", Action.RECOVER, "its answer was lost: apply looks it up"),
        change("jobs/found", Action.ADOPT, "the server knows this run, the state did not"),
        change("jobs/later", Action.BLOCKED, "waits for onboarding"),
    ]
    return replace(
        plan_of(changes, keep=12_043),
        warnings=("the state is older than the server's logs",),
        orphans=2,
        unmatched_ids=tuple(f"wfr_stray-{i}" for i in range(7)),
        continuations=(
            Continuation(
                address=Address("jobs/failed"),
                workflow_run_id="wfr_failed",
                runs=(ObservedRun("wfr_one", RunState.FAILED, 1), ObservedRun("wfr_two", RunState.STARTED, 2)),
            ),
            Continuation(
                address=Address("jobs/edited"),
                workflow_run_id="wfr_before",
                runs=(ObservedRun("wfr_three", RunState.SUCCESS, 3),),
                is_certain=True,
                is_past=True,
            ),
        ),
        possibly_renamed=((Address("jobs/a"), Address("jobs/b")),),
        possibly_triggered=(("wfr_stray-0", Address("jobs/new")),),
        emptied={"jobs/row": 3},
    )


def many() -> Plan:
    header = FieldChange("headers.x-team", "growth", "sales")
    changes = [
        *(change(f"tenants/row[{i:04}]", Action.RETRIGGER, "the request changed", header) for i in range(3000)),
        *(
            change(f"tenants/size[{i:02}]", Action.RETRIGGER, "the request changed", FieldChange("body.n", i, i + 1))
            for i in range(20)
        ),
        *(change(f"tenants/new[{i}]", Action.TRIGGER, "new", sends=True) for i in range(3)),
        change("tenants/odd", Action.RETRIGGER, "the request changed", FieldChange("body.n", 1, 2)),
    ]
    return plan_of(changes)


def crowded() -> Plan:
    """Something in each of many groups, half of which is to be triggered."""
    actions = [Action.TRIGGER, Action.CANCEL, Action.TRIGGER, Action.RETRIGGER, Action.TRIGGER, Action.BLOCKED]
    changes = []
    for number in range(600):
        action = actions[number % 6]
        diff = [FieldChange("body.seats", number, number + 1)] if action is Action.RETRIGGER else []
        change_ = change(f"tenant-{number:03}/sync", action, "because", *diff, sends=action.value.endswith("trigger"))
        changes.append(change_._replace(warnings=("it still runs",) if number % 60 == 3 else ()))
    return replace(
        plan_of(changes),
        warnings=tuple(f"the group tenant-{number} declares no runs" for number in range(30)),
        notes=tuple(f"tenant-{number}: more instances are due, for the next apply" for number in range(30)),
        emptied={f"tenant-{number}/row": number for number in range(1, 30)},
    )


def hostile() -> Plan:
    evil = "\x1b[31mred\x1b]0;title\x07\r\nline\u202ertl\u2066\x9b2J\ud800"
    changes = [
        change(f"g/r[{i}]\x1b[2J", Action.RETRIGGER, evil, FieldChange(f"body.{evil}", evil, {evil: [evil]}))._replace(
            warnings=(evil,), source=Source(evil, 1)
        )
        for i in range(9)
    ]
    changes.append(change("g/\x1b[2Jone", Action.TRIGGER, evil, FieldChange(evil, evil * 30, evil * 31)))
    return replace(
        plan_of(changes),
        project=evil,
        environment=evil,
        url=evil,
        token_source=evil,
        state=evil,
        warnings=(evil,),
        unmatched_ids=(evil,),
        continuations=(
            Continuation(address=Address(evil), workflow_run_id=evil, runs=(ObservedRun(evil, RunState.STARTED, 1),)),
        ),
        possibly_renamed=((Address(evil), Address(evil)),),
        possibly_triggered=((evil, Address(evil)),),
        emptied={evil: 1},
    )


def report(**counts: int) -> ApplyReport:
    summary = {outcome: counts.get(outcome.value, 0) for outcome in Outcome}
    results = tuple(
        Result(
            address=Address(f"{outcome.value}/run-{i}"),
            outcome=outcome,
            workflow_run_id=f"wfr_{outcome.value}-{i}",
            created_at_ms=NOON_MS if outcome in (Outcome.TRIGGERED, Outcome.DEDUPLICATED) else None,
            error="400: destination is not reachable" if outcome is Outcome.REJECTED else None,
        )
        for outcome in Outcome
        if outcome is not Outcome.KEPT
        for i in range(summary[outcome])
    )
    return ApplyReport(summary=summary, results=results, took_s=3.2)


STATUS = (
    StatusRow(address=Address("a/ok"), status=RowStatus.TRIGGERED, workflow_run_id="wfr_a-ok", generation=1,
              run_state=RunState.SUCCESS, created_at_ms=NOON_MS, completed_at_ms=NOON_MS + 1_500,
              seen_at_ms=NOON_MS + 9_000, is_live=True),
    StatusRow(address=Address("a/long"), status=RowStatus.TRIGGERED, workflow_run_id="wfr_a-long-" + "x" * 60,
              generation=2, run_state=RunState.FAILED, created_at_ms=NOON_MS, completed_at_ms=NOON_MS + 7_500_000,
              seen_at_ms=NOON_MS + 9_000, is_live=True, error="500: the month isn't closed\x1b[2J"),
    StatusRow(address=Address("b/müller-中文"), status=RowStatus.TRIGGERED, workflow_run_id="wfr_b",
              run_state=RunState.STARTED, created_at_ms=NOON_MS, observed_at_ms=NOON_MS, seen_at_ms=NOON_MS),
    StatusRow(address=Address("b/expired"), status=RowStatus.TRIGGERED, workflow_run_id="wfr_c"),
    StatusRow(address=Address("b/lost"), status=RowStatus.UNKNOWN, workflow_run_id="wfr_d"),
    StatusRow(address=Address("b/no"), status=RowStatus.REJECTED, error="400: no\x1b[2J"),
)  # fmt: skip

DIAGNOSTICS = (
    Diagnostic(code="unknown-field", message="unknown field 'retires'", place=Place("manifests/a.yaml", 12, 7),
               address="onboarding/acme", hint="did you mean 'retries'?", excerpt="      retires: 5"),
    Diagnostic(severity=Severity.WARNING, code="empty", message="the group declares no runs", place=Place("b.yaml", 3)),
    Diagnostic(code="long", message="far to the right", place=Place("c.yaml", 104, 150), address="g/r",
               excerpt="  - name: " + "x" * 139 + "HERE" + "y" * 200),
    Diagnostic(code="wide", message="after wide characters", place=Place("d.yaml", 2, 8),
               excerpt="a: '中文\u0301x' \t# b"),
    Diagnostic(code="evil", message="\x1b[31mred", place=Place("e\x1b.yaml"), address="g/\u202e", excerpt="k: \x1b[2J"),
)  # fmt: skip
