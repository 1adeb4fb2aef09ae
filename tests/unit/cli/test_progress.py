"""What is said while an operation works."""

from __future__ import annotations

import io
import json
import re
import time
from pathlib import Path

import pytest

from tests.golden_files import Terminal, command_line
from wfdeploy.cli.displays import Lines
from wfdeploy.cli.output import LogFormat, Output, View
from wfdeploy.cli.progress import bar, listener, pause
from wfdeploy.model.address import Address
from wfdeploy.model.event import Event, Listing, Notice, Outcome, Reading, Result, Settled, Started, Waiting

SETTLED = Settled([Result(address=Address("g/r"), outcome=Outcome.TRIGGERED, workflow_run_id="wfr_1", created_at_ms=5)])
STORY: tuple[Event, ...] = (
    Reading(5000),
    Reading(10000),
    Reading(15000),
    Reading(16000, done=True),
    Waiting("the logs\x1b[2J can tell soon", 6.0),
    Listing(0),
    Listing(200),
    Listing(300, done=True),
    Started(3),
    SETTLED,
    Waiting("too short to tell", 0.2),
    Waiting("429", 2.0),
    Notice("by the way", "look"),
    SETTLED,
    SETTLED,
)


def outputs(*, terminal: bool = False) -> tuple[Output, io.StringIO]:
    stderr = Terminal() if terminal else io.StringIO()
    return Output(stdout=io.StringIO(), stderr=stderr, environ={}, now=lambda: 0.0), stderr


def test_lines_say_little_and_in_time() -> None:
    output, stderr = outputs()
    now = 0.0
    say = Lines(output, lambda: now)
    for event in STORY:
        now += 4.0
        say(event)
    assert stderr.getvalue().splitlines() == [
        "reading manifests: 15,000 runs so far, 1,250 runs/s",
        "waiting 6 s: the logs\\x1b[2J can tell soon",
        "asking the server what it runs: 0 runs so far",
        "sending 3 runs",
        "waiting 2 s: 429",
        "by the way (look)",
        "2 of 3 runs done, 0 runs/s",
    ]


def test_json_log_has_an_object_for_each_event() -> None:
    output, stderr = outputs()
    output.log_format = LogFormat.JSON
    with listener(output) as say:
        for event in STORY:
            say(event)
    lines = [json.loads(line) for line in stderr.getvalue().splitlines()]
    assert [line["event"] for line in lines] == [type(event).__name__.lower() for event in STORY]
    assert lines[9] == {
        "time": "1970-01-01T00:00:00.000Z",
        "level": "info",
        "event": "settled",
        "address": "g/r",
        "workflowRunId": "wfr_1",
        "outcome": "triggered",
        "createdAt": 5,
        "error": None,
    }


def test_bar_is_for_terminals_and_is_safe() -> None:
    output, stderr = outputs(terminal=True)
    with listener(output) as say:
        for event in STORY:
            say(event)
        pause(say)
        for event in STORY:
            say(event)
    assert "\x1b[2J" not in stderr.getvalue()
    assert "by the way (look)" in stderr.getvalue()
    assert stderr.getvalue().endswith("\x1b[2K") or "\x1b[?25h" in stderr.getvalue()  # the cursor is given back


def test_elsewhere_there_are_lines() -> None:
    output, stderr = outputs()
    with listener(output) as say:
        say(Notice("by the way"))
        pause(say)
        say(Started(3))
    assert stderr.getvalue() == "by the way\nsending 3 runs\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_is_shown_before_there_is_something(terminal: bool) -> None:
    output, stderr = outputs(terminal=terminal)
    with listener(output) as say:
        pause(say)
    assert stderr.getvalue() == ""


def test_the_first_seconds_count_from_the_beginning() -> None:
    output, stderr = outputs()
    now = 100.0
    with listener(output, monotonic=lambda: now) as say:
        now += 9.0
        say(Reading(5000))
        now += 2.0
        say(Reading(10000))
    assert stderr.getvalue() == "reading manifests: 10,000 runs so far, 909 runs/s\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_listener_never_raises_when_nobody_listens(terminal: bool) -> None:
    output, stderr = outputs(terminal=terminal)
    with listener(output) as say:
        say(Started(0))
        say(Listing(0, done=True))
        say(SETTLED)
        stderr.close()
        if not terminal:
            say(Notice("into the void"))


