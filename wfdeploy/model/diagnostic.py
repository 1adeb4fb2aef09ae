"""Things a user can fix, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the sources; lines and columns count from 1.

    file: as the user named it.
    """

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One problem: what, where, and the way out.

    code: a stable short name (`unknown-field`, `duplicate-address`, ...).
    address: the run, group or field that it is about; empty when it is about the file.
    hint: what to do.
    excerpt: the offending source line, without its newline.
    """

    severity: Severity = Severity.ERROR
    code: str
    message: str
    place: Place
    address: str = ""
    hint: str | None = None
    excerpt: str | None = None

    def __str__(self) -> str:
        """`file:line:column: address: message`, in one line of visible text."""
        text = f"{self.place}:{f' {self.address}:' if self.address else ''} {self.message}"
        return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)

    @property
    def is_error(self) -> bool:
        """Whether it stops a command; a warning doesn't."""
        return self.severity is Severity.ERROR
