"""`forEach` and `matrix`: one declared run for each row, each combination, or each combination of each row.

Rows stream: of a data file, one row is in memory at a time, unless its format has to be read as a whole (JSON and YAML
lists). A run that both multiply has every combination for every row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from wfdeploy.manifests.expand.data.rows import BadRow
from wfdeploy.manifests.expand.data.streams import FileProblem
from wfdeploy.manifests.expand.evaluation import Evaluation
from wfdeploy.manifests.expand.expressions import Constant, ExpressionError, Varying
from wfdeploy.manifests.expand.input_files import InputFiles
from wfdeploy.manifests.expand.row_sets import NoRows, RowSet, combinations, open_rows
from wfdeploy.manifests.expand.templates import RunTemplate
from wfdeploy.model.address import MAX_KEY_LENGTH, Address, escaped_key
from wfdeploy.model.diagnostic import Place, Severity
from wfdeploy.model.document import MAX_ROW_FINDINGS, FieldPath
from wfdeploy.model.request import Request
from wfdeploy.model.run import DeclaredRun, Group, Source

_NOT_FOR_REQUESTS = frozenset(("forEach", "matrix", "key", "name", "workflowRunId"))


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorEntry:
    """An entry of `spec.runs` with a generator, and what its document gives it.

    line: where it begins.
    base: what all runs of the group share.
    suffix: of addresses: the time of an instance.
    """

    index: int
    fields: Mapping[str, Any]
    line: int
    group: Group
    base: Request
    evaluation: Evaluation
    files: InputFiles
    suffix: str = ""

    @property
    def path(self) -> FieldPath:
        return ("spec", "runs", self.index)

    @property
    def address(self) -> str:
        """The address of its runs, without a key."""
        return f"{self.group.name}/{self.fields['name']}"

    @property
    def names(self) -> list[str]:
        """What its expressions may use, beside variables and secrets."""
        return [name for name, field in (("row", "forEach"), ("matrix", "matrix")) if field in self.fields]


def generate(
    entry: GeneratorEntry, start: int, wanted: Container[int] | None
) -> Generator[tuple[int, DeclaredRun], None, int]:
    """The runs of an entry with their ordinals, from `start` on; returns the first ordinal after them.

    Every row counts, bad ones too: ordinals depend on nothing but the document and its data.
    """
    if entry.fields.get("workflowRunId") is not None:
        message = "many runs can't have one workflow run id"
        hint = "leave it out: each gets an id of its own"
        entry.evaluation.add((*entry.path, "workflowRunId"), "shared-run-id", message, hint)
    key = _key(entry)
    combined = _combinations(entry)
    if key is None or combined is None:
        return start
    for_each = entry.fields.get("forEach")
    if for_each is None:
        return (yield from _Generation(entry, key, None, combined).runs(start, wanted))
    try:
        with open_rows(for_each, (*entry.path, "forEach"), entry.evaluation, entry.files) as rows:
            return (yield from _Generation(entry, key, rows, combined).runs(start, wanted))
    except NoRows:
        return start


def _key(entry: GeneratorEntry) -> Varying | None:
    """The key as a function of the scope; None, and a finding, when it can't be one."""
    path = (*entry.path, "key")
    text = entry.fields.get("key")
    if not isinstance(text, str):
        return None  # the schema has reported it
    compiled = entry.evaluation.compiled_text(text, path, entry.names, stand_in="")
    if not isinstance(compiled, Constant):
        return compiled
    if compiled.value:  # else it couldn't be evaluated, which is reported
        hint = f"tell runs apart by something of each {'row: ${{ row.id }}' if 'row' in entry.names else 'combination'}"
        entry.evaluation.add(path, "constant-key", "the key is the same for every run", hint)
    return None


def _combinations(entry: GeneratorEntry) -> list[dict[str, Any]] | None:
    """The combinations of the matrix: a single empty one without a matrix, None (and a finding) where it is wrong."""
    given = entry.fields.get("matrix")
    if given is None:
        return [{}]
    path = (*entry.path, "matrix")
    evaluation = entry.evaluation
    before = len(entry.evaluation.findings)
    axes: dict[str, list[Any]] = {}
    entries: dict[str, list[dict[str, Any]]] = {"include": [], "exclude": []}
    for name, value in given.items():
        made = evaluation.tree(value, (*path, name))
        if not isinstance(made, list):
            if len(entry.evaluation.findings) == before and made != value:
                evaluation.add((*path, name), "not-a-list", f"{name} is no list of values")
            return None
        if name not in entries:
            axes[name] = made
            continue
        for index, item in enumerate(made):
            if not isinstance(item, dict):
                evaluation.add((*path, name, index), "not-a-mapping", f"an entry of {name} is a mapping")
            else:
                entries[name].append(item)
    for index, item in enumerate(entries["exclude"]):
        for unknown in item.keys() - axes.keys():
            message = f"{unknown} is no axis of the matrix, so this excludes nothing"
            evaluation.add((*path, "exclude", index), "unknown-axis", message)
    if len(entry.evaluation.findings) > before:
        return None
    try:
        return combinations(axes, entries["include"], entries["exclude"])
    except ValueError as error:
        evaluation.add(path, "matrix-too-big", str(error), "put the values into a data file and use forEach")
        return None


