"""Write edits as JSON arrays, and read them back: what an entry of a shared log holds.

Each edit is an array that begins with the name of its kind. Attempts are written many together, so that what they
share stands once. The outcomes of a batch refer to its intents, which every replica holds at that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from wfdeploy.model.address import Address
from wfdeploy.model.blocking import RolloutMode, RolloutProgress
from wfdeploy.model.edits import (
    Claim,
    Decide,
    Dismiss,
    DropAttempt,
    DropMarks,
    Edit,
    EndRollout,
    Expire,
    Forget,
    Intend,
    Observe,
    PutAttempt,
    PutGroups,
    PutProgress,
    PutRecord,
    PutTombstone,
    RaiseNotification,
    RecordDelivery,
    RecordOutcomes,
    ReleaseRuns,
    Remember,
    Rename,
    RenameGroup,
    Rewrite,
    SetHead,
)
from wfdeploy.model.notification import Notification, NotificationKind
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.model.run import OnRemove
from wfdeploy.model.state import Attempt, AttemptStatus, Origin, Record
from wfdeploy.state.bulk import own_request

IntentsOf = Callable[[str], Sequence[Attempt]]
"""The intents of the pending batch that holds an address. Raises: `KeyError` where there is none."""

_PLAIN: Mapping[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        DropAttempt,
        PutTombstone,
        Forget,
        Expire,
        Rename,
        RenameGroup,
        Rewrite,
        Claim,
        Dismiss,
        SetHead,
        Decide,
        EndRollout,
        RecordDelivery,
    )
}
"""The kinds whose fields are JSON values as they are."""

NEWER: Mapping[str, int] = {"RaiseNotification": 2, "RecordDelivery": 2, "DropMarks": 2}
"""By kind: the version of what edits mean since which it is known, where that isn't the first."""

_REQUEST, _SHARED, _TRIES, _BY, _STATUS = map(Attempt._fields.index, ("request", "shared", "tries", "by", "status"))
_REST = tuple(Attempt._field_defaults[name] for name in Attempt._fields[_STATUS:])
_RECORD_FIELDS = tuple(field.name for field in fields(Record))
_PROGRESS_FIELDS = tuple(field.name for field in fields(RolloutProgress))
_MODE = _PROGRESS_FIELDS.index("mode")
_ORIGIN, _RUN_STATE = map(_RECORD_FIELDS.index, ("origin", "run_state"))


def encode(edits: Iterable[Edit], settled: Collection[int]) -> list[list[Any]]:
    """The edits as JSON values.

    settled: the `id` of each `RecordOutcomes` whose attempts were exactly those of a pending batch.
    """
    return [_encode(edit, is_settled=id(edit) in settled) for edit in edits]


def _encode(edit: Edit, *, is_settled: bool) -> list[Any]:
    name = type(edit).__name__
    match edit:
        case Intend(attempts):
            return [name, *_attempts(attempts)]
        case RecordOutcomes(attempts, created_at_ms, origin, recorded_at_ms):
            common = [list(created_at_ms), origin.value, recorded_at_ms]
            return [name, *common, attempts[0].address] if is_settled else [name, *common, *_attempts(attempts)]
        case PutAttempt(attempt):
            return [name, *_attempts((attempt,))]
        case PutRecord(record):
            values = [getattr(record, field) for field in _RECORD_FIELDS]
            values[_ORIGIN] = record.origin.value
            values[_RUN_STATE] = None if record.run_state is None else record.run_state.value
            return [name, *values]
        case Observe():
            address, run_state, *others = edit
            return [name, address, None if run_state is None else run_state.value, *others]
        case PutGroups(on_remove):
            return [name, {group: policy.value for group, policy in on_remove.items()}]
        case Remember(run):
            return [name, run.workflow_run_id, run.state.value, run.created_at_ms, list(run.labels)]
        case PutProgress(progress):
            values = [getattr(progress, field) for field in _PROGRESS_FIELDS]
            values[_MODE] = progress.mode.value
            return [name, *values]
        case ReleaseRuns(group, runs):
            return [name, group, [list(run) for run in runs]]
        case RaiseNotification(one, marks):
            return [
                *(name, one.id, one.kind.value, one.group, one.facts, one.raised_at_ms),
                *(list(one.webhooks), list(marks)),
            ]
        case DropMarks(kind, marks):
            return [name, kind.value, list(marks)]
        case _:
            return [name, *(getattr(edit, field.name) for field in fields(edit))]


