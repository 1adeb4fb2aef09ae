"""CSV (RFC 4180) and TSV: a header line, then one record a row. Cells are text unless `rowSchema` says otherwise.

A line whose cells are all empty is a blank line, and no row.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain
from typing import Any

from wfdeploy.manifests.expand.data.records import Lines, read_again
from wfdeploy.manifests.expand.data.rows import BadRow, CellTypes, cut, typed
from wfdeploy.manifests.expand.data.streams import DataStream, FileProblem

_NOT_UTF8 = BadRow("row-not-utf8", "the row is not UTF-8", "save the file as UTF-8")
_NUL = BadRow("bad-row", "the row holds a NUL character")


class DelimitedRows:
    """Rows of a CSV or TSV file. A record is a list of cells, each of at most `most` characters."""

    uniform = True
    shares_lines = False

    def __init__(self, stream: DataStream, delimiter: str, types: CellTypes, most: int) -> None:
        self._stream = stream
        self._delimiter = delimiter
        self._types = types
        self._most = most
        self._columns: list[str] = []
        self._typed: list[tuple[str, tuple[str, ...]]] = []
        self._suspect = False  # some block so far is not UTF-8, or holds NULs: rows are looked at closely

    def records(self) -> Iterator[tuple[int, Any]]:
        lines = Lines(chain.from_iterable(map(self._lines, self._stream.blocks())))
        records = self._read(lines)
        line, header = next(records, (0, None))
        if header is None:
            message = "the file is empty; its first line names the columns"
            raise FileProblem("data-file-empty", message, "export it with a header")
        if type(header) is BadRow:
            message = f"the header can't be read: {header.message}"
            raise FileProblem("bad-header", message, header.hint, line)
        self._head(header, lines.number)
        yield from records

    def _read(self, lines: Lines) -> Iterator[tuple[int, Any]]:
        """The records that hold something, the header too, with the lines on which they begin."""
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        recent = lines.recent
        while True:
            line = lines.number + 1
            try:
                for cells in reader:
                    if not _is_blank(cells):
                        yield line, cells
                    recent.clear()
                    line = lines.number + 1
            except csv.Error:
                again = read_again(lines, self._delimiter, self._most)
                if isinstance(again, BadRow) or not _is_blank(again):
                    yield line, again
                recent.clear()
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

    def _head(self, header: list[str], line: int) -> None:
        if self._suspect and (problem := _looked_at(header)) is not None:
            raise FileProblem(problem.code, problem.message.replace("row", "header"), problem.hint, line)
        seen: set[str] = set()
        for number, name in enumerate(header, start=1):
            if not name:
                raise FileProblem("bad-header", f"column {number} has no name", "name every column", line)
            if name in seen:
                raise FileProblem("bad-header", f"two columns are called {name!r}", "rename one of them", line)
            seen.add(name)
        self._columns = header
        self._typed = self._types.of(header)


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
