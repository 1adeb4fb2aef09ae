"""Diagnostics: `file:line:column: address: message`, the offending line with a caret, and a hint."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

from wfdeploy.model.diagnostic import Diagnostic, Severity
from wfdeploy.render.encode import document
from wfdeploy.render.folding import FOLD_FROM
from wfdeploy.render.terminal import Style, Tone, plain, printable
from wfdeploy.render.width import ELLIPSIS, PIPE, clip, display_width

_LEAD_IN = 20  # columns shown before the caret when a long line has to be cut


_FEW = 5
"""Of the repeated messages in one file, this many are shown."""

_DIFFERENT = 20
"""Of repeated messages that name different things, up to this many are shown."""

_NAMED = re.compile(r"(?<!\w)'.*?'(?!\w)|\"[^\"]*\"|[^\s'\"./]*[./][^\s'\"]*\w|[0-9][0-9,]*")
"""The names in a message: values in quotes, dotted names, paths, hosts, numbers."""

_NUMBER = re.compile(r"[0-9][0-9,]*")

_COMPARED = 1000
"""The characters of a message that are compared; `_NAMED` takes quadratic time."""


def text(
    diagnostics: Iterable[Diagnostic], style: Style = plain, *, width: int | None = None, everything: bool = False
) -> str:
    """One paragraph per diagnostic. Editors and CI recognise the form of its first line.

    Repeated messages per file are truncated and counted unless `everything` is set.
    """
    return "".join(chunks(diagnostics, style, width=width, everything=everything))


def chunks(
    diagnostics: Iterable[Diagnostic], style: Style = plain, *, width: int | None = None, everything: bool = False
) -> Iterator[str]:
    """The paragraphs of `text`, one by one, since there may be a hundred thousand."""
    shown = [(diagnostic, 0) for diagnostic in diagnostics] if everything else _folded(list(diagnostics))
    for diagnostic, more in shown:
        yield "".join(f"{line}\n" for line in _paragraph(diagnostic, style, width))
        if more:
            file = printable(diagnostic.place.file)
            yield f"  and {more:,} more like this in {file}, shown by 'wfdeploy validate --all'\n"


def json_text(diagnostics: Sequence[Diagnostic], *, checked: Mapping[str, int] | None = None) -> Iterator[str]:
    """`{"formatVersion":1,"valid":…,"summary":{"error":n,"warning":n},"diagnostics":[…]}`, one diagnostic per line.

    checked: how many files, groups and runs there were.
    """
    summary = {severity.value: sum(d.severity is severity for d in diagnostics) for severity in Severity}
    amounts = {} if checked is None else {"checked": checked}
    return document(
        {"valid": not summary["error"], "summary": summary, **amounts}, "diagnostics", map(fields, diagnostics)
    )


def failure_json(message: str, hint: str | None, diagnostics: Sequence[Diagnostic]) -> Iterator[str]:
    """`{"formatVersion":1,"error":…,"hint":…,"diagnostics":[…]}`, of a command that ended before it had a result."""
    return document({"error": message, "hint": hint}, "diagnostics", map(fields, diagnostics))


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
    """The place of a diagnostic as JSON fields."""
    place = diagnostic.place
    return {"file": place.file, "line": place.line, "column": place.column, "address": diagnostic.address}


def _folded(diagnostics: Sequence[Diagnostic]) -> Iterator[tuple[Diagnostic, int]]:
    """The diagnostics to show; the last one of each kind comes with the number of similar ones that are omitted."""
    kinds = [_kind_and_wording(diagnostic) for diagnostic in diagnostics]
    total = Counter(kind for kind, _ in kinds)
    taken: Counter[Hashable] = Counter()
    wordings: set[Hashable] = set()
    shown: list[int] = []
    last: dict[Hashable, int] = {}
    for number, (kind, wording) in enumerate(kinds):
        is_new = wording not in wordings and taken[kind] < _DIFFERENT
        if total[kind] < FOLD_FROM or taken[kind] < _FEW or is_new:
            taken[kind] += 1
            wordings.add(wording)
            shown.append(number)
            last[kind] = number
    for number in shown:
        kind = kinds[number][0]
        yield diagnostics[number], total[kind] - taken[kind] if last[kind] == number else 0


def _kind_and_wording(diagnostic: Diagnostic) -> tuple[Hashable, Hashable]:
    """Two keys: equal for messages that differ in the names they contain; equal for those that differ in numbers."""
    message = diagnostic.message
    if diagnostic.address:
        message = message.replace(diagnostic.address, "0")
    message = message[:_COMPARED]
    where = (diagnostic.place.file, diagnostic.severity, diagnostic.code)
    return (*where, _NAMED.sub("0", message)), (*where, _NUMBER.sub("0", message))


def _paragraph(diagnostic: Diagnostic, style: Style, width: int | None) -> Iterator[str]:
    place = style(printable(str(diagnostic.place)), Tone.STRONG)
    about = f" {printable(diagnostic.address)}:" if diagnostic.address else ""
    warning = f" {style('warning:', Tone.CHANGED)}" if diagnostic.severity is Severity.WARNING else ""
    yield f"{place}:{about}{warning} {printable(diagnostic.message)}"
    if diagnostic.excerpt is not None:
        yield from _excerpt(diagnostic.excerpt, diagnostic.place.line, diagnostic.place.column, style, width)
    if diagnostic.hint is not None:
        yield f"  {style('hint:', Tone.CALM)} {printable(diagnostic.hint)}"


def _excerpt(line: str, number: int, column: int, style: Style, width: int | None) -> Iterator[str]:
    gutter = f"  {number} | "
    room = max((width or PIPE) - len(gutter), _LEAD_IN * 2)
    # The line may be a whole generated file, so only the part around the caret is processed.
    start = max(column - 1 - 4 * room, 0)
    before, after = line[start : column - 1], line[column - 1 : column - 1 + 4 * room].rstrip()
    before, after = (printable(part.replace("\t", " ")) for part in (before, after))
    if start or (display_width(before + after) > room and display_width(before) > _LEAD_IN):
        before = ELLIPSIS + before[-_LEAD_IN:]
    shown = clip(before + after, room)
    blank = " " * len(str(number))
    yield f"{style(gutter, Tone.FAINT)}{shown}"
    yield f"{style(f'  {blank} | ', Tone.FAINT)}{' ' * display_width(before)}{style('^', Tone.BAD)}"
