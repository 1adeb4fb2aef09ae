"""Durations, retry-delay expressions, backoff, signatures: the small languages of the API."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import Callable

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.localserver import compact
from wfdeploy.localserver.clock import MachineClock, ManualClock
from wfdeploy.localserver.delivery import endpoint_requests, outcome
from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.runs import durations, options
from wfdeploy.localserver.store.records import DeliverySettings


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


def wait(retried: int = 0, expression: str | None = None, **headers: str) -> int:
    lower = {name.replace("_", "-"): value for name, value in headers.items()}
    return outcome.delay_ms(retried=retried, expression=expression, response_headers=lower, now_ms=1_000_000)


def test_backoff_follows_the_documented_curve() -> None:
    assert [wait(n) // 1000 for n in range(6)] == [12, 148, 1808, 22026, 86400, 86400]
    assert wait(10_000) == 86_400_000


def test_endpoint_may_say_when_to_try_again() -> None:
    assert wait(retry_after="7") == 7000
    assert wait(x_ratelimit_reset_tokens="6m5s") == 365_000
    assert wait(retry_after="Thu, 01 Jan 1970 00:17:00 GMT") == 20_000
    assert wait(retry_after="Thu, 01 Jan 1970 00:00:00 GMT") == 0
    assert wait(expression="5", retry_after="7") == 7000
    # More than a day, or nonsense, is ignored.
    assert wait(expression="5", retry_after="90000") == 5
    assert wait(expression="5", retry_after="soon") == 5


def test_signature_is_over_the_body() -> None:
    body = '{"a":"ü"}'.encode()
    token = endpoint_requests.sign(key="sig_" + "k" * 28, url="http://x/wf", body=body, now_s=1_000)
    claims = jwt.decode(token, "sig_" + "k" * 28, algorithms=["HS256"], options={"verify_exp": False})
    assert claims["iss"] == "Upstash"
    assert claims["sub"] == "http://x/wf"
    assert claims["exp"] - claims["nbf"] == 300
    assert claims["body"].rstrip("=") == base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip("=")


def test_json_is_written_as_javascript_does() -> None:
    assert compact.dumps({"a": [1, "ü"], "b": None}) == '{"a":[1,"ü"],"b":null}'


def test_settings_survive_the_database() -> None:
    said = DeliverySettings(
        headers={"X": "1"}, retries=0, retry_delay="5", must_be_workflow=True, failure_url="http://f"
    )
    assert DeliverySettings.from_json(said.to_json()) == said
    assert DeliverySettings().to_json() == "{}"


def test_submission_inherits_from_its_run() -> None:
    run = DeliverySettings(headers={"A": "1"}, retries=5, failure_url="http://f", must_be_workflow=True)
    own = DeliverySettings(headers={"B": "2"}, retries=0)
    both = own.over(run)
    assert both.headers == {"A": "1", "B": "2"}
    assert (both.retries, both.failure_url, both.must_be_workflow) == (0, "http://f", True)


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


def test_clock_can_run_faster() -> None:
    assert abs(MachineClock(scale=1000).now_ms() - MachineClock().now_ms()) < 60_000
    with pytest.raises(ValueError, match="positive"):
        MachineClock(scale=0)


async def _sleepers(clock: ManualClock, *, waits_s: list[float]) -> list[float]:
    woken: list[float] = []

    async def sleep(wait_s: float) -> None:
        await clock.sleep_until(clock.now_ms() + round(wait_s * 1000))
        woken.append(wait_s)

    tasks = [asyncio.create_task(sleep(wait_s)) for wait_s in waits_s]
    await asyncio.sleep(0)
    clock.advance(5)
    for _ in range(5):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return woken


def test_manual_clock_wakes_whose_time_has_come(clock: ManualClock) -> None:
    run: Callable[..., list[float]] = asyncio.run
    assert run(_sleepers(clock, waits_s=[9, 3, 5, 0])) == [0, 3, 5]
