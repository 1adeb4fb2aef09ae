"""What an endpoint's answer means for the message."""

from __future__ import annotations

from wfdeploy.localserver.delivery import outcome
from wfdeploy.localserver.delivery.outcome import NOT_A_WORKFLOW, Delivered, Failed, Retry, judge
from wfdeploy.localserver.http_client import Reply

VERSION = (("upstash-workflow-sdk-version", "1"),)


def verdict(reply: Reply, *, retried: int = 0, retries: int = 3, first: bool = False) -> Delivered | Retry | Failed:
    return judge(reply, retried=retried, retries=retries, expression="100", must_be_workflow=first, wall_ms=0)


def test_any_2xx_is_delivered() -> None:
    assert verdict(Reply(200)) == Delivered()
    assert verdict(Reply(204)) == Delivered()


def test_first_answer_must_come_from_a_workflow() -> None:
    assert verdict(Reply(200), first=True) == Failed(NOT_A_WORKFLOW)
    assert verdict(Reply(200, VERSION), first=True) == Delivered()
    # Only 2xx is looked at: the Python SDK leaves the header out on a 500.
    assert verdict(Reply(500), first=True) == Retry(100)


def test_everything_else_is_retried_until_it_is_enough() -> None:
    for reply in (Reply(500), Reply(400), Reply(302), Reply(None, error="refused")):
        assert verdict(reply) == Retry(100)
        assert isinstance(verdict(reply, retried=3), Failed)
    assert verdict(Reply(500), retries=0) == Failed("500 Internal Server Error")
    assert verdict(Reply(None, error="no answer"), retries=0) == Failed("no answer")


def test_non_retryable_error_is_final() -> None:
    assert isinstance(verdict(Reply(489, (("Upstash-NonRetryable-Error", "true"),))), Failed)
    assert verdict(Reply(489)) == Retry(100)


def test_endpoint_may_ask_for_a_wait() -> None:
    assert verdict(Reply(429, (("Retry-After", "3"),))) == Retry(3000)


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
