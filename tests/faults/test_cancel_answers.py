"""Whatever a server answers to a cancel, over real sockets: what the command says of it is so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes import chaos_server as chaos
from tests.fakes.chaos_server import Behaviour, Exchange
from tests.fakes.raw_http import response
from tests.support.command import Checkout, Result
from tests.support.local_server import LocalServer
from tests.support.relay import Relay
from tests.support.scratch import scratch
from tests.support.workbench import group, run

RUNS = 3
BROKEN = chaos.answer(500, {"error": "the logs are broken"})


@pytest.fixture
def checkout(relay: Relay, server: LocalServer) -> Iterator[Checkout]:
    with scratch() as root:
        checkout = Checkout(root / "project", relay.url, server.token)
        checkout.write(group("g", [run(f"r{n}", body=n) for n in range(RUNS)], policy={"onRemove": "cancel"}))
        assert checkout.here("apply", "--yes", "-o", "json").counts == {"triggered": RUNS}
        yield checkout


def apply_without(checkout: Checkout, *arguments: str) -> Result:
    """Apply manifests in which none of the runs is declared any more."""
    checkout.write(group("g", [run("other", body=0)], policy={"onRemove": "cancel"}))
    return checkout.here("apply", "--yes", "-o", "json", *arguments)


def cancel(answer_status: int, body: object = b"", *, act: bool) -> Behaviour:
    """Cancel the runs or don't, and answer this."""

    async def behave(exchange: Exchange) -> None:
        assert isinstance(exchange.server, Relay)
        if act:
            exchange.server.ask(exchange.request)
        await exchange.send(response(answer_status, body))  # type: ignore[arg-type]

    return behave


def without_answers(relay: Relay, *, act: bool) -> list[Behaviour]:
    """As many as one cancel is tried; once it begins, the logs can't be asked either."""

    async def first(exchange: Exchange) -> None:
        relay.listings = [BROKEN] * 20
        await cancel(500, act=act)(exchange)

    return [first, *[cancel(500, act=act)] * 4]


def outcomes(result: Result) -> dict[str, str]:
    return {one["address"]: one["outcome"] for one in result.report["results"]}


CANCELS = ("g/r0", "g/r1", "g/r2")


@pytest.mark.parametrize("acted", [True, False], ids=["it acted", "it did not act"])
def test_a_cancel_without_an_answer_is_unknown_where_the_logs_cannot_tell(
    checkout: Checkout, relay: Relay, acted: bool
) -> None:
    relay.cancels = without_answers(relay, act=acted)
    result = apply_without(checkout)
    assert result.code == 7, result.stdout + result.stderr
    assert outcomes(result) == {**dict.fromkeys(CANCELS, "unknown"), "g/other": "pending"}
    assert all("isn't known whether it was cancelled" in (one["error"] or "") for one in result.report["results"][1:])
    relay.listings = []
    result = checkout.here("apply", "--yes", "-o", "json")
    assert result.code == 0, result.stderr
    assert result.counts["triggered"] == 1


def test_the_text_says_that_it_is_unknown(checkout: Checkout, relay: Relay) -> None:
    relay.cancels = without_answers(relay, act=True)
    result = checkout.here("cancel", "g/r0", "--yes")
    assert result.code == 7, result.stdout + result.stderr
    assert "Unknown:" in result.stdout
    assert "it isn't known whether it was cancelled" in result.stdout
    assert "Pending" not in result.stdout
    relay.listings = []
    assert checkout.here("refresh").code == 0
    assert "cancel" in checkout.here("status", "g/r0").stdout


@pytest.mark.parametrize("acted", [True, False], ids=["it acted", "it did not act"])
def test_what_became_of_a_cancel_without_an_answer_the_logs_tell(checkout: Checkout, relay: Relay, acted: bool) -> None:
    relay.cancels = [cancel(500, act=acted)] * 5
    result = apply_without(checkout)
    assert result.code == 7, result.stdout + result.stderr
    told = "cancelled" if acted else "unknown"
    assert outcomes(result) == {**dict.fromkeys(CANCELS, told), "g/other": "pending"}
    result = checkout.here("apply", "--yes", "-o", "json")
    assert result.code == 0
    assert result.counts.get("unknown") is None


