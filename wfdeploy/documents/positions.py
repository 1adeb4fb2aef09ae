"""Where the nodes of a document stand: a second pass over the text, made only when there is an error to report."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from yaml.error import YAMLError
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from wfdeploy.documents.text import LineColumn, hide_breaks, inside, lines_of, open_parser
from wfdeploy.model.diagnostic import Diagnostic, Place
from wfdeploy.model.document import FieldPath, Finding, Part, SourceFile


@dataclass(slots=True)
class Position:
    """Where a node stands.

    value: where it begins.
    key: where the key that leads to it begins; None for a list item, or the root.
    written: the text of a plain scalar, which no tag and no alias gives another meaning.
    """

    value: LineColumn
    key: LineColumn | None = None
    written: str | None = None


@dataclass(slots=True)
class _Wanted:
    """A node that is looked for, or that leads to one. `found` is filled in on the way."""

    children: dict[str | int, _Wanted] = field(default_factory=dict)
    found: Position | None = None


@dataclass(slots=True)
class _Anchored:
    """An anchored node with its positions, kept for the aliases that repeat it."""

    at: LineColumn
    children: dict[str | int, tuple[LineColumn | None, _Anchored]] = field(default_factory=dict)


def _pick(found: Mapping[tuple[int, FieldPath], Position], index: int, path: FieldPath, part: Part) -> LineColumn:
    """The place to show for a path: the nearest node that was found. A missing field is shown by its parent."""
    for length in range(len(path), -1, -1):
        position = found.get((index, path[:length]))
        if position is not None:
            wants_key = part is Part.KEY and length == len(path)
            return position.key if wants_key and position.key is not None else position.value
    return (1, 1)


def locate_all(text: str, wanted: Mapping[int, Collection[FieldPath]]) -> dict[tuple[int, FieldPath], Position]:
    """Find the positions of nodes, and of all that lead to them, by document index and path, in one pass."""
    found: dict[tuple[int, FieldPath], Position] = {}
    walk = _Walk(text)
    last = max(wanted, default=-1)
    index = 0
    try:
        while index <= last:
            event = walk.next()
            kind = type(event)
            if kind is StreamEndEvent or event is None:
                break
            if kind is DocumentStartEvent:
                walk.anchors.clear()
            elif kind in (ScalarEvent, AliasEvent, MappingStartEvent, SequenceStartEvent):
                root = _wanted_tree(wanted.get(index, ()))
                try:
                    walk.node(event, root, None, keep=False)
                finally:
                    _collect(root, index, (), found)
                index += 1
    except (YAMLError, RecursionError):
        pass  # a later document is broken: what was found before it stands
    return found


def _wanted_tree(paths: Collection[FieldPath]) -> _Wanted:
    root = _Wanted()
    for path in paths:
        node = root
        for step in path:
            node = node.children.setdefault(step, _Wanted())
    return root


def _collect(node: _Wanted, index: int, path: FieldPath, found: dict[tuple[int, FieldPath], Position]) -> None:
    if node.found is not None:
        found[index, path] = node.found
    for step, child in node.children.items():
        _collect(child, index, (*path, step), found)


class _Walk:
    """Goes through the events of a text, filling in wanted nodes. Events are `Any`, as in `yaml_docs`."""

    def __init__(self, text: str) -> None:
        self.next: Any = open_parser(hide_breaks(text)[0]).get_event
        self.anchors: dict[str, _Anchored] = {}

    def node(self, event: Any, wanted: _Wanted | None, key: LineColumn | None, *, keep: bool) -> _Anchored | None:
        """Pass over one node. With `keep`, or when it is anchored, its positions are given back."""
        at = _start(event)
        if wanted is not None and wanted.found is None:
            wanted.found = Position(at, key, _written(event))
        kind = type(event)
        if kind is AliasEvent:
            known = self.anchors.get(event.anchor)
            if known is not None and wanted is not None:
                _fill_in(wanted, known)
            return known
        keep = keep or event.anchor is not None
        tree = _Anchored(at) if keep else None
        if kind is MappingStartEvent:
            self._mapping(wanted, tree, keep=keep)
        elif kind is SequenceStartEvent:
            self._sequence(wanted, tree, keep=keep)
        if event.anchor is not None and tree is not None:
            self.anchors[event.anchor] = tree
        return tree

    def _mapping(self, wanted: _Wanted | None, tree: _Anchored | None, *, keep: bool) -> None:
        while True:
            event = self.next()
            if type(event) is MappingEndEvent:
                return
            key_at = _start(event)
            name = event.value if type(event) is ScalarEvent else None
            self.node(event, None, None, keep=False)
            child = wanted.children.get(name) if wanted is not None and name is not None else None
            if child is not None and child.found is not None:
                child = None  # a repeated key: the first one counts
            kept = self.node(self.next(), child, key_at, keep=keep)
            if tree is not None and kept is not None and name is not None:
                tree.children.setdefault(name, (key_at, kept))

    def _sequence(self, wanted: _Wanted | None, tree: _Anchored | None, *, keep: bool) -> None:
        index = 0
        while True:
            event = self.next()
            if type(event) is SequenceEndEvent:
                return
            child = wanted.children.get(index) if wanted is not None else None
            kept = self.node(event, child, None, keep=keep)
            if tree is not None and kept is not None:
                tree.children[index] = (None, kept)
            index += 1


def _fill_in(wanted: _Wanted, tree: _Anchored) -> None:
    """Wanted nodes below an alias are found where the anchor is: that is where a reader can change them."""
    for step, child in wanted.children.items():
        entry = tree.children.get(step)
        if entry is not None and child.found is None:
            key, inner = entry
            child.found = Position(inner.at, key)
            _fill_in(child, inner)


def _start(event: Any) -> LineColumn:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1


def _written(event: Any) -> str | None:
    if type(event) is not ScalarEvent or event.tag is not None or not event.implicit[0]:
        return None
    return str(event.value)


def diagnose(findings: Iterable[Finding]) -> list[Diagnostic]:
    """The diagnostics of findings, in their order."""
    findings = list(findings)
    by_file: dict[int, list[int]] = {}  # id of the source: positions in `findings`
    placed: dict[int, Diagnostic] = {}
    for number, finding in enumerate(findings):
        if finding.place is not None:
            placed[number] = _diagnostic(finding, finding.place, finding.excerpt)
            continue
        by_file.setdefault(id(finding.document.source), []).append(number)
    for numbers in by_file.values():
        source = findings[numbers[0]].document.source
        placed.update(zip(numbers, _of_file(source, [findings[n] for n in numbers]), strict=True))
    return [placed[number] for number in range(len(findings))]


def _of_file(source: SourceFile, findings: list[Finding]) -> list[Diagnostic]:
    wanted: dict[int, set[FieldPath]] = {}
    for finding in findings:
        wanted.setdefault(finding.document.index, set()).add(finding.path)
    positions = locate_all(source.text, wanted)
    lines = lines_of(source.text)
    diagnostics = []
    for finding in findings:
        line, column = inside(_pick(positions, finding.document.index, finding.path, finding.part), lines)
        if (finding.document.index, ()) not in positions:
            line = finding.document.line
        excerpt = lines[line - 1] if line <= len(lines) else None
        if finding.needle is not None:
            line, column, excerpt = _point_at(finding.needle, line, column, lines, finding.needle_offset)
        node = positions.get((finding.document.index, finding.path))
        place = Place(source.display, line, column)
        diagnostics.append(_diagnostic(finding, place, excerpt, written=None if node is None else node.written))
    return diagnostics


def _diagnostic(finding: Finding, place: Place, excerpt: str | None, *, written: str | None = None) -> Diagnostic:
    return Diagnostic(
        severity=finding.severity,
        code=finding.code,
        message=finding.message.replace("\n", "\\n"),  # what it quotes may be any text; a message is one line
        place=place,
        address=finding.address,
        hint=finding.hint if finding.hint_of is None or written is None else finding.hint_of(written),
        excerpt=excerpt,
    )


def _point_at(needle: str, line: int, column: int, lines: list[str], offset: int) -> tuple[int, int, str | None]:
    """The needle's own place, when it stands in the node's first lines (a block scalar begins a line above)."""
    for number in range(line, min(line + 50, len(lines)) + 1):
        text = lines[number - 1]
        at = text.find(needle, column - 1 if number == line else 0)
        if at >= 0:
            return number, at + 1 + offset, text
    return line, column, lines[line - 1] if line <= len(lines) else None
