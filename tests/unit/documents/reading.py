"""Texts into documents, for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

from wfdeploy.documents import yaml_docs
from wfdeploy.documents.positions import diagnose
from wfdeploy.model.diagnostic import Diagnostic, Place
from wfdeploy.model.document import Document, FieldPath, Finding, Part, SourceFile


def source(text: str) -> SourceFile:
    return SourceFile(display="f.yaml", name="f.yaml", folder=Path(), text=text)


def read(text: str) -> tuple[list[Document], list[Diagnostic]]:
    problems: list[Diagnostic] = []
    return list(yaml_docs.read(source(text), problems)), problems


def locate(source: SourceFile, index: int, path: FieldPath, part: Part = Part.VALUE) -> Place:
    """The place of a node; of its nearest ancestor when it isn't there."""
    stub = Document(source=source, index=index, line=1, data={})
    (diagnostic,) = diagnose([Finding(document=stub, path=path, part=part, code="x", message="m")])
    return diagnostic.place


def value_of(text: str) -> object:
    """The only document of a text without problems."""
    documents, problems = read(text)
    assert problems == []
    assert len(documents) == 1
    return documents[0].data
