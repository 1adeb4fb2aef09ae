"""Diagnostics as a Code Quality report, which GitLab shows in a merge request.

Source: GitLab's documentation, "Code Quality", on the report's format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wfdeploy.model.diagnostic import Diagnostic, Severity
from wfdeploy.render.encode import dump
from wfdeploy.render.located import InRepository, Located, located, sentence
from wfdeploy.render.terminal import printable

_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "minor"}


def text(diagnostics: Iterable[Diagnostic], in_repository: InRepository) -> Iterator[str]:
    """The pieces of a JSON array, one diagnostic per line."""
    separator = "["
    for one in located(diagnostics, in_repository):
        yield f"{separator}\n{dump(_fields(one))}"
        separator = ","
    yield "[]\n" if separator == "[" else "\n]\n"


def _fields(one: Located) -> dict[str, object]:
    return {
        "description": printable(sentence(one.diagnostic)),
        "check_name": one.diagnostic.code,
        "fingerprint": one.fingerprint,
        "severity": _SEVERITIES[one.diagnostic.severity],
        "location": {"path": one.path, "lines": {"begin": one.diagnostic.place.line}},
    }
