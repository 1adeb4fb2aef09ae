"""Attempts by column: many of them at a time, without an object made of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import add, eq
from typing import Any, NamedTuple, overload

from wfdeploy.model.address import Address
from wfdeploy.model.state import Attempt

_make: Any = Attempt
_END = Attempt._fields.index("request")
_BEHIND = Attempt._fields.index("tries")


class Columns(NamedTuple):
    """What a batch's attempts have, each field of all of them in order. The fields are those of `Attempt`, but for the
    request: `own` is what each has for itself, `end` what follows it and is shared with others (empty: nothing)."""

    address: Sequence[Address]
    fingerprint: Sequence[str]
    generation: Sequence[int]
    workflow_run_id: Sequence[str]
    intent_at_ms: Sequence[int]
    since_ms: Sequence[int | None]
    delay_s: Sequence[int | None]
    not_before_s: Sequence[int | None]
    explicit_id: Sequence[bool]
    delivery: Sequence[str]
    source: Sequence[str]
    own: Sequence[str]
    end: Sequence[str]
    tries: Sequence[int]
    by: Sequence[str]
    triggered_id: Sequence[str]


class FirstAttempts(Sequence[Attempt]):
    """Attempts of runs that were never tried before, each made when it is asked for. `shifts`: by group, how many they
    are and the sum of their terms (`tally.py`)."""

    def __init__(self, columns: Columns, shifts: Mapping[str, tuple[int, int]]) -> None:
        self.columns = columns
        self.shifts = shifts

    def __len__(self) -> int:
        return len(self.columns.address)

    @overload
    def __getitem__(self, index: int) -> Attempt: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Attempt]: ...
    def __getitem__(self, index: int | slice) -> Attempt | Sequence[Attempt]:
        if isinstance(index, slice):
            return list(self)[index]
        return _attempt(column[index] for column in self.columns)

    def __iter__(self) -> Iterator[Attempt]:
        return map(_attempt, zip(*self.columns, strict=True))

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Sequence) and len(self) == len(other) and all(map(eq, self, other)))

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: FirstAttempts) -> FirstAttempts:
        shifts = dict(self.shifts)
        for group, (count, total) in other.shifts.items():
            before = shifts.get(group, (0, 0))
            shifts[group] = before[0] + count, before[1] + total
        return FirstAttempts(Columns._make(map(add, self.columns, other.columns)), shifts)


def _attempt(values: Iterable[Any]) -> Attempt:
    *lead, own, end, tries, by, _ = values
    made: Attempt = _make(*lead, own + end, len(end), tries, by)
    return made


def columns_of(attempts: Sequence[Attempt]) -> Columns:
    """One or more attempts by column."""
    if isinstance(attempts, FirstAttempts):
        return attempts.columns
    fields: list[Any] = list(zip(*attempts, strict=True))
    requests, shared = fields[_END : _END + 2]
    own = [request[:-count] if count else request for request, count in zip(requests, shared, strict=True)]
    end = [request[-count:] if count else "" for request, count in zip(requests, shared, strict=True)]
    return Columns._make((*fields[:_END], own, end, *fields[_BEHIND : _BEHIND + 2], fields[-1]))
