"""What the server says of itself, and who is believed."""

from __future__ import annotations

import httpx

from wfdeploy.model.remote import ServerFacts
from wfdeploy.upstash.facts import FactBook

TOLD = httpx.Headers(
    {"Date": "Mon, 23 Nov 2026 14:00:00 GMT", "Wfdeploy-Server-Id": "srv-1", "Wfdeploy-Log-Lag": "0.5"}
)


def test_elsewhere_only_the_date_is_believed() -> None:
    book = FactBook(believed=False)
    assert book.learn(TOLD) == 1_795_442_400_000
    assert book.facts == ServerFacts(None, None)
    assert book.facts.time_ms == 1_795_442_400_000


def test_the_latest_answer_wins_and_silence_changes_nothing() -> None:
    book = FactBook(believed=True)
    book.learn(TOLD)
    assert book.learn(httpx.Headers({"Wfdeploy-Server-Id": "srv-2", "Wfdeploy-Log-Lag": "-1"})) is None
    assert book.facts == ServerFacts("srv-2", 0.5)
    assert book.facts.time_ms == 1_795_442_400_000
    assert book.learn(httpx.Headers({"Date": "Mon, 23 Nov 2026 14:00:01 GMT"})) == 1_795_442_401_000
    assert book.learn(httpx.Headers({"Date": "Mon, 23 Nov 2026 14:00:01 GMT"})) == 1_795_442_401_000
    assert book.facts.server_id == "srv-2"
