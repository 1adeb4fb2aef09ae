"""A list that may grow very long: what is beyond a bound lives in a temporary file."""

from __future__ import annotations

import pickle
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from operator import eq
from typing import IO, Generic, TypeVar, overload

T = TypeVar("T")

HELD = 150_000
"""Items that stay in memory; beyond, an item costs eight bytes of it."""


class Spool(Sequence[T], Generic[T]):
    """Append and read. Items are values (they are pickled, into a file that nobody else can open)."""

    def __init__(self, items: Iterable[T] = (), *, held: int = HELD) -> None:
        self._most = held
        self._held: list[T] = []
        self._offsets = array("Q")
        self._file: IO[bytes] | None = None
        self._end = 0
        self.extend(items)

    def append(self, item: T) -> None:
        """Add an item at the end. Raises: `OSError` when the disk is full."""
        if len(self._held) < self._most:
            self._held.append(item)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="wfdeploy-")  # noqa: SIM115 - lives as long as this does
            weakref.finalize(self, self._file.close)
        data = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
        self._file.seek(self._end)
        self._file.write(data)
        self._offsets.append(self._end)
        self._end += len(data)

    def extend(self, items: Iterable[T]) -> None:
        """Add items at the end."""
        for item in items:
            self.append(item)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._held) + len(self._offsets)

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
        return self._read(self._offsets[index - len(self._held)])

    def __iter__(self) -> Iterator[T]:
        yield from self._held
        position = 0
        while position < len(self._offsets):  # it may grow meanwhile
            yield self._read(self._offsets[position])
            position += 1

    def _read(self, offset: int) -> T:
        assert self._file is not None
        self._file.seek(offset)
        item: T = pickle.load(self._file)  # noqa: S301 - our own, from a file without a name
        return item
