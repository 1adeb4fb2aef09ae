"""Run states for people: the most urgent first, and never more than a screen has room for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.unit.render.samples import NOON_MS, STATUS
from wfdeploy.model.address import Address
from wfdeploy.model.observed import RunState
from wfdeploy.model.status import RowStatus, StatusRow
from wfdeploy.render import status, status_text
from wfdeploy.render.width import display_width


def row(address: str, state: RunState | None = RunState.SUCCESS, **more: object) -> StatusRow:
    live = {"is_live": True, "seen_at_ms": NOON_MS}
    return StatusRow(
        address=Address(address),
        status=RowStatus.TRIGGERED,
        workflow_run_id=f"wfr_{address}-{'x' * 60}",
        run_state=state,
        created_at_ms=NOON_MS,
        **(live | more),  # type: ignore[arg-type]
    )


def lines(rows: Sequence[StatusRow], **how: object) -> list[str]:
    return "".join(status_text.text(rows, now_ms=NOON_MS + 7_200_000, **how)).splitlines()  # type: ignore[arg-type]


FAILED = row("g07/bad", RunState.FAILED, error="500: no month\x1b[2J " + "very " * 40)


def many(count: int, *, failed: int = 1) -> list[StatusRow]:
    states = [RunState.SUCCESS, RunState.STARTED, RunState.CANCELED]
    rows = [row(f"g{n % 25:02}/r{n}", states[n % 3]) for n in range(count - failed)]
    rows += [replace(FAILED, address=Address(f"g07/bad{n}")) for n in range(failed)]
    return sorted(rows, key=lambda one: one.address)


def test_a_few_are_listed_the_most_urgent_first() -> None:
    states = [RunState.SUCCESS, RunState.CANCELED, RunState.STARTED, None, RunState.UNKNOWN, RunState.MISSING]
    rows = [*(row(f"g/{n}", state) for n, state in enumerate(states)), FAILED, *STATUS[-2:]]
    shown = [line.split()[0] for line in lines(rows) if line.startswith(("g", "b/"))]
    assert shown == ["g07/bad", "b/no", "g/5", "b/lost", "g/4", "g/3", "g/2", "g/1", "g/0"]


@pytest.mark.parametrize("width", [None, 100])
def test_of_many_the_counts_come_first_and_those_that_need_somebody(width: int | None) -> None:
    shown = lines(many(300, failed=2), width=width)
    assert shown[0].split() == ["GROUP", "RUNS", "FAILED", "RUNNING", "CANCELLED", "SUCCEEDED"]
    assert shown[1].split() == ["g07", "14", "2", "4", "4", "4"]
    assert "  and 15 more groups with 178 runs" in shown
    assert [line.split()[0] for line in shown if line.startswith("g07/")] == ["g07/bad0", "g07/bad1"]
    assert "2 failed, 99 running, 99 cancelled, 100 succeeded." in shown
    assert shown[-3:] == [
        "Next: wfdeploy logs g07/bad0   shows the steps and errors",
        "      wfdeploy resume 'g07/*'   retries them from the failed step",
        "Not everything is shown: `wfdeploy status --all` lists every run, `--output json` has everything.",
    ]


def test_all_lists_every_run() -> None:
    shown = lines(many(300), everything=True, width=80)
    assert sum("wfr_" in line or "/r" in line for line in shown) == 299 + 1
    assert len(json.loads("".join(status.json_text(many(300))))["runs"]) == 300


def test_the_troubled_are_bounded_on_a_terminal_and_in_a_log() -> None:
    rows = many(2000, failed=500)
    assert "  and 480 more: 480 failed" in lines(rows, width=100)
    assert "  and 300 more: 300 failed" in lines(rows)


def test_a_log_has_every_id_and_every_reason() -> None:
    text = "\n".join(lines([*many(150), *STATUS]))
    assert "…" not in text
    assert all(one.workflow_run_id in text for one in many(150))
    assert "no month\\x1b[2J " + ("very " * 40).strip() in text


@pytest.mark.parametrize("count", [1, 13, 41, 300])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_screen_is_never_overfull(count: int, width: int) -> None:
    stale = replace(many(count)[0], is_live=False, run_state=RunState.STARTED)
    for rows in (many(count, failed=0), many(count), [*many(count, failed=min(count, 30)), stale]):
        for height in range(6, 60):
            shown = lines(rows, width=width, height=height)
            assert len(shown) <= height, (height, shown)
            assert all(display_width(line) <= width for line in shown if not line.startswith("g"))
            assert any("failed" in line or "running" in line or "succeeded" in line for line in shown)


def test_a_large_screen_shows_every_run() -> None:
    assert not any("more" in line for line in lines(many(30), width=120, height=50))


@pytest.mark.parametrize(
    ("seen_at_ms", "said"),
    [
        (
            NOON_MS,
            "1 run is shown as it was last seen, 2026-11-23 12:00:00Z, 2 h ago; `wfdeploy refresh` asks the server",
        ),
        (None, "1 run was never seen; `wfdeploy refresh` asks"),
    ],
)
def test_what_is_stale_says_when_it_was_seen(seen_at_ms: int | None, said: str) -> None:
    state = None if seen_at_ms is None else RunState.STARTED
    rows = [row("g/old", state, is_live=False, seen_at_ms=seen_at_ms), row("g/done", is_live=False), row("g/new")]
    shown = lines(rows)
    assert any(line.startswith(said) for line in shown), shown
    assert "SEEN" in shown[0]
    assert ("never" if seen_at_ms is None else "2026-11-23 12:00:00Z, 2 h ago") in shown[1]
    assert "SEEN" not in lines(rows[1:])[0], "a run that has ended stays as it was seen"


def test_the_next_commands_fit_what_is_wrong() -> None:
    def steps(*rows: StatusRow) -> list[str]:
        shown = lines(rows)
        begin = next((n for n, line in enumerate(shown) if line.startswith("Next: ")), len(shown))
        return [line.removeprefix("Next: ").strip() for line in shown[begin:]]

    assert steps(row("g/a")) == []
    assert steps(row("g/a", RunState.FAILED, handled=True))[-1] == (
        "wfdeploy restart g/a   starts it again, if it doesn't go on elsewhere"
    )
    assert "failed, attempt 2, handled elsewhere" in lines([row("g/a", RunState.FAILED, handled=True, tries=2)])[1]
    assert steps(row("g/a", RunState.MISSING)) == ["wfdeploy restart g/a   starts it again"]
    two = row("g/a", RunState.FAILED), row("h/a", RunState.FAILED)
    assert steps(*two)[-1] == "wfdeploy resume --failed   retries them from the failed step"
    lost, refused = STATUS[-2:]
    assert steps(refused, lost) == [
        "wfdeploy apply   sends it again",
        "wfdeploy apply   looks it up; nothing starts twice",
    ]
