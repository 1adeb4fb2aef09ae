"""Notes of a catalogue's entry about its file, as JSON: the warnings, and the moves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfdeploy.catalogue.database import raising_damaged

if TYPE_CHECKING:
    from wfdeploy.model.diagnostic import Diagnostic
    from wfdeploy.model.document import DeclaredMove


def to_notes(warnings: Iterable[Diagnostic], moves: Iterable[DeclaredMove]) -> dict[str, Any]:
    """The notes about a file without errors."""
    return {
        "warnings": [_plain(diagnostic) for diagnostic in warnings],
        "moves": [
            [declared.move.origin, declared.move.to, declared.document.index, declared.path[-1]] for declared in moves
        ],
    }


def warnings_of(notes: Mapping[str, Any]) -> list[Diagnostic]:
    """The warnings again. Raises: `CacheDamaged`."""
    with raising_damaged():
        return [_warning(values) for values in notes.get("warnings", ())]


def moves_of(notes: Mapping[str, Any], *, display: str, name: str, folder: Path) -> Iterator[DeclaredMove]:
    """The moves again, in stubs of documents: where they stand isn't known. Raises: `CacheDamaged`."""
    with raising_damaged():
        moves = [_move(values) for values in notes.get("moves", ())]
    if not moves:
        return
    from wfdeploy.model.document import DeclaredMove, Document, SourceFile
    from wfdeploy.model.run import Move

    source = SourceFile(display=display, name=name, folder=folder, text="")
    for origin, to, document, index in moves:
        stub = Document(source=source, index=document, line=1, data={})
        yield DeclaredMove(Move(origin, to), stub, ("spec", "moved", index))


def _plain(warning: Diagnostic) -> list[object]:
    place = warning.place
    return [
        warning.code,
        warning.message,
        [place.file, place.line, place.column],
        warning.address,
        warning.hint,
        warning.excerpt,
    ]


def _warning(values: Any) -> Diagnostic:
    """What `_plain` was given. Raises: `ValueError` for what it didn't write."""
    from wfdeploy.model.diagnostic import Diagnostic, Place, Severity

    match values:
        case [str(code), str(message), [str(), int(), int()] as place, str(address), hint, excerpt] if all(
            isinstance(text, str | None) for text in (hint, excerpt)
        ):
            return Diagnostic(
                severity=Severity.WARNING,
                code=code,
                message=message,
                place=Place(*place),
                address=address,
                hint=hint,
                excerpt=excerpt,
            )
    raise ValueError("not a warning")


def _move(values: object) -> tuple[str, str, int, int]:
    """Origin, name, document and index. Raises: `ValueError` for other values."""
    match values:
        case [str(origin), str(to), int(document), int(index)]:
            return origin, to, document, index
    raise ValueError("not a move")
