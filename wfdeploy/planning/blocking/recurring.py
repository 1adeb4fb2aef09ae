"""Recurring groups in a plan: which instances are due, which are skipped, which past ones need no record any more.

An instance that is due becomes a desired run like any other, with its time in its address. The state says up to when a
group is decided. That moves on only once everything due is on disk, so a process that dies passes nothing over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from wfdeploy.manifests.identify.fingerprint import identify
from wfdeploy.model.address import Address, group_of, instance_parts, whole_groups
from wfdeploy.model.blocking import Concurrency, instant, unix_of
from wfdeploy.model.edits import Decide, Edit
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Action, Change
from wfdeploy.model.run import DesiredRun, Group
from wfdeploy.model.state import Standing
from wfdeploy.planning.baseline import Baseline
from wfdeploy.planning.blocking.due import Due, due, following, occurrences
from wfdeploy.planning.diff.failure_policy import Case, by_policy

_MOST_NOTED = 5
_MOST_UPCOMING = 3


@dataclass(slots=True)
class Recurrence:
    """What a plan does about one recurring group."""

    group: Group
    runs: list[DesiredRun] = field(default_factory=list)
    """The instances that the plan decides about, by address: those that are due, whose outcome is open, or that failed
    and are to be tried again."""
    decide: Decide | None = None  # to be written down once they are on their way
    expired: frozenset[Address] = frozenset()  # past instances beyond what is kept
    undecided: bool = False  # whether nothing is known of the group yet, so the server has to be asked
    notes: list[str] = field(default_factory=list)  # for people
    next_s: int | None = None  # when the next instance is due (Unix seconds)
    due_s: int | None = None  # the latest time of those that are due (Unix seconds)
    watches: bool = False  # whether the states of its runs matter

    @property
    def is_still(self) -> bool:
        """Whether none of its runs, past ones included, needs a look."""
        return not self.runs and not self.expired


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known beside manifests and state."""

    now_ms: int  # our clock, but no later than the server's, where that is known
    until_ms: int | None  # instances after it aren't looked at (the same clock; None: those after `now_ms`)
    logs_since_s: int
    """The server's logs show the runs of all instances since then (Unix seconds; 0: they forget nothing)."""

    listed: bool  # whether the server's runs were listed
    adopted: Collection[Address]  # those whose run the listing showed and the state lacks
    troubled: Mapping[Address, Standing]  # the recorded runs that failed, were cancelled or are missing
    live: Mapping[Address, RunState]  # run states in the listing
    absent: Collection[Address]  # open attempts that were never accepted, as the listing proves
    wanted: Callable[[str], bool] | None  # which recorded instances are wanted for another reason (None: none)


def notes(recurrences: Mapping[str, Recurrence]) -> Iterator[str]:
    """What a plan says about recurring groups, beside its changes."""
    for recurrence in recurrences.values():
        yield from recurrence.notes
    upcoming = sorted((one.next_s, name) for name, one in recurrences.items() if one.next_s is not None)
    if upcoming:
        shown = ", ".join(f"{name} at {instant(next_s)}" for next_s, name in upcoming[:_MOST_UPCOMING])
        more = f", and {len(upcoming) - _MOST_UPCOMING:,} more" if len(upcoming) > _MOST_UPCOMING else ""
        yield f"next instances: {shown}{more}"


def conclusions(
    recurrences: Mapping[str, Recurrence], changes: Iterable[Change], withheld: Collection[str] = ()
) -> dict[str, Edit]:
    """What is decided about recurring groups, as far as nothing of theirs has to wait or is `withheld`."""
    if not recurrences:
        return {}
    waiting = {group_of(change.address) for change in changes if change.action is Action.BLOCKED}.union(withheld)
    return {name: one.decide for name, one in recurrences.items() if one.decide is not None and name not in waiting}


def recur(baseline: Baseline, evidence: Evidence) -> dict[str, Recurrence]:
    """Evaluate each recurring group. A group with nothing to do costs no look at its runs.

    Raises: `InvalidInput` when an instance can't be made.
    """
    groups = baseline.manifests.groups.values()
    return {
        group.name: _Evaluation(baseline, evidence, group).evaluate() for group in groups if group.schedule is not None
    }


