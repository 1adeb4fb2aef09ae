"""The schemas themselves: sound, complete, and their examples valid."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from wfdeploy.documents.schemas import NAMES, SchemaName, schema_text, working_schema
from wfdeploy.model.request import Delivery


def fields(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of a schema, with references left as they are."""
    if isinstance(node, dict):
        for key in ("properties", "$defs"):
            for name, field in node.get(key, {}).items():
                yield f"{path}.{name}", field
                yield from fields(field, f"{path}.{name}")
        if isinstance(node.get("items"), dict):
            yield from fields(node["items"], f"{path}[]")


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_valid(name: SchemaName) -> None:
    for schema in (json.loads(schema_text(name)), working_schema(name)):
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_explained(name: SchemaName) -> None:
    for path, field in fields(json.loads(schema_text(name))):
        if "$ref" not in field:
            assert {"title", "description", "examples"} <= field.keys(), path
            assert field["description"].endswith("."), path


@pytest.mark.parametrize("name", NAMES)
def test_objects_are_closed(name: SchemaName) -> None:
    for path, field in fields(working_schema(name)):
        if "object" in field.get("type", ()) and "$ref" not in field:
            assert "additionalProperties" in field, path


@pytest.mark.parametrize("name", NAMES)
def test_examples_and_defaults_are_valid(name: SchemaName) -> None:
    for path, field in fields(working_schema(name)):
        validator = Draft202012Validator(field)
        for example in [*field.get("examples", []), *([field["default"]] if "default" in field else [])]:
            if example is not None:  # the default of a field that a run can't clear
                assert not list(validator.iter_errors(example)), (path, example)


def test_patterns_do_not_let_a_line_break_pass() -> None:
    name = working_schema("manifest")["properties"]["metadata"]["properties"]["name"]
    validator = Draft202012Validator(name)
    assert validator.is_valid("acme")
    assert not validator.is_valid("acme\n")


def test_defaults_offer_what_runs_do() -> None:
    definitions = json.loads(schema_text("manifest"))["$defs"]
    own = {"name", "destination", "workflowRunId", "forEach", "matrix", "key"}
    assert definitions["run"]["properties"].keys() - own == definitions["defaults"]["properties"].keys()
    for field in definitions["defaults"]["properties"]:
        assert definitions["run"]["properties"][field] == definitions["defaults"]["properties"][field]


def test_identity_names_every_delivery_field() -> None:
    include = json.loads(schema_text("manifest"))["$defs"]["identity"]["properties"]["include"]["items"]["enum"]
    assert len(include) == len(Delivery.__dataclass_fields__)


def test_unknown_schema_is_told() -> None:
    with pytest.raises(FileNotFoundError):
        schema_text("nothing")
