"""Export a state as sorted JSON Lines, the same bytes for the same state, and import it.

The first line is the head; then records, attempts, history, tombstones (`burned`), unclaimed runs, group policies,
schedules, rollouts and notifications, each line with its `kind`. The nonce is left out: an imported state is a copy,
and must not pass for the latest.
"""

from __future__ import annotations

import json
import re
import sqlite3
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from wfdeploy.errors import StateUnusable
from wfdeploy.files.databases import remove_database
from wfdeploy.model.address import Address
from wfdeploy.model.blocking import RolloutMode, RolloutProgress
from wfdeploy.model.edits import (
    Decide,
    Dismiss,
    Edit,
    PutAttempt,
    PutGroups,
    PutProgress,
    PutRecord,
    RaiseNotification,
    ReleaseRuns,
    Remember,
)
from wfdeploy.model.notification import Notification, NotificationKind
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.model.run import OnRemove
from wfdeploy.model.state import Binding
from wfdeploy.ports import StateReader, StateStore
from wfdeploy.state.bulk import put_history
from wfdeploy.state.database import sync_folder
from wfdeploy.state.edits import Editor
from wfdeploy.state.exported import check_head, check_row, rows_of
from wfdeploy.state.rows import attempt_from, attempt_to_plain, record_from, record_to_plain
from wfdeploy.state.sqlite_store import SqliteStore

_AT_ONCE = 1000
"""Records written together, at most."""

FORMAT_VERSION = 2
"""Format 1 was written before the bounds of attempts were in the server's time."""


def export_lines(store: StateReader, *, serial: int | None = None) -> Iterator[str]:
    """Yield the lines of the state, without newlines. `serial`: instead of its own."""
    head = store.head()
    yield _line(
        {
            "kind": "head",
            "formatVersion": FORMAT_VERSION,
            "lineage": head.lineage,
            "serial": head.serial if serial is None else serial,
            "project": head.binding.project,
            "environment": head.binding.environment,
            "server": head.binding.server,
            **({"shard": head.binding.shard} if head.binding.shard else {}),
            "watermarkMs": head.watermark_ms,
            "foreignMs": head.foreign_ms,
            "redactionKey": b64encode(head.redaction_key).decode(),
        }
    )
    for record in store.records():
        yield _line({"kind": "record", **_camel(record_to_plain(record))})
    for attempt in store.attempts():
        yield _line({"kind": "attempt", **_camel(attempt_to_plain(attempt))})
    for entry in store.history(None):
        yield _line(
            {
                "kind": "history",
                "ended": entry.ended.value,
                "endedAtMs": entry.ended_at_ms,
                "record": _camel(record_to_plain(entry.record)),
            }
        )
    for address, fingerprint, generation in store.tombstones():
        yield _line({"kind": "burned", "address": address, "fingerprint": fingerprint, "generation": generation})
    dismissed = store.dismissed()
    for run in store.unclaimed():
        yield _line(
            {
                "kind": "unclaimed",
                "workflowRunId": run.workflow_run_id,
                "createdAtMs": run.created_at_ms,
                "runState": run.state.value,
                "labels": list(run.labels),
                **({"dismissedFor": dismissed[run.workflow_run_id]} if run.workflow_run_id in dismissed else {}),
            }
        )
    for name, policy in store.groups().items():
        yield _line({"kind": "group", "name": name, "onRemove": policy.value})
    for name, decided_s in store.schedules().items():
        yield _line({"kind": "schedule", "name": name, "decided": decided_s})
    for name, progress in store.rollouts().items():
        yield _line({"kind": "rollout", **_camel({**asdict(progress), "mode": progress.mode.value})})
        for address, fingerprint in sorted(store.members(name).items()):
            yield _line({"kind": "member", "group": name, "address": address, "fingerprint": fingerprint})

    for one in store.notifications():
        values = {**asdict(one), "kind": "notification", "about": one.kind.value}
        yield _line(_camel(values))
    for kind in NotificationKind:
        for mark in sorted(store.notified(kind)):
            yield _line({"kind": "notified", "about": kind.value, "mark": mark})


