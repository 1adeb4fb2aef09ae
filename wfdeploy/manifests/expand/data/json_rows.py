"""JSON Lines, one row a line; JSON and YAML, one list of rows, which are read as a whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from wfdeploy.manifests.expand.data.rows import MAX_DEPTH, BadRow, cut, shown_value
from wfdeploy.manifests.expand.data.streams import DataStream, FileProblem
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.document import Fields, SourceFile

_BLANK = re.compile(r"[ \t\n\r]*")
_MORE = re.compile(r"[ \t\n\r]*([,\]])[ \t\n\r]*")
_HALF = BadRow("bad-row", "the row holds half of a surrogate pair, which is no text")


class JsonReader:
    """Reads JSON values strictly: no two equal keys, no NaN, no endless nesting."""

    def __init__(self) -> None:
        self._twice: str | None = None
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object, parse_constant=_no_constant)

    def read(self, text: str) -> object:
        """The value of a text that is one row."""
        if len(text) > 2 * MAX_DEPTH and text.count("[") + text.count("{") > MAX_DEPTH and _is_deep(text):
            return BadRow("bad-row", f"the row is nested deeper than {MAX_DEPTH} levels")
        self._twice = None
        try:
            value = self._decoder.decode(text)
        except (ValueError, RecursionError) as error:
            return BadRow("bad-row", f"the row is not JSON: {_message_of(error)}")
        return self._sound(value, "\\u" in text)

    def read_at(self, text: str, start: int) -> tuple[object, int]:
        """The value that begins at `start`, and where it ends. Raises: `ValueError`, `RecursionError`."""
        self._twice = None
        value, end = self._decoder.raw_decode(text, start)
        if end - start > 2 * MAX_DEPTH and _is_deep(text[start:end]):
            return BadRow("bad-row", f"the row is nested deeper than {MAX_DEPTH} levels"), end
        return self._sound(value, text.find("\\u", start, end) >= 0), end

    def _sound(self, value: object, has_escapes: bool) -> object:
        if self._twice is not None:
            return BadRow("bad-row", f"the key {self._twice!r} is given twice", "remove one of the two")
        if has_escapes:
            try:
                json.dumps(value, ensure_ascii=False).encode()
            except UnicodeEncodeError:
                return _HALF
        return value

    def _object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        fields = dict(pairs)
        if len(fields) != len(pairs):
            seen: set[str] = set()
            self._twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return fields


class JsonLines:
    """Rows of a JSON Lines file. A record is a line; blank ones are none."""

    uniform = False
    shares_lines = False

    def __init__(self, stream: DataStream) -> None:
        self._stream = stream
        self._read = JsonReader().read

    def records(self) -> Iterator[tuple[int, Any]]:
        number = 0
        for block in self._stream.blocks():
            try:
                lines = block.decode().split("\n")
            except UnicodeDecodeError:
                lines = block.decode(errors="surrogateescape").split("\n")
            if block.endswith(b"\n"):
                lines.pop()
            for number, line in enumerate(lines, start=number + 1):  # noqa: B020 - it goes on counting
                if line and not line.isspace():
                    yield number, line

    def parse(self, record: Any) -> object:
        if not record.isascii():
            try:
                record.encode()
            except UnicodeEncodeError:
                return BadRow("row-not-utf8", "the row is not UTF-8", "save the file as UTF-8")
        row = self._read(record)
        return _of_a_list(record.strip(), row) if type(row) is BadRow else row

    def shown(self, record: Any) -> str:
        return cut(str(record).strip()[:1000]).encode(errors="replace").decode()


def _of_a_list(line: str, problem: BadRow) -> BadRow:
    """What is wrong with a line that isn't JSON: it may be written as in a list."""
    if line in ("[", "]", "],"):
        return BadRow("bad-row", "the row is a bracket of a list", "a file that holds one JSON list has format: json")
    if line.endswith(","):
        return BadRow("bad-row", "the row ends with a comma", "rows of JSON Lines have nothing between them: remove it")
    return problem


