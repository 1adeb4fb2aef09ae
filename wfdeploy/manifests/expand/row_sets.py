"""What generators multiply: the rows of a `forEach` (of a data file, or listed), and the combinations of a matrix."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from math import prod
from typing import Any, Protocol

from wfdeploy.manifests.expand.data.rows import BadRow, CellTypes, Rows, format_of, shown_value
from wfdeploy.manifests.expand.data.streams import DataStream, FileProblem
from wfdeploy.manifests.expand.evaluation import Evaluation
from wfdeploy.manifests.expand.input_files import InputFiles, RowRules
from wfdeploy.manifests.expand.numbers import Numbers
from wfdeploy.model.document import Document, FieldPath, Fields

MAX_COMBINATIONS = 100_000
"""They are held at once."""

MAX_COMPARISONS = 20_000_000
"""Of combinations with entries of `include` and `exclude`: some ten seconds."""


def combinations(
    axes: Mapping[str, Sequence[Any]], include: Sequence[Mapping[str, Any]], exclude: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The combinations of a matrix, in order: the last axis turns fastest.

    One that agrees with all fields of an entry of `exclude` is left out. An entry of `include` is added to each
    combination in which it changes no axis, over what earlier entries added; one that fits none is a combination of
    its own.

    Raises: `ValueError` when there are too many.
    Source: GitHub Actions, "Workflow syntax", `strategy.matrix.include` and `.exclude`.
    """
    count = prod(len(values) for values in axes.values()) if axes else 0
    if count > MAX_COMBINATIONS:
        raise ValueError(f"the matrix has {count:,} combinations; at most {MAX_COMBINATIONS:,} are possible")
    if count * (len(include) + len(exclude)) > MAX_COMPARISONS:
        raise ValueError(f"{count:,} combinations are too many for this many entries of include and exclude")
    excluded = [{name: _key(value) for name, value in entry.items()} for entry in exclude]
    included = [({name: _key(entry[name]) for name in entry if name in axes}, entry) for entry in include]
    fitting = [False] * len(included)
    made = []
    for values in product(*axes.values()) if axes else ():
        combination = dict(zip(axes, values, strict=True))
        keys = {name: _key(value) for name, value in combination.items()}
        if any(entry.items() <= keys.items() for entry in excluded):
            continue
        for number, (own, entry) in enumerate(included):
            if own.items() <= keys.items():
                fitting[number] = True
                combination.update(entry)
        made.append(combination)
    return made + [dict(entry) for (_, entry), fits in zip(included, fitting, strict=True) if not fits]