def import_lines(lines: Iterable[str], path: Path, binding: Binding) -> StateStore:
    """Make a new state file from exported lines; all of them or none.

    Raises: `StateUnusable` when a line isn't of the format (with its number), the state belongs elsewhere than to
    `binding`, or the file can't be made.
    """
    rows = rows_of(lines)
    try:
        _, head = next(rows)
    except StopIteration:
        raise StateUnusable("nothing to import: the input is empty") from None
    if head.get("kind") != "head" or head.get("formatVersion") not in (1, FORMAT_VERSION):
        raise StateUnusable(
            f"line 1 is not the head of a state export of format {FORMAT_VERSION} or older",
            hint="give what `wfdeploy state export` printed",
        )
    if head["formatVersion"] == 1:
        head["foreignMs"] = head.get("watermarkMs") if head.get("shared") else None
        rows = _with_open_ends(rows)
    try:
        check_head(_snake(head))
        theirs = Binding(head["project"], head["environment"], head["server"], head.get("shard", ""))
        values = {
            "lineage": head["lineage"],
            "serial": head["serial"],
            "watermark_ms": head["watermarkMs"],
            "foreign_ms": head["foreignMs"],
            "redaction_key": b64decode(head["redactionKey"], validate=True),
        }
    except (KeyError, ValueError) as error:
        raise StateUnusable(f"line 1: not a state's head: {_words(error)}") from error
    if theirs != binding:
        raise StateUnusable(
            f"the exported state belongs to {theirs}, not to {binding}",
            hint="choose the environment it was exported from",
        )
    draft = path.with_name(f".{path.name}.import")
    remove_database(draft)
    try:
        with SqliteStore.create(draft, binding) as store, store.restoring() as connection:
            editor = Editor(connection, lambda: 0)
            counts: Counter[str] = Counter()
            records: list[PutRecord] = []
            for number, row in rows:
                try:
                    _restore(connection, editor, row, records)
                except (KeyError, TypeError, ValueError, OverflowError, sqlite3.IntegrityError) as error:
                    raise StateUnusable(f"line {number}: not a line of a state export: {_words(error)}") from error
                counts[row["kind"]] += 1
                if len(records) == _AT_ONCE:
                    editor.apply(records)
                    records.clear()
            editor.apply(records)
            _require_all(connection, counts)
            connection.executemany(
                "INSERT INTO head (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                [(key, value) for key, value in values.items() if value is not None],
            )
        if path.exists():
            raise StateUnusable(f"{path} exists", hint="move it away first: import never replaces a state")
        draft.rename(path)
        sync_folder(path.parent)
    finally:
        remove_database(draft)
    return SqliteStore.open_existing(path, binding)


def _restore(connection: Any, editor: Editor, row: dict[str, Any], records: list[PutRecord]) -> None:
    """Restore a line. A record is added to `records`, which are written many at a time."""
    values = _snake({name: value for name, value in row.items() if name != "kind"})
    check_row(row["kind"], values)
    match row["kind"]:
        case "record":
            records.append(PutRecord(record_from(values)))
        case "history":
            former = _snake(row["record"])
            check_row("record", former)
            put_history(connection, [(record_from(former), row["ended"], row["endedAtMs"])])
        case "burned":
            tombstone = row["address"], row["fingerprint"], row["generation"]
            connection.execute("INSERT INTO burned VALUES (?, ?, ?)", tombstone)
        case kind:
            editor.apply(list(_edits(kind, row, values)))


def _edits(kind: str, row: dict[str, Any], values: dict[str, Any]) -> Iterator[Edit]:
    match kind:
        case "attempt":
            yield PutAttempt(attempt_from(values))
        case "unclaimed":
            run_id, state = row["workflowRunId"], RunState(row["runState"])
            yield Remember(ObservedRun(run_id, state, row["createdAtMs"], labels=tuple(row.get("labels", ()))))
            if "dismissedFor" in row:
                yield Dismiss(run_id, Address(row["dismissedFor"]))
        case "schedule":
            yield Decide(row["name"], row["decided"])
        case "rollout":
            yield PutProgress(RolloutProgress(**{**values, "mode": RolloutMode(values["mode"])}))
        case "member":
            yield ReleaseRuns(row["group"], ((Address(row["address"]), row["fingerprint"]),))
        case "notification":
            about, webhooks = NotificationKind(values.pop("about")), tuple(values.pop("webhooks"))
            yield RaiseNotification(Notification(**values, kind=about, webhooks=webhooks), ())
        case "notified":
            yield RaiseNotification(
                Notification(
                    id="", kind=NotificationKind(row["about"]), group="", facts="", raised_at_ms=0, webhooks=()
                ),
                (row["mark"],),
            )
        case "group":
            yield PutGroups({row["name"]: OnRemove(row["onRemove"])})


def _with_open_ends(rows: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of format 1. Their ends of attempts are by a machine's own clock; the next apply sets them again."""
    for number, row in rows:
        yield number, row | {"endedAtMs": None} if row.get("kind") == "attempt" else row


_TABLES = {
    "record": "records",
    "attempt": "attempts",
    "history": "history",
    "unclaimed": "unclaimed",
    "group": "groups",
    "schedule": "schedules",
    "rollout": "rollouts",
    "member": "rollout_members",
    "notification": "notifications",
    "notified": "notified",
}


def _require_all(connection: Any, counts: Mapping[str, int]) -> None:
    """Raises: `StateUnusable` where one line took the place of another."""
    for kind, table in _TABLES.items():
        (held,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
        if held != counts.get(kind, 0):
            raise StateUnusable(
                f"{counts.get(kind, 0):,} lines of the kind {kind} are about {held:,} things",
                hint="give what `wfdeploy state export` printed, each line once",
            )


def _words(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)


def _camel(values: dict[str, Any]) -> dict[str, Any]:
    """Keys as all of our JSON spells them."""
    return {_camel_key(key): value for key, value in values.items()}


def _snake(values: dict[str, Any]) -> dict[str, Any]:
    return {_snake_key(key): value for key, value in values.items()}


@cache
def _camel_key(key: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), key)


@cache  # a line with an unknown key is the last one that is read
def _snake_key(key: str) -> str:
    return re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", key)


_line = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode
