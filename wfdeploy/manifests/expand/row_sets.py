"""What generators multiply: the rows of a `forEach` (of a data file, or listed), and the combinations of a matrix."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from wfdeploy.manifests.expand.data.rows import BadRow, CellTypes, Rows, format_of, shown_value
from wfdeploy.manifests.expand.data.streams import DataStream, FileProblem
from wfdeploy.manifests.expand.evaluation import Evaluation
from wfdeploy.manifests.expand.input_files import InputFiles
from wfdeploy.manifests.expand.numbers import NumberFormat
from wfdeploy.model.document import FieldPath, Fields

if TYPE_CHECKING:
    from wfdeploy.documents.row_schema import RowSchema

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


_SHOWN_PROBLEMS = 3
"""Of one row."""

_COUNTED_PROBLEMS = 100
"""Of one row: a wide table may have one in each column."""


class NoRows(Exception):
    """There are no rows; the reason is reported."""


class RowSet:
    """Rows for a generator, checked against their schema.

    display: the name of the data file as the user would type it.
    path: leads to where the manifest names the rows.
    name: the project-relative name of the data file; None for items that the manifest lists.
    skips: bad rows are passed over.
    listed: each row stands in the manifest by itself.
    """

    def __init__(
        self,
        rows: Rows,
        rules: RowSchema | None,
        *,
        display: str,
        path: FieldPath,
        skips: bool,
        name: str | None = None,
        listed: bool = False,
    ) -> None:
        self.display = display
        self.path = path
        self.name = name
        self.skips = skips
        self.uniform = rows.uniform
        self.shares_lines = rows.shares_lines
        self.records = rows.records
        self.shown = rows.shown
        self.parse = rows.parse if rules is None else _fitting(rows.parse, rules)
        self._listed = listed

    def path_of(self, record: Any) -> FieldPath:
        """Where a row stands in the manifest."""
        return (*self.path, record[0]) if self._listed and record is not None else self.path


def _fitting(parse: Callable[[Any], object], rules: RowSchema) -> Callable[[Any], object]:
    """Parse a record into a row that fits its schema, or a `BadRow`.

    Raises: `FileProblem`: where one row takes too long, nobody waits for the others.
    """

    def fitting(record: Any) -> object:
        row = parse(record)
        if type(row) is BadRow:
            return row
        try:
            if rules.is_valid(row):
                return row
            problems = rules.problems(row, most=_COUNTED_PROBLEMS)
        except ValueError as error:
            raise FileProblem("bad-row-schema", f"rowSchema: {error}") from error
        count = f"{len(problems) - _SHOWN_PROBLEMS}" if len(problems) < _COUNTED_PROBLEMS else "many"
        more = f" (and {count} more)" if len(problems) > _SHOWN_PROBLEMS else ""
        return BadRow("row-schema", "; ".join(problems[:_SHOWN_PROBLEMS]) + more)

    return fitting


@contextmanager
def open_rows(
    for_each: Mapping[str, Any], path: FieldPath, evaluation: Evaluation, files: InputFiles
) -> Iterator[RowSet]:
    """The rows of a `forEach` at a path of a document. Raises: `NoRows`, with a finding."""
    schema = for_each.get("rowSchema")
    rules = None
    if schema is not None:
        from wfdeploy.documents.row_schema import RowSchema

        try:
            rules = RowSchema(schema)
        except ValueError as error:
            evaluation.add((*path, "rowSchema"), "bad-row-schema", f"rowSchema: {error}")
            raise NoRows from error
    skips = for_each.get("onBadRow") == "skip"
    given = [name for name in ("items", "file") if for_each.get(name) is not None]
    if len(given) != 1:
        if given or not for_each.keys() & {"items", "file"}:
            message = "forEach takes its rows from items or from a file"
            evaluation.add(path, "no-rows", message, "keep one of them" if given else "give one of them")
        raise NoRows
    if given == ["items"]:
        for field in ("format", "delimiter", "sha256"):
            if field in for_each:
                evaluation.add((*path, field), "only-for-files", f"{field} is for rows of a file", "remove it")
        path = (*path, "items")
        items = _Items(for_each["items"], path, evaluation)
        yield RowSet(items, rules, display="forEach.items", path=path, skips=skips, listed=not items.shares_lines)
        return
    text = str(for_each["file"])
    at = (*path, "file")
    try:
        found, name = files.find_data(evaluation.document.source.folder, text)
        form = for_each.get("format") or format_of(found.name if "." in found.name else text)
    except FileProblem as problem:
        evaluation.add(at, problem.code, problem.message, problem.hint)
        raise NoRows from problem
    if "delimiter" in for_each and form not in ("csv", "tsv"):
        message = f"delimiter is for CSV and TSV files, and this is read as {form}"
        evaluation.add((*path, "delimiter"), "only-for-tables", message, "remove it, or give format: csv")
    folder = os.path.dirname(evaluation.document.source.display)  # noqa: PTH120 - text as typed
    display = os.path.normpath(os.path.join(folder, text))  # noqa: PTH118
    try:
        with files.open_data(found, name) as stream:
            rows = _reader(form, stream, display, for_each, files=files, numbers=evaluation.numbers)
            yield RowSet(rows, rules, display=display, path=at, skips=skips, name=name)
            pinned = for_each.get("sha256")
            digest = stream.finish()
            if pinned is not None and digest != pinned.lower():
                message = f"{display} is not the file that is pinned: its SHA-256 is {digest}"
                hint = "if the change is meant, pin the new one"
                evaluation.add((*path, "sha256"), "data-file-changed", message, hint)
    except FileProblem as problem:
        evaluation.add(at, problem.code, f"{display}: {problem.message}", problem.hint)
        raise NoRows from problem


def _reader(
    form: str,
    stream: DataStream,
    display: str,
    for_each: Mapping[str, Any],
    *,
    files: InputFiles,
    numbers: NumberFormat,
) -> Rows:
    match form:
        case "csv" | "tsv":
            from wfdeploy.manifests.expand.data.delimited import DelimitedRows

            return DelimitedRows(
                stream, form, for_each.get("delimiter"), CellTypes(for_each.get("rowSchema")), files.max_body_bytes
            )
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

            return YamlList(stream, display)


class _Items:
    """Rows that the manifest lists, or a variable. A record is an index and a row."""

    uniform = False

    def __init__(self, items: Any, path: FieldPath, evaluation: Evaluation) -> None:
        is_list = isinstance(items, list)
        self.shares_lines = not is_list  # each has its place in the manifest, or all have that of the expression
        before = len(evaluation.findings)
        found = evaluation.tree(items, path)
        if not isinstance(found, list):
            if len(evaluation.findings) == before and found != items:
                evaluation.add(path, "not-a-list", "items is no list of rows")
            raise NoRows
        self._items = found
        self._lines = [item.line if isinstance(item, Fields) else 0 for item in items] if is_list else [0] * len(found)

    def records(self) -> Iterator[tuple[int, Any]]:
        return zip(self._lines, enumerate(self._items), strict=True)

    def parse(self, record: Any) -> object:
        return record[1]

    def shown(self, record: Any) -> str:
        return shown_value(record[1])
