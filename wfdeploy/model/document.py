"""Parsed YAML on its way through the stages, and findings about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TypeAlias

from wfdeploy.model.diagnostic import Place, Severity
from wfdeploy.model.run import Move

FieldPath: TypeAlias = tuple[str | int, ...]
"""Keys and list indexes from a document's root to a node, such as `("spec", "runs", 3, "body")`."""


MAX_ROW_FINDINGS = 10_000
"""So many findings about the rows of one entry are reported; the others are counted."""


class Fields(dict[str, object]):
    """A mapping as read from YAML; values are plain dicts, lists and scalars.

    line: where it begins, from 1.
    """

    __slots__ = ("line",)

    line: int


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file that was read.

    display: its name as the user would type it.
    name: its project-relative path with forward slashes.
    folder: where relative paths in it begin.
    text: decoded, without a byte order mark.
    """

    display: str
    name: str
    folder: Path
    text: str = field(repr=False)

    def shown(self, name: str) -> str:
        """A project-relative name as the user would type it, by the example of this file's."""
        return self.display.removesuffix(self.name) + name if self.display.endswith(self.name) else name


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document of a file.

    index: which one of the file's, from 0.
    line: where it begins, from 1.
    has_expressions: some string of it holds `${{`. This spares the stages a walk, as the next one does.
    has_extreme_numbers: some number of it can't be carried by JSON between programs (integers beyond 2^53 - 1, NaN,
        infinities).
    first_run: of a piece of a document, the index of its first run in the whole.
    """

    source: SourceFile
    index: int
    line: int
    data: object = field(repr=False)
    has_expressions: bool = True
    has_extreme_numbers: bool = True
    first_run: int = 0


class Part(Enum):
    """Which end of a mapping's entry a finding points at."""

    KEY = "key"
    VALUE = "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem at a node of a document, not yet located in the text: that is done once for all of a file's.

    path: may name a node that isn't there (a missing field): its nearest ancestor is shown.
    address: what the problem is about: a run, a group, else a field.
    hint_of: gives the hint from the text of the plain scalar that stands there; `hint` is for anything else.
    needle: a piece of the source to point at inside the node, when it is found there.
    needle_offset: so many characters into the needle.
    place, excerpt: of the problem in another file, a row of data; `path` then leads to what reads that file.
    """

    document: Document
    path: FieldPath
    code: str
    message: str
    address: str = ""
    hint: str | None = None
    hint_of: Callable[[str], str | None] | None = None
    part: Part = Part.VALUE
    needle: str | None = None
    needle_offset: int = 0
    severity: Severity = Severity.ERROR
    place: Place | None = None
    excerpt: str | None = None


@dataclass(frozen=True, slots=True)
class DeclaredMove:
    """A move and where it stands."""

    move: Move
    document: Document
    path: FieldPath


def subject(document: Document, path: FieldPath) -> str:
    """What a path of a document is about, for people: the run's address, else the group's name, else the field."""
    data = document.data
    if not isinstance(data, dict) or data.get("kind") != "RunGroup":
        return dotted(path)
    metadata = data.get("metadata")
    group = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(group, str) or not group:
        return dotted(path)
    if len(path) >= 3 and path[:2] == ("spec", "runs") and isinstance(path[2], int):
        spec = data.get("spec")
        runs = spec.get("runs") if isinstance(spec, dict) else None
        run = runs[path[2]] if isinstance(runs, list) and path[2] < len(runs) else None
        name = run.get("name") if isinstance(run, dict) else None
        return f"{group}/{name}" if isinstance(name, str) and name else f"{group}/#{path[2] + 1}"
    return group


def dotted(path: FieldPath) -> str:
    """A path as people write it: `spec.runs[3].headers.X-Team`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text
