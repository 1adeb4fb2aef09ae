"""Diagnostics as SARIF 2.1.0, which GitHub and others show as code scanning alerts.

Sources: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0"; GitHub's documentation, "SARIF
support for code scanning".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from wfdeploy import __version__
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.render.encode import dump
from wfdeploy.render.located import InRepository, Located, located, sentence
from wfdeploy.render.terminal import printable

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MOST_RESULTS = 25_000
"""Of a run. Source: GitHub's documentation, which refuses more."""


def text(
    diagnostics: Sequence[Diagnostic], in_repository: InRepository, *, failure: str | None = None
) -> Iterator[str]:
    """The pieces of a log with one run, one result per line. Of more than a run may have, errors come first.

    failure: why the command ended early.
    """
    shown = diagnostics
    if len(diagnostics) > MOST_RESULTS:
        shown = sorted(diagnostics, key=lambda diagnostic: not diagnostic.is_error)[:MOST_RESULTS]
    codes = {code: index for index, code in enumerate(sorted({diagnostic.code for diagnostic in shown}))}
    driver = {"name": "wfdeploy", "version": __version__, "rules": [_rule(code) for code in codes]}
    notes = [] if failure is None else [{"level": "error", "message": {"text": printable(failure)}}]
    invocation = {"executionSuccessful": failure is None, "toolExecutionNotifications": notes}
    run = {"tool": {"driver": driver}, "invocations": [invocation], "columnKind": "unicodeCodePoints"}
    yield f'{{"$schema":{dump(SCHEMA)},"version":"2.1.0","runs":[{dump(run)[:-1]},"results":['
    separator = "\n"
    for one in located(shown, in_repository):
        yield f"{separator}{dump(_result(one, codes))}"
        separator = ",\n"
    yield "]}]}\n" if separator == "\n" else "\n]}]}\n"


def _rule(code: str) -> Mapping[str, object]:
    name = code.replace("-", " ").capitalize()
    return {
        "id": code,
        "shortDescription": {"text": name},
        "fullDescription": {"text": f"{name}, found by `wfdeploy validate`."},
        "help": {"text": "The message says what is wrong, and its hint the way out."},
    }


def _result(one: Located, codes: Mapping[str, int]) -> Mapping[str, object]:
    place, address = one.diagnostic.place, one.diagnostic.address
    location: dict[str, object] = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(one.path, errors="replace")},
            "region": {"startLine": place.line, "startColumn": place.column},
        }
    }
    if address:
        location["logicalLocations"] = [{"fullyQualifiedName": printable(address)}]
    return {
        "ruleId": one.diagnostic.code,
        "ruleIndex": codes[one.diagnostic.code],
        "level": one.diagnostic.severity.value,
        "message": {"text": printable(sentence(one.diagnostic))},
        "locations": [location],
        "partialFingerprints": {"wfdeploy/v1": one.fingerprint},
    }