class _Generation:
    """One pass over the rows and combinations of an entry."""

    def __init__(
        self, entry: GeneratorEntry, key: Varying, rows: RowSet | None, combined: Sequence[Mapping[str, Any]]
    ) -> None:
        self._entry = entry
        self._key = key
        self._rows = rows
        self._combined = combined
        fields = {name: value for name, value in entry.fields.items() if name not in _NOT_FOR_REQUESTS}
        self._request = RunTemplate(
            entry.base, fields, entry.path, names=entry.names, evaluation=entry.evaluation, files=entry.files
        )
        self._errors = _RowErrors(entry, rows)
        self._prefix = f"{entry.address}["
        self._data = None if rows is None else rows.name
        self._file = entry.evaluation.document.source.name
        self._count = 0  # rows so far, bad ones too

    def runs(self, start: int, wanted: Container[int] | None) -> Generator[tuple[int, DeclaredRun], None, int]:
        is_empty = True
        ordinal = start
        before = len(self._entry.evaluation.findings)
        combined, rows = self._combined, self._rows
        width = len(combined)
        scope: dict[str, Any] = {}
        try:
            for row_line, record in ((0, None),) if rows is None else rows.records():
                line = row_line or self._entry.line
                self._count += 1
                ordinal += width
                if wanted is not None and not any(n in wanted for n in range(ordinal - width, ordinal)):
                    continue
                if rows is not None:
                    row = rows.parse(record)
                    if type(row) is BadRow:
                        self._bad_row(row, line, record)
                        continue
                    scope["row"] = row
                for number in range(ordinal - width, ordinal):
                    if wanted is None or number in wanted:
                        scope["matrix"] = combined[number - ordinal]
                        run = self._run(scope, line, record)
                        if run is not None:
                            is_empty = False
                            yield number, run
        except FileProblem as problem:
            self._broken(problem)
        except _EveryRowError:
            is_empty = False  # there may well be runs, once that is mended
        self._errors.close(self._count)
        if is_empty and wanted is None and not self._entry.suffix:
            self._warn_of_none(before)
        return ordinal

    def _run(self, scope: Mapping[str, Any], line: int, record: Any) -> DeclaredRun | None:
        """The run of a row; None, and a note, where it can't be made."""
        entry = self._entry
        try:
            key = self._key(scope)
        except ExpressionError as error:
            self._bad_key(error, line, record)
            return None
        if type(key) is not str or not 0 < len(key) <= MAX_KEY_LENGTH:
            self._unusable_key(key, line, record)
            return None
        address = Address(f"{self._prefix}{escaped_key(key)}]{entry.suffix}")
        try:
            return DeclaredRun(address, entry.group, self._source(line), self._request(scope))
        except ExpressionError as error:
            self._bad_expression(error, address, line, record)
            return None

    def _source(self, line: int) -> Source:
        entry = self._entry
        if self._data is None:
            return Source(self._file, line, entry.index)
        return Source(self._file, entry.line, entry.index, self._data, line)

    def _warn_of_none(self, before: int) -> None:
        """Warn that no runs are declared, unless that is due to an error among the findings from `before` on."""
        entry, rows = self._entry, self._rows
        if any(finding.severity is Severity.ERROR for finding in entry.evaluation.findings[before:]):
            return
        path, why = (*entry.path, "matrix"), "the matrix has no combinations"
        if rows is not None and self._combined:
            path = rows.path
            why = f"{rows.display} has no rows" if not self._count else f"every row of {rows.display} is skipped"
        entry.evaluation.add(path, "no-rows", f"{why}, so this declares no runs", severity=Severity.WARNING)

    # --- what is wrong ---------------------------------------------------------------------------------------

    def _bad_row(self, problem: BadRow, line: int, record: Any) -> None:
        """A row whose data is wrong, which a generator may skip."""
        rows = self._rows
        severity = Severity.WARNING if rows is not None and rows.skips else Severity.ERROR
        which = f"row {self._count:,}" if rows is not None and rows.shares_lines else None
        self._errors.add(problem, line, record, severity=severity, which=which)

    def _bad_key(self, error: ExpressionError, line: int, record: Any) -> None:
        if error.code == "undefined-field" and (self._rows is None or self._rows.uniform):
            self._of_every_row(error)
        self._bad_row(BadRow("bad-key", f"key: {error.message}", error.hint), line, record)

    def _unusable_key(self, key: object, line: int, record: Any) -> None:
        if not isinstance(key, str):
            path, hint = (*self._entry.path, "key"), "keys are shown in plans, addresses and run ids"
            self._entry.evaluation.add(path, "secret-not-allowed", "the key can't hold a secret", hint)
            raise _EveryRowError
        message = f"the key has {len(key):,} characters; at most {MAX_KEY_LENGTH:,} are possible"
        hint = "take a digest of it: ${{ row.text | sha256 }}"
        problem = BadRow("bad-key", message, hint) if key else BadRow("bad-key", "the key is empty")
        self._bad_row(problem, line, record)

    def _bad_expression(self, error: ExpressionError, address: str, line: int, record: Any) -> None:
        if error.code == "undefined-field" and self._rows is not None and self._rows.uniform:
            self._of_every_row(error)
        field = ".".join(map(str, error.path[len(self._entry.path) :]))
        problem = BadRow(error.code, f"{field}: {error.message}", error.hint)
        self._errors.add(problem, line, record, address=address)

    def _of_every_row(self, error: ExpressionError) -> NoReturn:
        """A column that isn't there is wrong in the template, and not once for each row."""
        self._entry.evaluation.bad_expression(error, error.path)
        raise _EveryRowError

    def _broken(self, problem: FileProblem) -> None:
        rows = self._rows
        assert rows is not None
        self._entry.evaluation.add(
            rows.path,
            problem.code,
            problem.message if problem.line is not None else f"{rows.display}: {problem.message}",
            problem.hint,
            address=self._entry.address,
            place=None if problem.line is None else Place(rows.display, problem.line),
        )


