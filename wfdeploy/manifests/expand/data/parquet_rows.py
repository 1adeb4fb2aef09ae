"""Parquet files (extra `parquet`), read batch by batch within their row groups. Rows are counted from 1.

The sizes of columns that the footer holds are read here, too: pyarrow reports them, but ends the process where a footer
is damaged, since nothing catches the C++ exceptions of `RowGroupMetaData::ColumnChunk` (pyarrow 26, `libparquet.pxd`).

Sources: Thrift, "Thrift Compact protocol encoding"; Apache Parquet, `parquet.thrift`.
"""

from __future__ import annotations

import datetime
import decimal
import os
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from wfdeploy.manifests.expand.data.rows import BadRow, shown_value
from wfdeploy.manifests.expand.data.streams import FREE_BYTES, MAX_RATIO, DataStream, FileProblem, too_much
from wfdeploy.manifests.expand.numbers import NumberFormat

_ROWS_AT_ONCE = 4096

_TAIL_BYTES = 8
"""Behind the footer: its length, and the magic number."""

_VALUE_BYTES = 8
"""Of a value in a list, about; and of what stands for a text that others share."""


class ParquetRows:
    """Rows of a Parquet file. A record is a row as pyarrow gives it.

    Times and dates become ISO 8601 text, decimals the text that `numbers` makes; binary columns can't be used.
    """

    uniform = True
    shares_lines = False

    def __init__(self, stream: DataStream, numbers: NumberFormat) -> None:
        self._stream = stream
        self._numbers = numbers

    def records(self) -> Iterator[tuple[int, Any]]:
        if self._stream.is_packed:
            message = "Parquet packs its own columns, so a packed file of it is not read"
            raise FileProblem("packed-parquet", message, "unpack it first")
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            hint = "install it: pip install 'wfdeploy[parquet]'"
            raise FileProblem("missing-extra", "reading Parquet needs the extra 'parquet'", hint) from error
        number = total = 0
        try:
            content = self._stream.hash_first()
            footer = parquet.read_metadata(content)
            _require_moderate(content, footer)
            # Texts that repeat stay shared: as a column of its own each would take as much room as the longest.
            texts = _text_columns(footer)
            with parquet.ParquetFile(content, metadata=footer, read_dictionary=texts, pre_buffer=False) as file:
                names = file.schema_arrow.names
                if (twice := next((name for name in names if names.count(name) > 1), None)) is not None:
                    raise FileProblem("bad-header", f"two columns are called {twice!r}", "rename one of them")
                for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, use_threads=False):
                    for part, size in _parts(batch, number + 1):
                        total += size
                        if total > FREE_BYTES and total > self._stream.size * MAX_RATIO:
                            raise too_much()
                        for number, row in enumerate(part.to_pylist(), start=number + 1):  # noqa: B020 - it goes on counting
                            yield number, row
        except (pyarrow.ArrowException, ValueError, OverflowError) as error:
            if "anosecond" in str(error) and "pandas" in str(error):
                message = "it holds a time with nanoseconds, which can't be read without pandas"
                hint = "store the column in microseconds, or as text; or install pandas"
                raise FileProblem("nanoseconds", message, hint) from error
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise FileProblem("data-file-broken", f"the file can't be read as Parquet: {reason}") from error

    def parse(self, record: Any) -> object:
        try:
            return {name: _plain(value, self._numbers) for name, value in record.items()}
        except (TypeError, ValueError) as error:
            return BadRow("bad-row", str(error))

    def shown(self, record: Any) -> str:
        return shown_value(record)


def _require_moderate(content: IO[bytes], footer: Any) -> None:
    """Hold a file to the sizes in its footer, before a page is unpacked. Raises: `FileProblem`, `ValueError`."""
    content.seek(-_TAIL_BYTES, os.SEEK_END)
    length = int.from_bytes(content.read(4), "little")  # pyarrow only gives how much of it has a meaning
    content.seek(-_TAIL_BYTES - length, os.SEEK_END)
    for column in column_sizes(content.read(length)):
        if column.number >= len(footer.schema):
            raise ValueError("a row group has more columns than the schema")
        size = column.unpacked
        if footer.schema.column(column.number).max_repetition_level:  # a row may have all of them
            size = max(size, column.values * _VALUE_BYTES)
        if size > FREE_BYTES and size > column.packed * MAX_RATIO:
            raise too_much()


def _text_columns(footer: Any) -> list[str]:
    columns = map(footer.schema.column, range(len(footer.schema)))
    return [
        column.path
        for column in columns
        if column.physical_type == "BYTE_ARRAY" and column.logical_type.type in ("STRING", "JSON", "ENUM", "NONE")
    ]


def _parts(batch: Any, first: int) -> Iterator[tuple[Any, int]]:
    """A batch in parts that are of some size as rows, and that size. Raises: `FileProblem` for a row beyond."""
    size = sum(map(_unpacked_bytes, batch.columns))
    if size <= FREE_BYTES:
        yield _unshared(batch), size
    elif batch.num_rows == 1:
        raise FileProblem("row-too-long", f"row {first} has more than {FREE_BYTES >> 20} MiB")
    else:
        half = batch.num_rows // 2
        yield from _parts(batch.slice(0, half), first)
        yield from _parts(batch.slice(half), first + half)


def _unshared(batch: Any) -> Any:
    """A batch with each text by itself, which takes a tenth of the time to make rows of."""
    from pyarrow import RecordBatch, types

    columns = (one.dictionary_decode() if types.is_dictionary(one.type) else one for one in batch.columns)
    return RecordBatch.from_arrays(list(columns), names=batch.schema.names)


def _unpacked_bytes(array: Any) -> int:
    """About how many bytes the values of an array take, each by itself."""
    from pyarrow import compute, types

    kind = array.type
    if types.is_dictionary(kind):
        lengths = compute.binary_length(array.dictionary).take(array.indices)
        return _VALUE_BYTES * len(array) + (compute.sum(lengths.cast("int64")).as_py() or 0)
    if types.is_struct(kind):
        return sum(map(_unpacked_bytes, array.flatten()))
    if types.is_map(kind):
        start, end = array.offsets[0].as_py(), array.offsets[-1].as_py()
        return _VALUE_BYTES * len(array) + sum(
            _unpacked_bytes(child.slice(start, end - start)) for child in (array.keys, array.items)
        )
    if types.is_nested(kind):  # lists of all kinds
        return _VALUE_BYTES * len(array) + _unpacked_bytes(array.flatten())
    return int(array.nbytes)


def _plain(value: Any, numbers: NumberFormat) -> object:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return numbers.text(value)
    if isinstance(value, dict):
        return {str(key): _plain(item, numbers) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, numbers) for item in value]
    raise TypeError(f"a value of the type {type(value).__name__} can't be used; convert the column to text")


# --- the footer ----------------------------------------------------------------------------------------------

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
                for size in reader.fields():
                    if size in (_NUM_VALUES, _UNCOMPRESSED, _COMPRESSED):
                        found[size] = reader.integer()
                    else:
                        reader.skip(size[1])
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
