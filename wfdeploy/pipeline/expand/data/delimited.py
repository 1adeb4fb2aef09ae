"""CSV (RFC 4180) and TSV: a header line, then one record a row. Cells are text unless `rowSchema` says otherwise.

A line whose cells are all empty is a blank line, and no row.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain
from typing import Any

from wfdeploy.pipeline.expand.data.rows import BadRow, CellTypes, cut, typed
from wfdeploy.pipeline.expand.data.streams import DataStream, FileProblem

_NOT_UTF8 = BadRow("row-not-utf8", "the row is not UTF-8", "save the file as UTF-8")
_NUL = BadRow("bad-row", "the row holds a NUL character")


class DelimitedRows:
    """Rows of a CSV or TSV file. A record is a list of cells."""

    uniform = True
    shares_lines = False

    def __init__(self, stream: DataStream, delimiter: str, types: CellTypes) -> None:
        self._stream = stream
        self._delimiter = delimiter
        self._types = types
        self._columns: list[str] = []
        self._typed: list[tuple[str, tuple[str, ...]]] = []
        self._suspect = False  # some block so far is not UTF-8, or holds NULs: rows are looked at closely

    def records(self) -> Iterator[tuple[int, Any]]:
        lines = chain.from_iterable(map(self._lines, self._stream.blocks()))
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        header = self._next(reader)
        while header is not None and _is_blank(header):
            header = self._next(reader)
        if header is None:
            message = "the file is empty; its first line names the columns"
            raise FileProblem("data-file-empty", message, "export it with a header")
        self._head(header, reader.line_num)
        while True:
            line = reader.line_num + 1
            try:
                for cells in reader:
                    if not _is_blank(cells):
                        yield line, cells
                    line = reader.line_num + 1
            except csv.Error as error:
                yield line, self._broken(error, line)
            else:
                return

    def parse(self, record: Any) -> object:
        columns = self._columns
        if type(record) is BadRow:
            return record
        if len(record) != len(columns):
            message = f"the row has {_cells(len(record))}, the header {len(columns):,}"
            return BadRow("ragged-row", message, "quote cells that hold the delimiter")
        if self._suspect and (problem := _looked_at(record)) is not None:
            return problem
        row: dict[str, object] = dict(zip(columns, record, strict=True))
        for column, types in self._typed:
            row[column] = typed(row[column], types)  # type: ignore[arg-type]  # cells are text until here
        return row

    def shown(self, record: Any) -> str:
        if not isinstance(record, list):
            return ""
        return cut(self._delimiter.join(record)).encode(errors="replace").decode()

    def _lines(self, block: bytes) -> Iterator[str]:
        try:
            text = block.decode()
        except UnicodeDecodeError:
            self._suspect = True
            text = block.decode(errors="surrogateescape")
        self._suspect = self._suspect or "\0" in text
        return io.StringIO(text, newline="")

    def _next(self, reader: Any) -> list[str] | None:
        try:
            return next(reader, None)
        except csv.Error as error:
            raise FileProblem("bad-header", f"the header can't be read: {error}", None, 1) from error

    def _head(self, header: list[str], line: int) -> None:
        if self._suspect and (problem := _looked_at(header)) is not None:
            raise FileProblem(problem.code, problem.message.replace("row", "header"), problem.hint, line)
        for number, name in enumerate(header, start=1):
            if not name:
                raise FileProblem("bad-header", f"column {number} has no name", "name every column", line)
            if name in header[: number - 1]:
                raise FileProblem("bad-header", f"two columns are called {name!r}", "rename one of them", line)
        self._columns = header
        self._typed = self._types.of(header)

    @staticmethod
    def _broken(error: csv.Error, line: int) -> BadRow:
        words = str(error)
        if "field larger" in words:
            # Most likely a quote that is never closed: what follows would be read out of step.
            message = f"a cell has more than {csv.field_size_limit():,} characters"
            raise FileProblem("row-too-long", message, "check the quotes of the row that begins here", line) from error
        if "unexpected end" in words:
            raise FileProblem("open-quote", "a quoted cell is not closed before the file ends", None, line) from error
        hint = "a quote inside of a quoted cell is written twice"
        return BadRow("bad-row", f"the row can't be read: {words}", hint)


def _is_blank(cells: list[str]) -> bool:
    """Whether a line holds nothing. Spreadsheets write `,,` for a row that looks empty, and there it is."""
    return not any(map(str.strip, cells))


def _looked_at(cells: list[str]) -> BadRow | None:
    text = "".join(cells)
    if "\0" in text:
        return _NUL
    try:
        text.encode()
    except UnicodeEncodeError:
        return _NOT_UTF8
    return None


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count:,} cells"
