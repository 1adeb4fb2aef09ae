"""What a report in a pull request is about, and the comment that carries it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote

GITHUB_LIMIT = 65_536
"""The most characters of a comment. Source: the API's refusal, "body is too long (maximum is 65536 characters)"."""

GITLAB_LIMIT = 1_000_000
"""The most characters of a note. Source: GitLab's documentation, "Instance limits"."""

STALE_LINE = "<!-- wfdeploy stale -->"
"""The line after the stamp of a comment that says of itself that it is out of date."""

_MARKER = re.compile(r"<!-- wfdeploy:([A-Za-z0-9._~%-]*):(?:[A-Za-z0-9._~%-]*)(?::[A-Za-z0-9._~%-]+)? -->")
_COMMIT = re.compile(r"<!-- wfdeploy commit ([0-9a-f]{7,64}) -->")
_LONGEST_HEAD = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportStamp:
    """What a Markdown report is about, in its first lines, where nobody sees it.

    By its marker a comment is found again, so each environment (and each shard) of a project has one of its own.

    commit: of the files that the report is about; empty where nobody knows.
    """

    project: str
    environment: str
    shard: str = ""
    commit: str = ""

    @property
    def marker(self) -> str:
        """The line that a comment is found by."""
        parts = (self.project, self.environment, *([self.shard] if self.shard else []))
        return f"<!-- wfdeploy:{':'.join(map(_quoted, parts))} -->"

    def __str__(self) -> str:
        line = f"<!-- wfdeploy commit {self.commit} -->"
        return f"{self.marker}\n{line}\n" if _COMMIT.fullmatch(line) else f"{self.marker}\n"


@dataclass(frozen=True, slots=True)
class FoundStamp:
    """What the first lines of a report or of a comment say.

    marker: the line that the comment is found by.
    project: as the marker has it.
    commit: of the files that it is about; empty where it doesn't say.
    lines: how many lines the stamp has.
    is_stale: whether the comment says of itself that it is out of date.
    """

    marker: str
    project: str
    commit: str = ""
    lines: int = 1
    is_stale: bool = False

    @classmethod
    def of(cls, text: str) -> FoundStamp | None:
        """Read the first lines; None for a text that is no report of wfdeploy."""
        lines = text[:_LONGEST_HEAD].splitlines()[:3]
        marker = _MARKER.fullmatch(lines[0]) if lines else None
        if marker is None:
            return None
        commit = _COMMIT.fullmatch(lines[1]) if len(lines) > 1 else None
        count = 1 if commit is None else 2
        is_stale = lines[count : count + 1] == [STALE_LINE]
        return cls(marker[0], marker[1], "" if commit is None else commit[1], count, is_stale)

    def is_behind(self, head: str) -> bool:
        """Whether the latest commit of the pull request, as far as it is known, is another one."""
        return bool(self.commit and head) and self.commit != head


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment that belongs to the owner of the token.

    id: of the host.
    body: Markdown.
    url: where people see it; empty where the host doesn't say.
    """

    id: str
    body: str
    url: str = ""


class PostOutcome(Enum):
    """What became of a report that was to be posted."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SUPERSEDED = "superseded"
    """The comment is about a later commit already, so it was left alone."""


@dataclass(frozen=True, slots=True)
class Posted:
    """The comment with a report.

    is_stale: the pull request has commits that the report doesn't know.
    marked: the other comments of the project that were marked as out of date.
    """

    outcome: PostOutcome
    url: str
    is_stale: bool
    marked: Sequence[Comment] = ()


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="replace")
