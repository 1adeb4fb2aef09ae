"""Lines of a state export: refused, or taken as they are."""

from __future__ import annotations

import json
import random
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.contracts.test_state_store import BINDING, NOW_MS, attempt, record
from tests.fuzz.hunt import Hunt, hunt
from tests.fuzz.mutation import Damage
from tests.fuzz.sound import check_error
from tests.support.scratch import scratch
from wfdeploy.errors import StateUnusable
from wfdeploy.model.address import Address
from wfdeploy.model.blocking import RolloutProgress
from wfdeploy.model.edits import (
    Decide,
    Dismiss,
    Edit,
    Forget,
    PutAttempt,
    PutGroups,
    PutProgress,
    PutRecord,
    PutTombstone,
    RaiseNotification,
    ReleaseRuns,
    Remember,
    Rename,
    SetHead,
)
from wfdeploy.model.notification import Notification, NotificationKind
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.model.run import OnRemove
from wfdeploy.ports import StateStore
from wfdeploy.state.export import export_lines, import_lines
from wfdeploy.state.sqlite_store import SqliteStore

OLD = Path(__file__).parents[1] / "cases" / "upgrade" / "export-1.jsonl"
PIECES: list[Any] = [
    "record", "attempt", "history", "burned", "unclaimed", "group", "schedule", "rollout", "member", "head", "g/b",
    "notification", "notified", "drift", "runs-failed",
    "g/a[k]", "1:a", "intent", "triggered", "RUN_FAILED", "RUN_STARTED", "keep", "cancel", "{}", "paused",
    1, 3, "wfr_p",
]  # fmt: skip
NOTIFICATION = Notification(
    id="a1", kind=NotificationKind.DRIFT, group="g", facts='{"count":2}', raised_at_ms=5, webhooks=("ops", "pager")
)


def filled(store: StateStore) -> None:
    edits: list[list[Edit]] = [
        [PutRecord(record("g/é", request='{"body":"\u2028"}', by='{"host":"h"}')), PutRecord(record("g/b"))],
        [PutRecord(record("g/b", "1:b")), PutAttempt(attempt("g/c"))],
        [Rename(Address("g/b"), Address("h/b")), Forget(Address("g/é"))],
        [PutTombstone(Address("g/x"), "1:q", 7), PutGroups({"g": OnRemove.CANCEL}), SetHead(watermark_ms=12)],
        [Remember(ObservedRun(workflow_run_id=f"wfr_{n}", state=RunState.STARTED, created_at_ms=1)) for n in "pq"],
        [Dismiss("wfr_p", Address("g/b")), Decide("n", 9), PutProgress(RolloutProgress(group="g", open_since_ms=3))],
        [ReleaseRuns("g", ((Address("g/b"), "1:b"), (Address("g/a"), "1:a")))],
        [RaiseNotification(NOTIFICATION, ("m1", "m2"))],
    ]
    for some in edits:
        store.commit(some)


def exported() -> list[str]:
    with SqliteStore.in_memory(BINDING, now_ms=lambda: NOW_MS) as store:
        filled(store)
        return list(export_lines(store))


def damaged(rng: random.Random, lines: list[str]) -> list[str]:
    damage = Damage(rng)
    if rng.random() < 0.2:
        data = damage.octets("\n".join(lines).encode(), [damage.nested()])
        return data.decode(errors=rng.choice(("replace", "surrogateescape"))).split("\n")
    rows = [json.loads(line) for line in lines]
    head = rows[0]
    if rng.random() < 0.3:
        changed = damage.value(rows if rng.random() < 0.5 else rows[1:], PIECES)
        rows = changed if isinstance(changed, list) else [changed]
        rows = rows if rows[:1] and isinstance(rows[0], dict) and rows[0].get("kind") == "head" else [head, *rows]
    else:
        spot = rng.randrange(len(rows))
        rows[spot] = damage.value(rows[spot], PIECES)
    return [json.dumps(row, ensure_ascii=rng.random() < 0.5) for row in rows]


def test_an_export_is_refused_or_taken_as_it_is() -> None:
    samples = [exported(), OLD.read_text(encoding="utf-8").split("\n")[:-1]]
    with scratch() as folder:

        def example(rng: random.Random, done: Hunt) -> None:
            lines = damaged(rng, rng.choice(samples))
            done.input = "\n".join(lines)
            new, again = folder / "new.db", folder / "again.db"
            try:
                with closing(import_lines(lines, new, BINDING)) as store:
                    told = list(export_lines(store))
                    done.note("taken")
                with closing(import_lines(told, again, BINDING)) as store:
                    assert list(export_lines(store)) == told
            except StateUnusable as error:
                check_error(error)
                if new.exists():
                    raise AssertionError("half of a state is left, or what was exported is not taken back") from error
                done.note("refused")
            for file in folder.iterdir():
                file.unlink()

        done = hunt("state export", 150, example, allowed=folder)
    assert min(done.outcomes["taken"], done.outcomes["refused"]) > 10 or done.examples < 100
