from __future__ import annotations

from typing import Any, cast

import pytest

from tests.unit.documents.reading import read, value_of
from wfdeploy.documents import yaml_docs
from wfdeploy.model.document import Fields


def test_plain_quoted_and_block_scalars() -> None:
    text = "a: no\nb: 'no'\nc: \"12\"\nd: |\n  12\ne: >-\n  x\n  y\nf: 12\ng:\n"
    assert value_of(text) == {"a": "no", "b": "no", "c": "12", "d": "12\n", "e": "x y", "f": 12, "g": None}


def test_keys_are_their_text() -> None:
    assert value_of("1: a\ntrue: b\nnull: c\n1.0: d\n'': e\n'<<': f\n") == {
        "1": "a", "true": "b", "null": "c", "1.0": "d", "": "e", "<<": "f",
    }  # fmt: skip


def test_mappings_know_their_line() -> None:
    data: Any = value_of("# a\nruns:\n  - name: a\n  -\n    name: b\n  - {name: c}\n")
    assert type(data) is Fields
    assert [run.line for run in cast("Any", data)["runs"]] == [3, 5, 6]


def test_documents_are_counted_and_empty_ones_passed_over() -> None:
    documents, problems = read("---\na: 1\n---\n---\n# only a comment\n---\nb: 2\n...\n")
    assert [(d.index, d.line, d.data) for d in documents] == [(0, 2, {"a": 1}), (3, 7, {"b": 2})]
    assert problems == []


def test_aliases_are_expanded() -> None:
    assert value_of("a: &x {b: [1]}\nc: *x\nd: &y t\ne: *y\n") == {
        "a": {"b": [1]}, "c": {"b": [1]}, "d": "t", "e": "t",
    }  # fmt: skip


def test_anchor_may_be_defined_again() -> None:
    assert value_of("a: &x 1\nb: *x\nc: &x 2\nd: *x\n") == {"a": 1, "b": 1, "c": 2, "d": 2}


def test_anchors_end_with_their_document() -> None:
    _, problems = read("a: &x 1\n---\nb: *x\n")
    assert [problem.code for problem in problems] == ["unknown-alias"]


@pytest.mark.parametrize("char", ["\x85", "\u2028", "\u2029"])
def test_line_breaks_of_yaml_1_1_are_ordinary_characters(char: str) -> None:
    assert value_of(f'a: "x {char} y"\nb{char}c: |\n  z{char}z\n') == {"a": f"x {char} y", f"b{char}c": f"z{char}z\n"}


def test_those_line_breaks_keep_lines_and_sharing() -> None:
    data = cast("Any", value_of('x: "\u2028"\na: &b {c: 1}\nd: *b\n'))
    assert data["a"] is data["d"]
    assert data["a"].line == 2


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("a: 1\nb: 2\na: 3\n", "duplicate-key", 3, 1),
        ("a: 1\n'a': 3\n", "duplicate-key", 2, 1),
        ("'<<': 1\n<<: {}\n", "merge-key", 2, 1),
        ("?\n: 1\n", "missing-key", 1, 2),
        ("? [a]\n: 1\n", "complex-key", 1, 3),
        ("? {a: 1}\n: 1\n", "complex-key", 1, 3),
        ("a: &x b\n*x : 1\n", "complex-key", 2, 1),
        ("a: !!binary x\n", "bad-tag", 1, 4),
        ("a: !mine x\n", "bad-tag", 1, 4),
        ("a: !!set {x}\n", "bad-tag", 1, 4),
        ("a: !!int x\n", "bad-tag", 1, 4),
        ("!!str a: !!seq [1]\nb: !!map [1]\n", "bad-tag", 2, 4),
        ("a: *b\n", "unknown-alias", 1, 4),
        ("a: &b [*b]\n", "recursive-alias", 1, 8),
        ("a: \x07\n", "control-character", 1, 4),
        ("a:\n\tb: 1\n", "yaml-syntax", 2, 1),
        ("a: [1\n\n", "yaml-syntax", 1, 6),
        ("a: 'x\n", "yaml-syntax", 1, 4),
        ("a: b: c\n", "yaml-syntax", 1, 5),
        ("%YAML 1.1\n---\na\n", "yaml-version", 1, 1),
        ("a: " + "9" * 5000, "number-too-long", 1, 4),
        ("[" * 101 + "]" * 101, "too-deep", 1, 101),
    ],
)
def test_problem_has_its_place(text: str, code: str, line: int, column: int) -> None:
    _, problems = read(text)
    assert [(p.code, p.place.line, p.place.column) for p in problems] == [(code, line, column)]
    assert not any("%" in p.message or "<" in p.message.replace("(<<)", "") for p in problems)


def test_problems_that_allow_it_do_not_end_the_reading() -> None:
    documents, problems = read("a: 1\na: 2\n<<: {}\nb: !x 1\n---\nc: 1\nc: 2\n")
    assert [problem.code for problem in problems] == ["duplicate-key", "merge-key", "bad-tag", "duplicate-key"]
    assert [document.data for document in documents] == [{"a": 1, "b": "1"}, {"c": 1}]


def test_documents_before_a_syntax_error_are_given() -> None:
    documents, problems = read("a: 1\n---\nb: [\n")
    assert [document.data for document in documents] == [{"a": 1}]
    assert len(problems) == 1


def test_hundred_levels_are_fine() -> None:
    assert read("[" * 100 + "]" * 100)[1] == []


def test_aliases_may_not_pile_up_depth() -> None:
    steps = "\n".join(f"a{n}: &a{n} {'[' * 40}*a{n - 1}{']' * 40}" for n in range(1, 4))
    _, problems = read(f"a0: &a0 [x]\n{steps}\n")
    assert [problem.code for problem in problems] == ["too-deep"]


def test_aliases_may_not_explode() -> None:
    steps = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9))
    _, problems = read(f"a0: &a0 [x]\n{steps}\n")
    assert [problem.code for problem in problems] == ["alias-explosion"]


def test_problems_are_counted_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_docs, "MAX_PROBLEMS", 3)
    _, problems = read("\n".join(["a: 1"] * 10))
    assert len(problems) == 3


@pytest.mark.parametrize(
    ("text", "expressions", "extreme"),
    [
        ("a: b", False, False),
        ("a: ${{ vars.x }}", True, False),
        ('a: "\\x24{{ x }}"', True, False),
        ("${{ x }}: 1", True, False),
        ("a: !!str ${{", True, False),
        *((f"a: {first}-${{{{ vars.x }}}}", True, False) for first in ("tenant", "no", "false", "7", "-1", ".5", "~")),
        ("- true-$${{ x }}", True, False),
        ("a: 9007199254740993", False, True),
        ("a: !!float .nan", False, True),
        ("a: '9007199254740993'", False, False),
    ],
)
def test_documents_know_what_they_hold(text: str, expressions: bool, extreme: bool) -> None:
    (document,), _ = read(text)
    assert (document.has_expressions, document.has_extreme_numbers) == (expressions, extreme)


def test_every_document_knows_of_an_expression_in_its_keys() -> None:
    documents, _ = read("${{ x }}: 1\n---\n${{ x }}: 1\n---\na: 1\n")
    assert [document.has_expressions for document in documents] == [True, True, False]
