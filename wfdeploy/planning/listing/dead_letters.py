"""Find dead letters that the logs don't show, by one listing of the dead-letter queue."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wfdeploy.errors import ExitCode, Interrupted, RemoteFailure
from wfdeploy.model.edits import Observe
from wfdeploy.model.event import Notice
from wfdeploy.model.observed import RunState
from wfdeploy.model.remote import DeadLetter
from wfdeploy.model.state import Standing
from wfdeploy.model.workflow_id import id_key
from wfdeploy.planning.diff.failure_policy import Case, Handling, handling_recorded

if TYPE_CHECKING:
    from wfdeploy.planning.listing.discovery import Discovery

_SAME_MS = 1000
"""The times of one run may be in milliseconds here and in seconds there."""


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """A listing of the dead-letter queue."""

    asked: Collection[str]  # the keys of the ids of the runs that were looked up
    asked_at_ms: int  # our clock
    found: Mapping[str, str]  # dead letters by such a key
    complete_at_ms: int | None = None
    """Of runs that were updated to have failed before this (our clock), all that there are would be among them; None
    where the listing wasn't complete."""

    held: Mapping[str, DeadLetter] = field(default_factory=dict)
    """All that was seen in the queue, whether it was looked up or not: by the keys of the runs' ids."""

    expired: Collection[str] = frozenset()
    """Those of the `asked` that failed so long ago that the server may have dropped their dead letters."""

    def handling(self, standing: Standing) -> Handling:
        """Whether somebody handled a failed run, as far as the queue tells."""
        key = id_key(standing.workflow_run_id)
        if key in self.found:
            return Handling.OPEN
        if key not in self.asked:
            return handling_recorded(standing)
        if standing.handled:
            return Handling.HANDLED
        complete_ms, seen_ms = self.complete_at_ms, standing.observed_at_ms
        if key in self.expired or complete_ms is None or seen_ms is None or seen_ms > complete_ms:
            return Handling.UNCLEAR
        return Handling.HANDLED


def belongs_to(letter: DeadLetter, standing: Standing) -> bool:
    """Whether a dead letter with a run's id is that run's. An id may be used again once its run has ended."""
    created_ms = standing.created_at_ms
    if created_ms is None or letter.created_at_ms is None:
        return True
    return abs(created_ms - letter.created_at_ms) <= _SAME_MS


def with_dead_letter(standing: Standing, key: str, dead_letters: DeadLetters) -> tuple[Standing, Observe] | None:
    """A failed run with what the queue says about it, and the edit that records this; None where nothing is new. A run
    without a dead letter was handled elsewhere, as one whose resume is answered with 404."""
    if standing.run_state is not RunState.FAILED or key not in dead_letters.asked:
        return None
    if (dlq_id := dead_letters.found.get(key)) is not None:
        if dlq_id == standing.dlq_id:
            return None
        updated = standing._replace(dlq_id=dlq_id)
        return updated, Observe(standing.address, RunState.FAILED, dead_letters.asked_at_ms, dlq_id=dlq_id)
    if standing.handled or dead_letters.handling(standing) is not Handling.HANDLED:
        return None
    updated = standing._replace(handled=True)
    return updated, Observe(standing.address, RunState.FAILED, dead_letters.asked_at_ms, handled=True)


async def find_dead_letters(discovery: Discovery, wanted: Sequence[Standing], since_ms: int | None) -> DeadLetters:
    """Find the dead letters of these runs. A queue that can't be read is no reason to do nothing else.

    `since_ms`: when the oldest of them was created. A run fails after that, so it bounds the list whichever of both
    the server means by date.
    """
    workspace = discovery.workspace
    lag_ms = round(1000 * discovery.log_lag_s)
    began_ms = workspace.clock.now_ms()
    missing = {id_key(standing.workflow_run_id): standing for standing in wanted}
    asked = frozenset(missing)
    found: dict[str, str] = {}
    held: dict[str, DeadLetter] = {}
    retention_s = workspace.project.server.dlq_retention_s
    expired = frozenset(
        key
        for key, standing in missing.items()
        if Case(standing=standing, now_ms=began_ms, dlq_retention_s=retention_s).is_too_late
    )
    try:
        async for page in discovery.gateway.list_dead_letters(label=workspace.project.label, since_ms=since_ms):
            held.update((id_key(letter.workflow_run_id), letter) for letter in page)
            _take(page, workspace.project.label, missing, found)
            if not missing:
                break
            if discovery.stopped():
                raise Interrupted("stopped while listing the server's dead letters", exit_code=ExitCode.SIGINT)
    except RemoteFailure as error:
        workspace.listener(Notice(f"dead letters could not be looked up: {error.message}", error.hint))
        return DeadLetters(asked, began_ms, found, expired=expired)
    return DeadLetters(asked, began_ms, found, complete_at_ms=began_ms - lag_ms, held=held, expired=expired)


def _take(page: Collection[DeadLetter], label: str, missing: dict[str, Standing], found: dict[str, str]) -> None:
    for letter in page:
        if letter.labels and label not in letter.labels:
            continue  # another project's: the request was not for these
        key = id_key(letter.workflow_run_id)
        standing = missing.get(key)
        if standing is not None and belongs_to(letter, standing):
            found[key] = letter.dlq_id
            del missing[key]
