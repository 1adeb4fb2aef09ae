"""What goes into one request: runs on their way, together."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from wfdeploy.model.address import Address
from wfdeploy.model.attempts import FirstAttempts
from wfdeploy.model.remote import Item, Items
from wfdeploy.model.state import Attempt
from wfdeploy.pipeline.apply.shipment import Shipment

_BRACKETS = 2
_COMMA = 1
"""Bytes of the JSON array around its items."""


class Batch(Sequence[Shipment]):
    """Shipments that are sent together, one or more."""

    def __init__(self, shipments: Sequence[Shipment]) -> None:
        self._given = shipments

    @property
    def _shipments(self) -> Sequence[Shipment]:
        return self._given

    def __len__(self) -> int:
        return len(self._shipments)

    @overload
    def __getitem__(self, index: int) -> Shipment: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Shipment]: ...
    def __getitem__(self, index: int | slice) -> Shipment | Sequence[Shipment]:
        return self._shipments[index]

    def __iter__(self) -> Iterator[Shipment]:
        return iter(self._shipments)

    def intents(self, now_ms: int) -> Sequence[Attempt]:
        """The attempts as they are written before the request leaves."""
        return [shipment.intent(now_ms) for shipment in self._shipments]

    @property
    def send_before_ms(self) -> int | None:
        """When all of it must have left (server time, Unix ms; None: at any time)."""
        return min((one.send_before_ms for one in self if one.send_before_ms is not None), default=None)

    def late(self, now_ms: int) -> list[Shipment]:
        """Those that it would not be safe to send any more."""
        return [one for one in self if one.send_before_ms is not None and now_ms >= one.send_before_ms]

    @property
    def attempts(self) -> Sequence[Attempt]:
        """As they are now."""
        return [shipment.attempt for shipment in self]

    @property
    def items(self) -> Sequence[Item]:
        """What is sent."""
        return [shipment.item for shipment in self]

    @property
    def addresses(self) -> Sequence[Address]:
        return [shipment.attempt.address for shipment in self]

    @property
    def workflow_run_ids(self) -> Sequence[str]:
        return [shipment.item.workflow_run_id for shipment in self]


class ReadyBatch(Batch):
    """Runs that were made ready to be sent all together: as long as nobody asks for one of them, there are no shipments
    of them, and nothing is done for each."""

    def __init__(self, attempts: FirstAttempts, encoded: Sequence[bytes]) -> None:
        self._first = attempts
        self._encoded = encoded
        self._made: list[Shipment] | None = None

    @property
    def size(self) -> int:
        """Bytes of the encoded JSON array."""
        return _BRACKETS + sum(map(len, self._encoded)) + _COMMA * len(self._encoded)

    def __add__(self, other: ReadyBatch) -> ReadyBatch:
        assert self._made is None
        assert other._made is None
        return ReadyBatch(self._first + other._first, [*self._encoded, *other._encoded])

    @property
    def _shipments(self) -> Sequence[Shipment]:
        if self._made is None:
            self._made = list(map(Shipment, self.items, self._first))
        return self._made

    def __len__(self) -> int:
        return len(self._encoded)

    def intents(self, now_ms: int) -> Sequence[Attempt]:
        return self._first if self._made is None else super().intents(now_ms)

    @property
    def send_before_ms(self) -> int | None:
        return None if self._made is None else super().send_before_ms

    def late(self, now_ms: int) -> list[Shipment]:
        return [] if self._made is None else super().late(now_ms)

    @property
    def attempts(self) -> Sequence[Attempt]:
        return self._first if self._made is None else super().attempts

    @property
    def items(self) -> Sequence[Item]:
        return Items(self.workflow_run_ids, self._encoded)

    @property
    def addresses(self) -> Sequence[Address]:
        return self._first.columns.address

    @property
    def workflow_run_ids(self) -> Sequence[str]:
        return self._first.columns.workflow_run_id


def pack(
    shipments: Iterable[Shipment | ReadyBatch],
    *,
    max_items: int,
    max_bytes: int,
    ahead: deque[Shipment | ReadyBatch] | None = None,
) -> Iterator[Batch]:
    """Cut shipments into batches, keeping their order, one batch ahead of nothing: each is made when asked for. What is
    ready stays so where it is not too much for one; of several that are less, one is made.

    Units: `max_items` runs; `max_bytes` bytes of the encoded JSON array. A single item above `max_bytes` goes alone.
    `ahead` holds, between two batches, what was taken and did not fit into the one before.
    """
    ahead = deque() if ahead is None else ahead
    more = iter(shipments)
    loose: list[Shipment] = []
    size = _BRACKETS
    ready: ReadyBatch | None = None
    while (one := ahead.popleft() if ahead else next(more, None)) is not None:
        if isinstance(one, Shipment):
            length = len(one.item.encoded) + _COMMA
            if ready is None and (not loose or (len(loose) < max_items and size + length <= max_bytes)):
                loose.append(one)
                size += length
                continue
        elif len(one) > max_items or one.size > max_bytes:
            ahead.extendleft(reversed(one))
            continue
        elif ready is None and not loose:
            ready = one
            continue
        elif ready is not None and len(ready) + len(one) <= max_items and ready.size + one.size <= max_bytes:
            ready += one
            continue
        ahead.appendleft(one)
        yield ready or Batch(loose)
        loose, size, ready = [], _BRACKETS, None
    if loose or ready:
        yield ready or Batch(loose)


def flat(batches: Iterable[Shipment | ReadyBatch]) -> Iterator[Shipment]:
    """The shipments of all."""
    for one in batches:
        if isinstance(one, Shipment):
            yield one
        else:
            yield from one


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """Two parts of about the same number of runs; neither is empty. Takes two or more."""
    middle = len(batch) // 2
    return Batch(batch[:middle]), Batch(batch[middle:])


def halves_by_bytes(batch: Batch) -> tuple[Batch, Batch]:
    """Two parts of about the same size in bytes; neither is empty. Takes two or more."""
    total = sum(len(shipment.item.encoded) for shipment in batch)
    size = 0
    for index, shipment in enumerate(batch[:-1], start=1):
        size += len(shipment.item.encoded)
        if size * 2 >= total:
            return Batch(batch[:index]), Batch(batch[index:])
    return Batch(batch[:-1]), Batch(batch[-1:])
