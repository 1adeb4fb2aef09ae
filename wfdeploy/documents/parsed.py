"""Parsed manifests, for commands that read the same files more than once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from wfdeploy.documents import structure, yaml_docs
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.document import Document, Finding, SourceFile

MOST = 4_000_000
"""Characters of files whose documents are held, which take about ten times as much memory."""


class _Checked(NamedTuple):
    """A document of a file (None: its end), what is wrong with the text before it, and with the document itself."""

    document: Document | None
    before: list[Diagnostic]
    findings: list[Finding]


class Documents:
    """The documents of files, checked against their schema. `most`: characters of files that are parsed only once."""

    def __init__(self, most: int = 0) -> None:
        self._room = most
        self._held: dict[str, tuple[str, list[_Checked]]] = {}  # by the name of the file: its text, and what is in it

    def of(self, source: SourceFile, problems: list[Diagnostic]) -> Iterator[tuple[Document, list[Finding]]]:
        """The documents of a file, in order, each with what the schema finds wrong with it. What else is wrong is added
        to `problems`."""
        text, held = self._held.get(source.display, ("", []))
        checked: Iterable[_Checked] = held if held and text == source.text else self._read(source)
        for document, before, findings in checked:
            problems += before
            if document is not None:
                yield document, findings

    def _read(self, source: SourceFile) -> Iterator[_Checked]:
        has_room = len(source.text) <= self._room
        problems: list[Diagnostic] = []
        held: list[_Checked] = []
        told = 0
        for document in chain(yaml_docs.read(source, problems), (None,)):
            findings = [] if document is None else structure.check(document, "manifest")
            one = _Checked(document, problems[told:], findings)
            told = len(problems)
            if has_room:
                held.append(one)
            yield one
        if has_room:
            self._room -= len(source.text)
            self._held[source.display] = source.text, held
