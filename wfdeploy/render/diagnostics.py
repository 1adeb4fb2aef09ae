"""Diagnostics: `file:line:column: address: message`, the offending line with a caret, and the way out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from wfdeploy.model.diagnostic import Diagnostic, Severity
from wfdeploy.render.encode import dump
from wfdeploy.render.printable import printable
from wfdeploy.render.style import Style, Tone, plain
from wfdeploy.render.width import ELLIPSIS, clip, display_width

_LEAD_IN = 20  # columns shown before the caret when a long line has to be cut


def text(diagnostics: Iterable[Diagnostic], style: Style = plain, *, width: int = 100) -> str:
    """One paragraph per diagnostic. Its first line has the form that editors and CI know how to jump to."""
    return "".join(f"{line}\n" for diagnostic in diagnostics for line in _paragraph(diagnostic, style, width))


def json_text(diagnostics: Sequence[Diagnostic]) -> str:
    """`{"formatVersion":1,"valid":…,"summary":{"error":n,"warning":n},"diagnostics":[…]}`, one diagnostic a line."""
    summary = {severity.value: sum(d.severity is severity for d in diagnostics) for severity in Severity}
    head = f'{{"formatVersion":1,"valid":{dump(not summary["error"])},"summary":{dump(summary)},"diagnostics":['
    items = ",\n".join(dump(fields(diagnostic)) for diagnostic in diagnostics)
    return f"{head}\n{items}\n]}}\n" if items else f"{head}]}}\n"


def fields(diagnostic: Diagnostic) -> dict[str, object]:
    """A diagnostic as JSON fields."""
    return {
        "severity": diagnostic.severity.value,
        "code": diagnostic.code,
        "message": diagnostic.message,
        **place_fields(diagnostic),
        "hint": diagnostic.hint,
    }


def place_fields(diagnostic: Diagnostic) -> dict[str, object]:
    """Where it is, as JSON fields."""
    place = diagnostic.place
    return {"file": place.file, "line": place.line, "column": place.column, "address": diagnostic.address}


def _paragraph(diagnostic: Diagnostic, style: Style, width: int) -> Iterator[str]:
    place = style(printable(str(diagnostic.place)), Tone.STRONG)
    about = f" {printable(diagnostic.address)}:" if diagnostic.address else ""
    warning = f" {style('warning:', Tone.CHANGED)}" if diagnostic.severity is Severity.WARNING else ""
    yield f"{place}:{about}{warning} {printable(diagnostic.message)}"
    if diagnostic.excerpt is not None:
        yield from _excerpt(diagnostic.excerpt, diagnostic.place.line, diagnostic.place.column, style, width)
    if diagnostic.hint is not None:
        yield f"  {style('hint:', Tone.CALM)} {printable(diagnostic.hint)}"


def _excerpt(line: str, number: int, column: int, style: Style, width: int) -> Iterator[str]:
    gutter = f"  {number} | "
    room = max(width - len(gutter), _LEAD_IN * 2)
    before, after = (part.replace("\t", " ") for part in (line[: column - 1], line[column - 1 :].rstrip()))
    before, after = printable(before), printable(after)
    if display_width(before + after) > room and display_width(before) > _LEAD_IN:
        before = ELLIPSIS + before[-_LEAD_IN:]
    shown = clip(before + after, room)
    blank = " " * len(str(number))
    yield f"{style(gutter, Tone.FAINT)}{shown}"
    yield f"{style(f'  {blank} | ', Tone.FAINT)}{' ' * display_width(before)}{style('^', Tone.BAD)}"
