"""Diagnostics as annotations of the lines that they are about, in a pull request on GitHub.

Sources: GitHub's documentation, "Workflow commands", on error and warning messages; actions/toolkit, on escaping.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wfdeploy.model.diagnostic import Diagnostic, Severity
from wfdeploy.render.located import InRepository, sentence
from wfdeploy.render.terminal import printable, without_commands

MOST = 10
"""Of each severity. Source: GitHub shows no more of one step."""


def commands(diagnostics: Sequence[Diagnostic], in_repository: InRepository) -> Iterator[str]:
    """The workflow commands, each one line whose parts no text of others can leave; errors first."""
    for severity in Severity:
        for diagnostic in [one for one in diagnostics if one.severity is severity][:MOST]:
            place = diagnostic.place
            properties = {
                "file": in_repository(place.file),
                "line": str(place.line),
                "col": str(place.column),
                "title": diagnostic.code,
            }
            listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
            yield f"::{severity.value} {listed}::{_data(sentence(diagnostic))}"


def _data(text: str) -> str:
    """Visible text, in which other runners find no commands of theirs."""
    return without_commands(printable(text)).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