class _EveryRowError(Exception):
    """Something is wrong with every row, and reported."""


class _RowErrors:
    """What is wrong with the rows of an entry: the first ten thousand are reported, the others counted."""

    def __init__(self, entry: GeneratorEntry, rows: RowSet | None) -> None:
        self._entry = entry
        self._rows = rows
        self._counts: Counter[Severity] = Counter()

    def add(
        self,
        problem: BadRow,
        line: int,
        record: Any,
        *,
        address: str | None = None,
        severity: Severity = Severity.ERROR,
        which: str | None = None,
    ) -> None:
        """Add one row that is wrong.

        which: names the row where its line doesn't.
        """
        self._counts[severity] += 1
        if self._counts[severity] > MAX_ROW_FINDINGS:
            return
        message, rows = problem.message, self._rows
        if severity is Severity.WARNING:
            message = f"{which or 'this row'} is skipped: {message}"
        elif which is not None:
            message = f"{which}: {message}"
        in_file = rows is not None and rows.name is not None
        self._entry.evaluation.add(
            self._entry.path if rows is None else rows.path_of(record),
            problem.code,
            message,
            problem.hint,
            address=address or self._entry.address,
            severity=severity,
            place=Place(rows.display, line) if rows is not None and in_file else None,
            excerpt=(rows.shown(record) or None) if rows is not None and in_file else None,
        )

    def close(self, count: int) -> None:
        """Sum up what wasn't reported, and what was skipped, of `count` rows."""
        bad, skipped = self._counts[Severity.ERROR], self._counts[Severity.WARNING]
        where = "forEach.items" if self._rows is None else self._rows.display
        if bad > MAX_ROW_FINDINGS:
            self._sum_up("more-bad-rows", f"{bad - MAX_ROW_FINDINGS:,} more rows of {where} are wrong", Severity.ERROR)
        if skipped:
            of = f"{skipped:,} of {count:,} rows" if count != 1 else "the only row"
            message = f"{of} of {where} {'are' if skipped != 1 else 'is'} skipped (onBadRow: skip)"
            self._sum_up("skipped-rows", message, Severity.WARNING)

    def _sum_up(self, code: str, message: str, severity: Severity) -> None:
        entry = self._entry
        entry.evaluation.add(entry.path, code, message, address=entry.address, severity=severity)
