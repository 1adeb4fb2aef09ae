"""What holds for everything that is said about a stranger's file."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable

from wfdeploy.errors import InvalidInput, WfdeployError
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.render import diagnostics as rendered
from wfdeploy.render.terminal import printable

_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
_LONGEST = 20_000


def is_printable(text: str) -> bool:
    """Whether a text holds nothing that steers a terminal, but line ends."""
    return (text.isascii() and text.replace("\n", "").isprintable()) or not any(
        char != "\n" and unicodedata.category(char) in _UNSEEN for char in text
    )  # fmt: skip


def check_diagnostics(found: Iterable[Diagnostic], text: str | None = None) -> None:
    """They have words, are shown safely, and point into `text` where it is given."""
    found = list(found)
    lines = [] if text is None else text.split("\n")
    for diagnostic in found:
        place = diagnostic.place
        assert diagnostic.message
        assert diagnostic.code
        assert len(diagnostic.message) < _LONGEST, f"a message of {len(diagnostic.message):,} characters"
        assert min(place.line, place.column) >= 1
        if text is not None and diagnostic.code not in ("file-too-big",) and place.file == "<stdin>":
            assert place.line <= len(lines), diagnostic
    shown = rendered.text(found)
    assert is_printable(shown), f"{shown!r:.500}"
    shown.encode()
    json.loads("".join(rendered.json_text(found)))


def check_error(error: WfdeployError) -> None:
    """It says something, in a length that can be read, and with an exit code that isn't that of a bug."""
    assert error.message
    assert error.exit_code.name != "BUG", repr(error)
    assert len(error.message) < _LONGEST, f"a message of {len(error.message):,} characters"
    printable(error.message).encode()
    if error.hint is not None:
        printable(error.hint).encode()
    if isinstance(error, InvalidInput):
        check_diagnostics(error.diagnostics)
