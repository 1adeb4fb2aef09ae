"""Expressions that YAML reads as something else: the hint is to quote them."""

from __future__ import annotations

import pytest

from tests.unit.documents.reading import read

FLOW = "this expression needs quotes: '{' has its own meaning within braces and brackets"


@pytest.mark.parametrize(
    ("text", "line", "column", "hint"),
    [
        ("a: {b: ${{ vars.x }}}", 1, 8, 'write "${{ vars.x }}"'),
        ("a: {b: ${{vars.x}}, c: 1}", 1, 8, 'write "${{vars.x}}"'),
        ("a: {b: Bearer ${{ secrets.X }}}", 1, 15, 'write "Bearer ${{ secrets.X }}"'),
        ("a: {b: ${{ vars.x }}/api, c: 1}", 1, 8, 'write "${{ vars.x }}/api"'),
        ("a: [${{ vars.x }}]", 1, 5, 'write "${{ vars.x }}"'),
        ("a: [b, c-${{ vars.x }}, d]", 1, 10, 'write "c-${{ vars.x }}"'),
        ("a: {${{ vars.x }}: b}", 1, 5, 'write "${{ vars.x }}"'),
        ("a: {b: {c: [{d: ${{ vars.x }}}]}}", 1, 17, 'write "${{ vars.x }}"'),
        ("a: {\n  b: 1,\n  c: ${{ vars.x }}\n}", 3, 6, 'write "${{ vars.x }}"'),
        ("a: [\n  b,\n  ${{ vars.x }},\n]", 3, 3, 'write "${{ vars.x }}"'),
        ("- {b: ${{ row.a | default('x, y') }}}", 1, 7, "write \"${{ row.a | default('x, y') }}\""),
        ('a: {b: ${{ vars["x"] }}}', 1, 8, "write '${{ vars[\"x\"] }}'"),
        ("a: {b: ${{ vars['x'] + \"}}\" }}}", 1, 8, "write '${{ vars[''x''] + \"}}\" }}'"),
        ("a: {b: ${{ vars.x", 1, 8, "put quotes around the whole value"),
    ],
)
def test_an_expression_within_braces_or_brackets(text: str, line: int, column: int, hint: str) -> None:
    _, problems = read(text)
    assert [(one.message, one.place.line, one.place.column, one.hint) for one in problems] == [
        (FLOW, line, column, hint)
    ]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "a: ${{ row.b == 'x: y' }}",
            "this expression needs quotes: ': ' follows a key",
            "write \"${{ row.b == 'x: y' }}\"",
        ),
        ('a: "x" ${{ vars.x }}', "the quotes end before this expression", "put them around the whole value"),
        ('a: {b: "x" ${{ vars.x }}}', "the quotes end before this expression", "put them around the whole value"),
        ("a: {{ vars.x }}", "a mapping or list can't be a key", 'an expression is written "${{ ... }}", in quotes'),
        (
            "a: {b: {{ vars.x }}}",
            "a mapping or list can't be a key",
            'an expression is written "${{ ... }}", in quotes',
        ),
    ],
)
def test_other_expressions_without_quotes(text: str, message: str, hint: str) -> None:
    _, problems = read(text)
    assert [(one.message, one.hint) for one in problems] == [(message, hint)]


@pytest.mark.parametrize(
    "text",
    ['a: {b: "${{ vars.x }}" c: 1}', 'a: {b: "${{ vars.x }}"\nc: 1', 'a: "${{ vars.x', 'a: {b: ["${{ x }}", 1}'],
)
def test_an_expression_that_is_in_quotes_is_not_blamed(text: str) -> None:
    _, problems = read(text)
    assert "expression" not in problems[0].message
    assert "${{" not in (problems[0].hint or "")


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("# a\n\t\n", "a tab stands alone on this line", 2),
        ("# a\n \t # b\n", "a tab stands before this comment", 2),
        ("a: 1\n\t# b\nc: 1\n", "a tab stands before this comment", 2),
        ("a:\n\tb: 1\n", "a tab is used for indentation", 2),
    ],
)
def test_tabs_have_a_sentence_for_each_place(text: str, message: str, line: int) -> None:
    _, (problem, *_) = read(text)
    assert problem.message.startswith(message)
    assert problem.place.line == line
