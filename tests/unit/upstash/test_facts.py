"""What the server says of itself, who is believed, and how long a 429 asks to wait."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.model.remote import ServerFacts
from wfdeploy.upstash.facts import LONGEST_WAIT_S, FactBook, daily_limit_end_ms, is_daily_limit, wait_s

TOLD = httpx.Headers(
    {"Date": "Mon, 23 Nov 2026 14:00:00 GMT", "Wfdeploy-Server-Id": "srv-1", "Wfdeploy-Log-Lag": "0.5"}
)


def test_elsewhere_only_the_date_is_believed() -> None:
    book = FactBook(trusted=False)
    assert book.learn(TOLD) == 1_795_442_400_000
    assert book.facts == ServerFacts(None, None)
    assert book.facts.time_ms == 1_795_442_400_000


def test_the_latest_answer_wins_and_silence_changes_nothing() -> None:
    book = FactBook(trusted=True)
    book.learn(TOLD)
    assert book.learn(httpx.Headers({"Wfdeploy-Server-Id": "srv-2", "Wfdeploy-Log-Lag": "-1"})) is None
    assert book.facts == ServerFacts("srv-2", 0.5)
    assert book.facts.time_ms == 1_795_442_400_000
    assert book.learn(httpx.Headers({"Date": "Mon, 23 Nov 2026 14:00:01 GMT"})) == 1_795_442_401_000
    assert book.learn(httpx.Headers({"Date": "Mon, 23 Nov 2026 14:00:01 GMT"})) == 1_795_442_401_000
    assert book.facts.server_id == "srv-2"


def test_limits_are_remembered_beside_the_rest() -> None:
    book = FactBook(trusted=True)
    book.learn(TOLD)
    book.learn(httpx.Headers({"Burst-RateLimit-Limit": "50", "Burst-RateLimit-Remaining": "49"}))
    book.learn(httpx.Headers({"RateLimit-Limit": "1000", "RateLimit-Remaining": "3"}))
    book.learn(httpx.Headers({"RateLimit-Limit": "many", "RateLimit-Remaining": "-1"}))
    facts = book.facts
    assert (facts.requests_per_s, facts.messages_per_day, facts.messages_left) == (50, 1000, 3)
    assert (facts.server_id, facts.log_lag_s) == ("srv-1", 0.5)


NOW_S = 1_795_442_400
DATE = "Mon, 23 Nov 2026 14:00:00 GMT"


def wait(now_s: float = NOW_S, /, **headers: str) -> float | None:
    return wait_s(
        httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()}), now_ms=round(now_s * 1000)
    )


def test_the_servers_clock_is_the_one_that_counts() -> None:
    assert wait(NOW_S - 5000, RateLimit_Reset=str(NOW_S + 9), Date=DATE) == 9
    assert wait(NOW_S + 5000, Retry_After="Mon, 23 Nov 2026 14:00:09 GMT", Date=DATE) == 9


def test_retry_after_comes_first() -> None:
    assert wait(Retry_After="3", Burst_RateLimit_Reset=str(NOW_S + 50), RateLimit_Reset=str(NOW_S + 500)) == 3
    assert wait(Retry_After="nonsense", Burst_RateLimit_Reset=str(NOW_S + 50)) == 50


def test_the_limit_that_is_used_up_decides() -> None:
    both = {"Burst_RateLimit_Reset": str(NOW_S + 1), "RateLimit_Reset": str(NOW_S + 500)}
    assert wait(**both, RateLimit_Remaining="12", Burst_RateLimit_Remaining="0") == 1
    assert wait(**both, RateLimit_Remaining="0", Burst_RateLimit_Remaining="7") == 500
    assert wait(**both) == 500


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2.5", 2.5),
        ("-1", 0),
        (str((NOW_S + 4) * 1000), 4),
        (str(NOW_S - 4), 0),
        ("nan", None),
        ("inf", None),
        ("", None),
    ],
)
def test_forms_of_a_reset(value: str, seconds: float | None) -> None:
    assert wait(RateLimit_Reset=value) == seconds


@given(
    st.dictionaries(
        st.sampled_from(["Retry_After", "RateLimit_Reset", "Burst_RateLimit_Reset", "RateLimit_Remaining", "Date"]),
        st.text("0123456789.-eE:, MonNovGT") | st.integers().map(str),
    )
)
def test_a_wait_is_never_negative_nor_longer_than_a_day(headers: dict[str, str]) -> None:
    seconds = wait(**headers)
    assert seconds is None or 0 <= seconds <= LONGEST_WAIT_S


def test_the_daily_limit_is_known_by_its_header() -> None:
    assert is_daily_limit(httpx.Headers({"ratelimit-limit": "1000"}))
    assert not is_daily_limit(httpx.Headers({"Burst-RateLimit-Limit": "10"}))
    left = {"RateLimit-Limit": "1000", "RateLimit-Remaining": "7", "Burst-RateLimit-Remaining": "0"}
    assert not is_daily_limit(httpx.Headers(left))


def test_the_end_of_the_daily_limit_is_the_time_of_its_reset() -> None:
    midnight_ms = 1_796_083_200_000
    headers = httpx.Headers({"RateLimit-Limit": "1000", "RateLimit-Reset": str(midnight_ms // 1000)})
    assert daily_limit_end_ms(headers, now_ms=midnight_ms - 5_000_123) == midnight_ms
    headers["Date"] = DATE
    headers["RateLimit-Reset"] = str(NOW_S + 3600)
    assert daily_limit_end_ms(headers, now_ms=0) == (NOW_S + 3600) * 1000
    assert daily_limit_end_ms(httpx.Headers({"RateLimit-Limit": "1000"}), now_ms=0) is None
    assert daily_limit_end_ms(httpx.Headers({"Burst-RateLimit-Reset": "1"}), now_ms=0) is None
