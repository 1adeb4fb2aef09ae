"""What `doctor` found, for people and programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from wfdeploy.errors import several
from wfdeploy.model.checks import Assumption, Check, CheckStatus, Diagnosis, IntendedRuns, ProbeReport, Truth
from wfdeploy.render.encode import dump
from wfdeploy.render.terminal import Style, Tone, plain, printable

if TYPE_CHECKING:
    from wfdeploy.model.project import Target

_TONES = {
    CheckStatus.OK: Tone.GOOD,
    CheckStatus.WARNING: Tone.CHANGED,
    CheckStatus.PROBLEM: Tone.BAD,
    CheckStatus.SKIPPED: Tone.FAINT,
}
_TRUTHS = {Truth.HOLDS: Tone.GOOD, Truth.FAILS: Tone.BAD, Truth.UNKNOWN: Tone.FAINT}

_STATUS = max(len(status.value) for status in CheckStatus)
_NAME = 9
_TRUTH = max(len(truth.value) for truth in Truth)


def text(found: Diagnosis, style: Style = plain) -> Iterator[str]:
    """A line per check, with the way out below it; then what a probe says of each assumption."""
    for check in found.checks:
        yield from _check_lines(check, style)
    counts = Counter(check.status for check in found.checks)
    yield f"\n{', '.join(_counted(counts))}.\n"
    if found.probe is not None:
        yield "\n"
        yield from _probe_lines(found.probe, style)


def json_text(found: Diagnosis) -> str:
    """The same as one JSON object."""
    fields = {
        "formatVersion": 1,
        "exitCode": int(found.exit_code),
        "checks": [_check_fields(check) for check in found.checks],
        "probe": None if found.probe is None else _probe_fields(found.probe),
    }
    return f"{dump(fields)}\n"


def _counted(counts: Mapping[CheckStatus, int]) -> Iterator[str]:
    for status in CheckStatus:
        count = counts.get(status, 0)
        if count and status in (CheckStatus.WARNING, CheckStatus.PROBLEM):
            yield several(count, status.value)
        elif count:
            yield f"{count} {status.value}"


def _check_lines(check: Check, style: Style) -> Iterator[str]:
    status = style(check.status.value.ljust(_STATUS), _TONES[check.status])
    yield f"{status}  {check.name.ljust(_NAME)}  {printable(check.message)}\n"
    if check.hint is not None:
        yield f"{'':{_STATUS + _NAME + 4}}{style('hint:', Tone.CALM)} {printable(check.hint)}\n"


def _probe_lines(probe: ProbeReport, style: Style) -> Iterator[str]:
    yield f"The assumptions of the guarantees, tried with {several(probe.triggered)}:\n\n"
    for one in probe.assumptions:
        number = "-" if one.number is None else str(one.number)
        truth = style(one.truth.value.ljust(_TRUTH), _TRUTHS[one.truth])
        yield f"{number}  {truth}  {one.statement}\n"
        yield f"{'':{_TRUTH + 5}}{style(printable(one.evidence), Tone.FAINT)}\n"
    yield "\n"
    if probe.log_lag_s is not None:
        yield f"Measured: runs were listed within {probe.log_lag_s:.1f} s.\n"
    for setting in probe.suggestions:
        yield f"Suggested: {setting.setting}: {setting.value}, since {printable(setting.reason)}.\n"
    if probe.leftovers:
        yield f"Cancelled {several(probe.leftovers)} that an earlier probe had left.\n"
    if probe.uncancelled:
        yield f"{several(len(probe.uncancelled))} may still be queued or running; cancel them in the console:\n"
        yield from (f"  {printable(run_id)}\n" for run_id in probe.uncancelled)


def _check_fields(check: Check) -> Mapping[str, object]:
    return {"name": check.name, "status": check.status.value, "message": check.message, "hint": check.hint}


def _probe_fields(probe: ProbeReport) -> Mapping[str, object]:
    return {
        "assumptions": [_assumption_fields(one) for one in probe.assumptions],
        "logLagSeconds": None if probe.log_lag_s is None else round(probe.log_lag_s, 3),
        "suggestions": [
            {"setting": one.setting, "value": one.value, "reason": one.reason} for one in probe.suggestions
        ],
        "triggered": probe.triggered,
        "leftovers": probe.leftovers,
        "uncancelled": list(probe.uncancelled),
    }


def _assumption_fields(one: Assumption) -> Mapping[str, object]:
    return {
        "name": one.name,
        "number": one.number,
        "statement": one.statement,
        "result": one.truth.value,
        "evidence": one.evidence,
    }


def intention(target: Target, intended: IntendedRuns) -> Iterator[str]:
    """What a probe is about to do, for the question before it."""
    project = target.project
    yield (
        f"A probe of project {printable(project.name)}, environment {printable(project.environment)}, "
        f"server {printable(target.url)}.\n"
    )
    most = intended.delayed + (intended.destination is not None)
    yield f"It triggers at most {several(most)}, which no plan shows:\n"
    minutes = intended.delay_s // 60
    yield f"  {intended.delayed} delayed by {minutes} minutes, to {intended.nowhere}, and cancelled long before\n"
    if intended.destination is None:
        yield "  none at once, since no --destination is named\n"
    else:
        yield f"  1 at once, to {printable(intended.destination)}\n"
    yield f"It lists and cancels its own runs (label {printable(intended.label)}), and no others.\n"
