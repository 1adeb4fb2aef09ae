"""Results as JUnit XML, which CI hosts show as tests: a file, or a run, is a test case.

Source: the schema of Jenkins' xUnit plugin, `junit-10.xsd`, which others follow.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from xml.sax.saxutils import escape, quoteattr

from wfdeploy.errors import several
from wfdeploy.model.address import Address
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.event import ApplyReport, Outcome, Result
from wfdeploy.model.observed import RunState
from wfdeploy.render.diagnostics import text as diagnostics_text

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Source: XML 1.0, the production `Char`."""

_LONGEST = 20_000


class _Verdict(Enum):
    """How a test case ended, by its element; that of a passed one has none."""

    PASSED = ""
    FAILED = "failure"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    verdict: _Verdict = _Verdict.PASSED
    message: str = ""
    details: str = ""
    output: str = ""


_VERDICTS: Mapping[Outcome, _Verdict] = {
    Outcome.REJECTED: _Verdict.FAILED,
    Outcome.UNKNOWN: _Verdict.ERROR,
    Outcome.PENDING: _Verdict.ERROR,
    Outcome.BLOCKED: _Verdict.SKIPPED,
}


def of_diagnostics(diagnostics: Sequence[Diagnostic], files: Collection[str]) -> Iterator[str]:
    """The files that were checked; one with errors has failed, and warnings are its output."""
    by_file: dict[str, list[Diagnostic]] = {file: [] for file in sorted(files)}
    for diagnostic in diagnostics:
        by_file.setdefault(diagnostic.place.file, []).append(diagnostic)
    return _suite("wfdeploy validate", [_of_file(file, found) for file, found in by_file.items()])


def of_apply(report: ApplyReport) -> Iterator[str]:
    """What became of each change, then of the apply as a whole, and of the runs that it followed."""
    ends = list(_ends(report))

    def cases() -> Iterator[_Case]:
        yield from map(_of_result, report.results)
        yield from ends

    counts = {verdict: sum(one.verdict is verdict for one in ends) for verdict in _Verdict}
    for result in report.results:
        counts[_VERDICTS.get(result.outcome, _Verdict.PASSED)] += 1
    return _pieces("wfdeploy apply", cases(), counts)


def of_wait(runs: Mapping[Address, RunState], *, unmet: Collection[RunState], unknown_outcomes: int) -> Iterator[str]:
    """The runs that were waited for. `unmet`: the states of those that are not as wanted."""
    cases = [
        _Case(address, _Verdict.FAILED if state in unmet else _Verdict.PASSED, state.value if state in unmet else "")
        for address, state in runs.items()
    ]
    if unknown_outcomes:
        lost = several(unknown_outcomes, "request")
        cases.append(_Case("wait", _Verdict.ERROR, f"the answer of {lost} was lost; `wfdeploy apply` looks them up"))
    return _suite("wfdeploy wait", cases)


def of_failure(command: str, message: str, diagnostics: Sequence[Diagnostic]) -> Iterator[str]:
    """A command that ended before it had a result."""
    return _suite(f"wfdeploy {command}", [_Case(command, _Verdict.ERROR, message, diagnostics_text(diagnostics))])


def _of_file(file: str, found: Sequence[Diagnostic]) -> _Case:
    errors = [diagnostic for diagnostic in found if diagnostic.is_error]
    warnings = diagnostics_text(diagnostic for diagnostic in found if not diagnostic.is_error)
    if not errors:
        return _Case(file, output=warnings)
    return _Case(file, _Verdict.FAILED, several(len(errors), "error"), diagnostics_text(errors), warnings)


def _of_result(result: Result) -> _Case:
    verdict = _VERDICTS.get(result.outcome, _Verdict.PASSED)
    word = result.outcome.value
    message = "" if verdict is _Verdict.PASSED else f"{word}: {result.error}" if result.error else word
    return _Case(str(result.address), verdict, message, output="" if message else word)


def _ends(report: ApplyReport) -> Iterator[_Case]:
    if report.stopped is not None:
        yield _Case("apply", _Verdict.ERROR, report.stopped, report.hint or "")
    for state in (RunState.FAILED, RunState.CANCELED):
        if count := (report.watched or {}).get(state, 0):
            yield _Case(f"runs: {state.value}", _Verdict.FAILED, f"{several(count)} ended as {state.value}")
    if report.unsettled is not None:
        yield _Case("wait", _Verdict.ERROR, report.unsettled)


def _suite(name: str, cases: Sequence[_Case]) -> Iterator[str]:
    return _pieces(name, cases, {verdict: sum(case.verdict is verdict for case in cases) for verdict in _Verdict})


def _pieces(name: str, cases: Iterable[_Case], counts: Mapping[_Verdict, int]) -> Iterator[str]:
    numbers = {
        "tests": sum(counts.values()),
        "failures": counts[_Verdict.FAILED],
        "errors": counts[_Verdict.ERROR],
        "skipped": counts[_Verdict.SKIPPED],
    }
    attributes = " ".join(f"{key}={_attribute(str(value))}" for key, value in {"name": name, **numbers}.items())
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n<testsuite {attributes}>\n'
    for case in cases:
        yield "".join(_lines(case, name.replace(" ", ".")))
    yield "</testsuite>\n</testsuites>\n"


def _lines(case: _Case, classname: str) -> Iterator[str]:
    yield f"<testcase classname={_attribute(classname)} name={_attribute(case.name)}"
    if case.verdict is _Verdict.PASSED and not case.output:
        yield "/>\n"
        return
    yield ">"
    if element := case.verdict.value:
        yield f"<{element} message={_attribute(case.message)}>{_content(case.details)}</{element}>"
    if case.output:
        yield f"<system-out>{_content(case.output)}</system-out>"
    yield "</testcase>\n"


def _attribute(value: str) -> str:
    return quoteattr(_NOT_XML.sub("\ufffd", value[:_LONGEST]))


def _content(value: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", value[:_LONGEST]))
