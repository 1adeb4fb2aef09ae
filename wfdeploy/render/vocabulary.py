"""The words and tones of actions and run states."""

from __future__ import annotations

from collections.abc import Mapping

from wfdeploy.model.address import shell_pattern
from wfdeploy.model.observed import Continuation, RunState
from wfdeploy.model.plan import Action
from wfdeploy.render.terminal import Style, Tone, printable

WORDS: Mapping[RunState, tuple[str, Tone]] = {
    RunState.STARTED: ("running", Tone.CALM),
    RunState.SUCCESS: ("succeeded", Tone.GOOD),
    RunState.FAILED: ("failed", Tone.BAD),
    RunState.CANCELED: ("cancelled", Tone.CHANGED),
    RunState.UNKNOWN: ("in an unknown state", Tone.CHANGED),
    RunState.MISSING: ("missing from the logs", Tone.BAD),
    RunState.EXPIRED: ("no longer in the logs", Tone.FAINT),
}

TONES: Mapping[Action, Tone] = {
    Action.TRIGGER: Tone.GOOD,
    Action.RETRIGGER: Tone.CHANGED,
    Action.RESUME: Tone.CHANGED,
    Action.RESTART: Tone.CHANGED,
    Action.CANCEL: Tone.BAD,
    Action.FORGET: Tone.BAD,
    Action.RECOVER: Tone.CALM,
    Action.ADOPT: Tone.CALM,
    Action.BLOCKED: Tone.FAINT,
    Action.KEEP: Tone.FAINT,
}


def state_of(state: RunState | None) -> tuple[str, Tone]:
    """The word and tone of a state; None means never observed."""
    return ("not seen yet", Tone.FAINT) if state is None else WORDS[state]


def counted(states: Mapping[RunState, int], style: Style, *, running: str = "running") -> str:
    """The number of runs by state, without zeros. `running`: the word for runs in progress."""
    words = {state: word for state, (word, _) in WORDS.items()} | {RunState.STARTED: running}
    return ", ".join(
        style(f"{count:,} {words[state]}", WORDS[state][1]) for state in RunState if (count := states.get(state, 0))
    )


def continuation(found: Continuation) -> str:
    """What is known of a failed run whose dead letter is gone, in a sentence or two."""
    runs = " or ".join(f"{run.workflow_run_id} ({WORDS[run.state][0]})" for run in reversed(found.runs))
    address, failed = found.address, found.workflow_run_id
    if not found.runs:
        return (
            f"{address} failed as {failed}, and its dead letter is gone; no run that continues it shows. Somebody "
            "deleted the dead letter, or resumed or restarted the run under other labels."
        )
    if found.is_past:
        return (
            f"{address} was replaced after {failed} had failed, and somebody resumed or restarted that run elsewhere: "
            f"{runs} may continue it. wfdeploy doesn't follow that run."
        )
    if found.is_certain:
        return f"{address} failed as {failed}; somebody resumed or restarted it elsewhere, and it goes on as {runs}."
    return (
        f"{address} failed as {failed}, and its dead letter is gone: somebody resumed or restarted it elsewhere, and "
        f"it may go on as {runs}. `wfdeploy adopt --target {shell_pattern(printable(address))} "
        f"--run-id {'ID' if len(found.runs) > 1 else found.runs[-1].workflow_run_id}` records that."
    )
