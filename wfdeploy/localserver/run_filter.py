"""Query filters of the logs and of bulk cancel, as SQL over the runs.

Source: Upstash Workflow REST reference, "List Workflow Run Logs" and "Bulk Cancel Workflow Runs": several values of one
filter are alternatives, several filters hold together; values are repeated or separated by commas.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from starlette.datastructures import QueryParams

from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.records import RunState

RUN_PAIRS_PATTERN = r"^[^,]*[^,@][^,]*@[0-9]{1,18}(,[^,]*[^,@][^,]*@[0-9]{1,18})*$"
"""Of `workflowRuns`."""

_LARGEST = 2**63 - 1
"""Where SQLite's integers end."""

_PLAIN_INTEGER = re.compile("-?[0-9]{1,19}")


@dataclass(slots=True)
class Where:
    """A source of rows and conditions joined by AND, with their values; built from our own texts and `?` only."""

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


def integer(query: QueryParams, name: str) -> int | None:
    """Raises: Refused when the value is no integer of 64 bits. Generated clients may write `1e3` or `5.0`."""
    text = query.get(name)
    if text is None or text == "":
        return None
    try:
        number = int(text) if _PLAIN_INTEGER.fullmatch(text) else _integral(text)
    except ValueError:
        number = _LARGEST + 1
    if not -_LARGEST <= number <= _LARGEST:
        raise Refused(f"invalid {name}: {text!r}")
    return number


def _integral(text: str) -> int:
    """Raises: ValueError for a number with a fraction, or none at all."""
    number = float(text)
    if not number.is_integer():
        raise ValueError(text)
    return int(number)


def positive(query: QueryParams, name: str) -> int | None:
    """Raises: Refused unless the value is an integer above zero."""
    number = integer(query, name)
    if number is not None and number < 1:
        raise Refused(f"invalid {name}: {number}")
    return number


def flag(query: QueryParams, name: str) -> bool:
    """False where it is missing. Raises: Refused for anything but `true` and `false`."""
    text = query.get(name, "").lower()
    if text not in ("true", "false", ""):
        raise Refused(f"invalid {name}: {text!r}")
    return text == "true"


def log_filter(query: QueryParams, tenant: str) -> Where:
    """The filters of the logs.

    Raises: Refused for a value that cannot be.
    """
    where = Where()
    # The plus keeps SQLite from walking all of the tenant's index and sorting it for a page of ten, except where an id
    # narrows it down.
    by_id = "workflowRuns" in query or "workflowRunId" in query
    where.add("r.tenant = ?" if by_id else "+r.tenant = ?", tenant)
    if pairs := multi(query, "workflowRuns"):
        _add_pairs(where, pairs)  # other filters are ignored then
        return where
    where.one_of("r.run_id", query.getlist("workflowRunId"))
    where.one_of("r.url", query.getlist("workflowUrl"))
    if (created_at := integer(query, "workflowCreatedAt")) is not None:
        where.add("r.created_at = ?", created_at)
    if states := multi(query, "state"):
        _add_states(where, states)
    add_common(where, query, tenant)
    return where


def add_common(where: Where, query: QueryParams, tenant: str) -> None:
    """What the logs and bulk cancel share: time, label, flow-control key, caller."""
    if (start := integer(query, "fromDate")) is not None:
        where.add("r.created_at >= ?", start)
    if (end := integer(query, "toDate")) is not None:
        where.add("r.created_at <= ?", end)
    where.one_of("r.flow_key", multi(query, "flowControlKey"))
    where.one_of("r.caller_ip", multi(query, "callerIp"))
    labels = multi(query, "label")
    if len(labels) == 1:
        # The usual listing, of one project among others: walk that label's runs in order.
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


def _add_pairs(where: Where, pairs: Iterable[str]) -> None:
    wanted: list[tuple[str, int]] = []
    for pair in pairs:
        run_id, at, created_at = pair.rpartition("@")
        if not at or not re.fullmatch(r"[0-9]{1,18}", created_at):
            raise Refused(f"invalid workflowRuns element: {pair!r}")
        wanted.append((run_id, int(created_at)))
    where.one_of("r.run_id", [run_id for run_id, _ in wanted])  # lets the index find them
    rows = ", ".join(["(?, ?)"] * len(wanted))
    where.add(f"(r.run_id, r.created_at) IN (VALUES {rows})", *(value for pair in wanted for value in pair))


def _add_states(where: Where, states: Sequence[str]) -> None:
    known = {state.value for state in RunState}
    if unknown := [state for state in states if state not in known]:
        if all(state.startswith("STEP_") for state in unknown):
            raise Refused("filtering by step state is not supported by this server yet")
        raise Refused(f"invalid state: {unknown[0]!r}")
    where.one_of("r.state", states)
