"""Lists of which most items are taken for what one before them is: what comes out is what the parser's reader says."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yaml.error import YAMLError

from wfdeploy.model.document import Document, Fields, SourceFile
from wfdeploy.pipeline.load import items
from wfdeploy.pipeline.load.items import read_list
from wfdeploy.pipeline.load.shapes import MAX_LENGTH, shape_of
from wfdeploy.pipeline.load.yaml_docs import read_items

Read = Callable[..., Document | None]


def outcome(read: Read, text: str, column: int) -> Any:
    """All that is known of what was read; None where it was refused."""
    try:
        document = read(SourceFile("m.yaml", "m.yaml", Path(), text), line=7, column=column, depth=2)
    except YAMLError:
        return None
    if document is None:
        return None
    flags = (document.line, document.has_expressions, document.has_extreme_numbers, document.is_even)
    return flags, details(document.data)


def details(value: object) -> Any:
    if isinstance(value, Fields):
        return value.line, [(key, details(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [details(item) for item in value]
    return type(value), repr(value)


def assert_same(text: str, column: int = 0) -> Any:
    expected = outcome(read_items, text, column)
    assert outcome(read_list, text, column) == expected
    return expected


def assert_sound(text: str) -> None:
    """A list may be refused for a dash that begins a line inside a quoted text. Then it is read as a whole."""
    found = outcome(read_list, text, 0)
    if found is not None or not any(mark in text for mark in "'\""):
        assert found == outcome(read_items, text, 0)


def parsed(monkeypatch: pytest.MonkeyPatch, text: str) -> int:
    """How many items the parser had to read."""
    counts: list[int] = []

    def count(*args: Any, **options: Any) -> Document | None:
        document = read_items(*args, **options)
        counts.append(len(document.data) if document is not None and isinstance(document.data, list) else 0)
        return document

    monkeypatch.setattr(items, "read_items", count)
    assert_same(text)
    return sum(counts)


ITEM = """\
- name: tenant-{n}
  # as they all are
  body:
    tenant: "the {n}th"
    seats: {n}
    plan: 'free'
    at: 2026-11-{n}T10:00:00Z
    tags: [sso, {n}, audit]
    inner: {{a: {n}, b: [x]}}
    list:
      - one
      - two: {n}
  headers: {{}}

