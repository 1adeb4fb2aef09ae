"""Lists that may grow very long: what is beyond a bound lives in a temporary file."""

from __future__ import annotations

import os
import weakref
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import count, islice, pairwise
from operator import eq
from typing import IO, Any, Generic, TypeVar, overload

T = TypeVar("T")

HELD = 20_000
"""Items that stay in memory: of changes, with all that they hold, some 15 MiB."""

_CHUNK = 64


class Spool(Sequence[T], Generic[T]):
    """A list to append to and read. Items are values that can be pickled.

    Beyond `held` of them they are written, in chunks, to a file that nobody else can open.
    """

    def __init__(self, items: Iterable[T] = (), *, held: int = HELD) -> None:
        self._most = held
        self._held: list[T] = []
        self._last: list[T] = []  # not written yet
        self._offsets = array("Q", [0])
        self._file: IO[bytes] | None = None
        self._read: tuple[int, list[T]] = (-1, [])  # the chunk that was read last
        self.extend(items)

    def append(self, item: T) -> None:
        """Add an item at the end. Raises: `OSError` when the disk is full."""
        if len(self._held) < self._most:
            self._held.append(item)
        else:
            self._last.append(item)
            if len(self._last) == _CHUNK:
                self._write()

    def extend(self, items: Iterable[T]) -> None:
        """Add items at the end. Raises: as `append`."""
        remaining = iter(items)
        self._held.extend(islice(remaining, max(self._most - len(self._held), 0)))
        for item in remaining:
            self.append(item)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._held) + _CHUNK * (len(self._offsets) - 1) + len(self._last)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(index)
        if index < len(self._held):
            return self._held[index]
        number, position = divmod(index - len(self._held), _CHUNK)
        return self._chunk(number)[position]

    def __iter__(self) -> Iterator[T]:
        yield from self._held
        for number in count():
            last = self._last
            if number < len(self._offsets) - 1:
                yield from self._chunk(number)
            else:
                yield from last
                if last is self._last:  # else it has grown meanwhile, and this was written
                    return

    def _write(self) -> None:
        import pickle
        import tempfile  # with all that it imports, for the few that need it

        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="wfdeploy-")  # noqa: SIM115 - lives as long as this does
            weakref.finalize(self, self._file.close)
        data = pickle.dumps(self._last)
        self._file.write(data)
        self._offsets.append(self._offsets[-1] + len(data))
        self._last = []

    def _chunk(self, number: int) -> list[T]:
        if number == len(self._offsets) - 1:
            return self._last
        if self._read[0] != number:
            import pickle

            assert self._file is not None
            self._file.flush()
            begin, end = self._offsets[number], self._offsets[number + 1]
            data = os.pread(self._file.fileno(), end - begin, begin)
            self._read = number, pickle.loads(data)  # noqa: S301 - our own, from a file without a name
        return self._read[1]


def in_order(items: Iterable[T], key: Callable[[T], Any], *, held: int = HELD) -> Iterable[T]:
    """Sort items by their keys; mostly they are already in order. They may be iterated more than once.

    No more than `held` of them are sorted in memory.
    """
    if all(before <= after for before, after in pairwise(map(key, items))):
        return items
    stretches: list[Sequence[T]] = []
    remaining = iter(items)
    while len(stretch := sorted(islice(remaining, held), key=key)) == held:
        stretches.append(Spool(stretch, held=0))
    return Spool(merge(*stretches, stretch, key=key)) if stretches else stretch
