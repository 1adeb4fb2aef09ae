"""`${{ ... }}`: found in text here, evaluated by an `Evaluator`.

`$${{` stands for a literal `${{`. An expression that is the whole text keeps the type of its value; among other text it
must give a scalar. Secrets are never looked up: they become references.

A run's template is compiled once and called for every row: `compile_value` and `compile_text` give a `Constant`
where nothing changes from row to row, else a function of the row's `Scope`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol, TypeAlias, cast

from wfdeploy.manifests.expand.numbers import NumberFormat
from wfdeploy.model.document import FieldPath
from wfdeploy.model.request import SecretRef, SecretText, Text

OPENING = "${{"

MAX_LENGTH = 2000
"""Characters of an expression that is more than a reference."""

_OPENING = re.compile(r"\$?\$\{\{")
_REFERENCE = re.compile(r"[\w.\[\]]+")
_INSIDE = re.compile(r"""(?:[^"'}]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\}(?!\}))*""", re.DOTALL)

MAX_TEXT = 1_000_000
"""Characters of a text that expressions make, where a project's message limit is not known."""

Scope: TypeAlias = Mapping[str, object]
"""What the expressions of a run's template may use beside variables: `row`, `matrix`."""

Varying: TypeAlias = Callable[[Scope], object]
"""Gives a value for a row. Raises: `ExpressionError`."""


class ExpressionError(Exception):
    """An expression that can't be evaluated.

    source: its text, for pointing at it.
    path: the field it stands in, where it was compiled for a field.
    """

    def __init__(self, message: str, *, source: str, code: str = "bad-expression", hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.code = code
        self.hint = hint
        self.path: FieldPath = ()


class UnknownValueError(ExpressionError):
    """An expression whose value nobody knows for now; nothing is known to be wrong with it."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that is the same for every row."""

    value: object


class Evaluator(Protocol):
    """Gives expressions their values.

    numbers: writes those that become text.
    most: characters that a text may have.
    """

    numbers: NumberFormat
    most: int

    def at(self, schedule: Mapping[str, object]) -> Evaluator:
        """The evaluator for an instance of a recurring group, with the values of `schedule`."""

    def compile(self, source: str, names: Collection[str]) -> Constant | Varying:
        """What stands between `${{` and `}}`, for a scope that has these names; a `SecretRef` for a secret. Without
        names, it is a constant. Raises: `ExpressionError`."""


def evaluate(text: str, evaluator: Evaluator) -> object:
    """The value of a text with expressions: any type when it is one expression as a whole, else `Text`.

    Raises: `ExpressionError`.
    """
    return _constant(compile_value(text, evaluator, ()))


def evaluate_text(text: str, evaluator: Evaluator) -> Text:
    """The value where only text makes sense: numbers are written as `numbers` does, booleans as JSON has them."""
    return cast("Text", _constant(compile_text(text, evaluator, ())))


def _constant(compiled: Constant | Varying) -> object:
    assert isinstance(compiled, Constant), "nothing varies without a scope"
    return compiled.value


def compile_value(text: str, evaluator: Evaluator, names: Collection[str], path: FieldPath = ()) -> Constant | Varying:
    """A text of a template, for `evaluate` with each row. Raises: `ExpressionError` for what is wrong with any row."""
    parts = _compiled(text, evaluator, names)
    first = parts[0]
    if len(parts) > 1 or isinstance(first, str):
        return _compiled_text(parts, path, evaluator)
    if isinstance(first, _Value):
        return Constant(_whole(first))
    source, value = first

    def whole(scope: Scope) -> object:
        try:
            found = value(scope)
            return found if type(found) is str else checked(found, source)
        except ExpressionError as error:
            error.path = path
            raise

    return whole


def compile_text(
    text: str, evaluator: Evaluator, names: Collection[str], path: FieldPath = ()
) -> Constant | Callable[[Scope], Text]:
    """A text of a template, for `evaluate_text` with each row. Raises: as `compile_value`."""
    return _compiled_text(_compiled(text, evaluator, names), path, evaluator)


_Part: TypeAlias = "str | _Value | tuple[str, Varying]"
"""Of a text: what stands in the source, or the value of an expression, or its source and what gives its value."""


def _compiled(text: str, evaluator: Evaluator, names: Collection[str]) -> list[_Part]:
    found: list[_Part] = []
    size = 0
    for part in split(text):
        if isinstance(part, str):
            found.append(part)
            continue
        (source,) = part
        compiled = evaluator.compile(source, names)
        if not isinstance(compiled, Constant):
            found.append((source, compiled))
            continue
        if isinstance(compiled.value, str):
            size += len(compiled.value)
            if found and size > evaluator.most:  # one that is too long by itself is refused where it is used
                raise too_long(source, evaluator.most)
        found.append(_Value(source, compiled.value))
    return found


def _compiled_text(parts: Sequence[_Part], path: FieldPath, evaluator: Evaluator) -> Constant | Callable[[Scope], Text]:
    numbers, most = evaluator.numbers, evaluator.most
    varying = [(place, *part) for place, part in enumerate(parts) if isinstance(part, tuple)]
    if not varying:
        return Constant(_join(cast("Sequence[str | _Value]", parts), evaluator))
    pieces = ["" if isinstance(part, tuple) else _piece(part, numbers) for part in parts]
    has_secret = any(isinstance(piece, SecretRef) for piece in pieces)
    fixed = sum(len(piece) for piece in pieces if isinstance(piece, str))

    def joined(scope: Scope) -> Text:
        found = pieces.copy()
        size = fixed
        try:
            for place, source, value in varying:
                made = value(scope)
                text = made if type(made) is str else _text_of(source, made, numbers)
                size += len(text)
                if size > most:
                    raise too_long(source, most)
                found[place] = text
        except ExpressionError as error:
            error.path = path
            raise
        return _merge_secrets(found) if has_secret else "".join(cast("list[str]", found))

    return joined


def split(text: str) -> list[str | tuple[str]]:
    """Literal text, and the sources of expressions (as 1-tuples), in order; at least one part."""
    parts: list[str | tuple[str]] = []
    position = 0
    while (match := _OPENING.search(text, position)) is not None:
        if match.start() > position:
            parts.append(text[position : match.start()])
        if match[0].startswith("$$"):
            parts.append(OPENING)
            position = match.end()
            continue
        end = _end(text, match.end())
        if end < 0:
            raise ExpressionError("'${{' without '}}'", source=match[0], hint="write $${{ for a literal ${{")
        parts.append((text[match.end() : end],))
        position = end + 2
    if position < len(text) or not parts:
        parts.append(text[position:])
    return parts


def _end(text: str, start: int) -> int:
    """Where the `}}` of an expression stands; one inside of quotes is text."""
    # No further than expressions go: a quote that is never closed is looked for from each `${{` on.
    match = _INSIDE.match(text, start, start + MAX_LENGTH + 1)
    if match is not None and text.startswith("}}", match.end()):
        return match.end()
    return text.find("}}", start)


class _Value:
    """The value of one expression, as distinct from text that stood in the source."""

    __slots__ = ("source", "value")

    def __init__(self, source: str, value: object) -> None:
        self.source = source
        self.value = value


def _whole(found: _Value) -> object:
    value = found.value
    return SecretText((value,)) if isinstance(value, SecretRef) else checked(value, found.source)


def _join(parts: Iterable[str | _Value], evaluator: Evaluator) -> Text:
    """Join text and values. Raises: `ExpressionError` when it is too long."""
    pieces: list[str | SecretRef] = []
    size = 0
    for part in parts:
        piece = _piece(part, evaluator.numbers)
        size += len(piece) if isinstance(piece, str) else 0
        if size > evaluator.most and isinstance(part, _Value):
            raise too_long(part.source, evaluator.most)
        pieces.append(piece)
    return _merge_secrets(pieces)


def too_long(source: str, most: int) -> ExpressionError:
    """For an expression that makes a text too long."""
    message = f"with {one_line(source)[:100]} expressions make more than {most:,} characters here"
    return ExpressionError(message, source=source, code="message-too-big")


def _merge_secrets(found: Sequence[str | SecretRef]) -> Text:
    if not any(isinstance(piece, SecretRef) for piece in found):
        return "".join(cast("Sequence[str]", found))
    pieces: list[str | SecretRef] = []
    for is_secret, run in groupby(found, lambda piece: isinstance(piece, SecretRef)):
        if is_secret:
            pieces += run
        else:
            pieces.append("".join(cast("Iterator[str]", run)))
    return SecretText(tuple(pieces))


def _piece(part: str | _Value, numbers: NumberFormat) -> str | SecretRef:
    if isinstance(part, str):
        return part
    return part.value if isinstance(part.value, SecretRef) else _text_of(part.source, part.value, numbers)


def _text_of(source: str, value: object, numbers: NumberFormat) -> str:
    if type(value) is str:
        return value
    if isinstance(value, int | float):
        try:
            return numbers.text(value)
        except ValueError:
            message = f"{one_line(source)} is {value}, which can't be put into text"
            raise ExpressionError(message, source=source, code="not-a-json-number") from None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, SecretText):
        message, hint = f"{one_line(source)} is a secret", "name it where it is needed: ${{ secrets.NAME }}"
        raise ExpressionError(message, source=source, code="secret-in-expression", hint=hint)
    what = "null" if value is None else "a mapping" if isinstance(value, Mapping) else "a list"
    raise ExpressionError(f"{one_line(source)} is {what}, which can't be put into text", source=source)


_MAX_INTEGER = 2**53 - 1


def checked(value: object, source: str, *, inside: bool = False) -> object:
    """A value for a body, as it is.

    inside: it is part of what the expression gave.

    Raises: `ExpressionError` for one that JSON can't carry.
    """
    kind = type(value)
    if kind is int:
        if not -_MAX_INTEGER <= cast("int", value) <= _MAX_INTEGER:
            what = "holds" if inside else "is"
            message = f"{one_line(source)} {what} an integer beyond 2^53 - 1, which would change on its way"
            of = one_line(source) if _REFERENCE.fullmatch(source.strip()) else f"({one_line(source)})"
            of += ".NAME" if inside else ""
            hint = f"send it as text: ${{{{ {of} | string }}}}"
            raise ExpressionError(message, source=source, code="not-a-json-number", hint=hint)
    elif kind is float:
        if value != value or value in (_INFINITY, -_INFINITY):  # noqa: PLR0124 - not a number
            what = "holds" if inside else "is"
            message = f"{one_line(source)} {what} {value}, which JSON has no number for"
            raise ExpressionError(message, source=source, code="not-a-json-number")
    elif isinstance(value, dict):
        for item in value.values():
            checked(item, source, inside=True)
    elif isinstance(value, list):
        for item in value:
            checked(item, source, inside=True)
    return value


_INFINITY = float("inf")


def one_line(source: str) -> str:
    """The text of an expression, for messages."""
    return " ".join(source.split())


def size_of(value: object, most: int) -> int:
    """How many characters a value has as JSON, at least; counted no further than `most`."""
    size = 0
    left = [value]
    while left and size <= most:
        one = left.pop()
        if isinstance(one, str):
            size += len(one) + 2
        elif isinstance(one, dict):
            size += 3 * len(one) + sum(map(len, one))
            left += one.values()
        elif isinstance(one, list | tuple):
            size += len(one)
            left += one
        elif isinstance(one, SecretText):
            left += (piece for piece in one.parts if isinstance(piece, str))
        else:
            size += 1
    return size


class SizeLimit:
    """Adds up what several expressions make that end up in one value."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = self._fixed = 0

    def add(self, value: object, source: str) -> None:
        """Raises: `ExpressionError` when it becomes too much."""
        self._size += len(value) if type(value) is str else size_of(value, self._most)
        if self._size > self._most:
            raise too_long(source, self._most)

    def fix(self) -> None:
        """Keep what was added so far, for every row."""
        self._fixed = self._size

    def renew(self) -> None:
        """Begin another row."""
        self._size = self._fixed
