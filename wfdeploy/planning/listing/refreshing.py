"""Which recorded runs are asked after, and what the server's listing says of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from wfdeploy.errors import UsageError
from wfdeploy.model.address import Address, group_of
from wfdeploy.model.edits import Observe
from wfdeploy.model.observed import TROUBLED
from wfdeploy.model.plan import Action, Plan, Refresh, Selection
from wfdeploy.model.remote import RunState
from wfdeploy.model.run import Group, ReplaceRunning
from wfdeploy.model.state import Record, Standing
from wfdeploy.model.workflow_id import id_key
from wfdeploy.planning.diff.failure_policy import UNFINISHED
from wfdeploy.planning.listing.dead_letters import Letters, lettered
from wfdeploy.planning.listing.observing import View, observe, sent_by_hand
from wfdeploy.ports import RecordReader

_CLOCKS_MS = 3_600_000
"""How far our clock may be from the server's, where a record has only ours."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How the recorded runs do, by the address that they have now. `standings`: of those that failed, were cancelled or
    are missing; `live`: of those that the listing told about. `edits`: what of it the state doesn't hold yet."""

    standings: Mapping[Address, Standing]
    live: dict[Address, RunState]
    edits: tuple[Observe, ...] = ()


def matters(group: Group) -> bool:
    """Whether the state of a group's runs decides something."""
    return group.policy.acts


def asked_after(
    selection: Selection,
    groups: Mapping[str, Group],
    plan: Plan,
    unfinished: Callable[[], Iterable[Standing]],
    renamed: Callable[[Address], Address],
    *,
    watched: Collection[str] = (),
) -> list[Standing]:
    """The runs that aren't known to have ended and whose state should be known for this plan. None of them costs a
    request; together they cost a listing that begins with the oldest. `watched`: groups that others wait for."""
    if selection.refresh is Refresh.OFF:
        return []
    names = {name for name, group in groups.items() if matters(group)} | set(watched)
    addresses = _in_question(selection, groups, plan)
    if selection.refresh is Refresh.AUTO and not names and not addresses:
        return []
    return [
        standing
        for standing in unfinished()
        if selection.refresh is Refresh.ALL
        or (address := renamed(standing.address)) in addresses
        or group_of(address) in names
    ]


def _in_question(selection: Selection, groups: Mapping[str, Group], plan: Plan) -> set[Address]:
    """Addresses about which the plan can't be made without knowing how their runs do."""
    careful = any(group.policy.replace_running is not ReplaceRunning.ALLOW for group in groups.values())
    if selection.wish is None and not careful and not plan.summary[Action.CANCEL]:
        return set()
    return {
        change.address
        for change in (*plan.changes, *(plan.kept if selection.wish else ()))
        if selection.wish is not None
        or change.action is Action.CANCEL
        or (
            change.action in (Action.RETRIGGER, Action.BLOCKED)
            and change.desired is not None
            and change.desired.group.policy.replace_running is not ReplaceRunning.ALLOW
        )
    }


def since(standings: Collection[Standing], log_lag_ms: int) -> int | None:
    """Where a listing must begin to show all of these (server time, Unix ms); None for none of them."""
    return min(
        (
            standing.recorded_at_ms - log_lag_ms - _CLOCKS_MS
            if standing.created_at_ms is None
            else standing.created_at_ms
            for standing in standings
        ),
        default=None,
    )


def condition(
    store: RecordReader,
    unfinished: Callable[[], Iterable[Standing]],
    view: View | None,
    renamed: Callable[[Address], Address],
    letters: Letters | None = None,
) -> Condition:
    """What is known of the runs, from the state and from listings where there are some."""
    known = _listed(store, unfinished, view, renamed)
    if letters is None:
        return known
    standings, edits = dict(known.standings), list(known.edits)
    for address, standing in known.standings.items():
        told = lettered(standing, id_key(standing.workflow_run_id), letters)
        if told is not None:
            standings[address] = told[0]
            edits.append(told[1])
    return Condition(standings, known.live, tuple(edits))


def _listed(
    store: RecordReader,
    unfinished: Callable[[], Iterable[Standing]],
    view: View | None,
    renamed: Callable[[Address], Address],
) -> Condition:
    standings = {renamed(standing.address): standing for standing in store.standings(TROUBLED)}
    if view is None:
        return Condition(standings, {})
    live: dict[Address, RunState] = {}
    edits = []
    for standing, edit in observations(store, unfinished(), view):
        address = renamed(standing.address)
        if standing.run_state is not None:
            live[address] = standing.run_state
        if edit is None:
            continue
        edits.append(edit)
        if standing.run_state in TROUBLED:
            standings[address] = standing
        else:
            standings.pop(address, None)
    return Condition(standings, live, tuple(edits))


def observations(
    store: RecordReader, unfinished: Iterable[Standing], view: View
) -> Iterator[tuple[Standing, Observe | None]]:
    """What a listing tells of these runs: see `observe`."""

    def record(standing: Standing) -> Record | None:
        return next(iter(store.records([standing.address])), None)

    def starts_ms(standing: Standing) -> int:
        known = record(standing)
        return 0 if known is None else start_of(known)

    def was_sent(standing: Standing) -> bool:
        if standing.created_at_ms is not None:
            return True
        known = record(standing)
        return known is not None and not sent_by_hand(known.origin, known.created_at_ms)

    return observe(unfinished, view, starts_ms=starts_ms, was_sent=was_sent)


def start_of(record: Record) -> int:
    """When a run begins at the latest, by its delay (server time, Unix ms). A resumed one has none."""
    request = json.loads(record.request) if record.request and not record.triggered_id else {}
    begins = record.created_at_ms or record.recorded_at_ms
    return max(begins + 1000 * int(request.get("delay") or 0), 1000 * int(request.get("notBefore") or 0))


def labels_of(record: Record) -> list[str]:
    """The labels that a recorded run was given in its manifest."""
    labels = json.loads(record.request).get("labels") if record.request else None
    return labels if isinstance(labels, list) else []


def labelled(store: RecordReader, labels: Collection[str], *, strict: bool) -> Iterator[Address]:
    """The recorded addresses under one of these labels. Raises, where `strict`: `UsageError`."""
    wanted, carried = set(labels), set[str]()
    for record in store.records():
        if found := wanted.intersection(labels_of(record)):
            carried |= found
            yield record.address
    if strict:
        require_labels(wanted, carried)


def require_labels(wanted: Collection[str], carried: Collection[str]) -> None:
    """A label that nothing carries is a slip of the pen, as a glob is that matches nothing. Raises: `UsageError`."""
    missing = set(wanted).difference(carried)
    if missing:
        raise UsageError(
            f"no recorded run carries the label {', '.join(sorted(missing))}",
            hint="runs carry the labels that their manifest gave them when they were triggered",
        )


def all_unfinished(store: RecordReader) -> Iterator[Standing]:
    """The recorded runs that aren't known to have ended."""
    return store.standings(UNFINISHED)
