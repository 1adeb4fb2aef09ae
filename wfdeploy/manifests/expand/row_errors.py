"""What is wrong with the rows of one generator: the first ten thousand are told, the others counted."""

from __future__ import annotations

from collections import Counter

from wfdeploy.model.diagnostic import Place, Severity
from wfdeploy.model.document import MOST_ROWS_TOLD, Document, FieldPath, Finding


class Troubles:
    """Findings about the rows of an entry. `where` is the name of the data as the user would type it."""

    def __init__(self, document: Document, path: FieldPath, where: str, findings: list[Finding]) -> None:
        self._document = document
        self._path = path
        self._where = where
        self._findings = findings
        self._count: Counter[Severity] = Counter()

    def note(
        self,
        code: str,
        message: str,
        *,
        address: str,
        hint: str | None = None,
        severity: Severity = Severity.ERROR,
        which: str | None = None,
        place: Place | None = None,
        path: FieldPath | None = None,
        excerpt: str | None = None,
    ) -> None:
        """One row that is wrong: at a `place` of the data, or at a `path` of the manifest. `which` it is, where that
        doesn't tell."""
        self._count[severity] += 1
        if self._count[severity] > MOST_ROWS_TOLD:
            return
        if severity is Severity.WARNING:
            message = f"{which or 'this row'} is skipped: {message}"
        elif which is not None:
            message = f"{which}: {message}"
        self._findings.append(
            Finding(
                document=self._document,
                path=self._path if path is None else path,
                code=code,
                message=message,
                address=address,
                hint=hint,
                severity=severity,
                place=place,
                excerpt=excerpt,
            )
        )

    def close(self, address: str, rows: int) -> None:
        """Tell how many there were."""
        bad, skipped = self._count[Severity.ERROR], self._count[Severity.WARNING]
        if bad > MOST_ROWS_TOLD:
            message = f"{bad - MOST_ROWS_TOLD:,} more rows of {self._where} are wrong"
            self._sum_up("more-bad-rows", message, address, Severity.ERROR)
        if skipped:
            of = f"{skipped:,} of {rows:,} rows" if rows != 1 else "the only row"
            message = f"{of} of {self._where} {'are' if skipped != 1 else 'is'} skipped (onBadRow: skip)"
            self._sum_up("skipped-rows", message, address, Severity.WARNING)

    def _sum_up(self, code: str, message: str, address: str, severity: Severity) -> None:
        self._findings.append(
            Finding(
                document=self._document,
                path=self._path,
                code=code,
                message=message,
                address=address,
                severity=severity,
            )
        )
