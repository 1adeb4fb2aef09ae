"""The loader against other readers, and against anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.documents.reading import locate, read, source, value_of
from wfdeploy.documents import sources
from wfdeploy.model.document import FieldPath, Part

# What YAML can hold at all: libyaml refuses control characters and lone surrogates.
TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff\ufffe\uffff", max_codepoint=0x10FFFD),
    max_size=20,
)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))

# Where YAML 1.1 and 1.2 agree, written as a person would.
WORDS = st.sampled_from(
    ["a", "hello world", "x-y", "true", "false", "null", "~", "12", "-5", "1.5", "'12'", '"no"', "''"]
)
BLOCKS = st.recursive(WORDS, lambda inner: st.lists(inner, min_size=1, max_size=4), max_leaves=12)


@given(JSON.filter(lambda value: value is not None))
def test_json_means_the_same(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert same(value_of(text), json.loads(text))


@given(JSON.filter(lambda value: value is not None))
def test_indented_json_means_the_same(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=2)
    assert same(value_of(text), json.loads(text))


@given(BLOCKS, st.booleans())
def test_agrees_with_pyyaml_where_the_versions_of_yaml_agree(value: Any, flow: bool) -> None:
    text = flowed(value) if flow else "\n".join(blocked(value, 0))
    expected = yaml.load(text, yaml.CSafeLoader)
    documents, problems = read(text)
    assert problems == []
    assert [document.data for document in documents] == ([] if expected is None else [expected])


@given(JSON.filter(lambda value: isinstance(value, dict | list)))
def test_every_node_is_found_in_the_text(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1)
    lines = text.split("\n")
    for path, node in nodes(value, ()):
        place = locate(source(text), 0, path)
        at = lines[place.line - 1][place.column - 1 :]
        shown = json.dumps(node, ensure_ascii=False)
        assert at.startswith(shown if not isinstance(node, dict | list) else shown[0])
        key = locate(source(text), 0, path, Part.KEY)
        if path and isinstance(path[-1], str):
            assert lines[key.line - 1][key.column - 1 :].startswith(json.dumps(path[-1], ensure_ascii=False))


YAMLISH = st.text(st.sampled_from(list("ab:-?[]{}&*!|>%@`'\"#,\n\t \\x0~<=.$\u2028\x85\x00é")), max_size=60)


@settings(max_examples=500)
@given(YAMLISH)
def test_anything_gives_documents_or_problems(text: str) -> None:
    documents, problems = read(text)
    lines = text.split("\n")
    for problem in problems:
        assert 1 <= problem.place.line <= text.count("\n") + text.count("\r") + 1
        assert 1 <= problem.place.column <= max(map(len, lines)) + 1
    for document in documents:
        for path, _ in nodes(document.data, ()):
            place = locate(document.source, document.index, path)
            assert 1 <= place.line <= len(lines)


@given(data=st.binary(max_size=80))
def test_any_bytes_give_a_text_or_a_problem(data: bytes) -> None:
    problems: list[Any] = []
    found = sources.read(sources.Found("f", None), root=Path(), cwd=Path(), stdin=data, problems=problems)
    assert (found is None) == bool(problems)
    if found is not None:
        read(found.text)


def nodes(value: Any, path: FieldPath) -> Any:
    yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        yield from nodes(item, (*path, step))


def same(left: Any, right: Any) -> bool:
    """Equal, types included, but for integers and floats of one value (`1e0` is a float to YAML and to JSON)."""
    if isinstance(left, dict):
        return isinstance(right, dict) and left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and isinstance(right, float):
        return left == right
    return type(left) is type(right) and bool(left == right)


def flowed(value: Any) -> str:
    return f"[{', '.join(map(flowed, value))}]" if isinstance(value, list) else value


def blocked(value: Any, indent: int) -> list[str]:
    if not isinstance(value, list):
        return [" " * indent + value]
    lines: list[str] = []
    for item in value:
        if isinstance(item, list):
            lines += [" " * indent + "-", *blocked(item, indent + 2)]
        else:
            lines.append(" " * indent + f"- {item}")
    return lines
