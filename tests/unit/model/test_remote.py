"""Words about answers of the server."""

from __future__ import annotations

import time

import pytest

from wfdeploy.model.remote import daily_limit_refusal


@pytest.mark.parametrize(
    ("zone", "here"),
    [
        ("UTC", ""),
        ("America/New_York", " (2026-11-30 19:00 EST here)"),
        ("Asia/Kolkata", " (2026-12-01 05:30 IST here)"),
    ],
)
def test_the_end_of_the_daily_limit_in_utc_and_here(monkeypatch: pytest.MonkeyPatch, zone: str, here: str) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        message, hint = daily_limit_refusal("429 Too Many Requests", 1_796_083_200_000)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert message == f"the account's daily limit is used up until 2026-12-01 00:00 UTC{here}: 429 Too Many Requests"
    assert "--timeout" not in hint