class JsonList:
    """Rows of a JSON file that holds one list. A record is a row."""

    uniform = False
    shares_lines = True

    def __init__(self, stream: DataStream) -> None:
        self._stream = stream

    def records(self) -> Iterator[tuple[int, Any]]:
        text = self._stream.text()
        reader = JsonReader()
        position = _skip(text, 0)
        if not text.startswith("[", position):
            what = "is empty" if position == len(text) else "holds no list"
            raise FileProblem("not-rows", f"the file {what}; rows are a JSON list", None, 1)
        position = _skip(text, position + 1)
        if text.startswith("]", position):
            _end(text, position + 1)
            return
        line, counted = 1, 0
        while True:
            line += text.count("\n", counted, position)
            counted = position
            try:
                value, end = reader.read_at(text, position)
            except json.JSONDecodeError as error:
                raise FileProblem("not-json", f"not JSON: {error.msg.lower()}", None, error.lineno) from error
            except (ValueError, RecursionError) as error:
                raise FileProblem("not-json", f"not JSON: {_message_of(error)}", None, line) from error
            yield line, value
            more = _MORE.match(text, end)
            if more is None:
                where = line + text.count("\n", counted, end)
                raise FileProblem("not-json", "not JSON: a ',' or a ']' is missing after a row", None, where)
            position = more.end()
            if more[1] == "]":
                _end(text, position)
                return
            if text.startswith("]", position):
                where = line + text.count("\n", counted, more.start(1))
                raise FileProblem("not-json", "not JSON: a ',' stands after the last row", "remove it", where)

    def parse(self, record: Any) -> object:
        return record

    def shown(self, record: Any) -> str:
        return "" if isinstance(record, BadRow) else shown_value(record)


def _skip(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    assert match is not None
    return match.end()


def _end(text: str, position: int) -> None:
    if _skip(text, position) != len(text):
        line = text.count("\n", 0, position) + 1
        raise FileProblem("not-json", "not JSON: text stands after the list", "JSON Lines have the suffix .jsonl", line)


def _no_constant(text: str) -> object:
    raise ValueError(f"{text} is no JSON number")


def _is_deep(text: str) -> bool:
    """Whether brackets outside of strings nest too deeply."""
    depth = deepest = 0
    in_string = False
    for token in re.finditer(r'\\.|["\[\]{}]', text):
        sign = token[0]
        if sign == '"':
            in_string = not in_string
        elif in_string or len(sign) > 1:
            continue
        elif sign in "[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest > MAX_DEPTH


def _message_of(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg[:1].lower()}{error.msg[1:]} (column {error.colno})"
    message = str(error)
    return "an integer has too many digits" if "digits" in message else message


class YamlList:
    """Rows of a YAML file. A record is a row."""

    uniform = False
    shares_lines = True

    def __init__(self, stream: DataStream, name: str) -> None:
        self._stream = stream
        self._name = name

    def records(self) -> Iterator[tuple[int, Any]]:
        from wfdeploy.documents import yaml_docs

        text = self._stream.text()
        source = SourceFile(display=self._name, name=self._name, folder=self._stream.path.parent, text=text)
        problems: list[Diagnostic] = []
        documents = [document.data for document in yaml_docs.read(source, problems)]
        if problems:
            first = problems[0]
            raise FileProblem(first.code, first.message, first.hint, first.place.line)
        if len(documents) != 1 or not isinstance(documents[0], list):
            what = "is empty" if not documents else "holds several documents" if len(documents) > 1 else "holds no list"
            raise FileProblem("not-rows", f"the file {what}; rows are a YAML list", None, 1)
        line = 1
        for row in documents[0]:
            line = row.line if isinstance(row, Fields) else line  # a scalar's own line is not known
            yield line, row

    def parse(self, record: Any) -> object:
        return record

    def shown(self, record: Any) -> str:
        return shown_value(record)
