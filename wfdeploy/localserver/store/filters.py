"""Translate query filters of the logs and of bulk cancel to SQL over the runs, and read and write cursors.

Source: Upstash Workflow REST reference, "List Workflow Run Logs" and "Bulk Cancel Workflow Runs". The values of one
filter are alternatives, repeated or separated by commas; several filters must all match.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from starlette.datastructures import QueryParams

from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.store.records import RunState

RUN_PAIRS_PATTERN = r"^[^,]+@[0-9]{1,18}(,[^,]+@[0-9]{1,18})*$"
"""The format of `workflowRuns`."""

STEP_CONDITIONS = {
    "STEP_SUCCESS": "m.kind = 'step' AND m.step_key LIKE 'result:%' AND (m.state <> 'pending' OR m.retried > 0)",
    "STEP_PROGRESS": "m.state IN ('pending', 'waiting') AND m.retried = 0 AND m.kind <> 'failure'",
    "STEP_RETRY": "m.state = 'pending' AND m.retried > 0 AND m.kind <> 'failure'",
    "STEP_FAILED": "m.state = 'failed' AND m.kind IN ('init', 'step', 'callResult')",
    "STEP_CANCELED": "m.state = 'dropped' AND r.state = 'RUN_CANCELED'",
}
"""Step state -> the condition that a message `m` of a run `r` is a step in this state."""

LARGEST = 2**53 - 1
"""The largest integer of JavaScript, far beyond any time or count."""

_INTEGER = re.compile("-?[0-9]{1,16}")


@dataclass(slots=True)
class Where:
    """A source of rows, and conditions joined by AND, with their values. Only our own text and `?`."""

    source: str = "runs r"
    seq: str = "r.seq"
    """The column that orders the rows."""
    conditions: list[str] = field(default_factory=list)
    values: list[object] = field(default_factory=list)

    def add(self, condition: str, *values: object) -> None:
        self.conditions.append(condition)
        self.values.extend(values)

    def one_of(self, column: str, options: Sequence[object]) -> None:
        if options:
            self.add(f"{column} IN ({', '.join('?' * len(options))})", *options)

    def text(self) -> str:
        return " AND ".join(self.conditions)


def multi(query: QueryParams, name: str) -> list[str]:
    """All values of a parameter, repeated or comma-separated."""
    return [part for text in query.getlist(name) for part in text.split(",") if part]


def integer(query: QueryParams, name: str, *, least: int = 0, most: int = LARGEST) -> int | None:
    """A parameter's integer. Raises: Refused for a value that is no integer from `least` to `most`."""
    text = query.get(name)
    if text is None:
        return None
    if not _INTEGER.fullmatch(text) or not least <= int(text) <= most:
        raise Refused(f"invalid {name}: {text[:100]!r}")
    return int(text)


def flag(query: QueryParams, name: str) -> bool:
    """A parameter's boolean, False by default. Raises: Refused for anything but `true` and `false`."""
    text = query.get(name, "false").lower()
    if text not in ("true", "false"):
        raise Refused(f"invalid {name}: {text!r}")
    return text == "true"


def check_url(url: str, *, what: str = "destination") -> None:
    """Raises: Refused unless the URL is an absolute http(s) one."""
    if not re.match(r"https?://[^/?#\s]", url, re.IGNORECASE):
        raise Refused(f"{what} must start with http:// or https://")


def log_filter(query: QueryParams, tenant: str) -> Where:
    """The filters of the logs, over runs.

    Raises: Refused for an invalid value.
    """
    where = Where()
    # The plus keeps SQLite from walking and sorting the tenant's whole index for a page of ten, unless an id narrows it
    # down.
    by_id = "workflowRuns" in query or "workflowRunId" in query
    tenants = "r.tenant = ?" if by_id else "+r.tenant = ?"
    where.add(tenants, tenant)
    _add_identity(where, query)
    if states := _states(query):
        _add_states(where, states)
    add_common(where, query, tenant)
    return _only_pairs(query, tenants, tenant) or where


def _only_pairs(query: QueryParams, condition: str, tenant: str, source: str = "runs r") -> Where | None:
    """The filter `workflowRuns`, which replaces all others (they must be valid all the same)."""
    pairs = query.get("workflowRuns")
    if pairs is None:
        return None
    if not re.fullmatch(RUN_PAIRS_PATTERN, pairs):
        raise Refused(f"invalid workflowRuns: {pairs[:200]!r}")
    where = Where(source=source)
    where.add(condition, tenant)
    wanted = [(run_id, int(at)) for run_id, _, at in (pair.rpartition("@") for pair in pairs.split(","))]
    where.one_of("r.run_id", [run_id for run_id, _ in wanted])  # makes SQLite use the index
    rows = ", ".join(["(?, ?)"] * len(wanted))
    where.add(f"(r.run_id, r.created_at) IN (VALUES {rows})", *(value for pair in wanted for value in pair))
    return where


def event_filter(query: QueryParams, tenant: str, source: str) -> Where:
    """The filters of the logs, over events `e` with their runs `r`. Dates and states are those of the events.

    Raises: Refused for an invalid value.
    """
    where = Where(source=source)
    where.add("r.tenant = ?", tenant)
    _add_identity(where, query)
    where.one_of("e.state", _states(query))
    add_dates(where, query, "e.at")
    add_origin(where, query)
    add_labels(where, multi(query, "label"))
    return _only_pairs(query, "r.tenant = ?", tenant, source) or where


