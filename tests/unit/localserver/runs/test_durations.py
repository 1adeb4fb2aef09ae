"""Durations and retry-delay expressions."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.localserver.runs import durations


@pytest.mark.parametrize(
    ("text", "ms"),
    [("50s", 50_000), ("1d10h30m", 124_200_000), ("10h", 36_000_000), ("6m5s", 365_000), ("7", 7000), ("0.5s", 500),
     ("250ms", 250), ("0s", 0)],
)  # fmt: skip
def test_duration_is_read(text: str, ms: int) -> None:
    assert durations.parse_ms(text) == ms


@pytest.mark.parametrize("text", ["", "s", "5x", "-1s", "1s2", "1 s", "1e3s", "١s", "9" * 40 + "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        durations.parse_ms(text)


@pytest.mark.parametrize(
    ("text", "retried", "ms"),
    [
        ("1000", 0, 1000),
        ("1000 * (1 + retried)", 2, 3000),
        ("pow(2, retried) * 1000", 3, 8000),
        ("max(1000, pow(2, retried) * 100)", 0, 1000),
        ("min(5, 3) + abs(-2) + floor(1.9) + ceil(1.1) + round(2.5) + sqrt(4) + exp(0)", 0, 14),
        ("10 - 20", 0, 0),
        ("10 / 4", 0, 2),
    ],
)
def test_retry_delay_expression(text: str, retried: int, ms: int) -> None:
    assert durations.expression_ms(text, retried=retried, ceiling_ms=10**9) == ms


@pytest.mark.parametrize(
    "text",
    ["", "retries", "1 +", "__import__('os')", "retried.__class__", "pow(2)", "pow(2, 3, 5)", "2 ** 9", "True", "'a'",
     "[1]", "lambda: 1", "max(1, x=2)", "(" * 90 + "1" + ")" * 90 + "+" * 90 + "1", "1+" * 600 + "1", "1" * 20,
     "1e400", "1 if 1 else 2", "1if 1 else 2", "1(2)", "0x1"],
)  # fmt: skip
def test_expression_outside_the_language_is_refused(text: str) -> None:
    with pytest.raises(durations.BadExpression):
        durations.check_expression(text)


@pytest.mark.parametrize("text", ["pow(9, pow(9, 9))", "exp(99999)", "1 / 0", "pow(-1, 0.5)", "sqrt(0 - 1)", "0/0"])
def test_expression_without_a_value_waits_the_longest(text: str) -> None:
    assert durations.expression_ms(text, retried=0, ceiling_ms=77) == 77


@given(st.text(alphabet="retid0123456789.+-*/(), powexsqrtabfling", max_size=60), st.integers(0, 50))
def test_expression_is_bounded_or_refused(text: str, retried: int) -> None:
    with contextlib.suppress(durations.BadExpression):
        assert 0 <= durations.expression_ms(text, retried=retried, ceiling_ms=1000) <= 1000
