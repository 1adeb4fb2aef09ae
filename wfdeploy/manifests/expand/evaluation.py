"""Expressions of one document, with a finding for each that can't be evaluated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from wfdeploy.manifests.expand.expressions import (
    OPENING,
    Constant,
    Evaluator,
    ExpressionError,
    Scope,
    SizeLimit,
    UnknownValueError,
    Varying,
    compile_text,
    compile_value,
    evaluate,
    evaluate_text,
)
from wfdeploy.manifests.expand.numbers import NumberFormat
from wfdeploy.model.diagnostic import Place, Severity
from wfdeploy.model.document import Document, FieldPath, Finding, Part, subject
from wfdeploy.model.request import Body, BodyKind, BodyValue, Text

_MOST_OF_A_TREE = 2**26
"""Characters that the expressions of a list of rows may make, or of a matrix."""


_Key = TypeVar("_Key", str, int)


class _TooBigError(Exception):
    """Expressions make too much, and it is reported."""


class Evaluation:
    """Evaluates the expressions of a document.

    What can't be evaluated is replaced by something that no rule objects to: one mistake is reported once, and the rest
    is still checked.
    """

    def __init__(self, document: Document, evaluator: Evaluator, findings: list[Finding]) -> None:
        self.document = document
        self._evaluator = evaluator
        self.findings = findings

    def text(self, value: str, path: FieldPath, *, stand_in: str = "x") -> Text:
        """A text in which expressions are evaluated; `stand_in` where they can't be."""
        if OPENING not in value:
            return value
        try:
            return evaluate_text(value, self._evaluator)
        except ExpressionError as error:
            self.bad_expression(error, path)
            return stand_in

    def headers(self, value: Mapping[str, str | None], path: FieldPath) -> dict[str, Text | None]:
        """Headers with their values evaluated."""
        return dict(self._texts(value.items(), path))

    def labels(self, value: Sequence[str], path: FieldPath) -> tuple[Text, ...]:
        """A list of texts, evaluated."""
        return tuple(text for _, text in self._texts(enumerate(value), path) if text is not None)

    def _texts(self, items: Iterable[tuple[_Key, str | None]], path: FieldPath) -> Iterator[tuple[_Key, Text | None]]:
        tally = SizeLimit(self.most)
        for key, text in items:
            if text is None or OPENING not in text:
                yield key, text
                continue
            made = self.text(text, (*path, key))
            try:
                self._count(made, tally, (*path, key), text)
            except _TooBigError:
                return
            yield key, made

    def tree(self, value: BodyValue, path: FieldPath, *, most: int = _MOST_OF_A_TREE) -> BodyValue:
        """A structured value, with expressions evaluated in every string. One without expressions is given back as it
        is.

        most: characters that they may make.
        """
        if not self.document.has_expressions or not _has_expression(value):
            return value
        try:
            return self._tree(value, path, SizeLimit(most))
        except _TooBigError:
            return value

    def json(self, value: BodyValue, path: FieldPath) -> Body:
        """A structured body."""
        return Body(BodyKind.JSON, self.tree(value, path, most=self.most))

    # --- templates: evaluated once for each row ---------------------------------------------------------------

    def compiled_text(
        self, value: str, path: FieldPath, names: Collection[str], *, stand_in: str = "x"
    ) -> Constant | Callable[[Scope], Text]:
        """A text of a template."""
        if OPENING not in value:
            return Constant(value)
        try:
            return compile_text(value, self._evaluator, names, path)
        except ExpressionError as error:
            self.bad_expression(error, path)
            return Constant(stand_in)

    def compiled_tree(
        self, value: BodyValue, path: FieldPath, names: Collection[str], tally: SizeLimit | None
    ) -> Constant | Varying:
        """A structured body of a template. What doesn't change from row to row is shared by all.

        tally: adds up what its expressions make.
        """
        if not _has_expression(value):
            return Constant(value)
        if isinstance(value, str):
            try:
                compiled = compile_value(value, self._evaluator, names, path)
                return compiled if tally is None else _tallied(compiled, tally, value, path)
            except ExpressionError as error:
                self.bad_expression(error, path)
                return Constant(value)
        if isinstance(value, dict):
            self._check_keys(value, path)
            fields = ((key, self.compiled_tree(item, (*path, key), names, tally)) for key, item in value.items())
            return _container(dict.fromkeys(value), fields)
        assert isinstance(value, list)
        items = ((index, self.compiled_tree(item, (*path, index), names, tally)) for index, item in enumerate(value))
        return _container([None] * len(value), items)

    def add(
        self,
        path: FieldPath,
        code: str,
        message: str,
        hint: str | None = None,
        *,
        address: str | None = None,
        part: Part = Part.VALUE,
        needle: str | None = None,
        severity: Severity = Severity.ERROR,
        place: Place | None = None,
        excerpt: str | None = None,
    ) -> None:
        """Add a finding; its `address` is that of what its path is about, unless it is given."""
        self.findings.append(
            Finding(
                document=self.document,
                path=path,
                code=code,
                message=message,
                address=subject(self.document, path) if address is None else address,
                hint=hint,
                part=part,
                needle=needle,
                severity=severity,
                place=place,
                excerpt=excerpt,
            )
        )

    def bad_expression(self, error: ExpressionError, path: FieldPath) -> None:
        """Add a finding for an expression that can't be evaluated, and point at it."""
        if not isinstance(error, UnknownValueError):
            self.add(path, error.code, error.message, hint=error.hint, needle=error.source.strip() or None)

    @property
    def most(self) -> int:
        """Characters of a text or body that expressions make."""
        return self._evaluator.most

    @property
    def numbers(self) -> NumberFormat:
        """What writes numbers as text."""
        return self._evaluator.numbers

    def _tree(self, value: BodyValue, path: FieldPath, tally: SizeLimit) -> BodyValue:
        if isinstance(value, str):
            if OPENING not in value:
                return value
            try:
                made = evaluate(value, self._evaluator)
            except ExpressionError as error:
                self.bad_expression(error, path)
                return value
            self._count(made, tally, path, value)
            return made  # type: ignore[return-value]
        if isinstance(value, dict):
            self._check_keys(value, path)
            return {key: self._tree(item, (*path, key), tally) for key, item in value.items()}
        if isinstance(value, list):
            return [self._tree(item, (*path, index), tally) for index, item in enumerate(value)]
        return value

    def _count(self, value: object, tally: SizeLimit, path: FieldPath, source: str) -> None:
        """Raises: `_TooBigError`, with a finding, when it becomes too much: the rest isn't evaluated."""
        try:
            tally.add(value, source)
        except ExpressionError as error:
            self.bad_expression(error, path)
            raise _TooBigError from error

    def _check_keys(self, value: Iterable[str], path: FieldPath) -> None:
        for key in value:
            if OPENING in key:
                message = "expressions are evaluated in values only, not in keys"
                address = subject(self.document, path)
                self.add((*path, key), "expression-in-key", message, address=address, part=Part.KEY)


def _tallied(compiled: Constant | Varying, tally: SizeLimit, source: str, path: FieldPath) -> Constant | Varying:
    """Raises: `ExpressionError`, as what it gives does."""
    if isinstance(compiled, Constant):
        tally.add(compiled.value, source)
        return compiled

    def counted(scope: Scope) -> object:
        value = compiled(scope)
        try:
            tally.add(value, source)
        except ExpressionError as error:
            error.path = path
            raise
        return value

    return counted


def _container(base: Any, parts: Iterable[tuple[Any, Constant | Varying]]) -> Constant | Varying:
    """A mapping or list of a template, of which only the varying parts are made for each row.

    base: the same with any values.
    """
    varying = []
    for key, part in parts:
        if isinstance(part, Constant):
            base[key] = part.value
        else:
            varying.append((key, part))
    if not varying:
        return Constant(base)

    def make(scope: Scope) -> object:
        made = base.copy()
        for key, part in varying:
            made[key] = part(scope)
        return made

    return make


def _has_expression(value: object) -> bool:
    if isinstance(value, str):
        return OPENING in value
    if isinstance(value, dict):
        return any(map(_has_expression, value.values())) or any(OPENING in key for key in value)
    return isinstance(value, list) and any(map(_has_expression, value))
