"""Items of a list that look like one before them: the same text, other values.

A long list is mostly written by a program, or by people who copy. Once the parser has read an item, a pattern is made
of its text that takes other values at the places where the item has plain ones, and everything else letter by letter. A
text that matches means the same, with its own values: the parser would go through the same states, since

- a value is taken only where the item had one, between signs that end any; never a key;
- a plain value is of letters, digits and signs that mean nothing to YAML at their place; what stands behind it is the
  same text as in the item, so it ends there too. A quoted one has no quotes, escapes or line breaks;
- no text is as long as the 1,024 characters within which YAML wants a key's colon;
- nothing of an item has a tag, an anchor or an alias, so nothing outside has a part in what it means.

What the pattern took makes data by a recipe. Both are tried on the item that they were made of, and a shape that
doesn't give what the parser gave is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from yaml.error import YAMLError
from yaml.events import MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, SequenceStartEvent

from wfdeploy.model.document import Fields
from wfdeploy.pipeline.load import scalars
from wfdeploy.pipeline.load.text import open_parser

MAX_LENGTH = 1000
"""Characters of an item that is looked at, or taken for another."""

_PLAIN_IN_BLOCK = r"-?+\w(?:[\w./@+:=%&?,()';!*^<>|~-]*+(?<!:))(?: [\w(](?:[\w./@+:=%&?,()';!*^<>|~-]*+(?<!:)))*+"
_PLAIN_IN_FLOW = r"-?+\w[\w./@+=%&;~-]*+"
_QUOTED = {'"': r"[\w #%&'()*+,./:;<=>?@\[\]^`{|}~!-]*+", "'": r'[\w "#%&()*+,./:;<=>?@\[\\\]^`{|}~!-]*+'}

_Getter: TypeAlias = Callable[[Sequence[object]], tuple[object, ...]]


def dash(column: int) -> str:
    """The pattern of what an item begins with, in this column (from 0) of its line."""
    return rf" {{{column}}}-(?=[ \n])"


class _Step(NamedTuple):
    """A collection that is made of values at hand. `keys`: None for a list; `line`: of a mapping, from the item's."""

    keys: tuple[str, ...] | None
    get: _Getter
    line: int


@dataclass(frozen=True, slots=True)
class Shape:
    """What items of one look have in common. `match(text, at)` finds such an item where another one follows it."""

    match: Callable[[str, int], re.Match[str] | None]
    lines: int
    """Of an item."""
    plain: tuple[int, ...]
    """Which of the values that `match` took may be something else than text: they stand there without quotes."""
    _constants: tuple[object, ...]
    _steps: tuple[_Step, ...]

    def make(self, values: list[Any], line: int) -> object:
        """The data of an item that begins in this line (from 1) and has these values, which may be changed."""
        values += self._constants
        made: Any = None
        for keys, get, down in self._steps:  # what is inside comes first
            if keys is None:
                made = list(get(values))
            else:
                made = Fields(zip(keys, get(values)))  # noqa: B905 - being strict takes as long as the whole rest
                made.line = line + down
            values.append(made)
        return made


def shape_of(text: str, column: int, data: object) -> Shape | None:
    """The shape of an item, given as the text from its dash (in this column, from 0) up to the next, with the data that
    it was read as; None for an item that has none."""
    if len(text) > MAX_LENGTH or not text.isascii() or not isinstance(data, Fields):
        return None
    sketch = _Sketch(text)
    try:
        sketch.draw()
    except (YAMLError, _ShapelessError, ValueError):
        return None
    shape = Shape(
        re.compile(f"{sketch.pattern()}(?={dash(column)})").match,
        text.count("\n"),
        tuple(number for number, is_plain in enumerate(sketch.taken) if is_plain),
        tuple(sketch.constants),
        tuple(sketch.steps()),
    )
    found = shape.match(f"{text}{' ' * column}- ", 0)
    if found is None:
        return None
    values: list[Any] = list(found.groups())
    for number in shape.plain:
        values[number] = scalars.plain(values[number])
    return shape if _same(shape.make(values, data.line), data) else None


