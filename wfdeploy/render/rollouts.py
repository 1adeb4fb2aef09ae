"""Rollouts, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wfdeploy.errors import several
from wfdeploy.model.blocking import Rollout, RolloutMode, RolloutProgress, RolloutStep, RolloutView, StepGate
from wfdeploy.render.encode import dump, stale_line, utc
from wfdeploy.render.terminal import Style, Tone, plain, printable
from wfdeploy.render.width import Cell, table

_TONES = {
    RolloutMode.RUNNING: Tone.GOOD,
    RolloutMode.PAUSED: Tone.CHANGED,
    RolloutMode.STOPPED: Tone.BAD,
    RolloutMode.ABORTED: Tone.BAD,
}


def text(
    views: Sequence[RolloutView],
    style: Style = plain,
    *,
    width: int | None = None,
    now_ms: int = 0,
    refresh: str = "wfdeploy refresh",
) -> Iterator[str]:
    """A table of rollouts by group.

    now_ms: for how long ago runs were seen (our clock).
    refresh: the command that records the states of runs.
    """
    if not views:
        yield "No group has a rollout.\n"
        return
    cells = [
        (
            Cell(printable(view.group)),
            _mode(view),
            Cell(_step(view)),
            Cell(_runs(view)),
            Cell(_waits(view), Tone.FAINT),
        )
        for view in views
    ]
    yield from table(("GROUP", "ROLLOUT", "STEP", "RELEASED", "WAITS FOR"), cells, style, width=width)
    if stale := sum(view.stale for view in views):
        times = [view.seen_at_ms for view in views if view.seen_at_ms is not None]
        yield "\n" + style(stale_line(stale, min(times, default=None), now_ms, refresh), Tone.CHANGED) + "\n"


def json_text(views: Sequence[RolloutView]) -> str:
    """`{"formatVersion":1,"rollouts":[…]}`; times in Unix milliseconds."""
    return dump({"formatVersion": 1, "rollouts": [fields(view) for view in views]}) + "\n"


def fields(view: RolloutView) -> Mapping[str, object]:
    """One rollout as JSON fields; `progress` is null if none is in progress."""
    progress = view.progress
    return {
        "group": view.group,
        "steps": None if view.rollout is None else len(view.rollout.steps),
        "released": view.released,
        "running": view.running,
        "succeeded": view.succeeded,
        "failed": view.failed,
        "stale": view.stale,
        "lastSeenAt": view.seen_at_ms,
        "progress": None if progress is None else progress_fields(progress),
    }


def progress_fields(progress: RolloutProgress) -> Mapping[str, object]:
    """The progress of a rollout as JSON fields; `step` counts from 1."""
    return {
        "mode": progress.mode.value,
        "step": progress.step + 1,
        "approvedSteps": progress.approved,
        "startedAt": progress.started_at_ms,
        "openSince": progress.open_since_ms,
        "toleratedFailures": progress.tolerated,
    }


def changed_json(progress: RolloutProgress) -> str:
    """The rollout after a command has changed it."""
    return dump({"formatVersion": 1, "group": progress.group, "progress": progress_fields(progress)}) + "\n"


def changed_text(progress: RolloutProgress, done: str) -> str:
    """What a command did to a rollout: `done` is approved, paused, resumed or aborted."""
    then = "continues the rollout" if progress.mode is RolloutMode.RUNNING else "releases no more runs"
    return f"{done.capitalize()}. The next apply {then}.\n"


def _mode(view: RolloutView) -> Cell:
    if view.progress is None:
        return Cell("none", Tone.FAINT)
    return Cell(view.progress.mode.value, _TONES[view.progress.mode])


def _current(view: RolloutView) -> RolloutStep | None:
    progress, rollout = view.progress, view.rollout
    if progress is None or rollout is None or _was_edited(progress, rollout) or progress.step >= len(rollout.steps):
        return None
    return rollout.steps[progress.step]


def _was_edited(progress: RolloutProgress, rollout: Rollout) -> bool:
    """Whether the steps were edited since the last apply."""
    return progress.steps not in ("", rollout.plan)


def _step(view: RolloutView) -> str:
    progress, rollout = view.progress, view.rollout
    if progress is None:
        return "" if rollout is None else f"of {len(rollout.steps)}"
    if rollout is None:
        return str(progress.step + 1)
    if _was_edited(progress, rollout):
        return f"{progress.step + 1} (steps edited)"
    if progress.step >= len(rollout.steps):
        return "all runs"
    return f"{progress.step + 1} of {len(rollout.steps)} ({rollout.steps[progress.step].amount})"


def _runs(view: RolloutView) -> str:
    if view.progress is None:
        return ""
    counts = ((view.succeeded, "succeeded"), (view.running, "running"), (view.failed, "failed"))
    some = [f"{count:,} {word}" for count, word in counts if count or word == "succeeded"]
    return ", ".join((several(view.released), *some))


def _waits(view: RolloutView) -> str:
    step = _current(view)
    if step is None or view.progress is None or view.progress.mode is not RolloutMode.RUNNING:
        return ""
    if view.progress.open_since_ms is not None:
        return f"bake time of {step.bake_s} s since {utc(view.progress.open_since_ms)}"
    if step.gate is StepGate.APPROVED:
        is_open = view.progress.approved > view.progress.step
    else:
        is_open = view.succeeded == view.released > 0  # a failure may stop it, as only an apply can say
    return "the next apply" if is_open else step.gate.value
