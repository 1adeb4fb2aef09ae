"""What scalars mean; durations and times."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.documents import scalars
from wfdeploy.documents.scalars import seconds, unix_seconds


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


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("30s", 30),
        ("10m", 600),
        ("1d10h30m", 124200),
        ("0s", 0),
        (90, 90),
        (1.2, 2),
        ("007s", 7),
        ("1.5m", 90),
        ("0.5h", 1800),
        ("1000ms", 1),
        ("1m500.5ms", 61),
        ("1.001s", 2),
        ("0.001ms", 1),
    ],
)
def test_seconds(value: object, expected: int) -> None:
    assert seconds(value) == expected


@pytest.mark.parametrize(
    "value", ["", "30", "1h1d", "s", ".5h", "1.h", "1.2345h", "1ms1s", "-1s", "30 s", "1w", None, True, "٣s"]
)
def test_not_a_duration(value: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("300ms", 300_000), ("1.5s", 1_500_000), ("0.5ms", 500), ("1d", 86_400_000_000), ("1.001d", 86_486_400_000)],
)
def test_microseconds(text: str, expected: int) -> None:
    assert scalars.microseconds(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1.5s", ("1s", "2s")), ("300ms", ("1s",)), ("59.9s", ("59s", "60s")), ("1.5m", ()), ("2000ms", ()), (1.5, ())],
)
def test_nearest_seconds(value: object, expected: tuple[str, ...]) -> None:
    assert scalars.nearest_seconds(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-12-01T06:00:00Z", 1796104800),
        ("2026-12-01t06:00:00z", 1796104800),
        ("2026-12-01 06:00:00+01:00", 1796101200),
        ("2026-12-01T06:00:00.000000001Z", 1796104800),
        ("2026-12-01T06:00:00.2Z", 1796104801),
        (1796104800, 1796104800),
    ],
)
def test_unix_seconds(value: object, expected: int) -> None:
    assert unix_seconds(value) == expected


@pytest.mark.parametrize(
    "value", ["2026-02-30T00:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00", "soon", "1969-12-31T23:59:59Z"]
)
def test_not_a_time(value: object) -> None:
    with pytest.raises(ValueError, match="time"):
        unix_seconds(value)


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))
def test_time_is_never_too_early(when: datetime) -> None:
    assert 0 <= unix_seconds(when.isoformat()) - when.timestamp() < 1