"""


def test_items_that_look_alike_are_read_without_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(ITEM.format(n=number) for number in range(50))
    assert parsed(monkeypatch, text) == 2  # the first one, and the last one, which nothing follows


def test_several_looks_are_known_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = ["- name: a{n}\n", "- name: b{n}\n  body: {{x: {n}}}\n", "- {{name: c, body: '{n}'}}\n"]
    text = "".join(looks[number % 3].format(n=number) for number in range(60))
    assert parsed(monkeypatch, text) == 4


def test_items_of_no_common_look_are_read_by_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"- name: a\n  key{number}: b\n" for number in range(500))
    assert parsed(monkeypatch, text) == 500
    assert_same("".join([*(f"- k{number}: b\n" for number in range(30)), *("- name: a\n",) * 500]))


@pytest.mark.parametrize("column", [0, 2, 7])
def test_lines_are_those_of_the_text(column: int) -> None:
    indent = " " * column
    text = "".join(
        f"{indent}{line}\n" if line else "\n" for number in range(5) for line in ITEM.format(n=number).split("\n")[:-1]
    )
    assert assert_same(text, column) is not None


PLAIN = [
    "a", "a b", "http://x.y/z?a=b&c", "a:b", "a:", "a: b", "a #b", "a#b", "- a", "-a", "-1", "--", "?", "? a", "~",
    "null", "Null", "true", "false", "True", "no", "1", "0o17", "0x1f", "012", "1.5", "1e5", ".inf", "-.inf", ".nan",
    "+1", "9007199254740993", "1" * 400, "1" * 600, "x" * 900, "x" * 1200, "ü", "日本", "a\x85b", "\ue000", "\ufeff",
    "\x07", "é: x", "'q'", '"q"', "'it''s'", '"\\n"', '"a\\', "'a", '"a', "[a]", "[a", "a]", "{a: b}", "{a", "a}",
    "a,b", "a, b", "*a", "&a b", "!t b", "!!str 1", "|", ">", "%a", "@a", "`a", "${{ x }}", "'${{ x }}'", "$", "",
    " ", "a\t", "a\tb", "\ta", "a\n", "a\n    b", "a\n  b: c", "a\n- c: d", "a\n", "|\n    a\n    b",
    ">-\n    a\n\n    b", "a,", "a]b", "(a)", "a (b)", "a'b", 'a"b', "a*", "a!", "a;b", "a~", "<<", "=", "---", "...",
    "--- a", "2026-01-01", "12:30", "1_000", "- ", "a  b", "a b ", "a -b", "a - b", "a ?b", "a: ", "a\\b", "a|b",
    "a>b",
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN)
@pytest.mark.parametrize(
    "item",
    [
        "- name: {}\n  x: b\n",
        "- x: b\n  name: {}\n",
        "- name: '{}'\n",
        '- name: "{}"\n',
        "- name: [{}, b]\n",
        "- name: [b, {}]\n",
        "- name: [{}]\n",
        "- name: {{k: {}, b: c}}\n",
        "- name: {{k: {}}}\n",
        "- name: {{k: '{}'}}\n",
        '- name: {{"k":"{}"}}\n',
        "- name: {{k: [\n    {}\n    ]}}\n",
        "- name: {} # so\n",
        "- {}: a\n",
        "- {}\n",
        "- name:\n  - {}\n  - k: {}\n",
        "- name:\n    {}\n",
        "- name: {}\n\n# between\n",
        "- name: a\n  text: |\n   {}\n",
        "- name: !!str {}\n",
        "- ? {}\n  : b\n",
    ],
)
def test_values_of_all_kinds(value: str, item: str) -> None:
    alike = item.format("one", "one")
    assert_sound(alike * 2 + item.format(value, value) + alike + item.format(value, value) + alike)
    assert_sound(item.format(value, value) * 3 + alike * 2)


@pytest.mark.parametrize(
    "text",
    [
        "- a: b",
        "- a: b\n- a: c",
        "- a: b\n- a: c\n- a: d\nkey: e\n",
        "- a: b\n- a: c\n...\n",
        "- a: b\n- a: c\n---\n- a: d\n",
        "- a: b\n- a: b\n- a: b\n a: c\n",
        "- a: b\n- a: c\n  - a: d\n- a: e\n",
        "- a: &x b\n- a: *x\n- a: *x\n",
        "- a: b\n- a: c\n- a: *x\n",
        "- a: b\n  a: c\n- a: b\n  a: d\n- a: e\n",
        "- <<: b\n- <<: c\n- <<: d\n",
        "- a: b\n- [a]\n- ~\n- a: c\n- []\n- a: d\n",
        "- a: b\r\n- a: c\r\n- a: d\r\n",
        "-\n  a: b\n-\n  a: c\n-\n  a: d\n",
        "-   a: b\n-   a: c\n- a: d\n",
        "- a: b\n- a: c\n-\n- a: d\n",
        "- a: b\n- a: [x,\n- y]\n- a: c\n",
        "- a: b\n--- \n- a: c\n",
        "- a: b\n-x: c\n- a: d\n",
        "- a: b\n- a: c\n-x",
        "%YAML 1.2\n---\n- a: b\n- a: c\n",
    ],
)
def test_texts_that_are_more_or_less_than_a_list(text: str) -> None:
    assert_same(text)


def test_what_has_dashes_in_it_is_left_to_a_whole_reading() -> None:
    text = "- a: b\n- a: 'x\n- a: y'\n- a: c\n- a: d\n"
    assert outcome(read_list, text, 0) is None
    assert outcome(read_items, text, 0) is not None


def test_a_number_too_long_is_left_to_the_reader_that_can_tell() -> None:
    digits = "1" * 600
    assert assert_same(f"- a: 1\n- a: 2\n- a: {digits}\n- a: 3\n") is None
    assert assert_same(f"- a: 1\n- a: 2\n- a: '{digits}'\n- a: 3\n") is not None


def test_long_items_are_the_parsers(monkeypatch: pytest.MonkeyPatch) -> None:
    item = f"- a: b\n  c: d\n  text: {'x' * MAX_LENGTH}\n"
    assert parsed(monkeypatch, item * 10) == 10
    short = "- a: b\n  c: d\n  text: x\n"
    assert parsed(monkeypatch, short * 5 + item * 5 + short * 5) == 7


def test_floats_and_odd_numbers_are_noted_wherever_they_stand() -> None:
    for value in ("1.5", "1e400", "9007199254740993", "-9007199254740993", "${{ vars.x }}"):
        text = f"- a: b\n- a: c\n- a: {value}\n- a: d\n"
        assert assert_same(text) is not None


WORDS = st.one_of(
    st.sampled_from(PLAIN),
    st.text(alphabet=string.ascii_letters + string.digits + " -:.,#'\"[]{}&*!|>%@`?_~\n", max_size=12),
    st.text(max_size=6),
)


@given(
    looks=st.lists(
        st.lists(
            st.sampled_from(
                [
                    "{k}: {v}", "{k}: '{v}'", '{k}: "{v}"', "{k}: [{v}, x]", "{k}: {{a: {v}}}", "{k}:\n    n: {v}",
                    "{k}:\n  - {v}\n  - y", "# {v}", "{k}: |\n    {v}", "{k}: {{\n    a: {v}, b: x}}", "{k}: {v} # c",
                    "",
                ]
            ),
            min_size=1,
            max_size=4,
        ),
        min_size=1,
        max_size=3,
    ),
    words=st.lists(st.tuples(st.integers(0, 2), st.lists(WORDS, min_size=1, max_size=3)), min_size=1, max_size=12),
)  # fmt: skip
def test_whatever_stands_in_a_list(looks: list[list[str]], words: list[tuple[int, list[str]]]) -> None:
    def item(look: list[str], values: list[str]) -> str:
        lines = [line.format(k=f"k{place}", v=values[place % len(values)]) for place, line in enumerate(look)]
        return "- first: 1\n" + "".join(f"  {line}\n" if line else "\n" for line in lines)

    # Each look also with values that are no trouble, so that it is known when the others come.
    text = "".join(item(look, ["v"]) for look in looks)
    text += "".join(item(looks[number % len(looks)], values) for number, values in words)
    assert_sound(text)


@given(
    text=st.sampled_from([ITEM.format(n=3) * 3, "- a: b\n" * 6, "- {a: b, c: [d, 1]}\n" * 4]),
    edits=st.lists(st.tuples(st.integers(0, 400), st.sampled_from("\n -:#'\"[]{}&*!|>%?,ax1\t.")), max_size=4),
)
def test_one_character_more_or_another(text: str, edits: list[tuple[int, str]]) -> None:
    changed = text
    for place, character in edits:
        at = place % len(changed)
        changed = changed[:at] + character + changed[at + (place % 2) :]
    assert_sound(text * 2 + changed + text)


def test_a_shape_is_of_mappings_alone() -> None:
    fields = Fields(a="b")
    fields.line = 1
    assert shape_of("- a: b\n", 0, fields) is not None
    assert shape_of("- a: c\n", 0, fields) is None  # which is not what it says
    assert shape_of("- a: b\n  c: d\n", 0, fields) is None
    assert shape_of("- a\n", 0, "a") is None
