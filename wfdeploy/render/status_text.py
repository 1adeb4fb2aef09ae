"""Run states for people: the most urgent first; of many runs the counts, and those that need somebody."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice, takewhile
from typing import TypeAlias

from wfdeploy.errors import several
from wfdeploy.model.address import group_of
from wfdeploy.model.status import RowStatus, ShownState, StatusRow
from wfdeploy.render.encode import seen, stale_line, utc
from wfdeploy.render.terminal import Style, Tone, plain, printable
from wfdeploy.render.vocabulary import WORDS, state_of
from wfdeploy.render.width import Cell, clip, display_width, inside, table, wrap

_STATUS_WORDS: Mapping[RowStatus, tuple[str, Tone]] = {
    RowStatus.TRIGGERED: state_of(None),
    RowStatus.INTENT: ("outcome unknown", Tone.CHANGED),
    RowStatus.UNKNOWN: ("outcome unknown", Tone.CHANGED),
    RowStatus.REJECTED: ("rejected", Tone.BAD),
}

_HEADINGS: Mapping[ShownState, str] = {
    ShownState.FAILED: "FAILED",
    ShownState.REJECTED: "REJECTED",
    ShownState.MISSING: "MISSING",
    ShownState.LOST: "UNKNOWN",
    ShownState.UNKNOWN: "UNKNOWN",
    ShownState.UNSEEN: "NOT SEEN",
    ShownState.RUNNING: "RUNNING",
    ShownState.CANCELLED: "CANCELLED",
    ShownState.EXPIRED: "EXPIRED",
    ShownState.SUCCEEDED: "SUCCEEDED",
}
"""The headings under which runs are counted, those of the most urgent first."""

_URGENCY = {state: number for number, state in enumerate(_HEADINGS)}
_CALM = _URGENCY[ShownState.UNSEEN]
"""Rows from this urgency on need nobody."""

_FEW, _FEW_IN_PIPE = 40, 200
"""The rows up to which each run is listed."""

_MOST_TROUBLED, _MOST_TROUBLED_IN_PIPE = 20, 200
_MOST_GROUPS = 10
_MOST_STEPS = 3

Command: TypeAlias = Callable[[str, Sequence[str]], str]
"""Makes the command line of a command with these arguments, for the same project and environment."""


def _command(command: str, arguments: Sequence[str]) -> str:
    return shlex.join(("wfdeploy", command, *arguments))


def text(
    rows: Sequence[StatusRow],
    style: Style = plain,
    *,
    width: int | None = None,
    height: int | None = None,
    everything: bool = False,
    now_ms: int = 0,
    command: Command = _command,
    again: str = "wfdeploy status",
) -> Iterator[str]:
    """Run states, the most urgent first; of many runs the counts by group, and those that need somebody.

    height: the lines that there are on a screen; None for as many as it takes.
    everything: list every run.
    now_ms: for how long ago something was seen (our clock).
    command: see `Command`.
    again: the command line that shows these rows.
    """
    if not rows:
        yield "No runs are recorded.\n"
        return
    show = ShownRows(rows, style, width, now_ms, command)
    few = _FEW_IN_PIPE if width is None else _FEW
    foot = show.foot(height)
    if everything or (len(rows) <= few and (height is None or show.height(show.rows) + len(foot) <= height)):
        yield from show.table(show.rows, is_brief=height is not None)
    elif height is None:
        most = _MOST_TROUBLED_IN_PIPE if width is None else _MOST_TROUBLED
        yield from show.groups(_MOST_GROUPS)
        yield from show.listed([row for row in show.rows if needs_somebody(row)], most)
        foot += show.in_full(again)
    else:
        room = height - len(foot)
        most = max(room // 3 - 3, 0)  # a heading, the number of the others, an empty line
        head = [*show.groups(most), "\n"] if most else []
        yield from head
        yield from show.within(room - len(head))
    yield from foot


class ShownRows:
    """Rows in the order of their urgency, and the lines that show them."""

    def __init__(
        self, rows: Sequence[StatusRow], style: Style, width: int | None, now_ms: int, command: Command
    ) -> None:
        self.rows = sorted(rows, key=_urgency)
        self._style = style
        self._width = width
        self._now_ms = now_ms
        self._command = command

    def height(self, rows: Iterable[StatusRow]) -> int:
        """The lines of a table of these."""
        return 1 + sum(1 + bool(row.error) for row in rows)

    def table(self, rows: Sequence[StatusRow], *, is_brief: bool = False) -> Iterator[str]:
        """A line for each run, and one or more for why it failed. `is_brief`: exactly one."""
        style, width = self._style, self._width
        headings = ["ADDRESS", "STATE", "STARTED", "SEEN", "WORKFLOW RUN"]
        with_seen = any(row.is_stale for row in rows)
        cells = [
            (
                Cell(printable(row.address)),
                _state(row),
                Cell(_when(row), Tone.FAINT),
                *(
                    [Cell("now" if row.is_live else seen(row.seen_at_ms, self._now_ms), Tone.FAINT)]
                    if with_seen
                    else ()
                ),
                Cell(printable(row.workflow_run_id), Tone.FAINT),
            )
            for row in rows
        ]
        if not with_seen:
            headings.remove("SEEN")
        lines = table(headings, cells, style, width=width)
        yield next(lines)
        for row, line in zip(rows, lines, strict=True):
            yield line
            if row.error:
                reason = printable(row.error)
                room = inside(width, 2, 30)
                for part in (clip(reason, room),) if is_brief else wrap(reason, room):
                    yield f"  {style(part, Tone.BAD)}\n"

    def _seen(self, row: StatusRow) -> str:
        if row.is_live or row.status is RowStatus.REJECTED:
            return "now" if row.is_live else "-"
        return seen(row.seen_at_ms, self._now_ms)

    def listed(self, rows: Sequence[StatusRow], most: int) -> Iterator[str]:
        """As many rows as may be, and the number of the others."""
        if not rows:
            return
        yield "\n"
        yield from self.table(rows[:most])
        yield from self._others(rows[most:])

    def within(self, room: int) -> Iterator[str]:
        """As many rows as there is room for: one line each, and one for why it failed."""
        taken = accumulate(1 + bool(row.error) for row in self.rows)
        most = sum(1 for _ in takewhile(lambda lines: lines <= room - 2, taken))
        if most > 0:
            yield from self.table(self.rows[:most], is_brief=True)
        if room > 0:
            yield from self._others(self.rows[most:])

    def _others(self, rows: Sequence[StatusRow]) -> Iterator[str]:
        if rows:
            words = ", ".join(f"{n:,} {word}" for (word, _), n in Counter(map(word_of, rows)).items())
            yield self._style(clip(f"  and {len(rows):,} more: {words}", self._width), Tone.FAINT) + "\n"

    def groups(self, most: int) -> Iterator[str]:
        """The number of runs in each state by group, those of the most urgent runs first."""
        counts: dict[str, Counter[str]] = {}
        for row in self.rows:
            counts.setdefault(group_of(row.address), Counter())[_HEADINGS[row.shown]] += 1
        shown_states = {row.shown for row in self.rows}
        headings = list(dict.fromkeys(title for state, title in _HEADINGS.items() if state in shown_states))
        shown = dict(islice(counts.items(), most))
        lines = [[f"{counted.total():,}", *(f"{counted[name]:,}" for name in headings)] for counted in shown.values()]
        titles = ["RUNS", *headings]
        columns = [max(map(len, column)) for column in zip(titles, *lines, strict=True)]
        cells = [
            (Cell(printable(group)), *(Cell(number.rjust(w)) for number, w in zip(numbers, columns, strict=True)))
            for group, numbers in zip(shown, lines, strict=True)
        ]
        titles = [title.rjust(w) for title, w in zip(titles, columns, strict=True)]
        yield from table(("GROUP", *titles), cells, self._style, width=self._width)
        if more := len(counts) - len(shown):
            others = sum(counted.total() for counted in islice(counts.values(), most, None))
            what = f"  and {several(more, 'more group')} with {several(others)}"
            yield self._style(what, Tone.FAINT) + "\n"

    def foot(self, height: int | None) -> list[str]:
        """The counts, what is stale, and the next commands to type; on a screen, a line each."""
        style, width = self._style, None if height is None else self._width
        counts = Counter(map(word_of, self.rows)).items()
        line = ", ".join(f"{n:,} {word}" for (word, _), n in counts) + "."
        styled = ", ".join(style(f"{n:,} {word}", tone) for (word, tone), n in counts) + "."
        lines = ["\n", (styled if clip(line, width) == line else clip(line, width)) + "\n"]
        if stale := [row for row in self.rows if row.is_stale]:
            lines.append(style(clip(self._stale(stale), width), Tone.CHANGED) + "\n")
        steps = list(islice(self.steps(), _MOST_STEPS if height is None or height >= 20 else 1))
        for number, (step, purpose) in enumerate(steps):
            shown = f"{'      ' if number else 'Next: '}{step}   "
            room = None if width is None else max(width - display_width(shown), 0)
            lines.append(f"{clip(shown, width)}{style(clip(purpose, room), Tone.FAINT)}\n")
        return lines

    def _stale(self, rows: Sequence[StatusRow]) -> str:
        times = [row.seen_at_ms for row in rows if row.seen_at_ms is not None]
        return stale_line(len(rows), min(times, default=None), self._now_ms, self._command("refresh", ()))

    def steps(self) -> Iterator[tuple[str, str]]:
        """The next commands to type, and what they are for."""
        by_state: dict[ShownState, list[StatusRow]] = {}
        for row in takewhile(needs_somebody, self.rows):
            by_state.setdefault(row.shown, []).append(row)
        failed = by_state.get(ShownState.FAILED, [])
        if failed:
            yield self._command("logs", [failed[0].address]), "shows the steps and errors"
        resumable, handled = [one for one in failed if not one.handled], [one for one in failed if one.handled]
        if resumable:
            chosen = _glob(resumable) if _are_of_one_group(resumable) else "--failed"
            yield self._command("resume", [chosen]), f"retries {_them(resumable)} from the failed step"
        if handled and not resumable:
            goes_on = "it doesn't go on" if len(handled) == 1 else "they don't go on"
            yield self._command("restart", [_glob(handled)]), f"starts {_them(handled)} again, if {goes_on} elsewhere"
        if rejected := by_state.get(ShownState.REJECTED):
            yield self._command("apply", ()), f"sends {_them(rejected)} again"
        if missing := by_state.get(ShownState.MISSING):
            yield self._command("restart", [_glob(missing)]), f"starts {_them(missing)} again"
        if lost := by_state.get(ShownState.LOST):
            yield self._command("apply", ()), f"looks {_them(lost)} up; nothing starts twice"

    def in_full(self, again: str) -> list[str]:
        """How to see the others."""
        line = f"Not everything is shown: `{again} --all` lists every run, `--output json` has everything."
        return [self._style(line, Tone.FAINT) + "\n"]


def _glob(rows: Sequence[StatusRow]) -> str:
    """An address, or a glob for the group of the first of several."""
    return rows[0].address if len(rows) == 1 else f"{group_of(rows[0].address)}/*"


def _are_of_one_group(rows: Sequence[StatusRow]) -> bool:
    return len({group_of(row.address) for row in rows}) == 1


def _them(rows: Sequence[StatusRow]) -> str:
    return "it" if len(rows) == 1 else "them"


def word_of(row: StatusRow) -> tuple[str, Tone]:
    """The word for a row's state, and its tone."""
    return _STATUS_WORDS[row.status] if row.run_state is None else WORDS[row.run_state]


def needs_somebody(row: StatusRow) -> bool:
    """Whether a row's state is one that nothing but a person gets it out of."""
    return _urgency(row) < _CALM


def _urgency(row: StatusRow) -> int:
    return _URGENCY[row.shown]


def _state(row: StatusRow) -> Cell:
    word, tone = word_of(row)
    parts = [word, *([f"attempt {row.tries}"] if row.tries else ())]
    if row.handled and row.shown is ShownState.FAILED:
        parts.append("handled elsewhere")
    return Cell(", ".join(parts), tone)


def _when(row: StatusRow) -> str:
    if row.created_at_ms is None:
        return "-"
    if row.completed_at_ms is None:
        return utc(row.created_at_ms)
    return f"{utc(row.created_at_ms)}, {_span((row.completed_at_ms - row.created_at_ms) / 1000)}"


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
