"""The states that make a command end with exit code 7, where the user says so (`--fail-on`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING

from wfdeploy.errors import UsageError

if TYPE_CHECKING:
    from wfdeploy.model.observed import RunState


class FailState(Enum):
    """A state that runs shouldn't stay in. The words are those of `--run-state`, and of a plan's actions."""

    FAILED = "failed"
    CANCELLED = "cancelled"
    MISSING = "missing"  # the server's logs should show it and don't
    BLOCKED = "blocked"  # it waits for another group, a step of its rollout, or a backoff


def fail_states(texts: Iterable[str]) -> frozenset[FailState]:
    """The states that a user names: words, or comma-separated lists of them. Raises: `UsageError`."""
    known = {state.value: state for state in FailState}
    words = [word.strip().lower() for text in texts for word in text.split(",")]
    for word in words:
        if word not in known:
            raise UsageError(
                f"{word!r} is not a state that --fail-on knows",
                hint=f"available: {', '.join(known)}, or several of them",
            )
    return frozenset(known[word] for word in words)


def found_in(*counts: Mapping[RunState, int], blocked: bool = False) -> frozenset[FailState]:
    """The states of these that some run is in. `blocked`: whether some run is."""
    from wfdeploy.model.observed import RunState

    states = {
        RunState.FAILED: FailState.FAILED,
        RunState.CANCELED: FailState.CANCELLED,
        RunState.MISSING: FailState.MISSING,
    }
    found = {states[state] for one in counts for state, count in one.items() if count and state in states}
    return frozenset(found | {FailState.BLOCKED} if blocked else found)
