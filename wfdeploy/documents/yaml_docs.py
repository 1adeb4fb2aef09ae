"""Our own YAML loader: strict, YAML 1.2 core, from the events of PyYAML's C parser straight to plain data.

PyYAML's constructor is passed by: it reads YAML 1.1 (`no` is false), keeps the last of two equal keys, and takes 7 to
9 times as long for 100,000 small runs (3 times with the garbage collector off). Positions are not kept, except for
the line of each mapping; `positions.py` finds them when there is an error to report. Plain data that an alias repeats
is shared, not copied: nobody changes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from yaml.error import YAMLError
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from wfdeploy.documents import scalars
from wfdeploy.documents.text import hide_breaks, inside, lines_of, open_parser, show_breaks
from wfdeploy.documents.yaml_errors import explain_yaml_error
from wfdeploy.model.diagnostic import Diagnostic, Place
from wfdeploy.model.document import Document, Fields, SourceFile

MAX_DEPTH = 100
"""Levels of nesting. What is deeper is generated or hostile, and later stages walk recursively."""

MAX_ALIASED_NODES = 2_000_000
"""Nodes that the aliases of one document may stand for in all (the "billion laughs" have 3 * 10^9)."""

MAX_PROBLEMS = 1000
"""Of one file; more of the same help nobody."""

_MOST_KEYS = 10_000
_keys: dict[str, str] = {}
"""Keys without expressions of the files that were read: each is held once."""

_MERGE_HINT = "put what the runs share into spec.defaults"
_DUPLICATE_HINT = "remove one of the two"
_NODES = frozenset((ScalarEvent, AliasEvent, MappingStartEvent, SequenceStartEvent))


@dataclass(frozen=True, slots=True)
class _Measured:
    """Expanded size of a value. Holds on to the value, so that its `id` stays its own."""

    nodes: int
    height: int
    value: object = None


_LEAF = _Measured(1, 0)


def _is_plain(event: Any, kind: type) -> bool:
    """Whether a document begins or ends without a marker."""
    return type(event) is kind and not getattr(event, "explicit", True)


def _begins(event: Any, column: int) -> bool:
    """Whether an ordinary block sequence begins, with its dashes in this column."""
    at: int = event.start_mark.column
    own = type(event) is SequenceStartEvent and (event.flow_style, event.tag, event.anchor) == (False, None, None)
    return own and at == column


class _StopError(Exception):
    """The rest of the file can't be read; the problem is noted."""


def read(source: SourceFile, problems: list[Diagnostic]) -> Iterator[Document]:
    """Yield the documents of a file, in order, without empty ones. What is wrong is added to `problems`.

    After a syntax error the rest of the file is not read; documents before it are given.
    """
    reader = _Reader(source, problems)
    try:
        yield from reader.documents()
    except _StopError:
        return
    except YAMLError as error:
        problems.append(explain_yaml_error(error, source))


def read_items(source: SourceFile, *, line: int, column: int, depth: int) -> Document | None:
    """Read the items of a text that is one block sequence and nothing else, without what surrounds it.

    None for any other text, and for one in which something is wrong or shared by anchors. Raises: `YAMLError`.

    line: of the text's beginning, from 1.
    column: of the dashes, from 0.
    depth: the nesting of the sequence.
    """
    problems: list[Diagnostic] = []
    with suppress(_StopError):
        document = _Reader(source, problems, line=line).items(column, depth)
        return None if problems else document
    return None