def frames(*events: Event) -> list[str]:
    """What a bar last showed after each event, without what moves and what colours."""
    shown = []
    for count in range(1, len(events) + 1):
        output, stderr = outputs(terminal=True)
        with listener(output) as say:
            for event in events[:count]:
                say(event)
                time.sleep(0.01)
        last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stderr.getvalue()).replace("\r", "\n").strip().splitlines()[-1]
        shown.append(" ".join(re.sub("[^ -~]", "", last).split()))
    return shown


def test_while_reading_there_is_a_rate_and_the_time_left_where_it_is_known() -> None:
    first, *more = frames(
        Reading(5000, part=1, whole=8),
        Reading(10000, part=2, whole=8),
        Reading(1_500_000, part=3, whole=9),
        Reading(1_505_000),
        Reading(1_510_000, part=4, whole=9),
    )
    assert first == "reading manifests 5,000 runs --:--"
    assert re.fullmatch(r"reading manifests 10,000 runs [0-9,]+/s 00:\d\d", more[0])
    assert re.fullmatch(r"reading manifests 1,500,000 runs [0-9,]+/s (--:--|00:\d\d)", more[1])
    assert re.fullmatch(r"reading manifests 1,505,000 runs [0-9,]+/s", more[2]), "nobody can tell how far that is"
    assert re.fullmatch(r"reading manifests 1,510,000 runs [0-9,]+/s --:--", more[3])


def test_of_what_is_sent_it_is_shown_how_much_it_is() -> None:
    settled = list(SETTLED.results) * 3000
    shown = frames(Started(12_000), Settled(settled * 2), Settled(settled))
    assert shown[0] == "sending --:--"
    assert shown[1].startswith("sending 6,000/12,000 ")
    assert re.fullmatch(r"sending 6,000/12,000 .*|sending 9,000/12,000 [0-9,]+/s 00:\d\d", shown[2])


def test_of_a_listing_it_is_shown_how_many_runs_it_had() -> None:
    assert frames(Listing(0), Listing(2000))[1].startswith("asking the server 2,000 runs")


def test_of_a_long_listing_the_time_left_is_shown() -> None:
    first, *more = frames(Listing(10, total=12_000), Listing(3000, total=12_000), Listing(6000))
    assert first == "asking the server 10 runs --:--"
    assert re.fullmatch(r"asking the server 3,000 runs ([0-9,]+/s )?00:\d\d", more[0])
    assert more[1].startswith("asking the server 6,000 runs")


def test_so_it_is_without_a_terminal() -> None:
    output, stderr = outputs()
    now = 100.0
    with listener(output, monotonic=lambda: now) as say:
        for seen in (10, 1010, 2010):
            say(Listing(seen, total=100_000))
            now += 11.0
        say(Listing(3010))
    assert stderr.getvalue().splitlines() == [
        "asking the server what it runs: 1,010 runs so far of at most 100,000, about 18 min left",
        "asking the server what it runs: 2,010 runs so far of at most 100,000, about 18 min left",
        "asking the server what it runs: 3,010 runs so far",
    ]


QUIET: dict[str, dict[str, object]] = {
    "no terminal": {"terminal": False},
    "quiet": {"verbosity": -1},
    "a JSON log": {"log_format": LogFormat.JSON},
    "JSON": {"view": View.JSON},
}


@pytest.mark.parametrize("why", QUIET)
def test_a_bar_is_for_people_at_a_terminal(why: str) -> None:
    settings = dict(QUIET[why])
    output, stderr = outputs(terminal=bool(settings.pop("terminal", True)))
    for name, value in settings.items():
        setattr(output, name, value)
    with bar(output) as say:
        for event in STORY:
            say(event)
        pause(say)
    assert stderr.getvalue() == ""


@pytest.mark.parametrize("command", ["validate", "render"])
def test_commands_that_only_read_show_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"id": "r{n:05}"}}\n' for n in range(6000)))
    (tmp_path / "manifests" / "m.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {name: g}\n"
        "spec:\n  destination: https://a.example.com\n"
        "  runs: [{name: r, forEach: {file: ../rows.jsonl}, key: '${{ row.id }}'}]\n"
    )
    monkeypatch.chdir(tmp_path)
    shown = command_line(command, terminal=True)
    assert re.search(r"reading manifests.*5,00\d runs", shown.stderr)
    for more in (("-q",), ("--output", "json"), ("--log-format", "json")):
        assert "reading" not in command_line(command, *more, terminal=True).stderr
    alone = command_line(command)
    assert "reading" not in alone.stderr
    assert alone.stdout == shown.stdout
