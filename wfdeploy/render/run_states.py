"""The server's words for a run, as people say them."""

from __future__ import annotations

from collections.abc import Mapping

from wfdeploy.model.observed import RunState
from wfdeploy.render.style import Tone

WORDS: Mapping[RunState, tuple[str, Tone]] = {
    RunState.STARTED: ("running", Tone.CALM),
    RunState.SUCCESS: ("succeeded", Tone.GOOD),
    RunState.FAILED: ("failed", Tone.BAD),
    RunState.CANCELED: ("cancelled", Tone.CHANGED),
    RunState.UNKNOWN: ("in an unknown state", Tone.CHANGED),
    RunState.MISSING: ("missing from the logs", Tone.BAD),
    RunState.EXPIRED: ("no longer in the logs", Tone.FAINT),
}
