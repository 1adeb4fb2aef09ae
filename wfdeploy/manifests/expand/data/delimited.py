"""CSV (RFC 4180) and TSV: a header line, then one record a row. Cells are text unless `rowSchema` says otherwise.

A line whose cells are all empty is a blank line, and no row.

Records that Python's `csv` gives up on are read again, with bounds and places of our own: the bound of a cell that
`csv` has is one for the whole process, so it isn't touched; and where a quote was opened that is never closed, it
doesn't say.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain
from typing import Any

from wfdeploy.manifests.expand.data.rows import BadRow, CellTypes, cut, typed
from wfdeploy.manifests.expand.data.streams import MAX_LINE_BYTES, DataStream, FileProblem

MAX_RECORD = MAX_LINE_BYTES
"""Characters of a record, however many lines it has."""

_ENDS = ("", "\n", "\r", "\r\n")


class Lines:
    """The lines of a file, counted. `recent` holds those of one record: whoever has read it clears them."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.number = 0
        self.recent: list[str] = []
        self._lines = self._counted(lines)

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def _counted(self, lines: Iterator[str]) -> Iterator[str]:
        recent = self.recent
        size = 0
        for line in lines:
            self.number += 1
            size = size + len(line) if recent else len(line)
            recent.append(line)
            if size > MAX_RECORD:
                message = f"a row has more than {MAX_RECORD >> 20} Mi characters"
                begin = self.number - len(recent) + 1
                raise FileProblem("row-too-long", message, "check the quotes of the row that begins here", begin)
            yield line

    def from_record_on(self) -> Iterator[str]:
        """The lines of the record that is being read, and those after it, of which none is held."""
        held = self.recent.copy()
        self.recent.clear()
        yield from held
        for line in self._lines:
            self.recent.clear()
            yield line


def read_again(lines: Lines, delimiter: str, most: int) -> list[str] | BadRow:
    """The cells of the record that is being read, with at most `most` characters each, or what is wrong with it.

    Raises: `FileProblem` where a quote is never closed.
    """
    return _Record(lines, delimiter, most).read()


class _Record:
    def __init__(self, lines: Lines, delimiter: str, most: int) -> None:
        self._delimiter = delimiter
        self._most = most
        self._number = self._begin = lines.number - len(lines.recent) + 1
        self._lines = lines.from_record_on()
        self._line = next(self._lines)
        self._at = 0  # in the line
        self._cells: list[str] = []
        self._size = 0  # of the cells so far
        self._too_long: int | None = None  # the number of the first cell that is

    def read(self) -> list[str] | BadRow:
        number = 0
        while True:
            number += 1
            if self._line.startswith('"', self._at):
                self._quoted(number)
            else:
                self._plain(number)
            rest = self._line[self._at : self._at + 3]
            if rest.startswith(self._delimiter):
                self._at += 1
                continue
            if rest not in _ENDS:
                message = f"the row can't be read: '{self._delimiter}' expected after '\"'"
                return BadRow("bad-row", message, "a quote inside of a quoted cell is written twice")
            break
        if self._too_long is None:
            return self._cells
        to = f", lines {self._begin:,} to {self._number:,}" if self._number > self._begin else ""
        message = f"cell {self._too_long:,} has more than {self._most:,} characters{to}"
        return BadRow("row-too-long", message, "check its quotes; or raise server.maxMessageBytes")

    def _plain(self, number: int) -> None:
        end = self._line.find(self._delimiter, self._at)
        if end < 0:
            end = len(self._line)
            while end > self._at and self._line[end - 1] in "\r\n":
                end -= 1
        self._add(number, end - self._at, (self._line[self._at : end],))
        self._at = end

    def _quoted(self, number: int) -> None:
        opened = self._number
        size = 0
        parts: list[str] = []
        start = self._at + 1
        while True:
            end = self._line.find('"', start)
            twice = end >= 0 and self._line.startswith('"', end + 1)
            stop = len(self._line) if end < 0 else end + twice
            size += stop - start
            if size <= self._most:
                parts.append(self._line[start:stop])
            else:
                parts.clear()
            if end < 0:
                self._number += 1
                line = next(self._lines, None)
                if line is None:
                    message = "a quote that is opened in this line is not closed before the file ends"
                    raise FileProblem("open-quote", message, "close it, or write it twice within a quoted cell", opened)
                self._line, start = line, 0
            elif twice:
                start = end + 2
            else:
                self._at = end + 1
                break
        self._add(number, size, parts)

    def _add(self, number: int, size: int, parts: tuple[str, ...] | list[str]) -> None:
        self._size += size
        if self._too_long is None and (size > self._most or self._size > MAX_RECORD):
            self._too_long = number
            self._cells.clear()
        if self._too_long is None:
            self._cells.append("".join(parts))


