"""The schemas; the quick check accepts what jsonschema finds valid, and nothing else."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.support.shared_values import copied
from tests.unit.manifests.test_manifest_properties import BASE, PATHS, PIECES, nodes
from wfdeploy.documents.scalars import is_extreme
from wfdeploy.documents.schemas import (
    NAMES,
    QuickSchema,
    SchemaName,
    is_surely_valid,
    schema_text,
    working_schema,
)
from wfdeploy.model.document import Fields
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


ROOT = Path(__file__).parents[3]
SUITE = ROOT / "tests" / "vendor" / "json-schema-test-suite"
NOT_ASSERTED = {"$schema", "$id", "title", "description", "examples", "default"}
REFERENCE = {name: Draft202012Validator(working_schema(name)) for name in NAMES}


def keywords(schema: Any) -> Iterator[str]:
    yield from schema
    for inner in schema.get("properties", {}).values():
        yield from keywords(inner)
    for keyword in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(keyword), dict):
            yield from keywords(schema[keyword])


USED = sorted({keyword for name in NAMES for keyword in keywords(working_schema(name))} - NOT_ASSERTED)


def cases() -> Iterator[Any]:
    for keyword in USED:
        for group in json.loads((SUITE / f"{keyword}.json").read_text(encoding="utf-8")):
            if "\\p" in str(group["schema"]):
                continue  # a class that Python's `re` doesn't know
            for case in group["tests"]:
                name = f"{keyword}: {group['description']}: {case['description']}"
                yield pytest.param(group["schema"], case["data"], case["valid"], id=name)


@pytest.mark.parametrize(("schema", "data", "valid"), list(cases()))
def test_each_keyword_of_ours_means_what_its_specification_says(schema: Any, data: Any, valid: bool) -> None:
    assert Draft202012Validator(schema).is_valid(data) is valid
    assert QuickSchema(schema).accepts(data) is valid


# What YAML has beyond the suite's JSON, and where validators are known to differ. All in every order.
ODD: list[Any] = [
    None, True, False, 0, 1, -1, 1.0, -0.0, 1.5, 2, 2**31, 2**53, 2**63, 2**64, 10**30, -(10**30), 1e16, 1e300, 5e-324,
    "", "a", "a\n", "1", "é", "\U0001f600", "\ud800", "\x85", "\x1c", "\ufeff", "\u2028", "\u0661", "true",
    [], [0, False], [1, True], [1, 1.0], [0, -0.0], [[1], [True]], ["a", "a"], [{}, {}], [{"a": 1}, {"a": 1.0}],
    [{"a": 1, "b": 2}, {"b": 2, "a": 1}], [None], {}, {"a": None}, {"a": 1}, {"a\n": 1}, {1: "a"}, {None: 1}, {True: 1},
    Fields(a=1), {"a": Fields(b=[])},
]  # fmt: skip
SMALL: list[Any] = [
    *({"type": kind} for kind in ("null", "boolean", "integer", "number", "string", "array", "object")),
    {"type": ["integer", "null"]}, {"enum": [1]}, {"enum": [True, "a", None, [1], {"a": 1}]}, {"minLength": 1},
    {"pattern": r"^a\Z"}, {"pattern": r"^[^\s/]\Z"}, {"pattern": r"^\s*\$\{\{[\s\S]*\}\}\s*\Z"}, {"minimum": 1},
    {"maximum": 1}, {"exclusiveMinimum": 0}, {"minItems": 1}, {"uniqueItems": True}, {"minProperties": 1},
    {"required": ["a"]}, {"properties": {"a": {"type": "integer"}}, "additionalProperties": False},
    {"additionalProperties": {"type": "integer"}}, {"propertyNames": {"pattern": r"^a\Z"}},
    {"dependentRequired": {"a": ["b"]}}, {"items": {"type": "boolean"}},
]  # fmt: skip


def told(reference: Any, value: Any) -> bool | None:
    """What jsonschema says; None where it can't say anything about a key that isn't text."""
    try:
        return bool(reference.is_valid(value))
    except TypeError:
        return None


@pytest.mark.parametrize("schema", SMALL, ids=str)
def test_odd_values_are_judged_alike(schema: Any) -> None:
    quick, reference = QuickSchema(schema), Draft202012Validator(schema)
    for value in ODD:
        if any_odd_key(value) or value == "\ud800":
            assert not quick.accepts(value)  # turned away; jsonschema has the last word
        else:
            assert quick.accepts(value) is told(reference, value), value


@given(
    pattern=st.sampled_from([r"^[^\s/?#@]+\Z", r"^\s*\$\{\{[\s\S]*\}\}\s*\Z", r"\s"]),
    text=st.text(st.sampled_from("a ${}/\n\t\x0b\x1c\x1d\x1e\x1f\x85\xa0\u180e\u200b\u2003\u2028\u3000\ufeffé")),
)
def test_blanks_are_pythons(pattern: str, text: str) -> None:
    assert QuickSchema({"pattern": pattern}).accepts(text) is Draft202012Validator({"pattern": pattern}).is_valid(text)


PROJECT: dict[str, Any] = {
    "apiVersion": "wfdeploy/v1",
    "kind": "Project",
    "metadata": {"name": "p", "uid": "u0"},
    "spec": {
        "manifests": ["manifests"],
        "vars": {"app_url": "https://a", "n": 1},
        "secrets": ["TOKEN"],
        "server": {"url": "https://qstash.example", "logLag": "5s", "maxBatchItems": 10},
        "environments": {"prod": {"vars": {"n": 2}}},
    },
}
BASES = {"manifest": (BASE, PATHS), "project": (PROJECT, [path for path in nodes(PROJECT) if path])}
ANY_PIECE = PIECES | copied(st.sampled_from([value for value in ODD if value != "\ud800"])) | st.text(max_size=5)


def extreme(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(extreme, value.values()))
    return any(map(extreme, value)) if isinstance(value, list) else is_extreme(value)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=300)
@given(name=st.sampled_from(NAMES), data=st.data())
def test_edited_documents_are_judged_alike(name: SchemaName, data: st.DataObject) -> None:
    base, paths = BASES[name]
    document = copy.deepcopy(base)
    for path in data.draw(st.lists(st.sampled_from(paths), max_size=3)):
        node = document
        for step in path[:-1]:
            node = node[step] if isinstance(node, dict) and step in node else None
            if node is None:
                break
        if isinstance(node, dict):
            match data.draw(st.sampled_from(["set", "drop", "add"])):
                case "set":
                    node[path[-1]] = data.draw(ANY_PIECE)
                case "drop":
                    node.pop(path[-1], None)
                case _:
                    node[data.draw(st.sampled_from(["x", "retries", "name", ""]))] = data.draw(ANY_PIECE)
    expected = told(REFERENCE[name], document)
    passes = is_surely_valid(document, name)
    if expected and not extreme(document):
        assert passes or any_odd_key(document)
    if not expected:
        assert not passes


def any_odd_key(value: Any) -> bool:
    if isinstance(value, dict):
        return not all(isinstance(key, str) for key in value) or any(map(any_odd_key, value.values()))
    return isinstance(value, list) and any(map(any_odd_key, value))


def test_without_the_native_validator_nothing_passes_and_jsonschema_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    assert not QuickSchema(working_schema("manifest")).accepts(BASE)


def test_a_valid_document_does_not_load_jsonschema() -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from wfdeploy.model.document import SourceFile\n"
        "from wfdeploy.documents import yaml_docs\n"
        "from wfdeploy.documents import structure\n"
        "path = Path('tests/cases/valid/full.yaml')\n"
        "(document,) = yaml_docs.read(SourceFile('f', 'f', path.parent, path.read_text()), [])\n"
        "assert structure.check(document, 'manifest') == []\n"
        "print('jsonschema' in sys.modules, 'jsonschema_rs' in sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.split() == ["False", "True"]


def numbers(schema: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from numbers(item, f"{place}/{index}")
    elif isinstance(schema, dict):
        types = schema.get("type", ())
        if {"integer", "number"} & set([types] if isinstance(types, str) else types):
            yield place, schema
        for name, value in schema.items():
            if name not in ("examples", "default"):
                yield from numbers(value, f"{place}/{name}")


@pytest.mark.parametrize("name", NAMES)
def test_each_number_has_a_maximum(name: str) -> None:
    found = dict(numbers(json.loads(schema_text(name))))
    assert len(found) > 5
    assert {place for place, schema in found.items() if schema.get("maximum", 2**53) >= 2**53} == set()