def _add_identity(where: Where, query: QueryParams) -> None:
    """The filters that identify single runs."""
    where.one_of("r.run_id", query.getlist("workflowRunId"))
    where.one_of("r.url", urls := query.getlist("workflowUrl"))
    for url in urls:
        check_url(url, what="workflowUrl")
    if (created_at := integer(query, "workflowCreatedAt")) is not None:
        where.add("r.created_at = ?", created_at)
    if (message_id := query.get("messageId")) is not None:
        where.add("EXISTS (SELECT 1 FROM messages m WHERE m.run_seq = r.seq AND m.message_id = ?)", message_id)


def add_dates(where: Where, query: QueryParams, column: str) -> None:
    if (start := integer(query, "fromDate")) is not None:
        where.add(f"{column} >= ?", start)
    if (end := integer(query, "toDate")) is not None:
        where.add(f"{column} <= ?", end)


def add_origin(where: Where, query: QueryParams) -> None:
    """The filters by endpoint, caller and flow-control key; `host` and `path` are the JavaScript SDK's."""
    where.one_of("r.flow_key", multi(query, "flowControlKey"))
    where.one_of("r.caller_ip", multi(query, "callerIp"))
    where.one_of("url_host(r.url)", [host.lower() for host in multi(query, "host")])
    where.one_of("url_path(r.url)", multi(query, "path"))


def add_common(where: Where, query: QueryParams, tenant: str) -> None:
    """The filters that the logs and bulk cancel share: time, label, flow-control key, caller."""
    add_dates(where, query, "r.created_at")
    add_origin(where, query)
    labels = multi(query, "label")
    if len(labels) == 1:
        # The usual listing, of one project: walk the runs of its label in order.
        where.source = "labels l CROSS JOIN runs r ON r.seq = l.run_seq"
        where.seq = "l.run_seq"
        where.add("l.tenant = r.tenant AND l.tenant = ? AND l.label = ?", tenant, labels[0])
    else:
        add_labels(where, labels)


def add_labels(where: Where, labels: Sequence[str]) -> None:
    """Runs that have one of these labels."""
    if labels:
        marks = ", ".join("?" * len(labels))
        where.add(
            "EXISTS (SELECT 1 FROM labels l"  # noqa: S608
            f" WHERE l.tenant = r.tenant AND l.label IN ({marks}) AND l.run_seq = r.seq)",
            *labels,
        )


def choices(query: QueryParams, name: str, known: Iterable[str]) -> list[str]:
    """All values of a parameter. Raises: Refused for a value that is not `known`, also an empty one."""
    chosen = [part for text in query.getlist(name) for part in text.split(",")]
    if unknown := set(chosen).difference(known):
        raise Refused(f"invalid {name}: {min(unknown)!r}")
    return chosen


def _states(query: QueryParams) -> list[str]:
    return choices(query, "state", (*STEP_CONDITIONS, *(each.value for each in RunState)))


def _add_states(where: Where, states: Sequence[str]) -> None:
    """Runs in one of these states, or with a step in one of them."""
    of_runs = [state for state in states if state not in STEP_CONDITIONS]
    conditions = [f"r.state IN ({', '.join('?' * len(of_runs))})"] if of_runs else []
    if of_steps := [f"({STEP_CONDITIONS[state]})" for state in states if state in STEP_CONDITIONS]:
        any_of = " OR ".join(of_steps)
        conditions.append(f"EXISTS (SELECT 1 FROM messages m WHERE m.run_seq = r.seq AND ({any_of}))")  # noqa: S608
    where.add(f"({' OR '.join(conditions)})", *of_runs)


CURSOR_PATTERN = r"^(r[0-9]{1,18}\.[0-9]{1,18})?$"
"""Empty: no cursor, as on the last page of some lists."""

EVENT_CURSOR_PATTERN = r"^e[0-9]{1,18}(\.[0-9]{1,18}){4}$"


def write_cursor(seq: int, floor: int = 0) -> str:
    """The cursor of the page that begins below `seq` and ends at `floor`."""
    return f"r{seq}.{floor}"


def read_cursor(text: str) -> tuple[int, int]:
    """(`seq`, `floor`) of a cursor.

    Raises: Refused for a text that is no cursor.
    """
    before, floor = _numbers(text, CURSOR_PATTERN)
    return before, floor


def write_event_cursor(position: Sequence[int]) -> str:
    """The cursor of the page of events that begins below this position (`event_log.POSITION`)."""
    return "e" + ".".join(str(number) for number in position)


def read_event_cursor(text: str) -> tuple[int, ...]:
    """The position in a cursor. Raises: Refused for a text that is no cursor."""
    return _numbers(text, EVENT_CURSOR_PATTERN)


def _numbers(text: str, pattern: str) -> tuple[int, ...]:
    if not text or not re.fullmatch(pattern, text):
        raise Refused("invalid cursor")
    return tuple(int(number) for number in text[1:].split("."))
