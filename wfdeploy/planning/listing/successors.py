"""Find the runs that continue failed ones, where somebody resumed or restarted these elsewhere: in the console, say.

The server gives such a run an id of its own, and names nowhere which run it continues. But it takes along the URL, the
labels and the payload, it begins after the failure, and the dead letter of the failed run is gone. A label that only
one run of ours has says for certain which one that is, and so does a payload that no other candidate has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

from wfdeploy.errors import RemoteFailure
from wfdeploy.manifests.identify.run_ids import parse_attempt
from wfdeploy.model.address import Address
from wfdeploy.model.observed import Continuation, ObservedRun, RunState
from wfdeploy.model.state import Ended, HistoryEntry, Origin, Record, Standing
from wfdeploy.model.workflow_id import SAME_MS, RunIndex, id_key, parse_run_id
from wfdeploy.planning.diff.failure_policy import Handling
from wfdeploy.planning.listing.adoption import Adoption
from wfdeploy.planning.listing.dead_letters import DeadLetters, belongs_to
from wfdeploy.ports import RecordReader, RunGateway

if TYPE_CHECKING:
    from wfdeploy.planning.baseline import Baseline
    from wfdeploy.planning.listing.discovery import Discovery

_MOST_READ = 200
"""So many runs are read at most, one request each, for their payloads."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A failed run that somebody may have continued. `is_past`: its address has had another run since."""

    standing: Standing
    is_past: bool = False


@dataclass(frozen=True, slots=True)
class Successors:
    """What a listing says about failed runs whose dead letters are gone."""

    continuations: Mapping[Address, Continuation] = field(default_factory=dict)
    """Of the recorded runs, by address."""

    past: Sequence[Continuation] = ()
    """Of runs that their addresses had before, where a run continues them."""

    handling: Mapping[str, Handling] = field(default_factory=dict)
    """Whether the failed runs, and those that continue them, were handled: by the keys of their ids."""

    def explains(self, run: ObservedRun) -> bool:
        """Whether a run continues a failed one, or may."""
        return any(run in each.runs for each in (*self.continuations.values(), *self.past))

    @property
    def certain(self) -> Mapping[Address, Continuation]:
        """Those of the recorded runs of which it is certain as which run they go on."""
        return {address: found for address, found in self.continuations.items() if found.is_certain}

    def unclear(self, concerns: Callable[[str], bool]) -> tuple[Continuation, ...]:
        """The failed runs of which it isn't certain as which run they go on, and the former ones.

        `concerns`: whether an address is in question.
        """
        unclear = (one for one in self.continuations.values() if one.runs and not one.is_certain)
        return tuple(one for one in (*unclear, *self.past) if concerns(one.address))


def continued(record: Record, found: Continuation, handling: Mapping[str, Handling], now_ms: int) -> Record:
    """The record of a failed run's address, once it follows the run that continues it."""
    run = found.runs[-1]
    return replace(
        record,
        workflow_run_id=run.workflow_run_id,
        origin=Origin.ADOPTED,
        created_at_ms=run.created_at_ms,
        recorded_at_ms=now_ms,
        run_state=run.state,
        observed_at_ms=now_ms,
        completed_at_ms=run.completed_at_ms,
        tries=record.tries + len(found.runs),
        dlq_id=run.dlq_id,
        handled=handling.get(id_key(run.workflow_run_id)) is Handling.HANDLED,
        triggered_id=record.triggered_id or record.workflow_run_id,
    )


def with_successors(adoption: Adoption, successors: Successors, baseline: Baseline, now_ms: int) -> Adoption:
    """Adopt the runs as which failed ones go on, where that is certain."""
    adopted = dict(adoption.adopted)
    for address, found in successors.certain.items():
        known = adopted.get(address) or baseline.lookups.record(address)
        # The listing may also show a later run of the address.
        if known is not None and known.workflow_run_id == found.workflow_run_id:
            adopted[address] = continued(known, found, successors.handling, now_ms)
    return replace(adoption, adopted=adopted)


def is_stranger(run: ObservedRun) -> bool:
    """Whether a run has an id that wfdeploy didn't make."""
    return parse_run_id(run.workflow_run_id) is None


def past_failures(history: Iterable[HistoryEntry]) -> list[Failed]:
    """The failed runs that were replaced by others. Those that were resumed have no dead letter any more."""
    return [
        Failed(entry.record.standing, is_past=True)
        for entry in history
        if entry.record.run_state is RunState.FAILED and entry.ended is not Ended.RESUMED
    ]