_NOT_UTF8 = BadRow("row-not-utf8", "the row is not UTF-8", "save the file as UTF-8")
_NUL = BadRow("bad-row", "the row holds a NUL character")


class DelimitedRows:
    """Rows of a CSV or TSV file. A record is a list of cells, each of at most `most` characters.

    delimiter: as the author gave it; None for that of the format.
    """

    uniform = True
    shares_lines = False

    def __init__(self, stream: DataStream, form: str, delimiter: str | None, types: CellTypes, most: int) -> None:
        self._stream = stream
        self._delimiter = delimiter or _DELIMITERS[form]
        self._is_given = delimiter is not None
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
            return self._ragged(record)
        if self._suspect and (problem := _looked_at(record)) is not None:
            return problem
        row: dict[str, object] = dict(zip(columns, record, strict=True))
        for column, types in self._typed:
            row[column] = typed(row[column], types)  # type: ignore[arg-type]  # cells are text until here
        return row

    def _ragged(self, record: list[str]) -> BadRow:
        expected = len(self._columns)
        message = f"the row has {_cells(len(record))}, the header {expected:,}"
        if len(record) > expected:
            return BadRow("ragged-row", message, f"quote cells that hold {_shown(self._delimiter)}")
        hint = f"an empty cell is written too, between two {_shown(self._delimiter)}"
        if any("\n" in cell for cell in record):
            hint = (
                "a quote takes in all up to the next one, ends of lines too: close it, or write it twice within a cell"
            )
        elif any('"' in cell for cell in record):
            hint += "; a quote within a quoted cell is written twice"
        elif (other := _other_delimiter(record, self._delimiter)) is not None:
            hint = f"the cells of this row seem to be separated by {_shown(other)}; the header's are by " + _shown(
                self._delimiter
            )
        return BadRow("ragged-row", message, hint)

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
        if len(header) <= 2 and header[0].lower()[:4] == "sep=" and len("".join(header)) <= 5:
            hint = "remove the line, and give forEach.delimiter where it isn't the usual one"
            raise FileProblem(
                "bad-header", f"the first line, {header[0]!r}, is one of Excel's and no header", hint, line
            )
        if len(header) == 1 and not self._is_given:
            _require_one_column(header[0], self._delimiter, line)
        seen: set[str] = set()
        for number, name in enumerate(header, start=1):
            if not name:
                raise FileProblem("bad-header", f"column {number} has no name", "name every column", line)
            if name in seen:
                raise FileProblem("bad-header", f"two columns are called {name!r}", "rename one of them", line)
            seen.add(name)
        self._columns = header
        self._typed = self._types.of(header)


_DELIMITERS = {"csv": ",", "tsv": "\t"}
_USUAL = (";", "\t", ",", "|")
_NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons"}


def _shown(delimiter: str) -> str:
    """A delimiter for people: several of it."""
    return _NAMES.get(delimiter, f"{delimiter!r}")


def _other_delimiter(record: list[str], own: str) -> str | None:
    """What separates the cells of a record that has only one, if its own delimiter doesn't."""
    return next((one for one in _USUAL if one != own and one in record[0]), None) if len(record) == 1 else None


def _require_one_column(name: str, own: str, line: int) -> None:
    """Raises: `FileProblem` where the only column's name looks like several names."""
    other = _other_delimiter([name], own)
    if other is None:
        return
    written = '"\\t"' if other == "\t" else f'"{other}"'
    message = f"the header is one column, {cut(name)!r}: its cells seem to be separated by {_shown(other)}"
    hint = f"give forEach.delimiter: {written}; for one column of this name, delimiter: "
    raise FileProblem("bad-header", message, hint + ('"\\t"' if own == "\t" else f'"{own}"'), line)


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
