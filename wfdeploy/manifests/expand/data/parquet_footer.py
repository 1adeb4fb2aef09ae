"""What the footer of a Parquet file says of the size of its columns.

pyarrow tells it too, but ends the process where a footer is damaged: nothing catches the C++ exceptions of
`RowGroupMetaData::ColumnChunk` (pyarrow 26, `libparquet.pxd`). So these few numbers are read here, and all else there.

Sources: Thrift, "Thrift Compact protocol encoding"; Apache Parquet, `parquet.thrift`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = 3, 7, 8, 9, 10, 11, 12, 13
_BOOLEANS, _INTEGERS = (1, 2), (4, 5, 6)
_MOST_LEVELS = 32
_ROW_GROUPS, _COLUMNS, _META_DATA = (4, _LIST), (1, _LIST), (3, _STRUCT)
_NUM_VALUES, _UNCOMPRESSED, _COMPRESSED = (5, 6), (6, 6), (7, 6)


class ColumnSize(NamedTuple):
    """A column within a row group: which one of the schema's, its values, its bytes as they are and unpacked."""

    number: int
    values: int
    packed: int
    unpacked: int


def column_sizes(footer: bytes) -> Iterator[ColumnSize]:
    """The columns of all row groups, one after the other. Raises: `ValueError` where it is no such footer."""
    try:
        reader = _Reader(footer)
        for field in reader.fields():
            if field != _ROW_GROUPS:
                reader.skip(field[1])
                continue
            for _ in reader.structs():
                yield from _columns(reader)
    except IndexError as error:
        raise ValueError("the footer ends too early") from error


def _columns(reader: _Reader) -> Iterator[ColumnSize]:
    for field in reader.fields():
        if field != _COLUMNS:
            reader.skip(field[1])
            continue
        for number in reader.structs():
            found: dict[tuple[int, int], int] = {}
            for inner in reader.fields():
                if inner != _META_DATA:
                    reader.skip(inner[1])
                    continue
                for told in reader.fields():
                    if told in (_NUM_VALUES, _UNCOMPRESSED, _COMPRESSED):
                        found[told] = reader.integer()
                    else:
                        reader.skip(told[1])
            if len(found) != 3:
                raise ValueError("the footer doesn't tell the size of a column")
            yield ColumnSize(number, found[_NUM_VALUES], found[_COMPRESSED], found[_UNCOMPRESSED])


class _Reader:
    """Goes through a struct field by field; what isn't wanted has to be skipped."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """Number and type of each field of a struct. Its value has to be read, or skipped, before the next one."""
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self.integer()
            yield number, head & 15

    def structs(self) -> Iterator[int]:
        """The numbers of the structs of a list, from 0; each has to be read."""
        kind, count = self._list_head()
        if kind != _STRUCT and count:
            raise ValueError("the footer holds other things than it should")
        yield from range(count)

    def integer(self) -> int:
        number = self._varint()
        return number >> 1 ^ -(number & 1)

    def skip(self, kind: int, levels: int = 0) -> None:
        """Pass over a value."""
        if levels > _MOST_LEVELS:
            raise ValueError("the footer is nested too deeply")
        if kind in _INTEGERS:
            self._varint()
        elif kind in (_BYTE, _DOUBLE, _UUID):
            self._at += {_BYTE: 1, _DOUBLE: 8, _UUID: 16}[kind]
        elif kind == _BINARY:
            length = self._varint()  # which moves, too
            self._at += length
        elif kind == _STRUCT:
            for _, inner in self.fields():
                self.skip(inner, levels + 1)
        elif kind in (_LIST, _SET):
            self._skip_all(*self._list_head(), levels)
        elif kind == _MAP:
            if count := self._varint():
                kinds = self._byte()
                for _ in range(count):
                    self._skip_all(kinds >> 4, 1, levels)
                    self._skip_all(kinds & 15, 1, levels)
        elif kind not in _BOOLEANS:  # of a field, the type is the value
            raise ValueError(f"the footer holds a value of the unknown type {kind}")
        if self._at > len(self._data):
            raise IndexError

    def _skip_all(self, kind: int, count: int, levels: int) -> None:
        """Pass over the items of a list, of which each takes a byte at least."""
        if kind not in (*_BOOLEANS, _BYTE):
            for _ in range(count):
                self.skip(kind, levels + 1)
            return
        self._at += count
        if self._at > len(self._data):
            raise IndexError

    def _list_head(self) -> tuple[int, int]:
        head = self._byte()
        return head & 15, self._varint() if head >> 4 == 15 else head >> 4

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7
            if shift > 63:
                raise ValueError("the footer holds a number that is too long")

    def _byte(self) -> int:
        byte = self._data[self._at]
        self._at += 1
        return byte
