"""Findings about generated runs: at the row that a bad value comes from, the first ten thousand of one kind, about one
field, told and the others counted."""

from __future__ import annotations

import json
from typing import Any

from wfdeploy.documents.values import Problem
from wfdeploy.model.diagnostic import Place
from wfdeploy.model.document import MOST_ROWS_TOLD, Document, FieldPath, Finding
from wfdeploy.model.run import DeclaredRun

_OPENING = "${{"


class RowFindings:
    """Adds to `findings`. What is added for the uncounted rest is kept up to date in its place."""

    def __init__(self, findings: list[Finding]) -> None:
        self._findings = findings
        self._counts: dict[tuple[int, FieldPath, str], int] = {}
        self._rest: dict[tuple[int, FieldPath, str], int] = {}  # where in `findings` the others are counted

    def note(self, document: Document, path: FieldPath, problem: Problem, run: DeclaredRun) -> None:
        """A value that won't do, of one row."""
        kind = (id(document), path[:4], problem.code)
        count = self._counts[kind] = self._counts.get(kind, 0) + 1
        if count > MOST_ROWS_TOLD:
            message = f"{count - MOST_ROWS_TOLD:,} more runs with a problem like the last"
            finding = Finding(
                document=document, path=path, code=problem.code, message=message, address=run.address.partition("[")[0]
            )
            if count == MOST_ROWS_TOLD + 1:
                self._rest[kind] = len(self._findings)
                self._findings.append(finding)
            else:
                self._findings[self._rest[kind]] = finding
            return
        source = run.source
        place = None if source.data is None else Place(document.source.shown(source.data), source.row or 1)
        self._findings.append(
            Finding(
                document=document,
                path=path,
                code=problem.code,
                message=problem.message,
                hint=problem.hint,
                address=run.address,
                place=place,
            )
        )


def varies(document: Document, path: FieldPath) -> bool:
    """Whether the value at a path of a run's template, or what holds it, is made of expressions."""
    node: Any = document.data
    for step in path:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            break
    return path[:2] == ("spec", "runs") and _OPENING in (
        node if isinstance(node, str) else json.dumps(node, default=str)
    )
