"""A plan's text: as it was reviewed, fit for a screen whatever changes, and with a count of what it leaves out."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.golden_files import GOLDEN
from tests.unit.render import samples
from tests.unit.render.views import SAMPLE_PLANS, Golden, joined, tagged
from wfdeploy.model.address import Address
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Action, Change, FieldChange, FirstChanges, Plan
from wfdeploy.model.run import DesiredRun, Group, Source
from wfdeploy.render import plan_json, plan_text

MOST_BYTES, MOST_LINES = 5_000, 50


LONG = "k" * 1000


def one_each(action: Action, count: int, *diff: FieldChange, name: str = "run") -> list[Change]:
    """One change in each of many groups."""
    return [samples.change(f"group-{n:05}/{name}", action, "because", *diff) for n in range(count)]


def in_one_group(count: int, diff: Callable[[int], FieldChange], reason: str = "changed") -> Plan:
    return samples.plan_of(
        [samples.change(f"g/r{n:05}", Action.RETRIGGER, reason.format(n), diff(n)) for n in range(count)]
    )


BUSY = samples.plan_of(one_each(Action.TRIGGER, 300))
PLANS = {
    "a change in each of many groups": samples.plan_of(
        one_each(Action.RETRIGGER, 2000, FieldChange("headers.x-team", "growth", "sales"))
    ),
    "ten runs in each of many new groups": samples.plan_of(
        [samples.change(f"wave-{n}/r{m}", Action.TRIGGER, "new") for n in range(1000) for m in range(10)]
    ),
    "many ways": in_one_group(5000, lambda n: FieldChange("body.seats", n // 10 % 100, 1000 + n % 10)),
    "many fields": in_one_group(3000, lambda n: FieldChange(f"body.items[{n}]", 1, 2)),
    "many reasons": in_one_group(3000, lambda _: FieldChange("body", 1, 2), reason="attempt {} failed"),
    "many fields of one run": samples.plan_of(
        [samples.change("g/r", Action.RETRIGGER, "changed", *(FieldChange(f"body.f{n}", 1, 2) for n in range(3000)))]
    ),
    "many removed": samples.plan_of([*one_each(Action.CANCEL, 1000), *one_each(Action.FORGET, 1000, name="other")]),
    "many adopted": samples.plan_of(one_each(Action.ADOPT, 1000)),
    "many blocked": samples.plan_of(one_each(Action.BLOCKED, 1000)),
    "many of each": samples.plan_of(
        [change for action in Action for change in one_each(action, 200, name=f"run-{action.value}")]
    ),
    "long addresses": samples.plan_of(one_each(Action.RETRIGGER, 300, FieldChange(LONG, 1, 2), name=f"run[{LONG}]")),
    "warnings of changes": samples.plan_of([c._replace(warnings=(LONG, "x")) for c in one_each(Action.RESUME, 1000)]),
    "warnings": replace(BUSY, warnings=tuple(f"{n} {LONG[:150]}" for n in range(1000))),
    "notes": replace(BUSY, notes=tuple(f"group-{n}: more instances are due, for the next apply" for n in range(1000))),
    "emptied generators": replace(BUSY, emptied={f"group-{n}/row": 7 for n in range(1000)}),
    "all remarks": replace(
        BUSY,
        verified=False,
        sends=1,
        warnings=tuple(f"group-{n} declares no runs" for n in range(1000)),
        notes=tuple(f"group-{n}: more instances are due" for n in range(1000)),
        emptied={f"group-{n}/row": 7 for n in range(1000)},
        unmatched_ids=tuple(f"wfr_{n}" for n in range(1000)),
        possibly_renamed=tuple((Address(f"a/{n}"), Address(f"b/{LONG}{n}")) for n in range(1000)),
        possibly_triggered=tuple((f"wfr_{n}", Address(f"b/{n}")) for n in range(1000)),
    ),
    "crowded": samples.crowded(),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_fits_a_screen(name: str) -> None:
    text = "".join(plan_text.text(PLANS[name], next_step="wfdeploy apply -e production"))
    assert len(text.encode()) <= MOST_BYTES
    assert text.count("\n") <= MOST_LINES
    assert ("Not everything is shown: `wfdeploy plan --all`" in text) == (name != "many ways")  # which are folded
    everything = "".join(plan_text.text(PLANS[name], everything=True))
    assert len(re.findall(r"(?m)^  . \S+/", everything.partition("\n\nPlan:")[0])) == len(PLANS[name].changes)
    assert "Not everything is shown" not in everything


def test_what_needs_a_person_comes_first() -> None:
    lines = "".join(plan_text.text(PLANS["many of each"])).splitlines()
    headings = [line for line in lines if re.match(r"\d", line)]
    assert [heading.partition(",")[0].removeprefix("200 to ").removeprefix("200 ") for heading in headings] == [
        "cancel", "forget", "blocked", "resume", "restart", "retrigger", "recover", "adopt", "trigger", "unchanged",
    ]  # fmt: skip


def test_changes_with_a_warning_stand_ahead_of_others_like_them() -> None:
    warned = samples.change("z/r", Action.RETRIGGER, "changed")._replace(warnings=("it still runs",))
    lines = list(plan_text.text(samples.plan_of([*one_each(Action.RETRIGGER, 300), warned])))
    assert lines[2:6] == [
        "1 to retrigger with a warning, in 1 group:\n",
        "  ~ z/r  changed  manifests/runs.yaml:1\n",
        "      warning: it still runs\n",
        "300 to retrigger, in 300 groups:\n",
    ]


def test_one_cancel_is_seen_among_many_triggers() -> None:
    gone = samples.change("zzz/gone", Action.CANCEL, "no longer declared, and onRemove is cancel")
    text = "".join(plan_text.text(samples.plan_of([*one_each(Action.TRIGGER, 300), gone])))
    assert "  - zzz/gone  no longer declared, and onRemove is cancel" in text


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 30), st.sampled_from(Action), st.none() | st.integers(0, 9)),
        max_size=400,
        unique_by=lambda one: one[:2],
    ),
    st.integers(30, 200),
)
def test_shown_and_counted_are_all(described: list[tuple[int, int, Action, int | None]], width: int) -> None:
    changes = [
        samples.change(f"g{group:02}/r{n:02}", action, "because", *([FieldChange("body", 0, new)] if new else []))
        for group, n, action, new in described
    ]
    text = "".join(plan_text.text(samples.plan_of(changes), width=width))
    body = text.partition("\n\n")[2].rpartition("\n\n")[0] + "\n"
    counted = 0
    for heading, shown in re.findall(r"(?m)^((?:\d.*\n)|)((?:  .*\n?|\n)*)", body):
        alone = re.match(r"([\d,]+) .*\.\n", heading)
        parts = re.findall(r"(?m)^  . (?:([\d,]+) runs of )?g|^  and ([\d,]+) more", shown)
        counted += int(alone[1]) if alone else sum(int((some or more or "1").replace(",", "")) for some, more in parts)
    assert counted == len(changes)


def test_a_first_plan_reads_the_runs_of_few_groups() -> None:
    read: list[str] = []
    group = Group("g")

    def runs(groups: Collection[str]) -> Iterator[DesiredRun]:
        for name in groups:
            read.append(name)
            for number in range(10):
                yield DesiredRun(Address(f"{name}/r{number}"), "1:abc", "", group, Source("a.yaml", 1))

    def new(run: DesiredRun) -> Change:
        return samples.change(run.address, Action.TRIGGER, "new")

    first = FirstChanges({f"g{n:05}": 10 for n in range(5000)}, runs, new)
    lines = list(plan_text.text(replace(samples.plan_of(()), changes=first)))
    assert len(read) <= 200  # as many as could be shown whole
    assert lines[2] == "50,000 to trigger, in 5,000 groups:\n"
    assert re.search(r"  and 49,\d\d0 more, also in 4,9\d\d other groups\n", "".join(lines))


@pytest.mark.parametrize("name", SAMPLE_PLANS)
def test_plan(name: str, golden: Golden) -> None:
    plan = SAMPLE_PLANS[name]
    golden(GOLDEN / "plan" / f"{name}.txt", joined(plan_text.text(plan, next_step="wfdeploy apply -e production")))
    if name not in ("many", "crowded"):
        golden(GOLDEN / "plan" / f"{name}.json", joined(plan_json.text(plan)))


def test_plan_narrow_and_coloured(golden: Golden) -> None:
    golden(GOLDEN / "plan" / "narrow.txt", joined(plan_text.text(samples.every_action(), tagged, width=60)))


def test_plan_with_everything(golden: Golden) -> None:
    text = joined(plan_text.text(samples.every_action(), tagged, width=50, everything=True))
    golden(GOLDEN / "plan" / "everything.txt", text)


def test_plan_with_everything_folds_nothing() -> None:
    lines = joined(plan_text.text(samples.many(), everything=True)).splitlines()
    assert sum(line.startswith("  ~ tenants/row[") for line in lines) == 3000


def test_a_reason_about_one_run_is_said_of_each() -> None:
    missing = "is missing from the server's logs; attempt 1 of 3"
    changes = [samples.change(f"wave-0/r{n:03}", Action.RESTART, missing) for n in range(90)]
    text = "".join(plan_text.text(samples.plan_of(changes)))
    assert f"  ! 90 runs of wave-0: each {missing}\n" in text


def test_a_note_begins_with_a_capital_but_a_group_s_name_stays_as_it_is() -> None:
    notes = ("nightly: more instances are due", "next instances: nightly at 2026-11-24T02:00:00Z")
    text = "".join(plan_text.text(replace(samples.plan_of(()), notes=notes)))
    assert "\nnightly: more instances are due.\nNext instances: nightly at 2026-11-24T02:00:00Z.\n" in text


@pytest.mark.parametrize(
    ("failed", "handled", "expected"),
    [
        (1, 0, "1 run has failed and is left as it is; `wfdeploy resume` retries it."),
        (1, 1, "1 run has failed and is left as it is, as somebody handled it elsewhere."),
        (2, 2, "2 runs have failed and are left as they are, as somebody handled them elsewhere."),
        (3, 1, "are left as they are; `wfdeploy resume` retries the 2 that nobody handled elsewhere."),
        (3, 2, "are left as they are; `wfdeploy resume` retries the one that nobody handled elsewhere."),
    ],
)
def test_a_resume_is_not_offered_for_what_somebody_handled(failed: int, handled: int, expected: str) -> None:
    assert plan_text.drift({RunState.FAILED: failed}, handled).endswith(expected)
    mixed = plan_text.drift({RunState.FAILED: failed, RunState.CANCELED: 1}, handled)
    assert ("`wfdeploy resume` retries failed runs" in mixed) is (failed > handled)
