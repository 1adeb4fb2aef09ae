"""What a report in a pull request is about, and the comment that carries it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

_MARKER = re.compile(r"<!-- wfdeploy:(?:[A-Za-z0-9._~%-]*):(?:[A-Za-z0-9._~%-]*)(?::[A-Za-z0-9._~%-]+)? -->")
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
    """What the first lines of a report or of a comment say."""

    marker: str
    commit: str = ""

    @classmethod
    def of(cls, text: str) -> FoundStamp | None:
        """Read the first lines; None for a text that is no report of wfdeploy."""
        lines = text[:_LONGEST_HEAD].splitlines()[:2]
        if not lines or not _MARKER.fullmatch(lines[0]):
            return None
        commit = _COMMIT.fullmatch(lines[1]) if len(lines) > 1 else None
        return cls(lines[0], commit[1] if commit else "")


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="replace")
