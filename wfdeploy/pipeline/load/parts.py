"""A long manifest in parts, so that several processes can read it: stretches of the items of its `spec.runs`.

What a line means depends in YAML on all that stands before it. A cut is right all the same where it meets the parser in
a state that is known: in the block sequence `spec.runs`, with nothing left open, about to begin an item. That is so

- at the first item, when the text before it, read alone, is one document that ends in the key `runs` without a value,
  as the last key of the last mapping;
- at any later item's dash, when every part before it, read alone, is a block sequence in the same column and nothing
  else. (A quoted text, a flow collection or a key that goes on beyond a cut is an error to whoever reads up to it; a
  block scalar or plain text ends at a line that is indented as little as the dash.)

`cut` guesses from the look of the lines, `read_part` makes sure; where any part isn't as expected, the file is to be
read as a whole. So it is for all that one part couldn't know of another: anchors, more documents, keys after the runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

from yaml.error import YAMLError
from yaml.events import MappingEndEvent, ScalarEvent

from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.document import Document, Fields, SourceFile
from wfdeploy.pipeline.load.items import read_list
from wfdeploy.pipeline.load.shapes import dash
from wfdeploy.pipeline.load.text import hide_breaks, open_parser
from wfdeploy.pipeline.load.yaml_docs import read

_RUNS = re.compile(r"^( *)runs:[ ]*(?:[ ]#[^\n]*)?\n(?:[ ]*(?:#[^\n]*)?\n)*( *)-(?=[ \n])", re.MULTILINE)
_ENDS = ("---", "...")

LONG = 20_000
"""Characters of a file from which on it pays to look for a list in it."""

_DEPTH = 2
"""Of `spec.runs` in a document."""


@dataclass(frozen=True, slots=True)
class Part:
    """Items of `spec.runs`, `count` of them from the `first` (from 0) on: the text from `start` to `end`. `head` is
    where the first of all items begins, `column` that of their dashes, from 0."""

    start: int
    end: int
    first: int
    count: int
    head: int
    column: int


def cut(text: str, most: int) -> list[Part]:
    """Parts of about one size, from 1 to `most`; none where the text doesn't look like it."""
    found = _RUNS.search(text)
    if found is None or "\r" in text or any(text.find(f"\n{end}", found.end()) >= 0 for end in _ENDS):
        return []
    column = len(found[2])
    head = found.start(2)
    item = re.compile(f"^{dash(column)}", re.MULTILINE)
    begins = [head]
    for number in range(1, most):
        following = item.search(text, max(head + (len(text) - head) * number // most, begins[-1] + 1))
        if following is None:
            break
        begins.append(following.start())
    parts: list[Part] = []
    first = 0
    for start, end in zip(begins, [*begins[1:], len(text)], strict=True):
        # A dash that isn't the first begins a line, and a line's end is a place of its own.
        count = 1 + sum(text.count(f"\n{' ' * column}-{behind}", start, end) for behind in " \n")
        parts.append(Part(start=start, end=end, first=first, count=count, head=head, column=column))
        first += count
    return parts


def read_part(source: SourceFile, part: Part) -> Iterator[Document]:
    """The document with the items of one part alone; nothing where the file can't be read in parts."""
    document = _document(source, part)
    if document is not None and not any(map(_is_generator, _runs(document))):
        yield document  # rows of generators are numbered too, and nobody knows how many there are before


def read_whole(source: SourceFile, problems: list[Diagnostic]) -> Iterator[Document]:
    """The same as `yaml_docs.read`, with a long list of runs as the only part there is, and anything else as ever."""
    if len(source.text) >= LONG:
        for part in cut(source.text, 1):
            document = _document(source, part)
            if document is not None:
                yield document
                return
    yield from read(source, problems)


def _document(source: SourceFile, part: Part) -> Document | None:
    header = _header(source, part)
    if header is None:
        return None
    text = source.text[part.start : part.end]
    line = source.text.count("\n", 0, part.start) + 1
    try:
        items = read_list(replace(source, text=text), line=line, column=part.column, depth=_DEPTH)
    except YAMLError:
        return None
    runs = None if items is None else cast("list[object]", items.data)
    if items is None or runs is None or len(runs) != part.count:
        return None
    if not all(isinstance(item, Fields) for item in runs):
        return None
    data = cast("Fields", header.data)
    return Document(
        source,
        header.index,
        header.line,
        _with(data, "spec", _with(cast("Fields", data["spec"]), "runs", runs)),
        header.has_expressions or items.has_expressions,
        header.has_extreme_numbers or items.has_extreme_numbers,
        header.is_even and items.is_even,
        part.first,
    )


def _runs(document: Document) -> list[Fields]:
    return cast("Any", document.data)["spec"]["runs"]  # type: ignore[no-any-return]


def _is_generator(run: Fields) -> bool:
    return not run.keys().isdisjoint(("forEach", "matrix"))


def _header(source: SourceFile, part: Part) -> Document | None:
    """The document without its runs."""
    problems: list[Diagnostic] = []
    head = replace(source, text=source.text[: part.head])
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
    return document if _ends_open(head.text, part.column) else None


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
