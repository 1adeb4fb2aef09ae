"""How the runs of a group do that isn't loaded, and that others wait for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from wfdeploy.manifests.identify.fingerprint import version_of
from wfdeploy.manifests.manifests import Manifests
from wfdeploy.model.address import Address, group_of, instance_parts, whole_groups
from wfdeploy.model.blocking import instant
from wfdeploy.model.run import Group, OnChange
from wfdeploy.model.state import Attempt
from wfdeploy.planning.blocking.due import due
from wfdeploy.planning.diff.context import DiffContext
from wfdeploy.ports import RecordReader


def count_elsewhere(
    name: str,
    *,
    names: Collection[str],
    manifests: Manifests,
    store: RecordReader,
    context: DiffContext,
    decided_s: int | None,
) -> tuple[int, int, Collection[Address] | None] | None:
    """How many runs a group has, how many of them were triggered as they are declared, and which (None: all that are
    recorded). None where nothing is known of the group.

    What counts is what the rest of the project declares; where that can't be read, what is recorded. What was refused,
    or may have been started, counts in either case. `names`: those under which the state has the group. `decided_s`: up
    to when its instances are decided.
    """
    elsewhere = manifests.elsewhere
    whole = None if elsewhere is None else elsewhere.whole
    group = None if whole is None else whole.groups.get(name)
    attempts = {address: one for address, one in context.attempts.items() if group_of(address) == name}
    adopted = {address: one.fingerprint for address, one in context.adopted.items() if group_of(address) == name}
    recurs = decided_s is not None if group is None else group.schedule is not None
    if not (recurs or attempts or adopted or names != [name]):
        tally = store.tallies().get(name)
        if group is None or whole is None:
            return None if tally is None else (tally.count, tally.count, None)
        if tally == whole.runs.groups[name].tally:
            return tally.count, tally.count, None
    known: dict[Address, str] = {}
    for key in store.record_keys(whole_groups(names)):
        address = context.renames.get(key.address, key.address)
        if group_of(address) == name:
            known[address] = key.fingerprint
    known |= adopted
    pending = _pending(attempts, known, context)
    declared = (
        {} if whole is None or group is None else {run.address: run.fingerprint for run in whole.runs.runs([name])}
    )
    if not recurs and group is None:
        return (
            (len({*known, *pending}), len(known.keys() - pending), known.keys() - pending) if known or pending else None
        )
    if not recurs:
        assert group is not None
        current = {address for address, text in declared.items() if _is_same(known.get(address), text, group)} - pending
        return len(declared), len(current), current
    if group is not None:
        pending |= _due(group, declared, decided_s, context.now_ms // 1000) - known.keys()
    newest = newest_instances({*known, *pending})
    if group is not None:
        newest = {template: address for template, address in newest.items() if template in declared}
    current = set(newest.values()) - pending
    return len(declared) if group is not None else len(newest), len(current), current


def newest_instances(addresses: Iterable[Address]) -> dict[str, Address]:
    """By run: the newest of these instances of it."""
    newest: dict[str, Address] = {}
    for address in sorted(addresses):
        parts = instance_parts(address)
        if parts is not None:
            newest[parts[0]] = address
    return newest


def _pending(attempts: Mapping[Address, Attempt], known: dict[Address, str], context: DiffContext) -> set[Address]:
    """What isn't known to be started. What was found on the server is added to `known`."""
    pending: set[Address] = set()
    for address, attempt in attempts.items():
        verdict = context.verdicts.get(address)
        if verdict is not None and verdict.run is not None:
            known[address] = attempt.fingerprint
        elif attempt.is_open or known.get(address) != attempt.fingerprint:
            pending.add(address)
    return pending


def _is_same(recorded: str | None, declared: str, group: Group) -> bool:
    """Whether what is recorded is what is declared, as far as fingerprints of one version tell."""
    if recorded is None:
        return False
    is_told = version_of(recorded) == version_of(declared)
    return recorded == declared or not is_told or group.policy.on_change is OnChange.IGNORE


def _due(group: Group, templates: Iterable[str], decided_s: int | None, now_s: int) -> set[Address]:
    """The latest instances that are due."""
    assert group.schedule is not None
    if decided_s is None:
        if group.schedule.start_s is None:
            return set()  # it hasn't begun
        decided_s = group.schedule.start_s - 1
    times = due(group.schedule, decided_s=decided_s, now_s=now_s).times
    return {Address(f"{template}@{instant(times[-1])}") for template in templates} if times else set()