STARTED = {"actionId": "act_1"}


def test_a_cancel_that_the_server_carries_out_later_is_followed_up(checkout: Checkout, relay: Relay) -> None:
    relay.cancels = [cancel(202, STARTED, act=True)]
    relay.bulk_actions = [
        chaos.answer(200, {"actionId": "act_1", "state": "IN_PROGRESS", "total": 3, "processed": 1}),
        chaos.answer(200, {"actionId": "act_1", "state": "FINISHED", "total": 3, "processed": 3}),
    ]
    result = apply_without(checkout)
    assert result.code == 0, result.stdout + result.stderr
    assert outcomes(result) == {**dict.fromkeys(CANCELS, "cancelled"), "g/other": "triggered"}
    deletes = [request for request in relay.requests if request.method == "DELETE"]
    assert len(deletes) == 1, "it is not asked twice"
    asked = [request.path for request in relay.requests if "bulkActions" in request.path]
    assert asked == ["/v2/workflows/bulkActions/act_1"] * 2


def test_a_number_beside_an_action_is_not_how_many_were_cancelled(checkout: Checkout, relay: Relay) -> None:
    relay.cancels = [cancel(202, {**STARTED, "cancelled": RUNS}, act=False)]
    relay.bulk_actions = [chaos.answer(404, {"error": "no such path"})]
    result = apply_without(checkout)
    assert result.code == 7
    assert outcomes(result) == {**dict.fromkeys(CANCELS, "unknown"), "g/other": "pending"}


def test_a_number_beside_an_error_is_not_believed(checkout: Checkout, relay: Relay) -> None:
    relay.cancels = [cancel(200, {"cancelled": RUNS, "error": "not allowed"}, act=False)]
    assert apply_without(checkout).counts == {"cancelled": RUNS, "triggered": 1}
    assert sum(request.method == "DELETE" for request in relay.requests) == 2, "it was sent again"


def test_a_cancel_that_nobody_can_be_asked_about_is_unknown_until_the_logs_tell(
    checkout: Checkout, relay: Relay
) -> None:
    relay.cancels = [cancel(202, STARTED, act=False)]
    relay.bulk_actions = [chaos.answer(404, {"error": "no such path"})]
    result = apply_without(checkout)
    assert result.code == 7
    assert outcomes(result) == {**dict.fromkeys(CANCELS, "unknown"), "g/other": "pending"}
    assert "does not report its outcome" in result.report["stopped"]
    assert checkout.here("apply", "--yes", "-o", "json").counts == {"cancelled": RUNS, "triggered": 1}


def test_a_cancel_that_was_refused_is_pending(checkout: Checkout, relay: Relay) -> None:
    relay.cancels = [cancel(403, {"error": "read-only"}, act=False)]
    result = apply_without(checkout)
    assert result.code == 6
    assert outcomes(result) == {**dict.fromkeys(CANCELS, "pending"), "g/other": "pending"}


def test_what_is_not_sent_since_its_predecessor_may_be_cancelled_says_so(checkout: Checkout, relay: Relay) -> None:
    relay.cancels = without_answers(relay, act=True)
    checkout.write(group("g", [run(f"r{n}", body=-n - 1) for n in range(RUNS)], policy={"replaceRunning": "cancel"}))
    result = checkout.here("apply", "--yes", "-o", "json")
    assert result.code == 6, result.stdout
    assert outcomes(result) == dict.fromkeys(CANCELS, "pending")
    assert all("whether the run that it replaces was cancelled" in one["error"] for one in result.report["results"])
    relay.listings = []
    assert checkout.here("apply", "--yes", "-o", "json").counts == {"triggered": RUNS}
