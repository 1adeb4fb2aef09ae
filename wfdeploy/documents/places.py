"""Findings into diagnostics: each file with findings is gone through once more, for their places."""

from __future__ import annotations

from collections.abc import Iterable

from wfdeploy.documents.positions import locate_all, pick
from wfdeploy.documents.text import inside, lines_of
from wfdeploy.model.diagnostic import Diagnostic, Place
from wfdeploy.model.document import FieldPath, Finding, SourceFile


def diagnose(findings: Iterable[Finding]) -> list[Diagnostic]:
    """The diagnostics of findings, in their order."""
    findings = list(findings)
    by_file: dict[int, list[int]] = {}  # id of the source: positions in `findings`
    placed: dict[int, Diagnostic] = {}
    for number, finding in enumerate(findings):
        if finding.place is not None:
            placed[number] = _diagnostic(finding, finding.place, finding.excerpt)
            continue
        by_file.setdefault(id(finding.document.source), []).append(number)
    for numbers in by_file.values():
        source = findings[numbers[0]].document.source
        placed.update(zip(numbers, _of_file(source, [findings[n] for n in numbers]), strict=True))
    return [placed[number] for number in range(len(findings))]


def _of_file(source: SourceFile, findings: list[Finding]) -> list[Diagnostic]:
    wanted: dict[int, set[FieldPath]] = {}
    for finding in findings:
        wanted.setdefault(finding.document.index, set()).add(finding.path)
    positions = locate_all(source.text, wanted)
    lines = lines_of(source.text)
    diagnostics = []
    for finding in findings:
        line, column = inside(pick(positions, finding.document.index, finding.path, finding.part), lines)
        if (finding.document.index, ()) not in positions:
            line = finding.document.line
        excerpt = lines[line - 1] if line <= len(lines) else None
        if finding.needle is not None:
            line, column, excerpt = _point_at(finding.needle, line, column, lines)
        diagnostics.append(_diagnostic(finding, Place(source.display, line, column), excerpt))
    return diagnostics


def _diagnostic(finding: Finding, place: Place, excerpt: str | None) -> Diagnostic:
    return Diagnostic(
        severity=finding.severity,
        code=finding.code,
        message=finding.message.replace("\n", "\\n"),  # what it quotes may be any text; a message is one line
        place=place,
        address=finding.address,
        hint=finding.hint,
        excerpt=excerpt,
    )


def _point_at(needle: str, line: int, column: int, lines: list[str]) -> tuple[int, int, str | None]:
    """The needle's own place, when it stands in the node's first lines (a block scalar begins a line above)."""
    for number in range(line, min(line + 50, len(lines)) + 1):
        text = lines[number - 1]
        at = text.find(needle, column - 1 if number == line else 0)
        if at >= 0:
            return number, at + 1, text
    return line, column, lines[line - 1] if line <= len(lines) else None
