"""What a listing of the dead-letter queue tells of failed runs whose dead letter the logs didn't tell."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from wfdeploy.model.edits import Observe
from wfdeploy.model.remote import DeadLetter, RunState
from wfdeploy.model.state import Standing

_SAME_MS = 1000
"""Times of one run may be told in milliseconds here and in seconds there."""


@dataclass(frozen=True, slots=True)
class Letters:
    """What was looked up, and when (our clock, Unix ms), for the runs whose ids have these keys. `found`: dead letters
    by such a key. `complete_at_ms`: of runs that were seen to have failed before (our clock, Unix ms), all that there
    are would be among them; None where the listing wasn't complete."""

    asked: Collection[str]
    asked_at_ms: int
    found: Mapping[str, str]
    complete_at_ms: int | None = None


def letter_of(standing: Standing, letter: DeadLetter) -> bool:
    """Whether a dead letter with a run's id is that run's: an id may be used again when its run has ended."""
    created_ms = standing.created_at_ms
    if created_ms is None or letter.created_at_ms is None:
        return True
    return abs(created_ms - letter.created_at_ms) <= _SAME_MS


def lettered(standing: Standing, key: str, letters: Letters) -> tuple[Standing, Observe] | None:
    """A failed run as it is known now, with the edit that writes it down; None where nothing new is known. One that
    has no dead letter any more was dealt with elsewhere, as one whose resume is answered with 404."""
    if standing.run_state is not RunState.FAILED or standing.dlq_id is not None or standing.handled:
        return None
    if key not in letters.asked:
        return None
    if (dlq_id := letters.found.get(key)) is not None:
        seen = standing._replace(dlq_id=dlq_id)
        return seen, Observe(standing.address, RunState.FAILED, letters.asked_at_ms, dlq_id=dlq_id)
    complete_ms = letters.complete_at_ms
    if complete_ms is None or standing.observed_at_ms is None or standing.observed_at_ms > complete_ms:
        return None
    seen = standing._replace(handled=True)
    return seen, Observe(standing.address, RunState.FAILED, letters.asked_at_ms, handled=True)
