"""Request headers: what is forwarded, what is refused, when it is due."""

from __future__ import annotations

import pytest

from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.runs import options


def test_headers_of_one_exchange_are_not_forwarded() -> None:
    sent = {
        "Upstash-Forward-host": "x",
        "Upstash-Forward-content-length": "3",
        "Upstash-Forward-Upstash-Signature": "stale",
        "upstash-forward-upstash-retried": "1",
        "Upstash-Forward-Upstash-Workflow-Sdk-Version": "1",
        "Upstash-Forward-Content-Type": "text/csv",
        "Upstash-Forward-Authorization": "Bearer user",
        "UPSTASH-FORWARD-X-Team": "growth",
        "Upstash-Failure-Callback-Forward-Upstash-Workflow-Is-Failure": "true",
        "Upstash-Failure-Callback-Forward-Upstash-Workflow-Sdk-Version": "1",
    }
    settings = options.read(sent).settings
    assert settings.headers == {"Authorization": "Bearer user", "X-Team": "growth"}
    assert settings.failure_headers == {"Upstash-Workflow-Is-Failure": "true"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Upstash-Retries": "many"},
        {"Upstash-Retries": "-1"},
        {"Upstash-Retry-Delay": "os.system()"},
        {"Upstash-Timeout": "later"},
        {"Upstash-Failure-Callback": "ftp://x"},
        {"Upstash-Flow-Control-Key": "k"},
        {"Upstash-Flow-Control-Value": "rate=1"},
        {"Upstash-Flow-Control-Key": "k", "Upstash-Flow-Control-Value": "speed=1"},
        {"Upstash-Flow-Control-Key": "k", "Upstash-Flow-Control-Value": "rate=0"},
    ],
)
def test_bad_option_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Refused):
        options.read(headers)


def test_not_before_wins_over_delay_and_the_past_means_now() -> None:
    def due(**headers: str) -> int:
        return options.read({name.replace("_", "-"): value for name, value in headers.items()}).due_ms(10_000)

    assert due() == 10_000
    assert due(Upstash_Delay="2s") == 12_000
    assert due(Upstash_Delay="2s", Upstash_Not_Before="15.5") == 15_500
    assert due(Upstash_Not_Before="1") == 10_000
    for bad in ({"Upstash_Delay": "soon"}, {"Upstash_Not_Before": "x"}, {"Upstash_Delay": "9000d"}):
        with pytest.raises(Refused):
            due(**bad)
