"""Manifests read in parts: all parts together say what the whole says, or one of them refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wfdeploy.model.document import Document, Fields, SourceFile
from wfdeploy.pipeline.load import parts as parts_module
from wfdeploy.pipeline.load import yaml_docs
from wfdeploy.pipeline.load.parts import Part, cut, read_part

HEAD = """\
# a comment
apiVersion: wfdeploy/v1
kind: RunGroup
metadata: {name: g}
spec:
  destination: https://app.example.com/wf?a=1&b=2
  defaults: {labels: [a]}
  runs: # in a column of their own

"""
ITEMS = """\
    - name: a
      body: {n: 1}
    # between
    - name: b
      bodyText: |+
        - name: not an item
          x

    -
      name: c
      headers:
        - x
        -   - y
    - {name: d, key: "in
      one"}
    - name: e
      bodyText: >
       folded

       text
"""


def source(text: str) -> SourceFile:
    return SourceFile("m.yaml", "m.yaml", Path(), text)


def whole(text: str) -> Document | None:
    """The only document of a text, if nothing is wrong with it."""
    problems: list[Any] = []
    documents = list(yaml_docs.read(source(text), problems))
    return documents[0] if len(documents) == 1 and not problems else None


def together(text: str, parts: list[Part]) -> list[Document] | None:
    """What the parts say; None when one of them refuses."""
    read = [list(read_part(source(text), part)) for part in parts]
    return [document for (document,) in read] if parts and all(read) else None


def lines(value: Any) -> Any:
    """The lines of all mappings."""
    if isinstance(value, dict):
        return [value.line if isinstance(value, Fields) else None, [lines(item) for item in value.values()]]
    return [lines(item) for item in value] if isinstance(value, list) else None


def assert_same(text: str, parts: list[Part], documents: list[Document]) -> None:
    expected = whole(text)
    assert expected is not None, "a file with something wrong in it was read all the same"
    data: Any = expected.data
    runs: list[Any] = []
    for part, document in zip(parts, documents, strict=True):
        mine: Any = document.data
        assert document.first_run == part.first == len(runs)
        assert (document.index, document.line) == (expected.index, expected.line)
        assert {**mine, "spec": {**mine["spec"], "runs": None}} == {**data, "spec": {**data["spec"], "runs": None}}
        assert list(mine) == list(data)
        assert list(mine["spec"]) == list(data["spec"])
        runs += mine["spec"]["runs"]
    assert runs == data["spec"]["runs"]
    assert lines(runs) == lines(data["spec"]["runs"])
    assert any(document.has_expressions for document in documents) == expected.has_expressions
    assert any(document.has_extreme_numbers for document in documents) == expected.has_extreme_numbers
    assert all(document.is_even for document in documents) == expected.is_even


@pytest.mark.parametrize("most", [2, 3, 4, 5, 9])
@pytest.mark.parametrize("indent", [0, 2])
def test_the_parts_of_a_manifest_say_what_it_says(most: int, indent: int) -> None:
    text = HEAD + "".join(f"{line[indent:]}\n" if line else "\n" for line in ITEMS.split("\n"))
    parts = cut(text, most)
    assert 2 <= len(parts) <= min(most, 5)
    assert sum(part.count for part in parts) == 5
    documents = together(text, parts)
    assert documents is not None
    assert_same(text, parts, documents)


@pytest.mark.parametrize("text", [HEAD + ITEMS, HEAD + "    - name: a\n", HEAD + "    - forEach: {items: [1]}"])
def test_there_may_be_one_part_alone(text: str) -> None:
    text = f"# {'x' * parts_module.LONG}\n{text}"
    (part,) = cut(text, 1)
    problems: list[Any] = []
    documents = list(parts_module.read_whole(source(text), problems))
    assert not problems
    assert_same(text, [part], documents)


def test_rows_are_not_numbered_in_parts() -> None:
    text = HEAD + "    - forEach: {items: [1]}\n" * 5
    assert together(text, cut(text, 3)) is None


def test_a_long_file_of_another_kind_is_read_as_ever() -> None:
    text = HEAD + ITEMS + "  other: 1\n---\n" + HEAD + ITEMS + " " * parts_module.LONG
    problems: list[Any] = []
    expected: list[Any] = []
    documents = list(parts_module.read_whole(source(text), problems))
    assert [document.data for document in documents] == [d.data for d in yaml_docs.read(source(text), [])]
    assert len(documents) == 2
    broken = text + "\nx: [\n"
    list(parts_module.read_whole(source(broken), problems))
    list(yaml_docs.read(source(broken), expected))
    assert problems == expected != []


def test_documents_before_are_passed_over_or_refused() -> None:
    text = "---\n" + HEAD + ITEMS
    documents = together(text, cut(text, 3))
    assert documents is not None
    assert_same(text, cut(text, 3), documents)
    assert together(HEAD + ITEMS + "---\n" + HEAD + ITEMS, cut(HEAD + ITEMS + "---\n" + HEAD + ITEMS, 3)) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "  policy: {onChange: error}\n",  # a key after the runs
        lambda text: text + "other: 1\n",
        lambda text: text + "...\n",
        lambda text: text + "---\n" + text,
        lambda text: text.replace("name: a", "name: &a a").replace("name: e", "name: *a"),
        lambda text: text.replace("{labels: [a]}", "&a {labels: [a]}").replace("{n: 1}", "*a"),
        lambda text: text.replace("name: e", "name: &a e\n      other: *a"),
        lambda text: text.replace("bodyText: >", "bodyText: > broken"),
        lambda text: text.replace("name: b", "name: b\n      name: b"),  # twice
        lambda text: text.replace("name: b", "name: 'b\n    - name: x'"),  # a dash in a quoted text
        lambda text: text.replace("{n: 1}", "[1,\n    - 2]"),
        lambda text: text.replace("    - name: b", "   - name: b"),
        lambda text: text.replace("    - name: b", "    name: b"),
        lambda text: text.replace("    - name: b", "\t- name: b"),
        lambda text: text.replace("    - name: b", "    - ~\n    - name: b"),
        lambda text: text.replace("name: b", "name: b\n      forEach: {items: [1]}"),
        lambda text: text.replace("spec:\n", "spec:\n  note: |\n    runs:\n    - name: x\n    - name: y\n"),
        lambda text: text.replace("spec:\n", "spec: {\n").replace("  runs:", "runs:"),
        lambda text: text.replace("runs:", "'runs':"),
        lambda text: text.replace("runs:", "runs: !!seq"),
        lambda text: text.replace("  runs:", "spec2:\n  runs:"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("kind: RunGroup\n", "kind: RunGroup\nkind: RunGroup\n"),
        lambda text: "a: 1\n---\n" + text,
        lambda text: "%YAML 1.1\n---\n" + text,
        lambda text: text[: text.index("    - name: a")],
    ],
)
@pytest.mark.parametrize("most", [2, 5])
def test_what_parts_cannot_say_is_refused(change: Any, most: int) -> None:
    text = change(HEAD + ITEMS)
    assert together(text, cut(text, most)) is None


LINES = st.sampled_from(
    ["    - name: x", "    - ", "    -", "    - a: 1", "    - - b", "      b: 2", "      - c", "     d: 3", "    e: 4",
     "  f: 5", "g: 6", "", "    # no", "- h", "  - i", "    - |", "    - k: >-", "        text", "     text",
     "    - 'l", "    - m'", "    - [", "    ]", "    - {a: b,", "      }", "    - n: &a 1", "    - o: *a", "    - ? p",
     "      : q", "    - r: 1.5", "    - s: ${{ t }}", "---", "...", "    -- u", "    - \"v", "      w\"", "    - x:",
     "      -", "\ty", "    - z: \u2028", "    - !!str a", "  runs:", "    - name: ''", "    - 9007199254740993: 1"]
)  # fmt: skip


@settings(max_examples=600)
@given(
    st.sampled_from(
        [HEAD, "spec:\n  runs:\n", "spec:\n    runs:\n", "a: |\n spec:\n   runs:\n", "spec:\n  a: [\n  runs:\n"]
    ),
    st.lists(LINES, max_size=12),
    st.integers(2, 5),
)
def test_parts_that_are_read_say_what_the_whole_says(head: str, body: list[str], most: int) -> None:
    text = head + "\n".join(body)
    parts = cut(text, most)
    documents = together(text, parts)
    if documents is not None:
        assert_same(text, parts, documents)


@settings(max_examples=200)
@given(st.lists(LINES.filter(lambda line: line.startswith("    -") or line.startswith("      ")), max_size=12))
def test_likely_parts_say_what_the_whole_says(body: list[str]) -> None:
    text = HEAD + "".join(f"    - name: n{number}\n{line}\n" for number, line in enumerate(body))
    documents = together(text, cut(text, 3))
    if documents is not None:
        assert_same(text, cut(text, 3), documents)
