"""Rules for single values: headers, retry delays, numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.documents.values import (
    header_name_problem,
    header_value_problem,
    number_problems,
    retry_delay_problem,
)
from wfdeploy.model.request import SecretRef, SecretText, Text

SECRET = SecretRef("A")


@pytest.mark.parametrize("name", ["X-Team", "authorization", "x_y.z~1", "Cookie", "X-Upstash"])
def test_header_name(name: str) -> None:
    assert header_name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "bad-header-name"), ("X Team", "bad-header-name"), ("X:", "bad-header-name"), ("ü", "bad-header-name"),
        ("X\n", "bad-header-name"), ("Content-Type", "reserved-header"), ("UPSTASH-Retries", "reserved-header"),
        ("upstash-forward-x", "reserved-header"), ("Host", "reserved-header"), ("content-length", "reserved-header"),
    ],
)  # fmt: skip
def test_bad_header_name(name: str, code: str) -> None:
    problem = header_name_problem(name)
    assert problem is not None
    assert problem.code == code


@pytest.mark.parametrize("value", ["", "a", "a b\tc", SecretText(("Bearer ", SECRET)), SecretText((SECRET, SECRET))])
def test_header_value(value: Text) -> None:
    assert header_value_problem("X", value) is None


@pytest.mark.parametrize(
    "value",
    ["a\n", "a\r\nX: b", "a\0", "\x7f", "ü", " a", "a\t", SecretText((SECRET, "\n")), SecretText((SECRET, " "))],
)
def test_bad_header_value(value: Text) -> None:
    assert header_value_problem("X", value) is not None


@pytest.mark.parametrize(
    "text",
    [
        "1000", "1000 * (1 + retried)", "pow(2, retried) * 1000", "max(1000, pow(2, retried) * 100)", "-1 + 2.5 / 3",
        "floor(sqrt(abs(-retried)))", "round(exp(retried)) - ceil(1.2)", "min(1,2)", " 5 ",
    ],
)  # fmt: skip
def test_retry_delay(text: str) -> None:
    assert retry_delay_problem(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "1_000", "0x10", "1e3", "10s", "2 ** 3", "7 // 2", "7 % 2", "retries", "pow(2)", "min(1)", "min()",
        "pow(x=1, y=2)", "abs", "pow(2, 3", "1 +", "retried.real", "retried[0]", "'a'", "1 if retried else 2",
        "lambda: 1", "[1]", "1 < 2", "not 1", "__import__('os')", "max(1, 2, 3)", "retried()", "pow(*a)", "1, 2",
        "True", "1" * 600, "-" * 400 + "1", "0777 8", "1 2",
    ],
)  # fmt: skip
def test_bad_retry_delay(text: str) -> None:
    problem = retry_delay_problem(text)
    assert problem is not None
    assert problem.message.startswith("retryDelay ")


@given(st.text(st.sampled_from("retid0123 +-*/().,powaxe"), max_size=40))
def test_any_text_is_judged(text: str) -> None:
    retry_delay_problem(text)


def test_numbers_that_json_cannot_carry() -> None:
    value = {"a": [1, 2**53, {"b": -(2**53)}], "c": math.nan, "d": math.inf, "e": True, "f": 2**53 - 1, "g": 1e300}
    assert [path for path, _ in number_problems(value, ("body",))] == [
        ("body", "a", 1),
        ("body", "a", 2, "b"),
        ("body", "c"),
        ("body", "d"),
    ]


def test_endless_integer_is_not_printed() -> None:
    ((_, problem),) = number_problems(2**100_000)
    assert len(problem.message) < 100
