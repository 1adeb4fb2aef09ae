"""The lists of the page: runs, dead letters and queued deliveries, without their bodies.

The API's logs list ten runs per page with all their steps, and only find whole ids and URLs; its dead letters carry
their payloads. Here a page costs as much as its fifty rows, however many runs there are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.datastructures import QueryParams

from wfdeploy.localserver.store.dead_letters import dlq_filter
from wfdeploy.localserver.store.filters import Where, log_filter, read_cursor, write_cursor
from wfdeploy.localserver.store.records import MessageKind
from wfdeploy.localserver.store.run_store import RunStore

PAGE = 50

EXCERPT = 300
"""The characters shown of an error or an answer."""

_RUN_COLUMNS = {
    "runId": "r.run_id",
    "url": "r.url",
    "state": "r.state",
    "createdAt": "r.created_at",
    "startsAt": "r.starts_at",
    "completedAt": "r.completed_at",
    "flowKey": "r.flow_key",
}
_LETTER_COLUMNS = {"dlqId": "d.dlq_id", "failedAt": "d.failed_at", "callbackState": "d.callback_state"}
_DELIVERY_COLUMNS = {
    "messageId": "m.message_id",
    "kind": "m.kind",
    "dueAt": "m.due_at",
    "retried": "m.retried",
    "runId": "r.run_id",
    "createdAt": "r.created_at",
}
"""JSON key -> column."""


def _named(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{column} AS {name}" for name, column in columns.items())


_RUN = f"{_named(_RUN_COLUMNS)}, r.labels"

_ANSWER = "json_extract(r.failure, '$.failResponse')"

_ERROR = (
    f"substr(json_extract(r.failure, '$.error'), 1, {EXCERPT}) AS error,"
    # The SDKs answer {"error", "message", "stack"}.
    f" CASE WHEN json_valid({_ANSWER}) THEN substr(json_extract({_ANSWER}, '$.message'), 1, {EXCERPT}) END AS message"
)


def runs(store: RunStore, query: QueryParams, tenant: str) -> dict[str, Any]:
    """The newest runs that match the filters of the logs, and `q`, a part of the id, the URL or the labels.

    Raises: Refused for an invalid filter or cursor.
    """
    rows, cursor = _page(
        store,
        log_filter(query, tenant),
        query,
        f"r.seq AS at, r.seq, {_RUN}, {_ERROR}",
    )
    seqs = [row["seq"] for row in rows]
    steps, pending = _steps_done(store, seqs), _under_way(store, seqs)
    listed = [
        {**_run(row), "steps": steps.get(row["seq"], 0), "underWay": pending.get(row["seq"], []), **_error(row)}
        for row in rows
    ]
    return {"runs": listed, "cursor": cursor}


def dead_letters(store: RunStore, query: QueryParams, tenant: str) -> dict[str, Any]:
    """The newest dead letters that match the filters of the API's list, and `q`.

    Raises: Refused for an invalid filter or cursor.
    """
    rows, cursor = _page(
        store,
        dlq_filter(query, tenant),
        query,
        f"d.seq AS at, {_named(_LETTER_COLUMNS)}, {_RUN}, {_ERROR}, substr({_ANSWER}, 1, {EXCERPT}) AS answer",
    )
    letters = [{**_run(row), **_values(row, _LETTER_COLUMNS), **_error(row), "answer": row["answer"]} for row in rows]
    return {"letters": letters, "cursor": cursor}


def queue(store: RunStore, tenant: str, key: str, now_ms: int) -> list[dict[str, Any]]:
    """The oldest due deliveries under a flow-control key, running or queued."""
    rows = store.connection.execute(
        f"SELECT {_named(_DELIVERY_COLUMNS)} FROM messages m LEFT JOIN runs r ON r.seq = m.run_seq"  # noqa: S608
        " WHERE m.state = 'pending' AND m.tenant = ? AND m.flow_key = ? AND m.due_at <= ? ORDER BY m.seq LIMIT ?",
        (tenant, key, now_ms, PAGE),
    )
    return [dict(row) for row in rows]


def _page(store: RunStore, where: Where, query: QueryParams, columns: str) -> tuple[Sequence[Any], str | None]:
    """The rows, and the cursor of the next page. `columns` must contain the position of a row as `at`."""
    if piece := query.get("q"):
        like = "%" + piece.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        columns_searched = ("r.run_id", "r.url", "r.labels")
        where.add("(" + " OR ".join(f"{name} LIKE ? ESCAPE '\\'" for name in columns_searched) + ")", *[like] * 3)
    if cursor := query.get("cursor"):
        where.add(f"{where.seq} < ?", read_cursor(cursor)[0])
    rows = store.connection.execute(
        f"SELECT {columns} FROM {where.source} WHERE {where.text()} ORDER BY {where.seq} DESC LIMIT ?",  # noqa: S608
        (*where.values, PAGE + 1),
    ).fetchall()
    more = len(rows) > PAGE
    rows = rows[:PAGE]
    return rows, write_cursor(rows[-1]["at"]) if more else None


def _values(row: Any, columns: Mapping[str, str]) -> dict[str, Any]:
    return {name: row[name] for name in columns}


def _run(row: Any) -> dict[str, Any]:
    return _values(row, _RUN_COLUMNS) | {"labels": row["labels"].split(",") if row["labels"] else []}


def _error(row: Any) -> dict[str, Any]:
    """The reason of the failure, and the endpoint's own message if there is one."""
    return {"error": row["error"], "message": row["message"]}


def _steps_done(store: RunStore, seqs: Sequence[int]) -> dict[int, int]:
    rows = store.connection.execute(
        "SELECT run_seq, COUNT(*) FROM messages WHERE run_seq IN (SELECT value FROM json_each(?))"
        " AND step_key LIKE 'result:%' GROUP BY run_seq",
        (json.dumps(seqs),),
    )
    return {row[0]: row[1] for row in rows}


def _under_way(store: RunStore, seqs: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """The pending messages of runs, by kind: their number, the next due time, the retries."""
    rows = store.connection.execute(
        "SELECT run_seq, kind, COUNT(*) AS many, MIN(due_at) AS due, MAX(retried) AS retried, MIN(event_id) AS event"
        " FROM messages WHERE run_seq IN (SELECT value FROM json_each(?)) AND state IN ('pending', 'waiting')"
        " AND kind <> ? GROUP BY run_seq, kind",
        (json.dumps(seqs), MessageKind.FAILURE.value),
    )
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        about = {"kind": row["kind"], "many": row["many"], "dueAt": row["due"], "retried": row["retried"]}
        found.setdefault(row["run_seq"], []).append(about | ({"event": row["event"]} if row["event"] else {}))
    return found
