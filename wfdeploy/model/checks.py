"""What `doctor` finds: checks of a set-up, and how a server keeps the assumptions that the guarantees rest on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from wfdeploy.errors import ExitCode


class CheckStatus(Enum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    """One word, which never changes."""

    status: CheckStatus

    message: str

    hint: str | None = None
    """What to do about it."""

    exit_code: ExitCode = ExitCode.OK
    """Of a problem: that of a command which meets it."""


class Truth(Enum):
    """What a probe says of an assumption."""

    HOLDS = "holds"
    FAILS = "does not hold"
    UNKNOWN = "cannot be told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """Something that a server was tried on."""

    name: str
    """One word, which never changes."""

    number: int | None
    """Its number in docs/guarantees.md; None: no guarantee rests on it."""

    statement: str

    truth: Truth

    evidence: str
    """What was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A setting of the project file that fits the server better."""

    setting: str

    value: str

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IntendedRuns:
    """What a probe is about to trigger, for the question before it."""

    label: str

    delayed: int
    """How many runs, at most."""

    delay_s: int

    nowhere: str
    """Where these would be delivered."""

    destination: str | None
    """Where one more is delivered at once; None: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """How a server behaved when it was tried."""

    assumptions: tuple[Assumption, ...]

    log_lag_s: float | None
    """The longest time from a trigger until its run was listed, in seconds, polling included. None: none was listed."""

    suggestions: tuple[Suggestion, ...]

    triggered: int
    """How many runs the probe triggered."""

    leftovers: int
    """How many runs of earlier probes, which were killed, it cancelled."""

    uncancelled: tuple[str, ...] = ()
    """Workflow run ids of runs of the probe that may still be queued or running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Everything that `doctor` found."""

    checks: tuple[Check, ...]

    probe: ProbeReport | None = None
    """None: the server was not tried."""

    @property
    def exit_code(self) -> ExitCode:
        """That of the first problem; 7 where there is none, and an assumption doesn't hold or a run was left."""
        for check in self.checks:
            if check.status is CheckStatus.PROBLEM:
                return check.exit_code
        probe = self.probe
        if probe is not None and (probe.uncancelled or _breaks_a_guarantee(probe)):
            return ExitCode.PARTIAL
        return ExitCode.OK


def _breaks_a_guarantee(probe: ProbeReport) -> bool:
    return any(one.truth is Truth.FAILS and one.number is not None for one in probe.assumptions)


def ok(name: str, message: str) -> Check:
    """A check that found nothing wrong."""
    return Check(name=name, status=CheckStatus.OK, message=message)


def warning(name: str, message: str, hint: str | None = None) -> Check:
    """A check that found something which is probably unintended."""
    return Check(name=name, status=CheckStatus.WARNING, message=message, hint=hint)


def problem(name: str, message: str, hint: str | None = None, *, exit_code: ExitCode) -> Check:
    """A check that found what makes commands fail."""
    return Check(name=name, status=CheckStatus.PROBLEM, message=message, hint=hint, exit_code=exit_code)


def skipped(name: str, message: str, hint: str | None = None) -> Check:
    """A check that wasn't made. `message`: why."""
    return Check(name=name, status=CheckStatus.SKIPPED, message=message, hint=hint)
