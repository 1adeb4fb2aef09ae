"""What a group wants done about runs that end badly, or that are to be replaced."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

LONGEST_BACKOFF_S = 86_400


class FailureAction(Enum):
    REPORT = "report"
    RESUME = "resume"  # from where it failed, by the dead-letter queue
    RESTART = "restart"  # from the beginning, as a new generation


class OnFailure(NamedTuple):
    """`policy.onFailure`. `max_attempts`: how often a run is resumed or restarted at most, all together. `backoff_s`:
    how long after its failure was observed the first time; twice as long each further time, a day at most."""

    action: FailureAction = FailureAction.REPORT
    max_attempts: int = 3
    backoff_s: int = 0

    def due_ms(self, observed_at_ms: int, tries: int) -> int:
        """When a run that was tried again so often may be tried once more (our clock, Unix ms)."""
        wait_s = self.backoff_s
        for _ in range(tries):
            if wait_s >= LONGEST_BACKOFF_S:
                break
            wait_s *= 2
        return observed_at_ms + 1000 * min(wait_s, max(LONGEST_BACKOFF_S, self.backoff_s))


class OnCancelled(Enum):
    REPORT = "report"
    RESTART = "restart"


class ReplaceRunning(Enum):
    """What a re-trigger does while the run that it replaces may still be going."""

    ALLOW = "allow"  # both run
    WAIT = "wait"
    CANCEL = "cancel"


class Care(NamedTuple):
    """What becomes of runs while they are declared."""

    on_failure: OnFailure = OnFailure()
    on_cancelled: OnCancelled = OnCancelled.REPORT
    replace_running: ReplaceRunning = ReplaceRunning.ALLOW

    @property
    def acts(self) -> bool:
        """Whether it does more about runs that ended badly than to report them, and so must know how runs do."""
        return self.on_failure.action is not FailureAction.REPORT or self.on_cancelled is not OnCancelled.REPORT


NO_CARE = Care()


def to_fields(care: Care) -> dict[str, Any]:
    """As JSON; `from_fields` reads it back."""
    return {
        "onFailure": [care.on_failure.action.value, care.on_failure.max_attempts, care.on_failure.backoff_s],
        "onCancelled": care.on_cancelled.value,
        "replaceRunning": care.replace_running.value,
    }


def from_fields(values: Mapping[str, Any]) -> Care:
    """Raises: `ValueError`, `KeyError` or `TypeError` for what `to_fields` didn't write."""
    action, max_attempts, backoff_s = values["onFailure"]
    return Care(
        on_failure=OnFailure(FailureAction(action), max_attempts, backoff_s),
        on_cancelled=OnCancelled(values["onCancelled"]),
        replace_running=ReplaceRunning(values["replaceRunning"]),
    )
