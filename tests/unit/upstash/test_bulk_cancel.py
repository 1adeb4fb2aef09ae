"""Many runs cancelled by one request, over real sockets: only those, and what is said of it is so."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.fakes import chaos_server as chaos
from tests.fakes.chaos_server import ChaosServer
from tests.unit.upstash.asking import DATE, TOKEN, cancel, with_gateway
from wfdeploy.model.remote import Cancelled, NotCancelled, ServerFacts
from wfdeploy.upstash.client import UpstashGateway

DATE_MS = 1_795_442_400_000


def test_a_cancel_names_its_runs_and_tells_how_many_it_was() -> None:
    with ChaosServer([chaos.answer(200, {"cancelled": 2}), chaos.answer(200, {"cancelled": 0})]) as server:
        assert cancel(server, "wfr_1", "wfr_a&b=c", "wfr_3") == Cancelled(2)
        assert cancel(server, "wfr_4") == Cancelled(0)
    assert [(request.method, request.path) for request in server.requests] == [("DELETE", "/v2/workflows/runs")] * 2
    first, second = (parse_qs(urlsplit(request.target).query) for request in server.requests)
    # Should the ids not be heeded, the label and the count bound what happens.
    assert first == {"workflowRunIds": ["wfr_1", "wfr_a&b=c", "wfr_3"], "label": ["wfdeploy.p.e"], "count": ["3"]}
    assert second == {"workflowRunIds": ["wfr_4"], "label": ["wfdeploy.p.e"], "count": ["1"]}


@pytest.mark.parametrize(
    "run_ids", [[], [""], [" "], ["."], ["wfr_1", ""], ["wfr_1", "-"], ["wfr_1,wfr_2"], ["%"], [","]]
)
def test_a_cancel_that_could_mean_other_runs_is_never_sent(run_ids: list[str]) -> None:
    with ChaosServer() as server:
        with pytest.raises(ValueError, match="can't be cancelled"):
            cancel(server, *run_ids)
        assert server.connections == 0


def test_a_cancel_is_asked_again() -> None:
    script = [
        chaos.drop(act=False),
        chaos.answer(503),
        chaos.answer(200, "<html>"),
        chaos.answer(200, {"cancelled": 1}),
    ]
    with ChaosServer(script) as server:
        assert cancel(server, "wfr_1") == Cancelled(1)


TWO_HUNDRED = {"text": b"ok", "list": b"[1]", "none": b"{}", "word": b'{"cancelled":"1"}', "yes": b'{"cancelled":true}'}


@pytest.mark.parametrize("name", ["500", "dropped", *TWO_HUNDRED])
def test_a_cancel_that_is_given_up_may_have_been_carried_out(name: str) -> None:
    known = {"500": chaos.answer(500), "dropped": chaos.drop(act=False)}
    trouble = known.get(name) or chaos.answer(200, TWO_HUNDRED[name])
    with ChaosServer([trouble] * 6) as server:
        reply = cancel(server, "wfr_1")
    assert isinstance(reply, NotCancelled)
    assert "cancelling wfr_1 failed 5 times" in reply.message
    assert reply.may_have_acted


@pytest.mark.parametrize("status", [400, 401, 403, 404, 414])
def test_a_cancel_that_is_refused_was_not_carried_out(status: int) -> None:
    with ChaosServer([chaos.answer(status, {"error": f"because {TOKEN}"})]) as server:
        reply = cancel(server, "wfr_1", "wfr_2")
    assert isinstance(reply, NotCancelled)
    assert not reply.may_have_acted
    assert "cancelling 2 runs" in reply.message
    assert TOKEN not in reply.message


def test_a_refusal_after_a_lost_answer_leaves_it_open() -> None:
    with ChaosServer([chaos.drop(act=False), chaos.answer(401)]) as server:
        reply = cancel(server, "wfr_1")
    assert isinstance(reply, NotCancelled)
    assert reply.may_have_acted


def test_a_server_that_cancels_more_than_it_was_asked_to_is_stopped() -> None:
    with ChaosServer([chaos.answer(200, {"cancelled": 100})]) as server:
        reply = cancel(server, "wfr_1")
    assert isinstance(reply, NotCancelled)
    assert "100" in reply.message
    assert reply.may_have_acted
    assert len(server.requests) == 1


TOLD = {"Date": DATE, "Wfdeploy-Server-Id": "srv-1", "Wfdeploy-Log-Lag": "0"}


def test_the_embedded_servers_word_is_believed_on_loopback() -> None:
    async def use(gateway: UpstashGateway) -> ServerFacts:
        assert gateway.facts == ServerFacts()
        await gateway.cancel(["wfr_1"], label="wfdeploy.p.e")
        return gateway.facts

    with ChaosServer([chaos.answer(200, {"cancelled": 1}, TOLD)]) as server:
        facts = with_gateway(server, use)
    assert facts == ServerFacts("srv-1", 0.0)
    assert facts.time_ms == DATE_MS
