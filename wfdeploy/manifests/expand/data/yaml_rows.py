"""YAML files with one list of rows, read as a whole by the loader that reads manifests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wfdeploy.manifests.expand.data.rows import YamlReader, shown_value
from wfdeploy.manifests.expand.data.streams import DataStream, FileProblem
from wfdeploy.model.document import Fields, SourceFile


class YamlList:
    """Rows of a YAML file. A record is a row."""

    uniform = False
    shares_lines = True

    def __init__(self, stream: DataStream, read: YamlReader, name: str) -> None:
        self._stream = stream
        self._read = read
        self._name = name

    def records(self) -> Iterator[tuple[int, Any]]:
        text = self._stream.text()
        source = SourceFile(display=self._name, name=self._name, folder=self._stream.path.parent, text=text)
        documents, problems = self._read(source)
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