class _Reader:
    """Reads one file. Methods take the event that begins a node and return the node's value.

    Events are `Any`: the binding's classes have no types for what each kind carries.
    """

    def __init__(self, source: SourceFile, problems: list[Diagnostic], *, line: int = 1) -> None:
        self._source = source
        self._line = line  # that of the text's beginning
        self._problems = problems
        text, self._hidden_breaks = hide_breaks(source.text)
        self._get = open_parser(text).get_event
        self._lines: list[str] = []  # of the text, once there is a problem to report
        if len(_keys) > _MOST_KEYS:
            _keys.clear()
        self._reset()

    def _reset(self) -> None:
        self._anchors: dict[str, object] = {}
        self._measured: dict[int, _Measured] = {}  # by id of anchored collections
        self._open: set[str] = set()  # anchors of nodes that are still being read
        self._aliased = 0
        self._expressions = False
        self._extreme = False

    def documents(self) -> Iterator[Document]:
        index = 0
        while True:
            event = self._get()
            kind = type(event)
            if kind is StreamEndEvent or event is None:
                return
            if kind is DocumentStartEvent:
                self._check_version(event)
            elif kind in _NODES:
                self._reset()
                data = show_breaks(self._node(event, 0), self._hidden_breaks)
                if data is not None:
                    yield self._document(event, index, data)
                index += 1

    def items(self, column: int, depth: int) -> Document | None:
        """See `read_items`."""
        self._get()
        begin, event = self._get(), self._get()
        if not _is_plain(begin, DocumentStartEvent) or not _begins(event, column):
            return None
        data = show_breaks(self._node(event, depth), self._hidden_breaks)
        end, last = self._get(), self._get()
        if not _is_plain(end, DocumentEndEvent) or type(last) is not StreamEndEvent or self._anchors:
            return None
        return self._document(event, 0, data)

    def _document(self, event: Any, index: int, data: object) -> Document:
        return Document(self._source, index, event.start_mark.line + self._line, data, self._expressions, self._extreme)

    def _node(self, event: Any, depth: int) -> object:
        kind = type(event)
        if kind is ScalarEvent:
            if event.tag is None and event.anchor is None:
                return self._scalar(event)
            return self._dressed_scalar(event)
        if kind is AliasEvent:
            return self._alias(event, depth)
        if depth >= MAX_DEPTH:
            raise self._stop(event, "too-deep", f"nested deeper than {MAX_DEPTH} levels")
        if event.tag is not None:
            self._check_collection_tag(event)
        if event.anchor is None:
            return self._mapping(event, depth) if kind is MappingStartEvent else self._sequence(depth)
        self._open.add(event.anchor)
        value = self._mapping(event, depth) if kind is MappingStartEvent else self._sequence(depth)
        self._open.discard(event.anchor)
        self._anchors[event.anchor] = value
        self._measured[id(value)] = self._measure(value)
        return value

    def _scalar(self, event: Any) -> object:
        text: str = event.value
        if event.implicit[0] and (not text or text[0] in scalars.SUSPECTS):
            return self._suspect(event, text)
        if "${{" in text:
            self._expressions = True
        return text

    def _suspect(self, event: Any, text: str) -> object:
        """A plain scalar that may be a number, a boolean or null."""
        if text[:1] in scalars.LETTERS:
            value = scalars.KEYWORDS.get(text, text)
        else:
            try:
                value = scalars.PLAIN[text]
            except ValueError as error:
                self._note(event, "number-too-long", str(error))
                return 0
        if type(value) is not str:
            self._extreme = self._extreme or scalars.is_extreme(value)
        elif "${{" in text:
            self._expressions = True
        return value

    def _dressed_scalar(self, event: Any) -> object:
        """A scalar with a tag or an anchor."""
        if event.tag is None:
            value = self._scalar(event)
        else:
            try:
                value = scalars.tagged(event.tag, event.value)
            except ValueError as error:
                self._note(
                    event, "bad-tag", str(error), "available: !!str, !!int, !!float, !!bool, !!null, !!map, !!seq"
                )
                value = event.value
            self._extreme = self._extreme or scalars.is_extreme(value)
            self._expressions = self._expressions or (isinstance(value, str) and "${{" in value)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _sequence(self, depth: int) -> list[object]:
        items: list[object] = []
        get, append, inner = self._get, items.append, depth + 1
        while True:
            event = get()
            kind = type(event)
            if kind is SequenceEndEvent:
                return items
            if kind is MappingStartEvent and event.tag is None and event.anchor is None and depth < MAX_DEPTH - 1:
                append(self._mapping(event, inner))
            else:
                append(self._node(event, inner))

    def _mapping(self, start: Any, depth: int) -> Fields:
        fields = Fields()
        fields.line = start.start_mark.line + self._line
        get, keys, suspects, inner = self._get, _keys, scalars.SUSPECTS, depth + 1
        value: Any
        while True:
            event = get()
            kind = type(event)
            if kind is MappingEndEvent:
                return fields
            key: str | None
            if kind is ScalarEvent and event.tag is None and event.anchor is None:
                key = keys.get(event.value) or self._new_key(event)
            else:
                key = self._odd_key(event, inner)
            if key in fields:
                self._note(event, "duplicate-key", f"the key {key!r} is given twice", _DUPLICATE_HINT)
                key = None
            event = get()
            if type(event) is ScalarEvent and event.tag is None and event.anchor is None:
                # As `_scalar`, without a call for each of the most frequent nodes there are.
                value = event.value
                if event.implicit[0] and (not value or value[0] in suspects):
                    value = self._suspect(event, value)
                elif "${{" in value:
                    self._expressions = True
            else:
                value = self._node(event, inner)
            if key is not None:
                fields[key] = value

    def _new_key(self, event: Any) -> str | None:
        """A key that this file didn't have before; None, and a note, when it can't be used."""
        key: str = event.value
        if event.implicit[0] and key == "<<":
            self._note(event, "merge-key", "merge keys (<<) are not part of YAML 1.2", _MERGE_HINT)
            return None
        if event.implicit[0] and not key:
            self._note(event, "missing-key", "a key is missing before the colon")
            return None
        if "${{" in key:
            self._expressions = True
        elif key not in ("<<", ""):  # quoted ones are keys like any other, but never a licence for plain ones
            _keys[key] = key
        return key

    def _odd_key(self, event: Any, depth: int) -> str | None:
        """A key with a tag or an anchor, or one that isn't a scalar. Its text counts, as for every key."""
        if type(event) is ScalarEvent:
            self._dressed_scalar(event)
            return self._new_key(event)
        what = "an alias" if type(event) is AliasEvent else "a mapping or list"
        hint = "keys are text; quote it if it is meant as text"
        begin = event.start_mark.index
        if self._source.text[max(begin - 1, 0) : begin + 1] == "{{":
            hint = 'an expression is written "${{ ... }}", in quotes'
        self._note(event, "complex-key", f"{what} can't be a key", hint)
        self._node(event, depth)
        return None

    def _alias(self, event: Any, depth: int) -> object:
        name = event.anchor
        if name in self._open:
            raise self._stop(event, "recursive-alias", f"the alias *{name} stands inside the node that it repeats")
        if name not in self._anchors:
            raise self._stop(event, "unknown-alias", f"the alias *{name} has no anchor &{name} before it")
        value = self._anchors[name]
        measured = self._measured.get(id(value), _LEAF)
        self._aliased += measured.nodes
        if self._aliased > MAX_ALIASED_NODES:
            message = f"the aliases of this document stand for more than {MAX_ALIASED_NODES:,} nodes"
            raise self._stop(event, "alias-explosion", message)
        if depth + measured.height > MAX_DEPTH:
            raise self._stop(event, "too-deep", f"with the alias *{name} this is nested deeper than {MAX_DEPTH} levels")
        return value

    def _measure(self, value: object) -> _Measured:
        """Size of a value with its aliases expanded; what these repeat was measured before."""
        if not isinstance(value, dict | list):
            return _LEAF
        known = self._measured.get(id(value))
        if known is not None:
            return known
        nodes, height = 1, 0
        for child in value.values() if isinstance(value, dict) else value:
            inner = self._measure(child)
            nodes += inner.nodes
            height = max(height, inner.height)
        return _Measured(nodes, height + 1, value)

    def _check_collection_tag(self, event: Any) -> None:
        expected = f"{scalars.TAG_PREFIX}{'map' if type(event) is MappingStartEvent else 'seq'}"
        if event.tag not in ("!", expected):
            name = event.tag.replace(scalars.TAG_PREFIX, "!!")
            self._note(event, "bad-tag", f"the tag {name} is not known here", "leave the tag out")

    def _check_version(self, event: Any) -> None:
        if event.version is not None and tuple(event.version) != (1, 2):
            version = ".".join(map(str, event.version))
            message = f"this document asks for YAML {version}; manifests are YAML 1.2"
            self._note(event, "yaml-version", message, "remove the %YAML line")

    def _note(self, event: Any, code: str, message: str, hint: str | None = None) -> None:
        if len(self._problems) >= MAX_PROBLEMS:
            raise _StopError
        mark = event.start_mark
        self._lines = self._lines or lines_of(self._source.text)
        line, column = inside((mark.line + 1, mark.column + 1), self._lines)
        place, excerpt = Place(self._source.display, line, column), self._lines[line - 1]
        self._problems.append(Diagnostic(code=code, message=message, place=place, hint=hint, excerpt=excerpt))

    def _stop(self, event: Any, code: str, message: str) -> _StopError:
        self._note(event, code, message)
        return _StopError()
