"""Expressions and the text around them: values, secrets, escapes, and what cannot be evaluated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.manifests.expand.expressions import ExpressionError, evaluate, evaluate_text
from wfdeploy.manifests.expand.references import References
from wfdeploy.model.request import SecretRef, SecretText

NAMES = References(
    {"x": "X", "n": 3, "f": 1.5, "t": True, "none": None, "m": {"a": {"b": 1}}, "l": [1, "two"]}, ("APP_TOKEN", "B")
)
SECRET = SecretRef("APP_TOKEN")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${{ vars.x }}", "X"),
        ("${{vars.n}}", 3),
        ("${{ vars.t }}", True),
        ("${{ vars.none }}", None),
        ("${{ vars.m.a.b }}", 1),
        ("${{ vars . m . a }}", {"b": 1}),
        ("${{ vars.l }}", [1, "two"]),
        (" ${{ vars.n }}", " 3"),
        ("${{ vars.n }}${{ vars.t }}", "3true"),
        ("a-${{ vars.f }}", "a-1.5"),
        ("$${{ vars.x }}", "${{ vars.x }}"),
        ("$$${{ vars.x }}", "$${{ vars.x }}"),
        ("plain", "plain"),
        ("", ""),
        ("$ { {", "$ { {"),
        ("${{ secrets.APP_TOKEN }}", SecretText((SECRET,))),
        ("Bearer ${{ secrets.APP_TOKEN }}!", SecretText(("Bearer ", SECRET, "!"))),
        ("${{ vars.x }}-${{ secrets.B }}-${{ vars.n }}", SecretText(("X-", SecretRef("B"), "-3"))),
    ],
)
def test_value(text: str, value: object) -> None:
    assert evaluate(text, NAMES) == value
    assert type(evaluate(text, NAMES)) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("${{ vars.n }}", "3"), ("${{ vars.t }}", "true"), ("${{ secrets.B }}", SecretText((SecretRef("B"),)))],
)
def test_text_is_always_text(text: str, value: object) -> None:
    assert evaluate_text(text, NAMES) == value


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        ("${{ vars.y }}", "undefined-variable", "--var y=TEXT"),
        ("${{ vars.m.a.c }}", "undefined-variable", "spec.vars"),
        ("${{ vars.x.y }}", "undefined-variable", ""),
        ("${{ secrets.APP_TOKE }}", "undefined-secret", "did you mean 'APP_TOKEN'?"),
        ("${{ secrets.OTHER_ONE }}", "undefined-secret", "spec.secrets"),
        ("${{ var.x }}", "undefined-name", "did you mean 'vars'?"),
        ("${{ matrix.x }}", "undefined-name", "a run with a matrix"),
        ("${{ mat.x }}", "undefined-name", "vars.NAME"),
        ("${{ vars }}", "bad-expression", "vars.NAME"),
        ("${{ secrets.A.B }}", "bad-expression", ""),
        ("${{ }}", "bad-expression", ""),
        ("${{ vars.x | uper }}", "bad-expression", "No filter named 'uper'"),
        ("${{ vars.x }} }}${{ }}", "bad-expression", ""),
        ("${{ vars.x", "bad-expression", "$${{"),
        ("a ${{ vars.m }}", "bad-expression", ""),
        ("a ${{ vars.none }}", "bad-expression", ""),
    ],
)
def test_what_cannot_be_evaluated(text: str, code: str, hint: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, NAMES)
    assert caught.value.code == code
    assert hint in (caught.value.hint or "")
    assert caught.value.source in text


def test_values_are_not_evaluated_again() -> None:
    names = References({"x": "${{ secrets.B }}"}, ("B",))
    assert evaluate("${{ vars.x }}!", names) == "${{ secrets.B }}!"


@given(st.text())
def test_text_without_an_opening_stays_as_it_is(text: str) -> None:
    if "${{" not in text:
        assert evaluate(text, NAMES) == text


@given(st.text())
def test_every_text_can_be_escaped(text: str) -> None:
    # `$${{` keeps its own `$`s: the one before the opening is the escape.
    assert evaluate(text.replace("${{", "$${{"), NAMES) == text
