"""Markdown for pull requests: text of manifests and servers is in code, so never a mention, a link or HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from wfdeploy.render.terminal import printable
from wfdeploy.render.width import clip

MOST_LISTED = 20
_LONGEST = 200
"""The columns of one text, and almost its characters: some take no column."""

_TICKS = re.compile("`+")


def section(title: str, lines: Sequence[str]) -> Iterator[str]:
    """Lines under a heading, if there are any."""
    if lines:
        yield from ("", f"#### {title}", "", *lines)


def details(summary: str, lines: Sequence[str], *, is_open: bool = False) -> Iterator[str]:
    """Lines that a reader unfolds. `summary`: HTML in one line, without text of others that isn't from `html_code`."""
    yield f"<details{' open' if is_open else ''}><summary>{summary}</summary>"
    yield from ("", *lines, "", "</details>")


def some(texts: Sequence[str], most: int = MOST_LISTED) -> Sequence[str]:
    """The first texts, and the number of the others."""
    more = len(texts) - most
    return [*texts[:most], *([f"and {more:,} more"] if more > 0 else [])]


def brief(text: str) -> str:
    """A text as one visible line, clipped."""
    return clip(printable(text)[: _LONGEST + 50], _LONGEST)


def code(value: str) -> str:
    """A text as a code span that no backtick in it can end."""
    shown = brief(value)
    ticks = _ticks([shown], least=1)
    room = " " if not shown or shown[0] in "` " or shown[-1] in "` " else ""
    return f"{ticks}{room}{shown}{room}{ticks}"


def html_code(value: str) -> str:
    """A text as code in HTML, where Markdown has no effect."""
    return f"<code>{html.escape(brief(value))}</code>"


def fenced(lines: Iterable[str], language: str) -> Sequence[str]:
    """Lines as a code block that none of them can end; nothing for no lines."""
    shown = list(map(brief, lines))
    while shown and not shown[0]:
        del shown[0]
    if not shown:
        return []
    fence = _ticks(shown, least=3)
    return [f"{fence}{language}", *shown, fence]


def item(lines: Sequence[str]) -> Iterator[str]:
    """Lines as a part of the list item above them."""
    yield ""
    yield from (f"  {line}" for line in lines)


def approvals(groups: Sequence[str]) -> Iterator[str]:
    """The rollouts that wait for a person, as items of a list."""
    for group in groups[:MOST_LISTED]:
        yield f"- The rollout of {code(group)} waits for approval: {code(f'wfdeploy rollout approve {group}')}"
    if len(groups) > MOST_LISTED:
        yield f"- {len(groups) - MOST_LISTED:,} more rollouts wait for approval: `wfdeploy rollout status`"


def _ticks(texts: Sequence[str], *, least: int) -> str:
    """More consecutive backticks than in any of the texts."""
    longest = max((len(ticks) for line in texts for ticks in _TICKS.findall(line)), default=0)
    return "`" * max(least, longest + 1)
