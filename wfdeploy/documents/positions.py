"""Where the nodes of a document stand: a second pass over the text, made only when there is an error to tell."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
from wfdeploy.model.diagnostic import Place
from wfdeploy.model.document import FieldPath, Part, SourceFile


@dataclass(slots=True)
class Position:
    """Where a node begins, and the key that leads to it (None: a list item, or the root)."""

    value: LineColumn
    key: LineColumn | None = None


@dataclass(slots=True)
class _Wish:
    """A node that somebody asked for, or that leads to one. `found` is filled in on the way."""

    children: dict[str | int, _Wish] = field(default_factory=dict)
    found: Position | None = None


@dataclass(slots=True)
class _Tree:
    """An anchored node with its positions, kept for the aliases that repeat it."""

    at: LineColumn
    children: dict[str | int, tuple[LineColumn | None, _Tree]] = field(default_factory=dict)


def locate(source: SourceFile, index: int, path: FieldPath, part: Part = Part.VALUE) -> Place:
    """The place of one node; of its nearest ancestor when it isn't there."""
    found = pick(locate_all(source.text, {index: [path]}), index, path, part)
    line, column = inside(found, lines_of(source.text))
    return Place(source.display, line, column)


def pick(found: Mapping[tuple[int, FieldPath], Position], index: int, path: FieldPath, part: Part) -> LineColumn:
    """The place to show for a path: the nearest node that was found. A missing field is shown by its parent."""
    for length in range(len(path), -1, -1):
        position = found.get((index, path[:length]))
        if position is not None:
            wants_key = part is Part.KEY and length == len(path)
            return position.key if wants_key and position.key is not None else position.value
    return (1, 1)


def locate_all(text: str, wanted: Mapping[int, Collection[FieldPath]]) -> dict[tuple[int, FieldPath], Position]:
    """Positions of nodes, and of all that lead to them, by document index and path. One pass, whatever is asked."""
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
                root = _wishes(wanted.get(index, ()))
                try:
                    walk.node(event, root, None, keep=False)
                finally:
                    _collect(root, index, (), found)
                index += 1
    except (YAMLError, RecursionError):
        pass  # a later document is broken: what was found before it stands
    return found


def _wishes(paths: Collection[FieldPath]) -> _Wish:
    root = _Wish()
    for path in paths:
        wish = root
        for step in path:
            wish = wish.children.setdefault(step, _Wish())
    return root


def _collect(wish: _Wish, index: int, path: FieldPath, found: dict[tuple[int, FieldPath], Position]) -> None:
    if wish.found is not None:
        found[index, path] = wish.found
    for step, child in wish.children.items():
        _collect(child, index, (*path, step), found)


class _Walk:
    """Goes through the events of a text, filling in wishes. Events are `Any`, as in `yaml_docs`."""

    def __init__(self, text: str) -> None:
        self.next: Any = open_parser(hide_breaks(text)[0]).get_event
        self.anchors: dict[str, _Tree] = {}

    def node(self, event: Any, wish: _Wish | None, key: LineColumn | None, *, keep: bool) -> _Tree | None:
        """Pass over one node. With `keep`, or when it is anchored, its positions are given back."""
        at = _start(event)
        if wish is not None and wish.found is None:
            wish.found = Position(at, key)
        kind = type(event)
        if kind is AliasEvent:
            known = self.anchors.get(event.anchor)
            if known is not None and wish is not None:
                _fulfil(wish, known)
            return known
        keep = keep or event.anchor is not None
        tree = _Tree(at) if keep else None
        if kind is MappingStartEvent:
            self._mapping(wish, tree, keep=keep)
        elif kind is SequenceStartEvent:
            self._sequence(wish, tree, keep=keep)
        if event.anchor is not None and tree is not None:
            self.anchors[event.anchor] = tree
        return tree

    def _mapping(self, wish: _Wish | None, tree: _Tree | None, *, keep: bool) -> None:
        while True:
            event = self.next()
            if type(event) is MappingEndEvent:
                return
            key_at = _start(event)
            name = event.value if type(event) is ScalarEvent else None
            self.node(event, None, None, keep=False)
            child = wish.children.get(name) if wish is not None and name is not None else None
            if child is not None and child.found is not None:
                child = None  # a repeated key: the first one counts
            kept = self.node(self.next(), child, key_at, keep=keep)
            if tree is not None and kept is not None and name is not None:
                tree.children.setdefault(name, (key_at, kept))

    def _sequence(self, wish: _Wish | None, tree: _Tree | None, *, keep: bool) -> None:
        index = 0
        while True:
            event = self.next()
            if type(event) is SequenceEndEvent:
                return
            child = wish.children.get(index) if wish is not None else None
            kept = self.node(event, child, None, keep=keep)
            if tree is not None and kept is not None:
                tree.children[index] = (None, kept)
            index += 1


def _fulfil(wish: _Wish, tree: _Tree) -> None:
    """Wishes below an alias are found where the anchor is: that is where a reader can change them."""
    for step, child in wish.children.items():
        entry = tree.children.get(step)
        if entry is not None and child.found is None:
            key, inner = entry
            child.found = Position(inner.at, key)
            _fulfil(child, inner)


def _start(event: Any) -> LineColumn:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1
