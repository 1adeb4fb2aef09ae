"""Single runs: their steps as a tree, their history as a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from wfdeploy.errors import several
from wfdeploy.model.observed import RunLog, RunState, Step, StepError, StepGroup
from wfdeploy.model.state import StateVersion
from wfdeploy.model.status import LoggedRun, PastRun
from wfdeploy.render.encode import document, seen, stale_line, utc, version_fields
from wfdeploy.render.terminal import Style, Tone, plain, printable
from wfdeploy.render.vocabulary import WORDS, state_of
from wfdeploy.render.width import Cell, inside, pad, table, wrap

_STEPS: Mapping[str, tuple[str, Tone]] = {
    "STEP_SUCCESS": ("done", Tone.GOOD),
    "STEP_PROGRESS": ("in progress", Tone.CALM),
    "STEP_RETRY": ("retrying", Tone.CHANGED),
    "STEP_FAILED": ("failed", Tone.BAD),
    "STEP_CANCELED": ("cancelled", Tone.CHANGED),
}
_NAME_WIDTH = 28
_STATE_WIDTH = 13
_LEAST_ERROR = 30


def logs_text(runs: Sequence[LoggedRun], style: Style = plain, *, width: int | None = None) -> Iterator[str]:
    """Each run, followed by its steps."""
    if not runs:
        yield "No runs are recorded.\n"
    for index, run in enumerate(runs):
        record, log = run.record, run.log
        if index:
            yield "\n"
        state = record.run_state if log is None else log.state
        word, tone = ("not in the server's logs", Tone.FAINT) if log is None or state is None else WORDS[state]
        when = "" if log is None else f"  {_span(log.created_at_ms, log.completed_at_ms)}"
        head = f"{style(printable(record.address), Tone.STRONG)}  {style(word, tone)}{style(when, Tone.FAINT)}"
        yield f"{head}  {style(printable(record.workflow_run_id), Tone.FAINT)}\n"
        if log is not None:
            for line in _tree(log, style, width):
                yield f"{line}\n"


def logs_json(runs: Sequence[LoggedRun]) -> Iterator[str]:
    """`{"formatVersion":1,"runs":[…]}`, one run per line; times in Unix milliseconds.

    `state` is null and `steps` empty if the run is not in the server's logs.
    """
    return document({}, "runs", map(_logged, runs))


def _logged(run: LoggedRun) -> Mapping[str, object]:
    record, log = run.record, run.log
    return {
        "address": record.address,
        "workflowRunId": record.workflow_run_id,
        "generation": record.generation,
        "attempts": record.tries,
        "state": None if log is None else log.state.value,
        "createdAt": record.created_at_ms if log is None else log.created_at_ms,
        "completedAt": record.completed_at_ms if log is None else log.completed_at_ms,
        "error": (log.reason or None) if log is not None and log.state is RunState.FAILED else None,
        "failureFunction": None if log is None or not log.failure else log.failure,
        "failureFunctionErrors": [] if log is None else [_error(error) for error in log.failure_errors],
        "steps": [] if log is None else [_group(group) for group in log.groups],
    }


def _group(group: StepGroup) -> Mapping[str, object]:
    return {"type": group.kind, "steps": [_step(step) for step in group.steps]}


def _step(step: Step) -> Mapping[str, object]:
    return {
        "name": step.name,
        "type": step.kind,
        "state": step.state,
        "createdAt": step.created_at_ms,
        "retries": step.retries,
        "nextDeliveryAt": step.next_delivery_ms,
        "detail": step.detail,
        "errors": [_error(error) for error in step.errors],
    }


def _error(error: StepError) -> Mapping[str, object]:
    return {"message": error.message, "status": error.status, "time": error.at_ms, "body": error.body or None}


def _tree(log: RunLog, style: Style, width: int | None) -> Iterator[str]:
    branches: list[tuple[str | None, Sequence[Step]]] = [
        (None if len(group.steps) == 1 else "in parallel", group.steps) for group in log.groups if group.steps
    ]
    ends = [f"failure function: {log.failure.removeprefix('CALLBACK_').lower()}"] if log.failure else []
    for index, (title, steps) in enumerate(branches):
        last = index == len(branches) - 1 and not ends
        stem, below = ("└─ ", "   ") if last else ("├─ ", "│  ")
        if title is None:
            yield from _step_lines(steps[0], stem, below, style, width)
            continue
        yield f"{stem}{title}"
        for position, step in enumerate(steps):
            lowest = position == len(steps) - 1
            yield from _step_lines(
                step, below + ("└─ " if lowest else "├─ "), below + ("   " if lowest else "│  "), style, width
            )
    for end in ends:
        yield f"└─ {printable(end)}"
        yield from _error_lines(log.failure_errors, "   ", style, width)


def _step_lines(step: Step, stem: str, below: str, style: Style, width: int | None) -> Iterator[str]:
    word, tone = _STEPS.get(step.state, (step.state.lower(), Tone.FAINT))
    kind = "" if step.kind in ("", "Run", "Initial") else f" ({step.kind})"
    name = printable((step.name or "next step") + kind)
    facts = [] if step.created_at_ms is None else [utc(step.created_at_ms)]
    if step.detail:
        facts.append(printable(_detail(step)))
    if step.errors:
        facts.append(several(len(step.errors), "failed delivery", "failed deliveries"))
    if step.retries is not None and step.errors:
        facts.append(f"{several(step.retries, 'retry', 'retries')} allowed" if step.retries else "no retries allowed")
    if step.next_delivery_ms is not None:
        facts.append(f"next attempt at {utc(step.next_delivery_ms)}")
    left = f"{pad(stem + name, _NAME_WIDTH)} {style(word.ljust(_STATE_WIDTH), tone)}"
    yield f"{left} {style(', '.join(facts), Tone.FAINT)}".rstrip()
    yield from _error_lines(step.errors, below, style, width)


def _detail(step: Step) -> str:
    """What the step is about; a bare number of seconds gets its unit, a bare time is spelt out."""
    try:
        number = float(step.detail) if step.about in ("sleepFor", "sleepUntil") else math.nan
    except ValueError:
        return step.detail
    if not math.isfinite(number):
        return step.detail
    return f"{number:g} s" if step.about == "sleepFor" else f"until {utc(round(1000 * number))}"


def _error_lines(errors: Sequence[StepError], below: str, style: Style, width: int | None) -> Iterator[str]:
    """Each error, wrapped under its time: the server's reason, then the endpoint's answer."""
    for error in errors:
        when = "" if error.at_ms is None else f"{utc(error.at_ms)}  "
        lines = wrap(printable(error.reason), inside(width, len(below) + 2 + len(when), _LEAST_ERROR))
        yield f"{below}  {style(when, Tone.FAINT)}{style(next(lines), Tone.BAD)}"
        for line in lines:
            yield f"{below}  {' ' * len(when)}{style(line, Tone.BAD)}"


def history_text(
    runs: Sequence[PastRun],
    style: Style = plain,
    *,
    width: int | None = None,
    now_ms: int = 0,
    refresh: str = "wfdeploy refresh",
) -> Iterator[str]:
    """A table of each address's runs, oldest first.

    now_ms: for how long ago runs were seen (our clock).
    refresh: the command that records the states of runs.
    """
    if not runs:
        yield "No runs are recorded.\n"
        return
    cells = [
        (
            Cell(printable(run.record.address)),
            Cell(f"{run.record.generation}{f', attempt {run.record.tries}' if run.record.tries else ''}"),
            Cell(*state_of(run.record.run_state)),
            Cell(utc(run.record.created_at_ms or run.record.recorded_at_ms), Tone.FAINT),
            Cell(_until(run), Tone.FAINT),
            Cell(seen(run.record.observed_at_ms, now_ms), Tone.FAINT),
            Cell(printable(run.record.workflow_run_id), Tone.FAINT),
        )
        for run in runs
    ]
    headings = ("ADDRESS", "GENERATION", "STATE", "STARTED", "UNTIL", "SEEN", "WORKFLOW RUN")
    yield from table(headings, cells, style, width=width)
    present = [run.record for run in runs if run.ended is None]
    stale = [one.observed_at_ms for one in present if one.run_state is None or not one.run_state.is_final]
    if stale:
        times = [time_ms for time_ms in stale if time_ms is not None]
        line = stale_line(len(stale), min(times, default=None), now_ms, refresh)
        yield "\n" + style(line, Tone.CHANGED) + "\n"


def history_json(runs: Sequence[PastRun], versions: Sequence[StateVersion] = ()) -> Iterator[str]:
    """`{"formatVersion":1,"runs":[…]}`, one run per line; times in Unix milliseconds.

    `ended` is null for the currently recorded run. versions: of a shared state that were read.
    """
    return document(version_fields(versions), "runs", map(_past, runs))


def _until(run: PastRun) -> str:
    if run.ended is None:
        return "now"
    return run.ended if run.ended_at_ms is None else f"{run.ended} {utc(run.ended_at_ms)}"


def _past(run: PastRun) -> Mapping[str, object]:
    record = run.record
    return {
        "address": record.address,
        "workflowRunId": record.workflow_run_id,
        "fingerprint": record.fingerprint,
        "generation": record.generation,
        "attempts": record.tries,
        "origin": record.origin.value,
        "runState": None if record.run_state is None else record.run_state.value,
        "createdAt": record.created_at_ms,
        "completedAt": record.completed_at_ms,
        "recordedAt": record.recorded_at_ms,
        "lastSeenAt": record.observed_at_ms,
        "source": record.source,
        "ended": run.ended,
        "endedAt": run.ended_at_ms,
    }


def _span(begin_ms: int, end_ms: int | None) -> str:
    if end_ms is None:
        return f"since {utc(begin_ms)}"
    return f"{utc(begin_ms)}, {(end_ms - begin_ms) / 1000:.1f} s"