async def find_successors(
    discovery: Discovery, failed: Sequence[Failed], letters: DeadLetters, store: RecordReader
) -> Successors:
    """Find what continues those of the failed runs that have no dead letter any more, by one listing of runs.

    failed: all that are recorded, since two that did the same only differ in which of them still has its
        dead letter.
    letters: theirs.
    Raises: `RemoteFailure` when the runs can't be listed.
    """
    handling = {id_key(one.standing.workflow_run_id): letters.handling(one.standing) for one in failed}
    gone = [one for one in failed if id_key(one.standing.workflow_run_id) not in letters.found]
    if not gone or letters.complete_at_ms is None:
        return Successors(handling=handling)
    own = [one.standing.workflow_run_id for one in failed]
    listed = set(map(id_key, own))
    for one in past_failures(store.history()):
        key = id_key(one.standing.workflow_run_id)
        letter = letters.held.get(key)
        if key not in listed and (letter is None or not belongs_to(letter, one.standing)):
            gone.append(one)
    runs = await discovery.runs_since([one.standing for one in gone])
    known = {*known_run_ids(store, {run.workflow_run_id for run in runs}), *own}  # some are about to be adopted
    strangers = _strangers(runs, known)
    cases = [*_cases(gone, runs, strangers), *_unrecorded(runs, known, letters, strangers)]
    groups = await _grouped(discovery.gateway, cases)
    found = [each for group in groups for each in group.continuations()]
    has_more = {one.workflow_run_id for one in found if one.runs}
    for case in cases:
        run_id = case.run.workflow_run_id
        if handling.get(id_key(run_id)) is not Handling.UNCLEAR:
            continue
        if run_id in has_more:
            handling[id_key(run_id)] = Handling.HANDLED
        elif id_key(run_id) in letters.expired:
            handling[id_key(run_id)] = Handling.EXPIRED
    await _look_up_letters(discovery, found, handling)
    unlisted = {
        one.standing.address: Continuation(address=one.standing.address, workflow_run_id=one.standing.workflow_run_id)
        for one in gone
        if not one.is_past
    }
    return Successors(
        unlisted | {one.address: one for one in found if not one.is_past},
        [one for one in found if one.is_past and one.runs],
        handling,
    )


def known_run_ids(store: RecordReader, run_ids: Collection[str]) -> Collection[str]:
    """Those of these workflow run ids that recorded and former runs have."""
    return {key.workflow_run_id for key in store.keys_with_ids(run_ids)} | dict(store.past_runs(run_ids)).keys()


@dataclass(frozen=True, slots=True)
class _Case:
    """A failed run, as it is listed, and the runs that may continue it. `failed`: None for a run that the state doesn't
    know."""

    failed: Failed | None
    run: ObservedRun
    options: tuple[ObservedRun, ...]

    @property
    def has_own_label(self) -> bool:
        return any(map(_is_own, self.run.labels))


_Shape: TypeAlias = tuple[str, frozenset[str]]


def _shape(run: ObservedRun) -> _Shape:
    return run.url, frozenset(run.labels)


def _is_own(label: str) -> bool:
    """Whether a label stands for one run."""
    return parse_attempt((label,)) is not None or parse_run_id(label) is not None


_Strangers: TypeAlias = Mapping[_Shape, Sequence[ObservedRun]]


def _strangers(runs: Sequence[ObservedRun], known: Collection[str]) -> _Strangers:
    """The listed runs that wfdeploy didn't start, oldest first, by what they have in common with the run that they
    continue."""
    first: set[str] = set()  # of several runs with one label, the first one got it from us
    found: defaultdict[_Shape, list[ObservedRun]] = defaultdict(list)
    for run in sorted(runs, key=attrgetter("created_at_ms")):
        own = {label for label in run.labels if _is_own(label)}
        is_ours = not own <= first
        first |= own
        if is_stranger(run) and run.workflow_run_id not in known and not is_ours:
            found[_shape(run)].append(run)
    return found


def _cases(gone: Sequence[Failed], runs: Sequence[ObservedRun], strangers: _Strangers) -> Iterator[_Case]:
    """The failed runs that the logs still remember, with what may continue them."""
    index = RunIndex(runs)
    for one in gone:
        run = index.recorded(one.standing.workflow_run_id, one.standing.created_at_ms)
        if run is not None:
            yield _Case(one, run, _after(run, strangers))


