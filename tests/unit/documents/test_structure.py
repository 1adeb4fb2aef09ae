"""Files that are read more than once are parsed once, and say the same each time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from wfdeploy.documents import yaml_docs
from wfdeploy.documents.structure import Documents
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.document import Document, SourceFile

TEXT = "a: 1\na: 2\n---\nkind: RunGroup\n---\nb: *none\n"


@pytest.fixture(autouse=True)
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are parsed."""
    read, names = yaml_docs.read, list[str]()

    def noted(source: SourceFile, problems: list[Diagnostic]) -> Iterator[Document]:
        names.append(source.display)
        return read(source, problems)

    monkeypatch.setattr(yaml_docs, "read", noted)
    return names


def source(name: str = "m.yaml", text: str = TEXT) -> SourceFile:
    return SourceFile(display=name, name=name, folder=Path(), text=text)


def said(documents: Documents, file: SourceFile) -> tuple[list[object], list[str]]:
    """What is in a file, with the codes of what is wrong with it, in the order in which it is told."""
    problems: list[Diagnostic] = []
    found: list[object] = []
    for document, findings in documents.of(file, problems):
        found.append((document.index, document.data, [one.code for one in findings], len(problems)))
    return found, [problem.code for problem in problems]


def test_a_file_that_is_read_again_is_not_parsed_again(parsed: list[str]) -> None:
    documents = Documents(1000)
    first = said(documents, source())
    assert first == said(Documents(), source())
    assert first[1] == ["duplicate-key", "unknown-alias"]
    assert said(documents, source()) == first
    assert parsed == ["m.yaml"] * 2


def test_a_file_that_has_changed_is_parsed_again(parsed: list[str]) -> None:
    documents = Documents(1000)
    said(documents, source())
    assert said(documents, source(text="kind: RunGroup\n"))[1] == []
    assert said(documents, source("n.yaml"))[1] == ["duplicate-key", "unknown-alias"]
    assert parsed == ["m.yaml", "m.yaml", "n.yaml"]


def test_what_is_not_read_to_its_end_is_parsed_again() -> None:
    documents = Documents(1000)
    next(documents.of(source(), []))
    assert said(documents, source()) == said(Documents(), source())


def test_no_more_is_held_than_there_is_room_for(parsed: list[str]) -> None:
    documents = Documents(len(TEXT))
    for name in ("m.yaml", "n.yaml", "m.yaml", "n.yaml"):
        said(documents, source(name))
    assert parsed == ["m.yaml", "n.yaml", "n.yaml"]
