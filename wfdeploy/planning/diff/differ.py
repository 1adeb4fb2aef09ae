"""The diff: two streams in address order, of declared and of recorded runs, become changes.

Each address gets at most one change. What became of an older attempt is settled along the way (`Change.edits`), so a
lost answer never hides behind an edited manifest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import groupby, islice
from operator import attrgetter

from wfdeploy.model.address import Address
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.plan import Action, Change
from wfdeploy.model.run import DesiredRun
from wfdeploy.model.state import RecordKey
from wfdeploy.planning.diff.context import DiffContext
from wfdeploy.planning.diff.declared import Declared
from wfdeploy.planning.diff.reasons import AT_ONCE, why_new
from wfdeploy.planning.diff.undeclared import is_past, past_instance, undeclared


def diff(
    desired: Iterable[DesiredRun], recorded: Iterable[RecordKey], context: DiffContext, problems: list[Diagnostic]
) -> Iterator[Change]:
    """Yield the change of every address, keeps included, in address order.

    Both streams must be in address order (by code point). What authors of manifests must fix goes to `problems`.
    """
    plain = context.requested is None
    for run, key in _fetched(_merge(desired, _known(recorded, context)), context):
        if run is not None:
            if key is None and plain and run.address not in context.former:
                yield new_run(run, context)
            else:
                yield Declared(run, key, context, problems).change()
        elif key is not None:
            change = past_instance(key, context) if is_past(key, context) else undeclared(key, context)
            if change is not None:
                yield change


def _fetched(
    pairs: Iterator[tuple[DesiredRun | None, RecordKey | None]], context: DiffContext
) -> Iterator[tuple[DesiredRun | None, RecordKey | None]]:
    """The pairs, with the look-ups of their addresses done in batches."""
    while batch := list(islice(pairs, AT_ONCE)):
        context.lookups.fetch(
            [one.address for run, key in batch if (one := run or key) and not _is_plain(run, key, context)]
        )
        yield from batch


def _is_plain(run: DesiredRun | None, key: RecordKey | None, context: DiffContext) -> bool:
    """Whether an address is known to be unchanged, so that nothing has to be looked up."""
    if run is None or key is None or context.requested is not None:
        return False
    return run.fingerprint == key.fingerprint and run.delivery == key.delivery


def new_run(run: DesiredRun, context: DiffContext) -> Change:
    """The change of a declared run that has neither a record nor an attempt: most of a first plan."""
    generation = context.highest(run.address, run.fingerprint) + 1
    return Change(
        address=run.address,
        action=Action.TRIGGER,
        reason=why_new(run, generation),
        run_id=context.identities.run_id if run.workflow_run_id is None else run.workflow_run_id,
        fingerprint=run.fingerprint,
        generation=generation,
        source=run.source,
        sends=True,
        desired=run,
    )


def _known(recorded: Iterable[RecordKey], context: DiffContext) -> Iterator[RecordKey]:
    """The state's keys, with renames, adopted records, and addresses that have only an attempt."""
    if not (context.renames or context.adopted or context.attempts):
        yield from recorded
        return
    extra = {address: _empty(address) for address in context.attempts}
    extra |= {address: record.key for address, record in context.adopted.items()}
    stream: Iterable[RecordKey] = recorded
    if context.renames:
        stream = list(recorded)
        moved = {to: key for key in stream if (to := context.renames.get(key.address)) is not None}
        kept = [key for key in stream if key.address not in context.renames]
        stream = sorted([*kept, *(key._replace(address=to) for to, key in moved.items())], key=_address)
    extras = (extra[address] for address in sorted(extra))
    for _, keys in groupby(merge(extras, stream, key=_address), key=_address):
        first, *recorded_keys = keys
        # An adopted record precedes the state's own; an attempt alone doesn't.
        yield recorded_keys[0] if recorded_keys and not first.fingerprint else first


_address = attrgetter("address")


def _empty(address: Address) -> RecordKey:
    """The key of an address that has an attempt and no record."""
    return RecordKey(address, "", 0, "", "")


def _merge(
    desired: Iterable[DesiredRun], recorded: Iterable[RecordKey]
) -> Iterator[tuple[DesiredRun | None, RecordKey | None]]:
    """Pair the streams by address."""
    runs, keys = iter(desired), iter(recorded)
    run, key = next(runs, None), next(keys, None)
    while run is not None or key is not None:
        if key is None or (run is not None and run.address < key.address):
            yield run, None
            run = next(runs, None)
        elif run is None or key.address < run.address:
            yield None, key
            key = next(keys, None)
        else:
            yield run, key
            run, key = next(runs, None), next(keys, None)
