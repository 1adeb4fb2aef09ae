from __future__ import annotations

import math

import pytest

from wfdeploy.documents import scalars


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None),
        ("true", True), ("True", True), ("FALSE", False),
        ("0", 0), ("012", 12), ("-3", -3), ("+7", 7), ("0o17", 15), ("0xFf", 255),
        ("1.", 1.0), (".5", 0.5), ("-1.5e3", -1500.0), ("1e3", 1000.0), ("6.02E+23", 6.02e23),
        (".inf", math.inf), ("-.INF", -math.inf), ("+.Inf", math.inf),
    ],
)  # fmt: skip
def test_core_schema_value(text: str, value: object) -> None:
    assert scalars.plain(text) == value
    assert type(scalars.plain(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "no", "yes", "on", "off", "y", "n", "nULL", "tRUE", "12:30", "2026-01-01", "1_000", "0b11", "0o8", "-0o17",
        "+0x1", "0x", "1e", ".", "-", "+", "..5", "1.2.3", "inf", "nan", ".infinity", "0o17 ", "１２", "12 ", "--1",
    ],
)  # fmt: skip
def test_everything_else_is_text(text: str) -> None:
    assert scalars.plain(text) == text


def test_not_a_number_is_a_float() -> None:
    assert math.isnan(scalars.plain(".nan"))  # type: ignore[arg-type]


def test_integer_of_too_many_digits_is_refused() -> None:
    for text in ("9" * 501, "-" + "9" * 501, "0x" + "f" * 501, "0o" + "7" * 501):
        with pytest.raises(ValueError, match="digits"):
            scalars.plain(text)


@pytest.mark.parametrize(
    ("tag", "text", "value"),
    [("str", "12", "12"), ("int", "12", 12), ("float", "12", 12.0), ("bool", "true", True), ("null", "", None)],
)
def test_core_tags_are_honoured(tag: str, text: str, value: object) -> None:
    assert scalars.tagged(scalars.TAG_PREFIX + tag, text) == value
    assert type(scalars.tagged(scalars.TAG_PREFIX + tag, text)) is type(value)


@pytest.mark.parametrize(
    ("tag", "text"), [("int", "true"), ("int", "x"), ("bool", "1"), ("null", "x"), ("binary", "x"), ("timestamp", "x")]
)
def test_tags_that_do_not_fit_are_refused(tag: str, text: str) -> None:
    with pytest.raises(ValueError, match="tag"):
        scalars.tagged(scalars.TAG_PREFIX + tag, text)


def test_exclamation_mark_makes_text() -> None:
    assert scalars.tagged("!", "12") == "12"


@pytest.mark.parametrize(
    ("value", "extreme"),
    [
        (2**53 - 1, False),
        (2**53, True),
        (-(2**53), True),
        (1e300, False),
        (math.inf, True),
        (math.nan, True),
        (True, False),
    ],
)
def test_extreme_numbers(value: object, extreme: bool) -> None:
    assert scalars.is_extreme(value) is extreme
