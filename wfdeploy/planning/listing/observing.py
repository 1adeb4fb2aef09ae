"""What a listing tells of recorded runs that weren't known to have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from wfdeploy.model.edits import Observe
from wfdeploy.model.remote import ObservedRun, RunState
from wfdeploy.model.state import Origin, Standing
from wfdeploy.model.workflow_id import RunIndex

_RESOLUTION_MS = 1000
"""Server times are cut to seconds."""

NEAR_THE_END = 0.9
"""From this part of the logs' retention on, a run that isn't shown counts no more as missing: it may just have gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A complete listing, for looking runs up in it. `since_ms`: where it began to list
    (server time, Unix ms; None: at the beginning). `began_ms`: the server's time when it was asked, None when the
    server tells none. `now_ms`: our clock."""

    runs: RunIndex
    since_ms: int | None
    began_ms: int | None
    now_ms: int
    log_lag_ms: int
    log_retention_ms: int


def observe(
    standings: Iterable[Standing],
    view: View,
    *,
    starts_ms: Callable[[Standing], int],
    was_sent: Callable[[Standing], bool],
) -> Iterator[tuple[Standing, Observe | None]]:
    """Each run of which the listing tells how it does, as it is now, with the edit that writes it down where that is
    news.

    `starts_ms`: when the run begins at the latest (server time, Unix ms): before that the logs may not show it.
    `was_sent`: False where its record was only ever written by hand.
    """
    for standing in standings:
        run = view.runs.recorded(standing.workflow_run_id, standing.created_at_ms)
        if run is not None:
            if run.state is standing.run_state and (run.dlq_id is None or run.dlq_id == standing.dlq_id):
                yield standing, None
            else:
                yield _seen(standing, run.state, view, run)
            continue
        state = _absent(standing, view, starts_ms, was_sent)
        if state is not None and state is not standing.run_state:
            yield _seen(standing, state, view, None)


def _seen(standing: Standing, state: RunState, view: View, run: ObservedRun | None) -> tuple[Standing, Observe]:
    completed_ms = None if run is None else run.completed_at_ms
    dlq_id = None if run is None else run.dlq_id
    edit = Observe(standing.address, state, view.now_ms, completed_ms, dlq_id)
    seen = standing._replace(
        run_state=state,
        observed_at_ms=standing.observed_at_ms if standing.run_state is state else view.now_ms,
        completed_at_ms=completed_ms or standing.completed_at_ms,
        dlq_id=dlq_id or standing.dlq_id,
    )
    return seen, edit


def _absent(
    standing: Standing,
    view: View,
    starts_ms: Callable[[Standing], int],
    was_sent: Callable[[Standing], bool],
) -> RunState | None:
    """How a run does that the listing doesn't show; None when that tells nothing."""
    created_ms = standing.created_at_ms
    if created_ms is not None and view.since_ms is not None and created_ms < view.since_ms:
        return None
    began_ms = view.now_ms if view.began_ms is None else view.began_ms
    known_ms = standing.recorded_at_ms if created_ms is None else created_ms
    age_ms = began_ms - known_ms
    if age_ms > view.log_retention_ms or not was_sent(standing):
        return RunState.EXPIRED
    if age_ms > NEAR_THE_END * view.log_retention_ms or view.began_ms is None:
        return None
    if created_ms is None and view.since_ms is not None:
        # When it was recorded is told by our clock, and a run that was there already began any time before that.
        return None
    if began_ms < max(known_ms, starts_ms(standing)) + view.log_lag_ms + _RESOLUTION_MS:
        return None
    return RunState.MISSING


def sent_by_hand(origin: Origin, created_at_ms: int | None) -> bool:
    """Whether `wfdeploy adopt` wrote the record: such a run was never seen."""
    return origin is Origin.ADOPTED and created_at_ms is None