def _key(value: Any) -> str:
    """Equal JSON values, equal texts: to Python, 1 and true are equal too. Secrets are compared by reference."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # the same value in an address, too
    return json.dumps(value, sort_keys=True, default=repr)


_TOLD = 3
"""Problems of one row that are told."""

_COUNTED = 100
"""Problems of one row that are looked for: a wide table may have one in each column."""


class NoRows(Exception):
    """There are no rows to be had; the reason is told."""


class RowSet(Protocol):
    """Rows for a generator. `name` is the project-relative name of a data file, None for items; `display` as the user
    would type it; `path` leads to where the manifest names them; `skips`: bad rows are passed over."""

    name: str | None
    display: str
    path: FieldPath
    uniform: bool
    shares_lines: bool
    skips: bool

    def records(self) -> Iterator[tuple[int, Any]]:
        """Line and raw form of each row. Raises: `FileProblem`."""

    def parse(self, record: Any) -> object:
        """A row that fits its schema, or a `BadRow`."""

    def shown(self, record: Any) -> str:
        """A row for people."""

    def path_of(self, record: Any) -> FieldPath:
        """Where a row stands in the manifest."""


@contextmanager
def open_rows(
    for_each: Mapping[str, Any], document: Document, path: FieldPath, evaluation: Evaluation, files: InputFiles
) -> Iterator[RowSet]:
    """The rows of a `forEach` at `path` of a document. Raises: `NoRows`, with a finding."""
    schema = for_each.get("rowSchema")
    rules = None
    if schema is not None:
        try:
            rules = files.readers.row_rules(schema)
        except ValueError as error:
            evaluation.problem((*path, "rowSchema"), "bad-row-schema", f"rowSchema: {error}")
            raise NoRows from error
    skips = for_each.get("onBadRow") == "skip"
    given = [name for name in ("items", "file") if for_each.get(name) is not None]
    if len(given) != 1:
        if given or not for_each.keys() & {"items", "file"}:
            message = "forEach takes its rows from items or from a file"
            evaluation.problem(path, "no-rows", message, "keep one of them" if given else "give one of them")
        raise NoRows
    if given == ["items"]:
        for field in ("format", "sha256"):
            if field in for_each:
                evaluation.problem((*path, field), "only-for-files", f"{field} is for rows of a file", "remove it")
        yield _Items(for_each["items"], (*path, "items"), evaluation, rules=rules, skips=skips)
        return
    text = str(for_each["file"])
    at = (*path, "file")
    try:
        found, name = files.find_data(document.source.folder, text)
        form = for_each.get("format") or format_of(found.name if "." in found.name else text)
    except FileProblem as problem:
        evaluation.problem(at, problem.code, problem.message, problem.hint)
        raise NoRows from problem
    folder = os.path.dirname(document.source.display)  # noqa: PTH120 - text as typed
    display = os.path.normpath(os.path.join(folder, text))  # noqa: PTH118
    rows = _FileRows(display, name, at, rules, skips)
    try:
        with files.open_data(found, name) as stream:
            rows.open(_reader(form, stream, display, CellTypes(schema), files=files, numbers=evaluation.numbers))
            yield rows
            pinned = for_each.get("sha256")
            digest = stream.finish()
            if pinned is not None and digest != pinned.lower():
                message = f"{display} is not the file that is pinned: its SHA-256 is {digest}"
                hint = "if the change is meant, pin the new one"
                evaluation.problem((*path, "sha256"), "data-file-changed", message, hint)
    except FileProblem as problem:
        evaluation.problem(at, problem.code, f"{display}: {problem.message}", problem.hint)
        raise NoRows from problem


def _reader(
    form: str, stream: DataStream, display: str, types: CellTypes, *, files: InputFiles, numbers: Numbers
) -> Rows:
    match form:
        case "csv" | "tsv":
            from wfdeploy.manifests.expand.data.delimited import DelimitedRows

            return DelimitedRows(stream, "," if form == "csv" else "\t", types, files.max_body_bytes)
        case "jsonl":
            from wfdeploy.manifests.expand.data.json_rows import JsonLines

            return JsonLines(stream)
        case "json":
            from wfdeploy.manifests.expand.data.json_rows import JsonList

            return JsonList(stream)
        case "parquet":
            from wfdeploy.manifests.expand.data.parquet_rows import ParquetRows

            return ParquetRows(stream, numbers)
        case _:
            from wfdeploy.manifests.expand.data.json_rows import YamlList

            return YamlList(stream, files.readers.yaml, display)


class _FileRows:
    """Rows of a data file."""

    def __init__(self, display: str, name: str, path: FieldPath, rules: RowRules | None, skips: bool) -> None:
        self.name: str | None = name
        self.display = display
        self.path = path
        self.skips = skips
        self._rules = rules

    def open(self, rows: Rows) -> None:
        self._rows = rows
        self.uniform = rows.uniform
        self.shares_lines = rows.shares_lines
        self.shown = rows.shown
        if self._rules is None:
            self.parse = rows.parse  # type: ignore[method-assign]  # spares a call for every row

    def records(self) -> Iterator[tuple[int, Any]]:
        return self._rows.records()

    def parse(self, record: Any) -> object:
        row = self._rows.parse(record)
        return row if self._rules is None or type(row) is BadRow else _fitting(row, self._rules)

    def path_of(self, _record: Any) -> FieldPath:
        return self.path


class _Items:
    """Rows that the manifest lists, or a variable. A record is an index and a row."""

    name: str | None = None
    uniform = False

    def __init__(
        self,
        items: Any,
        path: FieldPath,
        evaluation: Evaluation,
        *,
        rules: RowRules | None,
        skips: bool,
    ) -> None:
        self.display = "forEach.items"
        self.path = path
        self.skips = skips
        self._rules = rules
        self._listed = isinstance(items, list)
        self.shares_lines = not self._listed  # each has its place in the manifest, or all have that of the expression
        before = evaluation.problems
        found = evaluation.tree(items, path)
        if not isinstance(found, list):
            if evaluation.problems == before and found != items:
                evaluation.problem(path, "not-a-list", "items is no list of rows")
            raise NoRows
        self._items = found
        self._lines = [item.line if isinstance(item, Fields) else 0 for item in items] if self._listed else []

    def records(self) -> Iterator[tuple[int, Any]]:
        for index, item in enumerate(self._items):
            yield self._lines[index] if self._listed else 0, (index, item)

    def parse(self, record: Any) -> object:
        row = record[1]
        return row if self._rules is None else _fitting(row, self._rules)

    def shown(self, record: Any) -> str:
        return shown_value(record[1])

    def path_of(self, record: Any) -> FieldPath:
        return (*self.path, record[0]) if self._listed and record is not None else self.path


def _fitting(row: object, rules: RowRules) -> object:
    """The row, or a `BadRow`. Raises: `FileProblem`: where one row takes too long, nobody waits for the others."""
    try:
        if rules.is_valid(row):
            return row
        problems = rules.problems(row, most=_COUNTED)
    except ValueError as error:
        raise FileProblem("bad-row-schema", f"rowSchema: {error}") from error
    count = f"{len(problems) - _TOLD}" if len(problems) < _COUNTED else "many"
    more = f" (and {count} more)" if len(problems) > _TOLD else ""
    return BadRow("row-schema", "; ".join(problems[:_TOLD]) + more)
