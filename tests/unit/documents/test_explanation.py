"""Fields are found by their names, and explained from the schemas."""

from __future__ import annotations

import pytest

from wfdeploy.documents.explanation import Field, children, explained, find_field, type_words
from wfdeploy.documents.schemas import NAMES, working_schema
from wfdeploy.errors import UsageError


@pytest.mark.parametrize(
    ("text", "document", "path"),
    [
        ("spec.runs[].retries", "manifest", "spec.runs[].retries"),
        ("runs.retries", "manifest", "spec.runs[].retries"),
        ("runs[0].retries", "manifest", "spec.runs[].retries"),
        (".spec.runs[*].flowControl.key", "manifest", "spec.runs[].flowControl.key"),
        ("defaults.flowControl", "manifest", "spec.defaults.flowControl"),
        ("metadata.name", "manifest", "metadata.name"),
        ("project.metadata.uid", "project", "metadata.uid"),
        ("project.environments", "project", "spec.environments"),
        ("environments.production.url", "project", "spec.environments.NAME.url"),
        ("project.spec.environments.x.server.logLag", "project", "spec.environments.NAME.server.logLag"),
        ("uid", "project", "metadata.uid"),
        ("flowControl.rate", "manifest", "spec.defaults.flowControl.rate"),
        ("moved.from", "manifest", "spec.moved[].from"),
        ("project", "project", ""),
        ("", "manifest", ""),
    ],
)
def test_a_field_is_found(text: str, document: str, path: str) -> None:
    field, _ = find_field(text)
    assert (field.document, field.path) == (document, path)


def test_a_last_name_is_found_wherever_it_stands() -> None:
    field, others = find_field("retries")
    assert field.path == "spec.defaults.retries"
    assert [other.path for other in others] == ["spec.runs[].retries"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("runs.retry", "runs.retries"),
        ("flowcontrol", "flowControl"),
        ("project.enviroments", "environments"),
        ("defaults.flowControl.paralelism", "defaults.flowControl.parallelism"),
    ],
)
def test_a_misspelled_field_names_the_nearest(text: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"there is no field {text}") as raised:
        find_field(text)
    assert raised.value.hint is not None
    assert raised.value.hint.startswith(f"did you mean {meant}? ")


def test_nothing_near_is_not_guessed() -> None:
    with pytest.raises(UsageError) as raised:
        find_field("zzzzz")
    assert raised.value.hint is not None
    assert "did you mean" not in raised.value.hint


def every_field(field: Field) -> list[Field]:
    return [each for child in children(field) for each in (child, *every_field(child))]


@pytest.mark.parametrize("document", NAMES)
def test_every_field_is_found_and_explained(document: str) -> None:
    root, _ = find_field(document)
    fields = every_field(root)
    assert len(fields) > 20
    for field in fields:
        found, _ = find_field(f"{document}.{field.path}")
        assert found == field
        said = explained(found)
        assert said["title"]
        assert said["description"]
        assert said["type"]


def test_types_in_words() -> None:
    assert type_words({"enum": ["a", "b"]}) == "a | b"
    assert type_words({"type": ["integer", "null"]}) == "whole number"
    assert type_words({"type": "array", "items": {"type": "string"}}) == "list of texts"
    assert type_words({"type": "array", "items": {"enum": ["a"]}}, repr) == "list of 'a'"
    assert type_words({}) == "any value"
    assert working_schema("manifest")["title"]
