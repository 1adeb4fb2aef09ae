"""Actions and the states of runs, as people are shown them."""

from __future__ import annotations

from collections.abc import Mapping

from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Action
from wfdeploy.render.style import Style, Tone

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
    """The word and tone of a state; None: it was never observed."""
    return ("not seen yet", Tone.FAINT) if state is None else WORDS[state]


def counted(states: Mapping[RunState, int], style: Style) -> str:
    """How many runs are in which state, without those that none is in."""
    return ", ".join(
        style(f"{count:,} {WORDS[state][0]}", WORDS[state][1]) for state in RunState if (count := states.get(state, 0))
    )
