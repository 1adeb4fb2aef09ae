"""The items of one long list, most of them without the parser.

An item is a stretch of text from one dash to the next; why it may be read alone, `parts.py` says. Most are taken for
what one before them is (`shapes.py`), the parser reads the others.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, cast

from wfdeploy.model.document import Document, SourceFile
from wfdeploy.pipeline.load import scalars
from wfdeploy.pipeline.load.shapes import MAX_LENGTH, Shape, dash, shape_of
from wfdeploy.pipeline.load.yaml_docs import read_items

MAX_EXAMPLES = 8
"""Items that shapes are made of. Each shape may have to be tried on each item."""

ENOUGH_TRIED = 200
"""Items after which it shows whether most are like others."""


def read_list(source: SourceFile, *, line: int, column: int, depth: int) -> Document | None:
    """What `read_items` gives, for the same arguments. Raises: `YAMLError`."""
    if "\r" in source.text:
        return read_items(source, line=line, column=column, depth=depth)  # lines are counted by their other end here
    return _List(source, line, column, depth).read()


class _UnreadableError(Exception):
    """Some of the text isn't items and nothing else."""


class _List:
    def __init__(self, source: SourceFile, line: int, column: int, depth: int) -> None:
        self._source = source
        self._text = source.text
        self._line = line
        self._left, self._left_line = 0, line  # from where on the text isn't read yet
        self._column = column
        self._depth = depth
        self._items: list[object] = []
        self._shapes: list[Shape] = []
        self._values = scalars.PlainValues()
        self._expressions = self._extreme = self._uneven = False

    def read(self) -> Document | None:
        """See `read_list`."""
        try:
            self._read()
        except _UnreadableError:
            return None
        is_even = not (self._extreme or self._uneven)
        return Document(self._source, 0, self._line, self._items, self._expressions, self._extreme, is_even)

    def _read(self) -> None:
        text, items = self._text, self._items
        dashes = re.compile(f"^{dash(self._column)}", re.MULTILINE)
        last = self._last(dashes)
        # What ends the list in an unexpected way stands here: it is found out at once.
        rest = self._parsed(last, len(text), self._line + text.count("\n", 0, last))
        at = examples = tried = 0
        while at < last:
            if (found := self._taken(at)) is not None:
                shape, end, values = found
                self._parse(at)
                items.append(shape.make(values, self._left_line))
                self._left, self._left_line = end, self._left_line + shape.lines
                at = end
                continue
            tried += 1
            if tried > ENOUGH_TRIED and tried > len(items):
                break
            following = dashes.search(text, at + 1)
            assert following is not None  # the last one, if no other
            end = following.start()
            if examples < MAX_EXAMPLES:
                examples += 1
                self._parse(at)
                example = self._parse(end)
                if len(example) != 1:
                    raise _UnreadableError
                shape_found = shape_of(text[at:end], self._column, example[0])
                if shape_found is not None:
                    self._shapes.append(shape_found)
            at = end
        self._parse(last)
        items += rest

    def _last(self, dashes: re.Pattern[str]) -> int:
        """Where the last item begins."""
        end = len(self._text)
        while True:
            found = self._text.rfind(f"\n{' ' * self._column}-", 0, end) + 1
            if not found or dashes.match(self._text, found):
                return found
            end = found

    def _taken(self, at: int) -> tuple[Shape, int, list[Any]] | None:
        """The shape of the item that begins here, if it is known, with its end and its values."""
        for place, shape in enumerate(self._shapes):
            found = shape.match(self._text, at)
            if found is None:
                continue
            end = found.end()
            values: list[Any] = list(found.groups())
            if end - at > MAX_LENGTH or not self._resolve(values, shape.plain):
                return None
            if place:
                self._shapes.insert(0, self._shapes.pop(place))  # the next one is likely to be like this one
            return shape, end, values
        return None

    def _resolve(self, values: list[Any], plain: tuple[int, ...]) -> bool:
        """Whether these, unquoted as they stand, could be made what they mean."""
        suspects, value_of = scalars.SUSPECTS, self._values
        for number in plain:
            text = values[number]
            if text[0] in suspects:
                try:
                    value = value_of[text]
                except ValueError:
                    return False  # the parser's reader tells what is wrong
                if type(value) is not str:
                    self._uneven = self._uneven or type(value) is float
                    self._extreme = self._extreme or scalars.is_extreme(value)
                    values[number] = value
        return True

    def _parse(self, end: int) -> list[object]:
        """Let the parser read what is left up to here, and give back what that was. Raises: as `_parsed`."""
        if self._left == end:
            return []
        found = self._parsed(self._left, end, self._left_line)
        self._items += found
        self._left_line += self._text.count("\n", self._left, end)
        self._left = end
        return found

    def _parsed(self, start: int, end: int, line: int) -> list[object]:
        """The items in this stretch of the text. Raises: `YAMLError`, `_UnreadableError`."""
        part = replace(self._source, text=self._text[start:end])
        document = read_items(part, line=line, column=self._column, depth=self._depth)
        if document is None:
            raise _UnreadableError
        self._expressions = self._expressions or document.has_expressions
        self._extreme = self._extreme or document.has_extreme_numbers
        self._uneven = self._uneven or not document.is_even
        return cast("list[object]", document.data)
