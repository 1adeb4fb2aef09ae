"""JUnit XML, held against the schema of Jenkins' xUnit plugin, and read back."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.render.samples import DIAGNOSTICS
from wfdeploy.model.address import Address
from wfdeploy.model.diagnostic import Diagnostic, Place, Severity
from wfdeploy.model.event import ApplyReport, Outcome, Result
from wfdeploy.model.observed import RunState
from wfdeploy.render import junit

VENDOR = Path(__file__).resolve().parents[2] / "vendor" / "xunit-plugin" / "junit-10.xsd"


@cache
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(VENDOR)


def suite(pieces: Iterable[str]) -> ElementTree.Element:
    """The suite of a valid report, whose counts are those of its cases."""
    text = "".join(pieces)
    schema().validate(text)
    found = ElementTree.fromstring(text.encode("utf-8", "replace"))[0]
    for name, element in {"tests": None, "failures": "failure", "errors": "error", "skipped": "skipped"}.items():
        cases = [case for case in found if element is None or case.find(element) is not None]
        assert int(found.attrib[name]) == len(cases), name
    return found


def ends(found: ElementTree.Element) -> dict[str, str]:
    """By the name of a case: the element of its end, and its message."""
    return {
        case.attrib["name"]: " ".join(f"{end.tag}: {end.get('message', end.text)}" for end in case) for case in found
    }


def test_files_are_cases_and_warnings_their_output() -> None:
    found = [
        Diagnostic(code="c", message="this is wrong", place=Place("b.yaml", 3, 5), hint="correct it"),
        Diagnostic(code="c", message="this too", place=Place("b.yaml", 4)),
        Diagnostic(code="w", message="careful", place=Place("a.yaml"), severity=Severity.WARNING),
        Diagnostic(code="p", message="no such field", place=Place("wfdeploy.yaml")),
    ]
    read = suite(junit.of_diagnostics(found, {"a.yaml", "b.yaml", "c.yaml"}))
    assert ends(read) == {
        "a.yaml": "system-out: a.yaml:1:1: warning: careful\n",
        "b.yaml": "failure: 2 errors",
        "c.yaml": "",
        "wfdeploy.yaml": "failure: 1 error",
    }
    assert "b.yaml:3:5: this is wrong\n  hint: correct it\n" in (
        read.findtext("testcase[@name='b.yaml']/failure") or ""
    )


def test_changes_are_cases() -> None:
    report = ApplyReport(
        summary={},
        results=[
            Result(Address("g/a"), Outcome.TRIGGERED),
            Result(Address("g/b"), Outcome.REJECTED, error="no such <queue>"),
            Result(Address("g/c"), Outcome.PENDING),
            Result(Address("g/d"), Outcome.BLOCKED),
        ],
        stopped="the daily limit is reached",
        watched={RunState.FAILED: 2, RunState.SUCCESS: 1},
        unsettled="interrupted",
    )
    assert ends(suite(junit.of_apply(report))) == {
        "g/a": "system-out: triggered",
        "g/b": "failure: rejected: no such <queue>",
        "g/c": "error: pending",
        "g/d": "skipped: blocked",
        "apply": "error: the daily limit is reached",
        "runs: RUN_FAILED": "failure: 2 runs ended as RUN_FAILED",
        "wait": "error: interrupted",
    }


def test_runs_are_cases() -> None:
    runs = {Address("g/a"): RunState.SUCCESS, Address("g/b"): RunState.FAILED, Address("g/c"): RunState.STARTED}
    unmet = {RunState.FAILED, RunState.STARTED}
    assert ends(suite(junit.of_wait(runs, unmet=unmet, unknown_outcomes=1))) == {
        "g/a": "",
        "g/b": "failure: RUN_FAILED",
        "g/c": "failure: RUN_STARTED",
        "wait": "error: the answer of 1 request was lost; `wfdeploy apply` looks them up",
    }


def test_a_command_that_failed_is_an_error() -> None:
    found = suite(junit.of_failure("apply", "the state is locked", DIAGNOSTICS))
    assert ends(found) == {"apply": "error: the state is locked"}


def test_samples_are_valid() -> None:
    suite(junit.of_diagnostics(DIAGNOSTICS, ()))


@given(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=())))
def test_no_text_breaks_it(name: str, message: str) -> None:
    found = [Diagnostic(code="c", message=message, place=Place(name), address=message, hint=name)]
    assert len(suite(junit.of_diagnostics(found, ()))) == 1