def _attempts(attempts: Sequence[Attempt]) -> list[Any]:
    """The authors, the shared ends of requests, and a row for each attempt."""
    authors: dict[str, int] = {}
    ends: dict[str, int] = {}
    rows: list[list[Any]] = []
    for one in attempts:
        end = ends.setdefault(one.request[-one.shared :] if one.shared else "", len(ends))
        author = authors.setdefault(one.by, len(authors))
        row = [*one[:_REQUEST], own_request(one), end, one.tries, author]
        rest = one[_STATUS:]
        if rest != _REST:
            row += (one.status.value, *rest[1:])
        rows.append(row)
    return [list(authors), list(ends), rows]


def decode(values: Iterable[Sequence[Any]], intents_of: IntentsOf) -> Iterator[Edit]:
    """The edits of what `encode` made, each read when it is its turn.

    Raises: `ValueError`, `TypeError`, `KeyError`, `IndexError` for anything else.
    """
    for name, *rest in values:
        yield _decode(name, rest, intents_of)


def _decode(name: str, rest: list[Any], intents_of: IntentsOf) -> Edit:
    if name in _PLAIN:
        plain: Edit = _PLAIN[name](*rest)
        return plain
    match name:
        case "Intend":
            return Intend(_read_attempts(*rest))
        case "RecordOutcomes":
            created_at_ms, origin, recorded_at_ms, *which = rest
            attempts = intents_of(which[0]) if len(which) == 1 else _read_attempts(*which)
            if len(attempts) != len(created_at_ms):
                raise ValueError("outcomes of another batch")
            return RecordOutcomes(attempts, created_at_ms, Origin(origin), recorded_at_ms)
        case "PutAttempt":
            (attempt,) = _read_attempts(*rest)
            return PutAttempt(attempt)
        case "PutRecord":
            rest[_ORIGIN] = Origin(rest[_ORIGIN])
            rest[_RUN_STATE] = None if rest[_RUN_STATE] is None else RunState(rest[_RUN_STATE])
            return PutRecord(Record(**dict(zip(_RECORD_FIELDS, rest, strict=True))))
        case "Observe":
            address, state, *others = rest
            return Observe(address, None if state is None else RunState(state), *others)
        case "PutGroups":
            (policies,) = rest
            return PutGroups({group: OnRemove(policy) for group, policy in policies.items()})
        case "Remember":
            run_id, state, created_at_ms, labels = rest
            return Remember(ObservedRun(run_id, RunState(state), created_at_ms, labels=tuple(labels)))
        case "PutProgress":
            rest[_MODE] = RolloutMode(rest[_MODE])
            return PutProgress(RolloutProgress(**dict(zip(_PROGRESS_FIELDS, rest, strict=True))))
        case "ReleaseRuns":
            group, runs = rest
            return ReleaseRuns(group, tuple((Address(address), fingerprint) for address, fingerprint in runs))
        case "RaiseNotification":
            id_, kind, group, facts, raised_at_ms, webhooks, marks = rest
            notification = Notification(
                id=id_,
                kind=NotificationKind(kind),
                group=group,
                facts=facts,
                raised_at_ms=raised_at_ms,
                webhooks=tuple(webhooks),
            )
            return RaiseNotification(notification, tuple(marks))
        case "DropMarks":
            kind, marks = rest
            return DropMarks(NotificationKind(kind), tuple(marks))
    raise ValueError(f"the kind of edit {name!r:.100} is not known")


def _read_attempts(authors: Sequence[str], ends: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Attempt]:
    attempts: list[Attempt] = []
    for row in rows:
        own, end, tries, author, *others = row[_REQUEST:]
        shared = ends[end]
        rest = (AttemptStatus(others[0]), *others[1:]) if others else _REST
        attempts.append(Attempt._make((*row[:_REQUEST], own + shared, len(shared), tries, authors[author], *rest)))
    return attempts