class _Evaluation:
    """The evaluation of one group."""

    def __init__(self, baseline: Baseline, evidence: Evidence, group: Group) -> None:
        assert group.schedule is not None
        self.baseline = baseline
        self.manifests = baseline.manifests
        self.store = baseline.store
        self.evidence = evidence
        self.group = group
        self.schedule = group.schedule
        self.now_s = evidence.now_ms // 1000
        self.until_s = self.now_s if evidence.until_ms is None else min(evidence.until_ms // 1000, self.now_s)
        self.names = (group.name, *baseline.renames.former_groups(group.name))
        self.decided_s = baseline.renames.schedules.get(group.name)
        self.result = Recurrence(group)

    def evaluate(self) -> Recurrence:
        result = self.result
        found = self._due()
        result.due_s = max(found.times, default=None)
        # The wanted instances by time; at times that are due, every instance is wanted.
        wanted: dict[int, set[Address]] = {at_s: set() for at_s in found.times}
        for address in self._wanted():
            parts = instance_parts(address)
            if parts is not None:
                wanted.setdefault(unix_of(parts[1]), set()).add(address)
        result.runs = sorted(self._instances(wanted, frozenset(found.times)), key=lambda run: run.address)
        if found.decided_s is not None:
            result.decide = Decide(self.group.name, found.decided_s)
        if found.skipped:
            result.notes.append(f"{self.group.name}: instances that were missed are skipped ({self._why()})")
        if found.more:
            result.notes.append(f"{self.group.name}: more instances are due, for the next apply")
        result.expired = frozenset(self._expired())
        if result.expired:
            count = len(result.expired)
            what = "1 past instance is" if count == 1 else f"{count:,} past instances are"
            result.notes.append(f"{self.group.name}: {what} forgotten (history.keep: {self.group.history})")
        result.next_s = following(self.schedule, self.now_s)
        return result

    def _why(self) -> str:
        late = self.schedule.deadline_s
        return f"catchUp: {self.schedule.catch_up.value}" + ("" if late is None else f", deadline: {late} s")

    def _due(self) -> Due:
        decided_s = self.decided_s
        if decided_s is None:
            decided_s = self._decided_by_logs()
            if decided_s is None:
                # A schedule begins when it is first seen.
                return Due(decided_s=self.until_s)
        return due(self.schedule, decided_s=decided_s, now_s=self.now_s, until_s=self.until_s)

    def _decided_by_logs(self) -> int | None:
        """Up to when everything is decided according to the runs that the server knows, for a state that is new or was
        lost. None: no instance is known."""
        # This apply adopts some; an earlier one, about other groups, may have adopted others.
        recorded = (key.address for key in self.store.record_keys(whole_groups(self.names)))
        addresses = {*self._mine(self.evidence.adopted), *map(self.baseline.renames.renamed, recorded)}
        known = {unix_of(parts[1]) for address in addresses if (parts := instance_parts(address))}
        start_s = self.schedule.start_s
        if not known:
            self.result.undecided = not self.evidence.listed
            return None if start_s is None else start_s - 1
        # Some instances of the newest time may not have been sent.
        newest_s = max(known) - 1
        if start_s is None or not self.schedule.makes_up_for_all:
            return newest_s
        # A catch-up is sent in many batches at once, so no instance proves anything about an earlier one: each was
        # triggered if the logs show it, and the logs say nothing about what they have forgotten. Times that aren't the
        # schedule's come from an earlier cron expression, and an edited one counts from the last of them.
        others = known.difference(occurrences(self.schedule, min(known) - 1, max(known)))
        decided_s = min(newest_s, max(start_s - 1, self.evidence.logs_since_s, *others))
        forgotten = occurrences(self.schedule, start_s - 1, min(decided_s, self.evidence.logs_since_s))
        if any(at_s not in known or not self._are_all_known(at_s, addresses) for at_s in forgotten):
            self.result.notes.append(
                f"{self.group.name}: what was due until {instant(decided_s)} is taken as triggered: the state doesn't "
                "tell, and the server's logs reach back no further (server.logRetention)"
            )
        return decided_s

    def _are_all_known(self, at_s: int, known: Container[Address]) -> bool:
        """Whether the instance of each run is known at a time. A catch-up may have been sent in part."""
        instances = self.manifests.requests.instances(self.manifests.runs.file_of(self.group.name), at_s)
        return all(
            run.address in known
            for _, run in instances
            if run.group.name == self.group.name and self.baseline.is_mine(run.address)
        )

    def _mine(self, addresses: Iterable[Address]) -> Iterator[Address]:
        return (address for address in addresses if group_of(address) == self.group.name)

    def _wanted(self) -> Iterator[Address]:
        """Past instances that are still to be decided about."""
        yield from self._mine(self.baseline.attempts)  # they may have to be sent again
        for address in self._mine(self.evidence.troubled):
            case = Case(
                standing=self.evidence.troubled[address],
                now_ms=self.evidence.now_ms,
                dlq_retention_s=self.baseline.workspace.project.server.dlq_retention_s,
            )
            if by_policy(case, self.group.policy).action is not Action.KEEP:
                yield address
        if self.evidence.wanted is not None:
            keys = self.store.record_keys(whole_groups([self.group.name]))
            yield from (key.address for key in keys if self.evidence.wanted(key.address))

    def _instances(self, wanted: Mapping[int, Collection[Address]], due_times: Collection[int]) -> Iterable[DesiredRun]:
        requests, file = self.manifests.requests, self.manifests.runs.file_of(self.group.name)
        skips, requested = self.schedule.concurrency is Concurrency.SKIP, self.evidence.wanted is not None
        running = self._running() if skips and wanted else {}
        refused: dict[str, Address] = {}
        chosen: dict[Address, DesiredRun] = {}
        skipped: list[str] = []
        for at_s in sorted(wanted):
            for number, run in requests.instances(file, at_s):
                address = run.address
                if run.group.name != self.group.name or not self.baseline.is_mine(address):
                    continue
                is_new = address not in wanted[at_s]
                if is_new and (at_s not in due_times or self._is_known(address)):
                    continue
                if skips and (is_new or (self._was_refused(address) and not requested)):
                    template = address.rpartition("@")[0]
                    other = running.get(template)
                    if other is not None and (other < address or not is_new):
                        skipped.append(f"{address} is skipped: {other} is still running (concurrency: skip)")
                        continue
                    if template in refused:  # tried again, it would run beside this one, or hold up the next
                        former = refused.pop(template)
                        del chosen[former]
                        skipped.append(f"{former} is skipped: it was refused, and {address} is due (concurrency: skip)")
                    (running if is_new else refused)[template] = address
                chosen[address] = identify(run, file, number)._replace(at_s=at_s)
        self.result.notes += skipped[:_MOST_NOTED]
        if len(skipped) > _MOST_NOTED:
            self.result.notes.append(f"{self.group.name}: {len(skipped) - _MOST_NOTED:,} more are skipped alike")
        return chosen.values()

    def _was_refused(self, address: Address) -> bool:
        attempt = self.baseline.attempts.get(address)
        return attempt is not None and not attempt.is_open

    def _is_known(self, address: Address) -> bool:
        """Whether an instance was triggered already. It stays as it was, whatever the manifest says now."""
        return address in self.evidence.adopted or next(iter(self.store.records([address])), None) is not None

    def _running(self) -> dict[str, Address]:
        """An earlier instance of each run that isn't known to have ended."""
        self.result.watches = True
        running: dict[str, Address] = {}
        unfinished = (None, *(state for state in RunState if not state.is_final))
        addresses = [
            self.baseline.renames.renamed(standing.address)
            for name in self.names
            for standing in self.store.standings(unfinished, name)
        ]
        open_ = [address for address, attempt in self.baseline.attempts.items() if attempt.is_open]
        # A run that is about to be tried again isn't running, whether the try is the plan's own or an earlier apply's.
        open_ = [each for each in open_ if each not in self.evidence.absent or not self._is_known(each)]
        for address in (*addresses, *self._mine(self.evidence.adopted), *self._mine(open_)):
            state = self.evidence.live.get(address)
            parts = instance_parts(address)
            if parts is not None and (state is None or not state.is_final):
                running[parts[0]] = max(address, running.get(parts[0], address))
        return running

    def _expired(self) -> Iterator[Address]:
        """Decided instances beyond the newest that a run keeps."""
        keep = self.group.history
        if keep is None or self.decided_s is None:
            return
        tally = self.store.tallies().get(self.group.name)
        if tally is None or tally.count <= keep * self.manifests.runs.groups[self.group.name].tally.count:
            return
        run: str | None = None
        instances: list[Address] = []
        for key in self.store.record_keys(whole_groups([self.group.name])):
            parts = instance_parts(key.address)
            if parts is None:
                continue
            if parts[0] != run:
                yield from self._beyond(instances, keep)
                run, instances = parts[0], []
            instances.append(key.address)
        yield from self._beyond(instances, keep)

    def _beyond(self, instances: Sequence[Address], keep: int) -> Iterator[Address]:
        assert self.decided_s is not None
        until = instant(self.decided_s)
        for address in instances[:-keep]:
            if address.rpartition("@")[2] <= until:
                yield address
