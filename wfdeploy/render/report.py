"""The report of an apply, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from wfdeploy.errors import several
from wfdeploy.model.event import ApplyReport, Outcome, Result
from wfdeploy.model.observed import RunState
from wfdeploy.render.encode import document
from wfdeploy.render.plan_text import drift
from wfdeploy.render.terminal import Style, Tone, plain, printable
from wfdeploy.render.vocabulary import counted
from wfdeploy.render.width import clip, inside, pad

TONES: Mapping[Outcome, Tone] = {
    Outcome.TRIGGERED: Tone.GOOD,
    Outcome.DEDUPLICATED: Tone.CALM,
    Outcome.ADOPTED: Tone.CALM,
    Outcome.RESUMED: Tone.GOOD,
    Outcome.CANCELLED: Tone.CHANGED,
    Outcome.FORGOTTEN: Tone.CHANGED,
    Outcome.REJECTED: Tone.BAD,
    Outcome.UNKNOWN: Tone.BAD,
    Outcome.PENDING: Tone.CHANGED,
    Outcome.BLOCKED: Tone.FAINT,
    Outcome.KEPT: Tone.FAINT,
}

EXPLANATIONS: Mapping[Outcome, str] = {
    Outcome.REJECTED: "Rejected: the server refused these runs and did not start them. The next apply tries again.",
    Outcome.UNKNOWN: "Unknown: no usable answer arrived. The next apply checks the server's logs; no run starts twice.",
    Outcome.PENDING: "Pending: not sent yet. The next apply continues with them.",
}

_WORDS: Mapping[Outcome, str] = {
    Outcome.DEDUPLICATED: "already running",
    Outcome.KEPT: "unchanged",
}

_MOST_LISTED = 20
_FEWER_LISTED = 3  # of pending runs
_MOST_APPROVALS = 5
_WIDEST_ADDRESS = 48


def text(
    report: ApplyReport,
    style: Style = plain,
    *,
    width: int | None = None,
    everything: bool = False,
    command: Callable[[str], str] = "wfdeploy {}".format,
) -> Iterator[str]:
    """The lines of the report.

    `everything`: name every run, not only those with problems.
    `command`: makes the command line of a command for the same project and environment.
    """
    for line in _lines(report, style, width, everything, command):
        yield f"{line}\n"


def json_text(report: ApplyReport, *, failed_on: Sequence[str] | None = None) -> Iterator[str]:
    """The pieces of `{"formatVersion":1,"summary":{…},"warnings":[…],"stopped":…,"results":[…]}`, one result per line.

    The summary contains every outcome, also with zero. `createdAt` is the server's time in Unix milliseconds. `watched`
    counts the followed runs by state; it is only there if runs were followed. `unmet` counts the requests that were not
    carried out since somebody had handled the run elsewhere. `approvals` names the groups whose rollouts wait for one.

    failed_on: the states of `--fail-on` that runs are in; None without that option.
    """
    summary = {outcome.value: report.summary.get(outcome, 0) for outcome in Outcome}
    head: dict[str, object] = {
        "summary": summary,
        "warnings": list(report.warnings),
        "stopped": report.stopped,
    }
    if report.watched is not None:
        head["watched"] = {state.value: report.watched.get(state, 0) for state in RunState}
    if report.unmet:
        head["unmet"] = report.unmet
    if report.unsettled is not None:
        head["unsettled"] = report.unsettled
    if report.approvals:
        head["approvals"] = list(report.approvals)
    if failed_on is not None:
        head["failedOn"] = list(failed_on)
    return document(head, "results", map(result_fields, report.results))


def result_fields(result: Result) -> Mapping[str, object]:
    """One result as JSON fields."""
    return {
        "address": result.address,
        "workflowRunId": result.workflow_run_id,
        "outcome": result.outcome.value,
        "createdAt": result.created_at_ms,
        "error": result.error,
    }


def _lines(
    report: ApplyReport, style: Style, width: int | None, everything: bool, command: Callable[[str], str]
) -> Iterator[str]:
    troubled = [outcome for outcome in EXPLANATIONS if report.summary.get(outcome, 0)]
    for outcome in Outcome if everything else troubled:
        count = report.summary.get(outcome, 0)
        most = count if everything else _FEWER_LISTED if outcome is Outcome.PENDING else _MOST_LISTED
        results = list(islice((result for result in report.results if result.outcome is outcome), most))
        if not results and outcome not in troubled:
            continue
        yield style(EXPLANATIONS.get(outcome, f"{_word(outcome).capitalize()}:"), TONES[outcome])
        yield from _listed(results, count - len(results), style, width)
        yield ""
    yield counts(report, style)
    if report.drifted:
        yield f"{style('Drift:', Tone.CHANGED)} {drift(report.drifted, report.handled, command)}"
    yield from _approvals(report.approvals, style, command)
    if report.watched is not None:
        yield _watched(report.watched, style, command("status"))
    elif report.summary.get(Outcome.TRIGGERED, 0):
        yield f"Triggered means accepted by the server, not finished. See `{command('status')}` for run states."
    if report.unmet:
        were = "was" if report.unmet == 1 else "were"
        yield f"{style('Not done:', Tone.BAD)} {several(report.unmet)} {were} handled elsewhere, see above."
    if report.unsettled is not None:
        yield f"{style('Unsettled:', Tone.CHANGED)} {printable(report.unsettled)}"
    if report.stopped is not None:
        yield f"{style('Stopped:', Tone.BAD)} {printable(report.stopped)}"
    if report.hint is not None:
        yield f"{style('hint:', Tone.CALM)} {printable(report.hint)}"


def _listed(results: Sequence[Result], more: int, style: Style, width: int | None) -> Iterator[str]:
    column = min(max((len(printable(result.address)) for result in results), default=0), _WIDEST_ADDRESS)
    for result in results:
        address = pad(printable(result.address), column)
        words = clip(printable(result.error or result.workflow_run_id), inside(width, 4 + len(address), 30))
        yield f"  {address}  {words if result.error else style(words, Tone.FAINT)}".rstrip()
    if more > 0:
        yield style(f"  and {more:,} more (--output json lists all)", Tone.FAINT)


def _approvals(groups: Sequence[str], style: Style, command: Callable[[str], str]) -> Iterator[str]:
    for group in groups[:_MOST_APPROVALS]:
        line = command(f"rollout approve {group}")
        head = style("Approval needed:", Tone.CHANGED)
        yield f"{head} the rollout of {printable(group)} waits; `{line}` continues it."
    if more := groups[_MOST_APPROVALS:]:
        yield f"{several(len(more), 'more rollout')} wait for approval; `{command('rollout status')}` shows them."


def counts(report: ApplyReport, style: Style = plain) -> str:
    """The number of results by outcome, in one line."""
    quiet = (Outcome.BLOCKED, Outcome.KEPT)
    busy = [
        style(f"{n:,} {_word(outcome)}", TONES[outcome])
        for outcome in Outcome
        if (n := report.summary.get(outcome, 0)) and outcome not in quiet
    ]
    rest = [f"{n:,} {_word(outcome)}" for outcome in quiet if (n := report.summary.get(outcome, 0))]
    if not busy:
        why = ", ".join(rest) or report.idle or "nothing is declared or due"
        return f"{style('Nothing to do:', Tone.STRONG)} {why}."
    tail = f"; {', '.join(rest)}" if rest else ""
    return f"{style('Apply:', Tone.STRONG)} {', '.join(busy)}{tail}. {_duration(report)}"


def _watched(states: Mapping[RunState, int], style: Style, status: str) -> str:
    return f"{style('Runs:', Tone.STRONG)} {counted(states, style) or 'none to follow'}; `{status}` shows them."


def _duration(report: ApplyReport) -> str:
    triggered = report.summary.get(Outcome.TRIGGERED, 0)
    rate = f", {triggered / report.took_s:,.0f} runs/s" if triggered >= 100 and report.took_s >= 0.1 else ""
    return f"Took {report.took_s:.1f} s{rate}."


def _word(outcome: Outcome) -> str:
    return _WORDS.get(outcome, outcome.value)
