"""How a wait ended, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping

from wfdeploy.model.remote import RunState
from wfdeploy.render.encode import dump
from wfdeploy.render.run_states import WORDS
from wfdeploy.render.style import Style, Tone, plain


def text(states: Mapping[RunState, int], *, fulfilled: bool, style: Style = plain) -> str:
    """One line: how many runs are in which state."""
    parts = [style(f"{n:,} {WORDS[state][0]}", WORDS[state][1]) for state in RunState if (n := states.get(state, 0))]
    word = style("Done:", Tone.GOOD) if fulfilled else style("Not there:", Tone.BAD)
    return f"{word} {', '.join(parts) or 'no runs'}.\n"


def json_text(states: Mapping[RunState, int], *, fulfilled: bool) -> str:
    """`{"formatVersion":1,"fulfilled":…,"states":{…}}`, every state, zeros too."""
    counts = {state.value: states.get(state, 0) for state in RunState}
    return dump({"formatVersion": 1, "fulfilled": fulfilled, "states": counts}) + "\n"
