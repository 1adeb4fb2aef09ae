"""What goes into one request: runs on their way, together."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from wfdeploy.sending.shipment import Shipment

_BRACKETS = 2
_COMMA = 1
"""Bytes of the JSON array around its items."""

Batch: TypeAlias = Sequence[Shipment]
"""Shipments that are sent together, one or more."""


def pack(
    shipments: Iterable[Shipment],
    *,
    max_items: int,
    max_bytes: int,
    ahead: deque[Shipment] | None = None,
) -> Iterator[Batch]:
    """Cut shipments into batches, keeping their order, one batch ahead of nothing: each is made when asked for.

    Units: `max_items` runs; `max_bytes` bytes of the encoded JSON array. A single item above `max_bytes` goes alone.
    `ahead` holds, between two batches, what was taken and did not fit into the one before.
    """
    ahead = deque() if ahead is None else ahead
    more = iter(shipments)
    batch: list[Shipment] = []
    size = _BRACKETS
    while (one := ahead.popleft() if ahead else next(more, None)) is not None:
        length = len(one.item.encoded) + _COMMA
        if batch and (len(batch) >= max_items or size + length > max_bytes):
            ahead.appendleft(one)
            yield batch
            batch, size = [], _BRACKETS
        else:
            batch.append(one)
            size += length
    if batch:
        yield batch


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """Two parts of about the same number of runs; neither is empty. Takes two or more."""
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]


def halves_by_bytes(batch: Batch) -> tuple[Batch, Batch]:
    """Two parts of about the same size in bytes; neither is empty. Takes two or more."""
    total = sum(len(shipment.item.encoded) for shipment in batch)
    size = 0
    for index, shipment in enumerate(batch[:-1], start=1):
        size += len(shipment.item.encoded)
        if size * 2 >= total:
            return batch[:index], batch[index:]
    return batch[:-1], batch[-1:]
