"""Limit the later rounds of `apply --wait` to what the confirmed plan held back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from wfdeploy.manifests.identify.digest import digest
from wfdeploy.model.address import Address, group_of
from wfdeploy.model.canonical import canonical_json
from wfdeploy.model.edits import PutRecord, Rename, SetHead
from wfdeploy.model.event import ApplyReport, Outcome
from wfdeploy.model.plan import Action, Change, Plan, without_first_triggers
from wfdeploy.model.run import Group
from wfdeploy.model.state import Head
from wfdeploy.ports import RecordReader

_STARTED = (Outcome.TRIGGERED, Outcome.DEDUPLICATED, Outcome.RESUMED)


class HeldBack:
    """What is left of a plan after its first round."""

    def __init__(self, plan: Plan, groups: Mapping[str, Group], planned_ms: int) -> None:
        """`groups`: those that were loaded. `planned_ms`: when the plan was made (our clock); an instance that becomes
        due later isn't part of it."""
        self.planned_ms = planned_ms
        self._tried_again = {name for name, group in groups.items() if group.policy.acts}
        self._waiting: dict[Address, str] = {}  # the fingerprints that were waiting to start, or to be tried again
        self._cancels: set[Address] = set()
        self._started: set[Address] = set()  # this apply handles their failures
        self._head: Head | None = None
        self.is_closed = False
        self.withheld: frozenset[str] = frozenset()  # groups of which the last plan would have done more
        for change in without_first_triggers(plan.changes):
            if change.action is Action.BLOCKED or (change.sends and change.cancels):
                self._waiting[change.address] = change.fingerprint
            elif change.action is Action.CANCEL:
                self._cancels.add(change.address)

    def record_outcomes(self, report: ApplyReport) -> None:
        """Record the outcomes of a round. What the server refused is not tried again by the same command."""
        for result in report.results:
            address = result.address
            if result.outcome in _STARTED:
                self._waiting.pop(address, None)
                if group_of(address) in self._tried_again:
                    self._started.add(address)
            elif result.outcome is Outcome.REJECTED:
                self._waiting.pop(address, None)
                self._started.discard(address)
            elif result.outcome is Outcome.CANCELLED:
                self._cancels.discard(address)

    def is_waiting(self, address: str) -> bool:
        """Whether the plan's change of an address is still to be carried out."""
        return address in self._waiting

    def close(self) -> None:
        """Allow nothing more. What is learned is still kept."""
        self.is_closed = True

    def limited(self, changes: Iterable[Change]) -> Iterator[Change]:
        """Yield the changes of a later plan, without what goes beyond the first one."""
        withheld: set[str] = set()
        for change in changes:
            if self.allows(change):
                yield change
            else:
                withheld.add(group_of(change.address))
                # What it learned about its address is kept.
                learned = tuple(edit for edit in change.edits if isinstance(edit, PutRecord | Rename))
                yield change._replace(action=Action.KEEP, reason="", sends=False, cancels="", edits=learned)
        self.withheld = frozenset(withheld)

    def allows(self, change: Change) -> bool:
        """Whether a change of a later plan was confirmed with the first. Settling a lost answer always is: it is this
        apply's own, since nobody else has written to the state."""
        address = change.address
        if self.is_closed and (change.sends or change.action in (Action.CANCEL, Action.FORGET)):
            return False
        is_waiting = self._waiting.get(address) == change.fingerprint
        match change.action:
            case Action.KEEP | Action.ADOPT | Action.RECOVER:
                return True
            case Action.TRIGGER | Action.RETRIGGER:
                return is_waiting
            case Action.BLOCKED | Action.RESUME | Action.RESTART:
                return is_waiting or address in self._started
            case Action.CANCEL:
                return address in self._cancels
            case Action.FORGET:
                return False

    # --- the state ---------------------------------------------------------------------------------------------

    def remember_state(self, store: RecordReader | None) -> None:
        """Remember the state as a round left it (None: there is none yet)."""
        self._head = None if store is None else store.head()

    def has_moved_on(self, store: RecordReader | None) -> bool:
        """Whether another command has written to the state since, other than run states or decisions about rollouts."""
        if store is None or self._head is None:
            return (store is None) is not (self._head is None)
        now, then = store.head(), self._head
        return (now.lineage, now.runs_nonce) != (then.lineage, then.runs_nonce)


def _conditions(group: Group) -> list[object]:
    """What the runs of a group wait for, as values that can be compared across processes."""
    return [[[each.group, each.condition.value] for each in group.depends_on], repr(group.rollout)]


def note_held_back(changes: Sequence[Change], head: Head) -> Iterator[SetHead]:
    """Write down what a plan holds back, if the state doesn't hold the same. An apply that waits then sees when another
    one declares other runs, another delivery or other conditions, although that one has nothing to trigger yet."""
    groups: dict[str, Group] = {}
    waiting: list[object] = []
    for change in without_first_triggers(changes):
        if change.is_put_off:
            delivery = ""
            if change.desired is not None:
                delivery, groups[change.desired.group.name] = change.desired.delivery, change.desired.group
            waiting.append([change.address, change.fingerprint, delivery])
    conditions = [[name, *_conditions(group)] for name, group in groups.items()]
    text = digest(canonical_json([waiting, conditions])) if waiting else ""
    if text != head.held_back:
        yield SetHead(held_back=text)
