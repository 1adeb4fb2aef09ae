"""What the team declares: groups with every feature there is, and a picture of them at one moment.

A run has a `who` that goes with it through renames and is part of its body, so that a run on the server tells what it
was declared as.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.workbench import group, run

MINUTE, HOUR = 60, 3600


@dataclass(slots=True)
class Care:
    """What a kind of group wants done, for the rules: how often runs are tried again, and after how long."""

    on_failure: str = "report"
    most: int = 0
    backoff_s: int = 0
    restarts_cancelled: bool = False
    replaces: str = "allow"
    on_remove: str = "keep"


@dataclass(frozen=True, slots=True)
class Declared:
    """One run of a manifest."""

    who: str
    name: str
    version: int = 1
    delay_s: int = 0
    own_id: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a rollout: a number of runs or a percentage, and what opens the next."""

    amount: int
    is_percent: bool
    until: str
    bake_s: int = 0

    def of(self, total: int) -> int:
        return -(-total * self.amount // 100) if self.is_percent else self.amount


@dataclass(frozen=True, slots=True)
class Timetable:
    """A schedule."""

    cron: str
    timezone: str
    catch_up: str
    skips: bool
    keep: int


@dataclass(slots=True)
class Table:
    """The data file that the runs of a group are made of: its suffix, and how its numbers are written."""

    suffix: str
    numbers: str = "{}"


@dataclass(slots=True)
class Group:
    """A group as it is being edited. `kind` stays whatever it is called. With a `table`, each run is a row of it."""

    kind: str
    name: str
    care: Care = field(default_factory=Care)
    depends_on: tuple[tuple[str, str], ...] = ()
    steps: tuple[Step, ...] = ()
    max_failures: int | None = None
    timetable: Timetable | None = None
    runs: dict[str, Declared] = field(default_factory=dict)
    former: dict[str, Declared] = field(default_factory=dict)
    moved: list[tuple[str, str]] = field(default_factory=list)
    is_present: bool = True
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A group as it was declared at one moment. `runs`: by who."""

    kind: str
    name: str
    care: Care
    depends_on: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    max_failures: int | None
    timetable: Timetable | None
    runs: Mapping[str, Declared]
    is_table: bool = False


def picture(groups: Mapping[str, Group]) -> dict[str, Picture]:
    """The groups that are declared now, by kind."""
    return {
        kind: Picture(
            kind=kind,
            name=one.name,
            care=one.care,
            depends_on=one.depends_on,
            steps=one.steps,
            max_failures=one.max_failures,
            timetable=one.timetable,
            runs=dict(one.runs),
            is_table=one.table is not None,
        )
        for kind, one in groups.items()
        if one.is_present
    }


def manifests(groups: Mapping[str, Group]) -> list[dict[str, Any]]:
    """As the team writes them."""
    return [_manifest(one, groups) for one in groups.values() if one.is_present]


def _manifest(one: Group, groups: Mapping[str, Group]) -> dict[str, Any]:
    spec: dict[str, Any] = {"destination": f"http://127.0.0.1:9/{one.kind}"}
    care = one.care
    on_failure: Any = care.on_failure
    if care.most:
        on_failure = {"action": care.on_failure, "maxAttempts": care.most, "backoff": care.backoff_s}
    spec["policy"] = {
        "onFailure": on_failure,
        "onCancelled": "restart" if care.restarts_cancelled else "report",
        "replaceRunning": care.replaces,
        "onRemove": care.on_remove,
    }
    if one.depends_on:
        spec["dependsOn"] = [{"group": groups[kind].name, "condition": cond} for kind, cond in one.depends_on]
    if one.steps:
        steps = [
            {"percent" if s.is_percent else "count": s.amount, "pauseUntil": s.until, "bake": s.bake_s}
            for s in one.steps
        ]
        spec["rollout"] = {"steps": steps}
        if one.max_failures is not None:
            spec["rollout"]["maxFailures"] = one.max_failures
    if one.moved:
        spec["moved"] = [{"from": origin, "to": to} for origin, to in one.moved]
    if one.timetable is not None:
        table = one.timetable
        spec["schedule"] = {
            "cron": table.cron,
            "timezone": table.timezone,
            "catchUp": table.catch_up,
            "concurrency": "skip" if table.skips else "allow",
        }
        spec["history"] = {"keep": table.keep}
    if one.table is not None:
        return group(one.name, [_rows(one, one.table)], **spec)
    return group(one.name, [_run(each, one) for each in one.runs.values()], **spec)


def data_files(groups: Mapping[str, Group]) -> dict[str, str]:
    """By name, what lies beside the manifests."""
    return {
        f"{one.kind}.{one.table.suffix}": _table(one, one.table)
        for one in groups.values()
        if one.is_present and one.table is not None
    }


def _rows(one: Group, table: Table) -> dict[str, Any]:
    """The generator of a run of each row."""
    columns = {"id": {"type": "number"}, "v": {"type": "integer"}}
    return run(
        "r",
        forEach={"file": f"{one.kind}.{table.suffix}", "rowSchema": {"properties": columns}},
        key="${{ row.id }}",
        body={"run": "${{ row.who }}", "v": "${{ row.v }}"},
    )


def _table(one: Group, table: Table) -> str:
    rows = [(table.numbers.format(row_number(each)), each.who, each.version) for each in one.runs.values()]
    if table.suffix == "csv":
        return "id,who,v\n" + "".join(f"{number},{who},{version}\n" for number, who, version in rows)
    return "".join(f'{{"id": {number}, "who": "{who}", "v": {version}}}\n' for number, who, version in rows)


def row_name(number: int) -> str:
    """What the run of a row is called."""
    return f"r[{number}]"


def row_number(each: Declared) -> int:
    """The other way round."""
    return int(each.name[2:-1])


def tables() -> dict[str, Group]:
    """The groups that are made of data files, by kind."""
    groups = (
        Group("rows", "rows", Care(on_remove="cancel"), table=Table("csv")),
        Group("lines", "lines", table=Table("jsonl")),
    )
    for one in groups:
        one.runs = {f"{one.kind}-{n}": Declared(f"{one.kind}-{n}", row_name(n)) for n in range(4)}
    return {one.kind: one for one in groups}


def _run(each: Declared, one: Group) -> dict[str, Any]:
    body: dict[str, Any] = {"run": each.who, "v": each.version}
    if one.timetable is not None:
        body["at"] = "${{ schedule.time }}"
    delay = {"delay": each.delay_s} if each.delay_s else {}
    return run(each.name, body=body, **delay, **({} if each.own_id is None else {"workflowRunId": each.own_id}))


def begin() -> dict[str, Group]:
    """The groups that a world begins with, by kind."""
    wave = (
        Step(2, is_percent=False, until="succeeded"),
        Step(40, is_percent=True, until="finished", bake_s=30 * MINUTE),
        Step(70, is_percent=True, until="approved"),
    )
    groups = [
        Group("kept", "kept"),
        Group("dropped", "dropped", Care(on_remove="forget")),
        Group("ended", "ended", Care(on_remove="cancel")),
        Group("tried", "tried", Care("resume", 2, 10 * MINUTE, replaces="wait")),
        Group("again", "again", Care("restart", 3, HOUR, restarts_cancelled=True, replaces="cancel")),
        Group("load", "load", depends_on=(("tried", "finished"), ("kept", "triggered"))),
        Group("report", "report", depends_on=(("load", "succeeded"), ("nightly", "finished"))),
        Group("wave", "wave", Care("restart", 1, 0), steps=wave, max_failures=2),
        Group("hours", "hours", Care("restart", 1, 0), timetable=Timetable("20 */6 * * *", "UTC", "all", False, 4)),
        Group(
            "nightly",
            "nightly",
            Care("resume", 2, 0),
            timetable=Timetable("30 2 * * *", "Europe/Berlin", "last", True, 3),
        ),
        Group("pulse", "pulse", timetable=Timetable("*/20 * * * *", "America/New_York", "none", False, 2)),
    ]
    sizes = {"kept": 5, "dropped": 3, "ended": 3, "tried": 4, "again": 4, "load": 3, "report": 2, "wave": 10}
    for one in groups:
        for number in range(sizes.get(one.kind, 2)):
            who = f"{one.kind}-{number}"
            one.runs[who] = Declared(who, who)
    return {one.kind: one for one in groups}
