"""Run states as Markdown: the counts, the next commands to type, and the runs, those first that need somebody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from wfdeploy.model.pull_request import GITHUB_LIMIT
from wfdeploy.model.status import StatusRow
from wfdeploy.render.markdown import code, details, fenced, section
from wfdeploy.render.status_text import Command, ShownRows, needs_somebody, word_of
from wfdeploy.render.terminal import plain

_PER_ROW = 450
"""The characters of a comment for each run that it may list: two lines, and a group's."""

_MOST_GROUPS = 50


def text(
    rows: Sequence[StatusRow],
    *,
    project: str,
    environment: str,
    now_ms: int,
    command: Command,
    limit: int = GITHUB_LIMIT,
) -> Iterator[str]:
    """The lines, with fewer characters than `limit`. `now_ms`: for how long ago something was seen. `command`: see
    `status_text.Command`."""
    show = ShownRows(rows, plain, None, now_ms, command)
    counts = ", ".join(f"{count:,} {word}" for (word, _), count in Counter(map(word_of, show.rows)).items())
    steps = [f"- {code(step)} {purpose}." for step, purpose in show.steps()]
    lines = [
        f"### Runs of {code(project)}, environment {code(environment)}",
        "",
        f"**{counts or 'No runs are recorded'}.**",
        *section("To decide", steps),
    ]
    most = max(limit // _PER_ROW - _MOST_GROUPS, 0)
    urgent = [row for row in show.rows if needs_somebody(row)]
    others = show.rows[len(urgent) :]
    if urgent:
        lines += section("Need somebody", _table(show.listed(urgent, most)))
    if others:
        lines += ["", *details("By group", _table(show.groups(_MOST_GROUPS)))]
        if most > len(urgent):
            listed = _table(show.listed(others, most - len(urgent)))
            lines += details("All other runs" if urgent else "All runs", listed)
    for line in lines:
        yield f"{line}\n"


def _table(chunks: Iterator[str]) -> Sequence[str]:
    return fenced((line for chunk in chunks for line in chunk.rstrip("\n").split("\n")), "text")
