"""Workflow run ids that authors give, with the real command over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest

from tests.fakes.chaos_server import Exchange
from tests.support.command import Checkout, Result
from tests.support.local_server import LocalServer
from tests.support.relay import Relay, pass_on
from tests.support.scratch import scratch
from tests.support.workbench import group, run


@pytest.fixture
def checkout(relay: Relay, server: LocalServer) -> Iterator[Checkout]:
    with scratch() as root:
        yield Checkout(root / "project", relay.url, server.token)


def declare(checkout: Checkout, **own_ids: str) -> None:
    checkout.write(group("g", [run(name, workflowRunId=own_id) for name, own_id in own_ids.items()]))


def apply(checkout: Checkout) -> Result:
    return checkout.here("apply", "--yes", "-o", "json")


def end_all(server: LocalServer) -> None:
    for run_id in server.accepted_counts():
        server.end(run_id)


@pytest.mark.parametrize("duplicates", ["deduplicate", "error"])
def test_swapped_ids(checkout: Checkout, server: LocalServer, duplicates: str) -> None:
    server.faults.duplicates = "error" if duplicates == "error" else "deduplicate"
    declare(checkout, a="one", b="two")
    assert apply(checkout).counts == {"triggered": 2}
    declare(checkout, a="two", b="one")
    held = apply(checkout)
    assert (held.code, held.counts) == (6, {"rejected": 2}), held.stdout + held.stderr
    end_all(server)
    assert apply(checkout).counts == {"triggered": 2}
    assert sorted(server.accepted_counts().values()) == [2, 2]
    end_all(server)
    assert apply(checkout).counts == {"kept": 2}
    checkout.lose_state()
    assert apply(checkout).counts == {"adopted": 2}
    assert sorted(server.accepted_counts().values()) == [2, 2]


def test_a_server_that_ignores_filters(checkout: Checkout, relay: Relay, server: LocalServer) -> None:
    """Another project's run has our id, and the server lists it though it was asked for our label."""
    answer = httpx.post(
        f"{server.url}/v2/trigger/http://127.0.0.1:9/theirs",
        headers={"Authorization": f"Bearer {server.token}", "Upstash-Workflow-RunId": "one"},
        content="{}",
    )
    assert answer.status_code == 200
    end_all(server)

    async def unfiltered(exchange: Exchange) -> None:
        path, _, query = exchange.request.target.partition("?")
        kept = [(name, value) for name, value in parse_qsl(query) if name not in ("label", "fromDate")]
        exchange.request = replace(exchange.request, target=f"{path}?{urlencode(kept)}")
        await pass_on()(exchange)

    relay.listings = [unfiltered] * 20
    declare(checkout, a="one")
    first = apply(checkout)
    assert first.code == 0, first.stdout + first.stderr
    assert first.counts == {"triggered": 1}
    (count,) = server.accepted_counts().values()
    assert count == 2
    end_all(server)
    checkout.lose_state()
    assert apply(checkout).counts == {"adopted": 1}
