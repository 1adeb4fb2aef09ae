"""Texts into documents, for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

from wfdeploy.documents import yaml_docs
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.document import Document, SourceFile


def source(text: str) -> SourceFile:
    return SourceFile(display="f.yaml", name="f.yaml", folder=Path(), text=text)


def read(text: str) -> tuple[list[Document], list[Diagnostic]]:
    problems: list[Diagnostic] = []
    return list(yaml_docs.read(source(text), problems)), problems


def value_of(text: str) -> object:
    """The only document of a text without problems."""
    documents, problems = read(text)
    assert problems == []
    assert len(documents) == 1
    return documents[0].data
