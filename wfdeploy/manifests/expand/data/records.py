"""Records of CSV and TSV files that Python's `csv` gives up on, read again: with bounds and places of our own.

The bound of a cell that `csv` has is one for the whole process, so it isn't touched. And where a quote was opened that
is never closed, it doesn't say.
"""

from __future__ import annotations

from collections.abc import Iterator

from wfdeploy.manifests.expand.data.rows import BadRow
from wfdeploy.manifests.expand.data.streams import MAX_LINE_BYTES, FileProblem

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