def _same(one: object, other: object) -> bool:
    """Whether two pieces of data are alike in all that is known of them: types, lines, the order of keys."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Fields) and isinstance(other, Fields):
        return one.line == other.line and list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


class _ShapelessError(Exception):
    """This item is no example for others."""


@dataclass(slots=True)
class _Collection:
    """A mapping or a list of the item. `members`: collections, numbers of `taken` values, ~numbers of constants."""

    keys: list[str] | None
    line: int
    members: list[_Collection | int] = field(default_factory=list)


class _Sketch:
    """An item's text as the parser sees it. Events are `Any`, as the binding has no types for them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._get: Any = open_parser(text).get_event
        self._pieces: list[str] = []
        self._done = 0
        self._root: _Collection | None = None
        self.taken: list[bool] = []
        """For each value that the pattern takes, whether it is plain."""
        self.constants: list[object] = []

    def draw(self) -> None:
        """Go through the text. Raises: `YAMLError`, `_ShapelessError`; `ValueError` for a number that is none."""
        for _ in range(3):  # the stream, the document, the sequence
            self._get()
        event = self._get()
        if type(event) is not MappingStartEvent:
            raise _ShapelessError
        self._root = self._mapping(event)

    def pattern(self) -> str:
        """That takes the values from the text of any item like it."""
        return "".join([*self._pieces, re.escape(self._text[self._done :])])

    def steps(self) -> Iterator[_Step]:
        """How the values become data: those taken, then the constants, then one collection after the other."""
        base = len(self.taken) + len(self.constants)
        made: dict[int, int] = {}

        def walk(one: _Collection) -> Iterator[_Step]:
            numbers: list[int] = []
            for member in one.members:
                if isinstance(member, _Collection):
                    yield from walk(member)
                    numbers.append(made[id(member)])
                else:
                    numbers.append(member if member >= 0 else len(self.taken) + ~member)
            made[id(one)] = base + len(made)
            yield _Step(None if one.keys is None else tuple(one.keys), _getter(numbers), one.line)

        assert self._root is not None
        yield from walk(self._root)

    def _mapping(self, start: Any) -> _Collection:
        self._check(start)
        keys: list[str] = []
        mapping = _Collection(keys, start.start_mark.line)
        while type(event := self._get()) is not MappingEndEvent:
            if type(event) is not ScalarEvent:
                raise _ShapelessError
            self._check(event)
            keys.append(event.value)
            mapping.members.append(self._node(self._get(), in_flow=bool(start.flow_style)))
        return mapping

    def _sequence(self, start: Any) -> _Collection:
        self._check(start)
        sequence = _Collection(None, 0)
        while type(event := self._get()) is not SequenceEndEvent:
            sequence.members.append(self._node(event, in_flow=bool(start.flow_style)))
        return sequence

    def _node(self, event: Any, *, in_flow: bool) -> _Collection | int:
        kind = type(event)
        if kind is MappingStartEvent:
            return self._mapping(event)
        if kind is SequenceStartEvent:
            return self._sequence(event)
        if kind is not ScalarEvent:
            raise _ShapelessError
        self._check(event)
        start, end = event.start_mark.index, event.end_mark.index
        is_plain = event.implicit[0]
        takes = _PLAIN_IN_FLOW if in_flow else _PLAIN_IN_BLOCK
        if not is_plain:
            start, end = start + 1, end - 1
            takes = _QUOTED.get(event.style, "(?!)")
        own = self._text[start:end]
        if own != event.value or not self._is_free(start - (not is_plain), end + (not is_plain), in_flow=in_flow):
            takes = "(?!)"
        if re.fullmatch(takes, own) is None:
            self.constants.append(scalars.plain(event.value) if is_plain else event.value)
            return ~(len(self.constants) - 1)
        self._pieces += [re.escape(self._text[self._done : start]), "(", takes, ")"]
        self._done = end
        self.taken.append(is_plain)
        return len(self.taken) - 1

    def _is_free(self, start: int, end: int, *, in_flow: bool) -> bool:
        """Whether a value stands where others may: between signs that end any."""
        behind = self._text[end : end + 1]
        if in_flow:
            return self._text[start - 1] in " [{," and behind in ("\n", ",", "]", "}")
        return self._text[start - 1] == " " and behind == "\n"

    @staticmethod
    def _check(event: Any) -> None:
        if event.tag is not None or event.anchor is not None:
            raise _ShapelessError


def _getter(numbers: Sequence[int]) -> _Getter:
    if len(numbers) > 1:
        return itemgetter(*numbers)
    return lambda values: tuple(values[number] for number in numbers)
