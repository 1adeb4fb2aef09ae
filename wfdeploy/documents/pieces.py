"""A long manifest in pieces: stretches of the items of its `spec.runs`, so that only those are read that have changed.

What a line means depends in YAML on all that stands before it. A cut is right all the same where it meets the parser
in a state that is known: in the block sequence `spec.runs`, with nothing left open, about to begin an item. That is so

- at the first item, when the text before it, read alone, is one document that ends in the key `runs` without a value,
  as the last key of the last mapping;
- at any later item's dash, when every piece before it, read alone, is a block sequence in the same column and nothing
  else. (A quoted text, a flow collection or a key that goes on beyond a cut is an error to whoever reads up to it; a
  block scalar or plain text ends at a line that is indented as little as the dash.)

`cut` guesses from the look of the lines, and reading a piece makes sure; where one isn't as expected, the file has to
be read as a whole. So it has for all that one piece couldn't know of another: anchors, more documents, keys after the
runs, rows of generators, which are numbered too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast
from zlib import crc32

from yaml.error import YAMLError
from yaml.events import MappingEndEvent, ScalarEvent

from wfdeploy.documents.text import hide_breaks, open_parser
from wfdeploy.documents.yaml_docs import read, read_items
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.document import Document, Fields, SourceFile

LONG = 200_000
"""Characters of a file from which on it is cut."""

_RUNS = re.compile(r"^( *)runs:[ ]*(?:[ ]#[^\n]*)?\n(?:[ ]*(?:#[^\n]*)?\n)*( *)-(?=[ \n])", re.MULTILINE)
_ENDS = ("---", "...")
_DEPTH = 2
"""Of `spec.runs` in a document."""

_USUAL = 500
"""Items of a piece, about: where one is cut depends on the text of the item alone, so an item more or less leaves the
other pieces as they were."""

_MOST = 4 * _USUAL
_LOOKED_AT = 80
"""Characters of an item that decide about that."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Items of `spec.runs`: the text from `start` to `end` of a file.

    first: the index of the first item among all.
    count: how many items there are.
    line: lines of the file before it.
    """

    start: int
    end: int
    first: int
    count: int
    line: int


@dataclass(frozen=True, slots=True)
class Pieces:
    """A document that is the only one of its file, without its runs (`header`), and the pieces that hold these.

    head: where the text of the first item begins.
    column: that of the items' dashes, from 0.
    """

    header: Document
    head: int
    column: int
    pieces: list[Piece]

    def read(self, piece: Piece) -> Document | None:
        """The document with the items of one piece alone; None where the file can't be read in pieces."""
        header = self.header
        text = header.source.text[piece.start : piece.end]
        try:
            items = read_items(replace(header.source, text=text), line=piece.line + 1, column=self.column, depth=_DEPTH)
        except YAMLError:
            return None
        runs = None if items is None else cast("list[object]", items.data)
        if items is None or runs is None or len(runs) != piece.count:
            return None
        if not all(isinstance(item, Fields) and item.keys().isdisjoint(("forEach", "matrix")) for item in runs):
            return None
        data = cast("Fields", header.data)
        return replace(
            header,
            data=_with(data, "spec", _with(cast("Fields", data["spec"]), "runs", runs)),
            has_expressions=header.has_expressions or items.has_expressions,
            has_extreme_numbers=header.has_extreme_numbers or items.has_extreme_numbers,
            first_run=piece.first,
        )


def cut(source: SourceFile) -> Pieces | None:
    """The pieces of a file; None where it isn't long, or doesn't look like one that can be read in pieces."""
    text = source.text
    if len(text) < LONG:
        return None
    found = _RUNS.search(text)
    if found is None or "\r" in text or any(text.find(f"\n{end}", found.end()) >= 0 for end in _ENDS):
        return None
    column, head = len(found[2]), found.start(2)
    header = _header(replace(source, text=text[:head]), column)
    if header is None:
        return None
    return Pieces(replace(header, source=source), head, column, list(_pieces(text, head, column)))


def _pieces(text: str, head: int, column: int) -> Iterator[Piece]:
    dashes = re.compile(rf"^ {{{column}}}-(?=[ \n])", re.MULTILINE)
    start, first, count, line = head, 0, 0, text.count("\n", 0, head)
    for item in dashes.finditer(text, head):
        at = item.start()
        if count and (count == _MOST or crc32(text[at : at + _LOOKED_AT].encode("utf-8", "replace")) % _USUAL == 0):
            yield Piece(start, at, first, count, line)
            line += text.count("\n", start, at)
            start, first, count = at, first + count, 0
        count += 1
    yield Piece(start, len(text), first, count, line)


def _header(head: SourceFile, column: int) -> Document | None:
    """The document without its runs."""
    problems: list[Diagnostic] = []
    documents = list(read(head, problems))
    if problems or len(documents) != 1:
        return None
    (document,) = documents
    data = document.data
    spec = data.get("spec") if isinstance(data, Fields) else None
    if not isinstance(data, Fields) or not isinstance(spec, Fields):
        return None
    if next(reversed(data)) != "spec" or next(reversed(spec), None) != "runs" or spec["runs"] is not None:
        return None
    return document if _ends_open(head.text, column) else None


def _ends_open(text: str, column: int) -> bool:
    """Whether a text ends in a key `runs` without a value, in a column from which an item's dash may follow."""
    get: Any = open_parser(hide_breaks(text)[0]).get_event
    events: list[Any] = []
    try:
        while (event := get()) is not None:
            events.append(event)
    except YAMLError:
        return False
    # ..., the key, its value, the ends of `spec` and of the document's mapping, of the document, of the stream
    key, value, *ends = events[-6:]
    return (
        [type(event) for event in (key, value, *ends[:2])] == [ScalarEvent, ScalarEvent, *[MappingEndEvent] * 2]
        and key.value == "runs"
        and key.implicit[0]
        and key.start_mark.column <= column
        and value.implicit[0]
        and value.start_mark.index == value.end_mark.index
        and value.anchor is None
        and not ends[2].explicit
    )


def _with(fields: Fields, key: str, value: object) -> Fields:
    copy = Fields(fields)
    copy.line = fields.line
    copy[key] = value
    return copy
