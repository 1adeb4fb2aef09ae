"""A report as the comment of a pull request: with where it comes from, whether it is out of date, and no longer than
the host allows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wfdeploy.errors import several
from wfdeploy.model.pull_request import STALE_LINE, FoundStamp, Posted, PostOutcome
from wfdeploy.render.encode import dump
from wfdeploy.render.markdown import code

_FENCE = re.compile(r" *(`{3,})")
_URL = re.compile(r"https?://[A-Za-z0-9.:/_~%-]+")
_LONGEST_URL = 500


_DONE = {
    PostOutcome.CREATED: "Created a comment",
    PostOutcome.UPDATED: "Updated the comment",
    PostOutcome.UNCHANGED: "The comment says this already",
    PostOutcome.SUPERSEDED: "Nothing was posted, since the comment is about a later commit",
}


def posted_text(posted: Posted) -> str:
    """What was posted, for a terminal."""
    lines = [f"{_DONE[posted.outcome]}{f': {posted.url}' if posted.url else '.'}"]
    if posted.is_stale:
        lines.append("It says that it is out of date: the pull request has commits that the report doesn't know.")
    if posted.marked:
        lines.append(f"Marked {several(len(posted.marked), 'other comment')} as out of date.")
    return "".join(f"{line}\n" for line in lines)


def posted_json(posted: Posted | None) -> str:
    """What was posted; None for nothing, since a fork's job may not."""
    fields = {
        "formatVersion": 1,
        "outcome": "refused" if posted is None else posted.outcome.value,
        "url": posted.url or None if posted else None,
        "stale": posted is not None and posted.is_stale,
        "marked": [comment.url for comment in posted.marked] if posted else [],
    }
    return dump(fields) + "\n"


def body(report: str, *, limit: int, is_stale: bool, job_url: str | None) -> str:
    """The text of a comment.

    report: begins with a stamp.
    limit: the most characters.
    job_url: of the CI job that the report is of; None where nobody knows.
    """
    stamp = _stamp(report)
    text = mark_stale(report) if is_stale else report
    facts = [f"Commit {code(stamp.commit[:10])}"] if stamp.commit else []
    if job_url is not None and len(job_url) <= _LONGEST_URL and _URL.fullmatch(job_url):
        facts.append(f"[job]({job_url})")
    foot = f"\n{', '.join(facts)}\n" if facts else ""
    if len(text) + len(foot) <= limit:
        return text + foot
    note = "\n**The report is cut here: it is longer than a comment may be.** The job has all of it.\n"
    return _cut(text, limit - len(foot) - len(note)) + note + foot


def mark_stale(report: str) -> str:
    """A report, or the text of a comment, that says of itself that it is out of date."""
    stamp = _stamp(report)
    if stamp.is_stale:
        return report
    lines = report.splitlines(keepends=True)
    commit = code(stamp.commit[:10])
    note = f"{STALE_LINE}\n\n> **Out of date:** this is about {commit}, and the pull request has changed since.\n"
    return "".join((*lines[: stamp.lines], note, *lines[stamp.lines :]))


def _cut(text: str, most: int) -> str:
    """The first lines, with blocks of code and details that are open at the end closed there."""
    kept: list[str] = []
    length, fence, open_details = 0, "", 0
    for line in text.splitlines(keepends=True):
        opened, details = _after(line, fence, open_details)
        closing = _closing(opened, details)
        if length + len(line) + sum(map(len, closing)) > most:
            break
        kept.append(line)
        length += len(line)
        fence, open_details = opened, details
    return "".join((*kept, *_closing(fence, open_details)))


def _after(line: str, fence: str, open_details: int) -> tuple[str, int]:
    """What is open after a line: a fence, with its indentation, and how many details."""
    stripped = line.rstrip()
    if fence:
        return ("" if stripped == fence else fence), open_details
    if found := _FENCE.match(stripped):
        return found[0], open_details
    opening, closing = stripped.startswith("<details"), stripped == "</details>"
    return "", max(open_details + opening - closing, 0)


def _closing(fence: str, open_details: int) -> Sequence[str]:
    return [*([f"{fence}\n"] if fence else []), *(["\n</details>\n"] * open_details)]


def _stamp(report: str) -> FoundStamp:
    stamp = FoundStamp.of(report)
    assert stamp is not None  # the caller looked
    return stamp