def _unrecorded(
    runs: Sequence[ObservedRun], known: Collection[str], letters: DeadLetters, strangers: _Strangers
) -> Iterator[_Case]:
    """Failed runs of ours that this state doesn't know, another shard's for instance: they may be continued too."""
    for run in runs:
        is_unknown = not is_stranger(run) and run.workflow_run_id not in known
        if is_unknown and run.state is RunState.FAILED and id_key(run.workflow_run_id) not in letters.held:
            yield _Case(None, run, _after(run, strangers))


def _after(failed: ObservedRun, strangers: _Strangers) -> tuple[ObservedRun, ...]:
    """The runs that may continue a failed one."""
    ended_ms = failed.completed_at_ms or failed.created_at_ms
    return tuple(run for run in strangers.get(_shape(failed), ()) if run.created_at_ms >= ended_ms - SAME_MS)


@dataclass(slots=True)
class _Group:
    """Failed runs that can't be distinguished, and the runs that continue some of them."""

    cases: list[_Case] = field(default_factory=list)
    runs: list[ObservedRun] = field(default_factory=list)
    is_certain: bool = False
    """Whether each of the runs surely continues one of the failed ones."""

    def continuations(self) -> Iterable[Continuation]:
        is_certain = self.is_certain and len(self.cases) == 1 and _is_chain(self.cases[0].run, self.runs)
        for case in self.cases:
            if case.failed is None:
                continue
            runs = tuple(run for run in self.runs if run in case.options)
            yield Continuation(
                address=case.failed.standing.address,
                workflow_run_id=case.failed.standing.workflow_run_id,
                runs=runs,
                is_certain=is_certain and bool(runs),
                is_past=case.failed.is_past,
            )


def _is_chain(failed: ObservedRun, runs: Iterable[ObservedRun]) -> bool:
    """Whether each run may continue the one before it, and no two of them run side by side."""
    before = failed
    for run in runs:
        if before.state is not RunState.FAILED or run.created_at_ms < (before.completed_at_ms or 0) - SAME_MS:
            return False
        before = run
    return True


async def _grouped(gateway: RunGateway, cases: Sequence[_Case]) -> Iterable[_Group]:
    """Put the cases together that can't be distinguished: by their own labels, else by their payloads."""
    wanted = {
        (run.workflow_run_id, run.created_at_ms)
        for case in cases
        if case.options and not case.has_own_label
        for run in (case.run, *case.options)
    }
    payloads = await _payloads(gateway, wanted) if len(wanted) <= _MOST_READ else {}

    def payload_of(run: ObservedRun) -> str | None:
        return payloads.get((run.workflow_run_id, run.created_at_ms))

    open_cases = [case for case in cases if case.options]
    unread = {
        _shape(case.run)
        for case in open_cases
        if not case.has_own_label and None in map(payload_of, (case.run, *case.options))
    }
    groups: defaultdict[object, _Group] = defaultdict(_Group)
    for case in open_cases:
        shape, payload = _shape(case.run), payload_of(case.run)
        is_distinct = case.has_own_label or shape not in unread
        group = groups[shape, payload if is_distinct else None]
        group.cases.append(case)
        group.is_certain = is_distinct
        for run in case.options:
            if run not in group.runs and (case.has_own_label or not is_distinct or payload == payload_of(run)):
                group.runs.append(run)
    return groups.values()


async def _payloads(gateway: RunGateway, wanted: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], str]:
    """The digests of these runs' payloads, as far as the logs show them."""
    found: dict[tuple[str, int], str] = {}
    for run_id, created_at_ms in sorted(wanted):
        try:
            payload = await gateway.read_payload_digest(run_id, created_at_ms)
        except RemoteFailure:
            continue
        if payload is not None:
            found[run_id, created_at_ms] = payload
    return found


async def _look_up_letters(discovery: Discovery, found: Iterable[Continuation], handling: dict[str, Handling]) -> None:
    """Look up whether the dead letters of runs that continue others, and failed too, are still there."""
    now_ms = discovery.workspace.clock.now_ms()
    ends = [
        Standing(
            address=one.address,
            workflow_run_id=run.workflow_run_id,
            run_state=run.state,
            created_at_ms=run.created_at_ms,
            recorded_at_ms=now_ms,
            observed_at_ms=now_ms,
            completed_at_ms=run.completed_at_ms,
            tries=0,
            dlq_id=None,
            handled=False,
        )
        for one in found
        if one.is_certain and (run := one.runs[-1]).state is RunState.FAILED
    ]
    if not ends:
        return
    letters = await discovery.dead_letters(ends)
    handling.update({id_key(one.workflow_run_id): letters.handling(one) for one in ends})
