"""Headers that say when, or how long."""

from __future__ import annotations

import pytest

from wfdeploy.http.headers import http_date_ms, number_of, retry_after_s, until_reset_s

DATE = "Mon, 23 Nov 2026 14:00:00 GMT"
NOW_S = 1_795_442_400


def test_http_dates() -> None:
    assert http_date_ms(DATE) == NOW_S * 1000
    assert http_date_ms("Mon, 23 Nov 2026 14:00:00 -0000") == NOW_S * 1000
    for bad in (None, "", "yesterday", "Mon, 99 Nov 2026 14:00:00 GMT", "Mon, 23 Nov 99999 14:00:00 GMT"):
        assert http_date_ms(bad) is None


def test_a_wait_is_a_number_or_a_date() -> None:
    assert retry_after_s("7", NOW_S) == 7
    assert retry_after_s(DATE, NOW_S - 30) == 30
    assert retry_after_s("soon", NOW_S) is None


@pytest.mark.parametrize("reset", [str(NOW_S + 60), str((NOW_S + 60) * 1000), "60"])
def test_a_reset_is_a_time_or_a_wait(reset: str) -> None:
    assert until_reset_s(reset, NOW_S) == 60


@pytest.mark.parametrize("value", [None, "", "x", "nan", "inf"])
def test_other_texts_are_no_numbers(value: str | None) -> None:
    assert number_of(value) is None
    assert until_reset_s(value, NOW_S) is None
