"""Webhooks over real sockets: what is accepted, what is tried again, and what never leaves."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing

import pytest

from tests.fakes.chaos_server import Behaviour, ChaosServer, answer, drip, drop, hang
from wfdeploy.model.notification import DeliveryOutcome, DeliveryResult, Notification, NotificationKind
from wfdeploy.webhooks.sender import HttpWebhooks

ONE = Notification(
    id="0123abcd",
    kind=NotificationKind.RUNS_FAILED,
    group="g",
    facts=json.dumps({"where": "shop, production", "text": "1 run of g has failed"}),
    raised_at_ms=1_790_000_000_123,
    webhooks=("ops",),
)
OK = answer(200, "ok")


def delivered(server: ChaosServer, body: object = None, *, timeout_s: float = 0.2) -> DeliveryResult:
    async def once() -> DeliveryResult:
        webhooks = HttpWebhooks({"ops": f"{server.url}/services/T0/B0"}, timeout_s=timeout_s, pauses_s=(0.0, 0.0))
        async with aclosing(webhooks):
            return await webhooks.deliver("ops", ONE, body)

    return asyncio.run(once())


def test_a_notification_is_posted_with_its_id() -> None:
    with ChaosServer([answer(204)]) as server:
        assert delivered(server) == DeliveryResult(DeliveryOutcome.ACCEPTED)
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/services/T0/B0")
    assert (request.headers["webhook-id"], request.headers["webhook-timestamp"]) == ("0123abcd", "1790000000")
    assert "0123abcd" in json.loads(request.body)["text"]


def test_a_body_of_its_own_is_sent_as_it_is() -> None:
    with ChaosServer([OK]) as server:
        delivered(server, {"é": ["\ud800", 1]})
    assert json.loads(server.requests[0].body) == {"é": ["?", 1]}


@pytest.mark.parametrize(
    "passing", [answer(500), answer(503), answer(429), answer(408), hang(act=False), drop(act=False),
                drop(act=False, with_reset=True), drip(act=False, pause_s=0.1)],
)  # fmt: skip
def test_what_may_pass_is_tried_again_under_the_same_id(passing: Behaviour) -> None:
    with ChaosServer([passing, OK]) as server:
        assert delivered(server).outcome is DeliveryOutcome.ACCEPTED
    first, second = server.requests
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])


def test_it_is_tried_three_times_and_no_more() -> None:
    with ChaosServer(otherwise=answer(502)) as server:
        assert delivered(server) == DeliveryResult(DeliveryOutcome.FAILED, "it answered 502")
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413])
def test_a_refusal_is_not_tried_again(status: int) -> None:
    with ChaosServer(otherwise=answer(status)) as server:
        assert delivered(server) == DeliveryResult(DeliveryOutcome.REFUSED, f"it answered {status}")
    assert len(server.requests) == 1


def test_redirects_are_not_followed() -> None:
    with ChaosServer() as elsewhere, ChaosServer(otherwise=answer(307, headers={"Location": elsewhere.url})) as server:
        found = delivered(server)
        assert found == DeliveryResult(DeliveryOutcome.REFUSED, "it answered 307, and redirects are not followed")
        assert elsewhere.requests == []


def test_nobody_listens_and_the_reason_holds_no_url() -> None:
    with ChaosServer() as server:
        server.stop_listening()
        found = delivered(server)
    assert found == DeliveryResult(DeliveryOutcome.FAILED, "no answer (ConnectError)")


def test_a_huge_body_is_refused_before_anything_is_sent() -> None:
    with ChaosServer() as server:
        assert delivered(server, "x" * 300_000).outcome is DeliveryOutcome.REFUSED
        assert server.requests == []
