"""Parquet files (extra `parquet`), read batch by batch within their row groups. Rows are counted from 1."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator
from typing import Any

from wfdeploy.pipeline.expand.data.rows import BadRow, shown_value
from wfdeploy.pipeline.expand.data.streams import DataStream, FileProblem
from wfdeploy.pipeline.expand.numbers import Numbers

_ROWS_AT_ONCE = 4096


class ParquetRows:
    """Rows of a Parquet file. A record is a row as pyarrow gives it.

    Times and dates become ISO 8601 text, decimals the text that `numbers` makes; binary columns can't be used.
    """

    uniform = True
    shares_lines = False

    def __init__(self, stream: DataStream, numbers: Numbers) -> None:
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
        number = 0
        try:
            with parquet.ParquetFile(self._stream.hash_first(), pre_buffer=False) as file:
                names = file.schema_arrow.names
                if (twice := next((name for name in names if names.count(name) > 1), None)) is not None:
                    raise FileProblem("bad-header", f"two columns are called {twice!r}", "rename one of them")
                for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, use_threads=False):
                    for number, row in enumerate(batch.to_pylist(), start=number + 1):  # noqa: B020 - it goes on counting
                        yield number, row
        except (pyarrow.ArrowException, ValueError, OverflowError) as error:
            words = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise FileProblem("data-file-broken", f"the file can't be read as Parquet: {words}") from error

    def parse(self, record: Any) -> object:
        try:
            return {name: _plain(value, self._numbers) for name, value in record.items()}
        except (TypeError, ValueError) as error:
            return BadRow("bad-row", str(error))

    def shown(self, record: Any) -> str:
        return shown_value(record)


def _plain(value: Any, numbers: Numbers) -> object:
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
