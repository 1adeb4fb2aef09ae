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
    settings = options.read(sent, is_trigger=True).settings
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
        {"Upstash-Flow-Control-Key": "two words", "Upstash-Flow-Control-Value": "rate=1"},
        {"Upstash-Flow-Control-Key": "", "Upstash-Flow-Control-Value": "rate=1"},
        {"Upstash-Failure-Callback-Flow-Control-Key": "a/b", "Upstash-Failure-Callback-Flow-Control-Value": "rate=1"},
        {"Upstash-Label": "good, tenant:acme"},
        {"Upstash-Label": "élan"},
        {"Upstash-Workflow-RunId": "a/b"},
        {"Upstash-Workflow-RunId": "x" * 257},
        {"Upstash-Redact-Fields": "body, password"},
        {"Upstash-Redact-Fields": "header[]"},
        {"Upstash-Deduplication-Id": "x"},
        {"Upstash-Content-Based-Deduplication": "true"},
        {"Upstash-Cron": "* * * * *"},
        {"Upstash-Queue-Name": "x"},
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


def test_names_that_the_service_takes() -> None:
    read = options.read(
        {
            "Upstash-Label": "a, B.1_-",
            "Upstash-Workflow-RunId": "x" * 256,
            "Upstash-Redact-Fields": "body, header, headers[X-Token],header[Authorization]",
        }
    )
    assert read.labels == ("a", "B.1_-")


def test_refusal_names_the_option_and_the_way_out() -> None:
    with pytest.raises(Refused, match="upstash-cron is not supported by this server: it has no schedules"):
        options.read({"Upstash-Cron": "* * * * *"})


CALL = {"Upstash-Workflow-RunId": "wfr_a", "Upstash-Workflow-CallType": "toCallback"}


@pytest.mark.parametrize(
    ("control", "passed_on"),
    [
        (CALL, True),
        ({}, True),  # a plain message
        ({"Upstash-Workflow-RunId": "wfr_a"}, False),
        ({"Upstash-Workflow-Init": "true"}, False),
    ],
    ids=["call", "plain", "step", "trigger"],
)
def test_calls_may_set_headers_of_the_protocol(control: dict[str, str], passed_on: bool) -> None:
    sent = {"Upstash-Forward-Upstash-Workflow-RunId": "child", "Upstash-Forward-Upstash-Workflow-Is-Failure": "true"}
    own = {"Upstash-Workflow-RunId": "child", "Upstash-Workflow-Is-Failure": "true"}
    assert options.read({**control, **sent}).settings.headers == (own if passed_on else {})
