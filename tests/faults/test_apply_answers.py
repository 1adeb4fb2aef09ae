"""Whatever a server answers, over real sockets: what the command says, and that each run is started once.

The server behind is the embedded one, whose runs end at once: a second request for a run would start a second one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import formatdate

import httpx
import pytest

from tests.fakes import chaos_server as chaos
from tests.fakes.chaos_server import Behaviour, ChaosServer, Exchange
from tests.fakes.raw_http import response
from tests.support.command import Checkout, Result, once_each
from tests.support.local_server import LocalServer
from tests.support.relay import Relay, RelayExchange, pass_on
from tests.support.scratch import scratch
from tests.support.workbench import group, run
from wfdeploy.localserver.fault_plan import Refusal

RUNS = 3
QUICK = {"connect": 1, "read": 1, "write": 1, "pool": 1}


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as server:
        server.faults.instant_finish = True
        yield server


@pytest.fixture
def checkout(relay: Relay, server: LocalServer) -> Iterator[Checkout]:
    with scratch() as root:
        checkout = Checkout(root / "project", relay.url, server.token)
        declare(checkout, RUNS)
        yield checkout


def declare(checkout: Checkout, runs: int, **spec: object) -> None:
    checkout.write(group("g", [run(f"r{n}", body={"n": n}) for n in range(runs)], **spec))


def apply(checkout: Checkout, *arguments: str) -> Result:
    return checkout.here("apply", "--yes", "-o", "json", *arguments)


def converge(checkout: Checkout, server: LocalServer, runs: int = RUNS) -> None:
    assert apply(checkout).code == 0
    assert apply(checkout).counts == {"kept": runs}
    once_each(server.accepted_counts(), runs)


# --- answers that are lost -------------------------------------------------------------------------------------------

LOST: dict[str, Callable[[bool], Behaviour]] = {
    "closed": lambda act: chaos.drop(act=act),
    "reset": lambda act: chaos.drop(act=act, with_reset=True),
    "cut in its head": lambda act: chaos.cut(lambda _: 20, act=act),
    "cut in its body": lambda act: chaos.cut(lambda data: len(data) - 5, act=act),
    "reset in its body": lambda act: chaos.cut(lambda data: len(data) - 5, with_reset=True, act=act),
    "no HTTP": lambda act: chaos.raw(b"* OK IMAP4 ready\r\n\r\n", act=act),
    "408": lambda act: chaos.answer(408, {"error": "too slow"}, act=act),
    "500": lambda act: chaos.answer(500, {"error": "internal error"}, act=act),
    "502 with a page": lambda act: chaos.answer(502, "<html><h1>Bad Gateway</h1></html>", act=act),
    "503": lambda act: chaos.answer(503, {"error": "try later"}, act=act),
    "504": lambda act: chaos.answer(504, b"", act=act),
    "truncated JSON": lambda act: chaos.answer(201, '[{"workflowRunId":"wfr', act=act),
    "an object": lambda act: chaos.answer(201, {"ok": True}, act=act),
    "nothing": lambda act: chaos.answer(201, b"", act=act),
    "an empty list": lambda act: chaos.answer(201, [], act=act),
    "a list of nulls": lambda act: chaos.answer(201, [None] * RUNS, act=act),
    "ids of somebody else": lambda act: chaos.answer(201, [{"workflowRunId": "wfr_x"}] * RUNS, act=act),
    "204": lambda act: chaos.answer(204, b"", {"Content-Length": "0"}, act=act),
}


@pytest.mark.parametrize("acted", [False, True], ids=["before it acted", "after it acted"])
@pytest.mark.parametrize("how", LOST)
def test_a_lost_answer_is_cleared_by_the_logs(
    checkout: Checkout, relay: Relay, server: LocalServer, how: str, acted: bool
) -> None:
    relay.then(LOST[how](acted))
    result = apply(checkout)
    assert (result.code, result.counts) == (0, {"triggered": RUNS}), result.stdout + result.stderr
    assert len(relay.triggers) == (1 if acted else 2)
    converge(checkout, server)


@pytest.mark.parametrize("acted", [False, True], ids=["before it acted", "after it acted"])
def test_silence(checkout: Checkout, relay: Relay, server: LocalServer, acted: bool) -> None:
    checkout.configure(timeouts=QUICK)
    relay.then(chaos.hang(act=acted))
    result = apply(checkout)
    assert (result.code, result.counts) == (0, {"triggered": RUNS}), result.stderr
    converge(checkout, server)


def test_a_slow_drip_ends(checkout: Checkout, relay: Relay, server: LocalServer) -> None:
    checkout.configure(timeouts=QUICK)
    relay.then(chaos.drip(act=True, pause_s=0.2))
    began = time.monotonic()
    assert apply(checkout).counts == {"triggered": RUNS}
    assert time.monotonic() - began < 20
    converge(checkout, server)


def test_an_endless_answer_is_not_read(checkout: Checkout, relay: Relay, server: LocalServer) -> None:
    relay.then(chaos.endless())
    assert apply(checkout).counts == {"triggered": RUNS}
    assert relay.sent_bytes < 64 * 1024 * 1024
    converge(checkout, server)


ODD: dict[str, Callable[[list[dict[str, object]]], object]] = {
    "one too few": lambda items: items[:-1],
    "one too many": lambda items: [*items, items[0]],
    "one twice": lambda items: [items[0], items[0], *items[2:]],
    "one null": lambda items: [None, *items[1:]],
    "one a string": lambda items: ["ok", *items[1:]],
    "one without an id": lambda items: [{"workflowCreatedAt": 1}, *items[1:]],
    "one with a number for an id": lambda items: [{"workflowRunId": 5}, *items[1:]],
}


@pytest.mark.parametrize("shape", ODD)
def test_odd_shapes(checkout: Checkout, relay: Relay, server: LocalServer, shape: str) -> None:
    relay.then(chaos.answer_with(ODD[shape]))
    result = apply(checkout)
    assert (result.code, result.counts) == (0, {"triggered": RUNS}), result.stdout + result.stderr
    converge(checkout, server)


def test_another_order_and_a_second_prefix_are_no_trouble(
    checkout: Checkout, relay: Relay, server: LocalServer
) -> None:
    relay.then(
        chaos.answer_with(
            lambda items: [{**item, "workflowRunId": f"wfr_{item['workflowRunId']}"} for item in reversed(items)]
        )
    )
    assert apply(checkout).counts == {"triggered": RUNS}
    assert len(relay.triggers) == 1
    converge(checkout, server)


def test_answers_that_are_always_lost_are_given_up_and_remembered(
    checkout: Checkout, relay: Relay, server: LocalServer
) -> None:
    declare(checkout, 8)
    relay._otherwise = chaos.answer(502, "<html>", act=False)
    result = apply(checkout, "--batch-size", "1", "--concurrency", "1")
    assert result.code == 7, result.stdout
    assert set(result.counts) == {"unknown", "pending"}
    assert "<html>" not in result.stdout + result.stderr
    relay._otherwise = pass_on()
    converge(checkout, server, 8)


# --- refusals --------------------------------------------------------------------------------------------------------

STOPS = {
    401: "QSTASH_TOKEN",
    403: "QSTASH_TOKEN",
    404: "404",
    402: "402",
    418: "418",
    301: "301",
    302: "302",
    307: "307",
}


@pytest.mark.parametrize("status", STOPS)
def test_a_refusal_of_everything_stops(checkout: Checkout, relay: Relay, server: LocalServer, status: int) -> None:
    with ChaosServer() as elsewhere:
        headers = {"Location": f"{elsewhere.url}/v2/batch/trigger"} if status < 400 else {}
        relay.then(chaos.answer(status, {"error": "these are my words"}, headers))
        result = apply(checkout, "--batch-size", "1", "--concurrency", "1")
        assert result.code == 6, result.stderr
        assert result.counts == {"pending": RUNS}
        assert STOPS[status] in result.stdout + result.stderr
        assert len(relay.triggers) == 1
        relay.then(pass_on(), chaos.answer(status, {"error": "these are my words"}, headers))
        result = apply(checkout, "--batch-size", "1", "--concurrency", "1")
        assert (result.code, result.counts) == (7, {"triggered": 1, "pending": RUNS - 1})
        assert elsewhere.requests == [], "no redirect is followed with a token"
    converge(checkout, server)


@pytest.mark.parametrize("whole", [True, False], ids=["the whole batch", "the item"])
def test_one_bad_run_in_a_hundred(checkout: Checkout, relay: Relay, server: LocalServer, whole: bool) -> None:
    declare(checkout, 100)
    faults = server.faults
    faults.refusals = "request" if whole else "item"
    faults.refuse = lambda item: Refusal("no such tenant") if item.body == '{"n":42}' else None
    result = apply(checkout)
    assert (result.code, result.counts) == (7, {"triggered": 99, "rejected": 1})
    (refused,) = (one for one in result.report["results"] if one["outcome"] == "rejected")
    assert refused["address"] == "g/r42"
    assert "no such tenant" in refused["error"]
    assert len(relay.triggers) < 20
    plan = checkout.here("plan")
    assert "+ g/r42" in plan.stdout
    assert "no such tenant" in plan.stdout
    result = apply(checkout)
    assert (result.code, result.counts) == (6, {"rejected": 1, "kept": 99}), "nothing was triggered this time"
    faults.refuse = None
    result = apply(checkout)
    assert (result.code, result.counts) == (0, {"triggered": 1, "kept": 99})
    converge(checkout, server, 100)


@pytest.mark.parametrize("status", [400, 412])
def test_a_refusal_of_every_single_run_is_systemic(
    checkout: Checkout, relay: Relay, server: LocalServer, status: int
) -> None:
    declare(checkout, 100)
    relay._otherwise = chaos.answer(status, {"error": "no such plan"})
    result = apply(checkout, "--concurrency", "1")
    assert result.code == 6, result.stderr
    assert "no such plan" in result.stdout + result.stderr
    assert set(result.counts) == {"rejected", "pending"}
    assert len(relay.triggers) < 40
    relay._otherwise = pass_on()
    converge(checkout, server, 100)


REFUSALS = {
    "a quota": "run limit reached: 100 runs are currently active",
    "a quota that lists what it refuses": "cannot start runs {all}: 100 runs are currently active",
    "a schedule": "a schedule of this name already exists",
    "no id": "a workflow run with this id is already running",
    "another run": "workflow run wfr_somebody-else is already running",
    "a longer id": "workflow run {one}-2 is already running",
    "a longer id, in front": "workflow run old-{one} is already running",
    "none": "workflow run {one} is not running",
    "doubt": "could not determine whether run {one} is currently running",
    "ours, but it isn't": "workflow run {one} is already running",
}
"""What a server may say that starts nothing, with words of runs that exist."""


def refuse(words: str, status: int) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        ids = exchange.request.run_ids
        if status == 201:
            errors = [{"error": words.format(all=", ".join(ids), one=run_id)} for run_id in ids]
            await exchange.send(response(201, errors))
        else:
            await exchange.send(response(status, {"error": words.format(all=", ".join(ids), one=ids[0])}))

    return behave


@pytest.mark.parametrize("status", [400, 412, 201])
@pytest.mark.parametrize("words", REFUSALS)
def test_a_refusal_is_never_taken_for_a_run_that_is_there(
    checkout: Checkout, relay: Relay, server: LocalServer, words: str, status: int
) -> None:
    relay._otherwise = refuse(REFUSALS[words], status)
    result = apply(checkout)
    assert (result.code, result.counts) == (6, {"rejected": RUNS}), result.stdout + result.stderr
    assert server.accepted_counts() == {}
    assert all(REFUSALS[words].rpartition("}")[2] in one["error"] for one in result.report["results"])
    relay._otherwise = pass_on()
    converge(checkout, server)


def test_a_refusal_that_could_not_be_looked_up_is_no_run_that_is_there(
    checkout: Checkout, relay: Relay, server: LocalServer
) -> None:
    relay.then(refuse("already running: {all}", 400))
    relay.listings = [pass_on(), *[chaos.answer(500, {"error": "the logs are broken"})] * 5]
    result = apply(checkout)
    assert (result.code, result.counts) == (7, {"unknown": RUNS}), result.stdout + result.stderr
    relay.listings = []
    converge(checkout, server)


@pytest.mark.parametrize("status", [429, "429"])
def test_a_run_that_is_put_off_is_sent_again(
    checkout: Checkout, relay: Relay, server: LocalServer, status: object
) -> None:
    async def one_at_a_time(exchange: Exchange) -> None:
        assert isinstance(exchange, RelayExchange)
        first, *rest = exchange.request.items
        answer = [*exchange.act_on([first]), *({"error": "too many runs at once", "status": status} for _ in rest)]
        await exchange.send(response(201, answer))

    relay._otherwise = one_at_a_time
    result = apply(checkout)
    assert (result.code, result.counts) == (0, {"triggered": RUNS}), result.stdout + result.stderr
    assert len(relay.triggers) == RUNS, "one was taken each time"
    converge(checkout, server)


UNSAID: dict[str, Callable[[str], object]] = {
    "an id alone": lambda run_id: {"workflowRunId": run_id},
    "a message": lambda run_id: {"workflowRunId": run_id, "message": "your plan has no runs left"},
    "no success": lambda run_id: {"workflowRunId": run_id, "success": False},
    "a status of its own": lambda run_id: {"workflowRunId": run_id, "workflowCreatedAt": 1, "status": "failed"},
    "an empty error": lambda run_id: {"workflowRunId": run_id, "workflowCreatedAt": None, "error": []},
}


@pytest.mark.parametrize("item", UNSAID)
def test_an_item_that_does_not_say_that_its_run_was_created_is_looked_up(
    checkout: Checkout, relay: Relay, server: LocalServer, item: str
) -> None:
    async def but_one(exchange: Exchange) -> None:
        assert isinstance(exchange, RelayExchange)
        rest = exchange.act_on(exchange.request.items[1:])
        await exchange.send(response(201, [UNSAID[item](exchange.request.run_ids[0]), *rest]))

    relay.then(but_one)
    result = apply(checkout)
    assert (result.code, result.counts) == (0, {"triggered": RUNS}), result.stdout + result.stderr
    converge(checkout, server)


def test_a_run_that_is_put_off_for_too_long_is_pending(checkout: Checkout, relay: Relay, server: LocalServer) -> None:
    relay._otherwise = chaos.answer(201, [{"error": "too many runs at once", "status": 429}] * RUNS)
    result = apply(checkout, "--timeout", "1")
    assert (result.code, result.counts) == (6, {"pending": RUNS}), result.stdout + result.stderr
    assert "too many runs at once" in result.stderr + result.stdout
    relay._otherwise = pass_on()
    converge(checkout, server)


def test_batches_that_are_too_large_are_cut(checkout: Checkout, relay: Relay, server: LocalServer) -> None:
    declare(checkout, 20)

    async def at_most_three(exchange: Exchange) -> None:
        if len(exchange.request.items) > 3:
            await exchange.send(response(413, {"error": "too large"}))
        else:
            await pass_on()(exchange)

    relay._otherwise = at_most_three
    result = apply(checkout)
    assert (result.code, result.counts) == (0, {"triggered": 20})
    converge(checkout, server, 20)


# --- 429 -------------------------------------------------------------------------------------------------------------

PAUSES: dict[str, Callable[[], dict[str, str]]] = {
    "Retry-After": lambda: {"Retry-After": "1"},
    "Retry-After, a date": lambda: {
        "Retry-After": formatdate(1_800_000_001, usegmt=True),
        "Date": formatdate(1_800_000_000, usegmt=True),
    },
    "Burst-RateLimit-Reset": lambda: {"Burst-RateLimit-Reset": str(int(time.time()) + 1)},
    "RateLimit-Reset": lambda: {"RateLimit-Limit": "1000", "RateLimit-Reset": str(int(time.time()) + 1)},
    "none": dict,
}


@pytest.mark.parametrize("header", PAUSES)
def test_a_pause_is_kept_and_then_it_goes_on(
    checkout: Checkout, relay: Relay, server: LocalServer, header: str
) -> None:
    async def pause(exchange: Exchange) -> None:
        await exchange.send(response(429, {"error": "slow down"}, PAUSES[header]()))

    relay.then(pass_on(), pause)
    began = time.monotonic()
    result = apply(checkout, "--batch-size", "1", "--concurrency", "1")
    assert (result.code, result.counts) == (0, {"triggered": RUNS})
    assert time.monotonic() - began < 10
    assert len(relay.triggers) == RUNS + 1
    converge(checkout, server)


@pytest.mark.parametrize(("before", "code"), [(0, 6), (1, 7)])
def test_a_pause_beyond_all_patience_ends_it(
    checkout: Checkout, relay: Relay, server: LocalServer, before: int, code: int
) -> None:
    relay.then(*[pass_on()] * before, chaos.answer(429, {"error": "daily limit"}, {"Retry-After": "7200"}))
    result = apply(checkout, "--batch-size", "1", "--concurrency", "1")
    assert result.code == code
    assert result.counts.get("pending") == RUNS - before
    assert "unknown" not in result.counts
    assert "7200" in result.stdout + result.stderr
    converge(checkout, server)


def test_the_daily_limit_names_the_time_at_which_it_ends(checkout: Checkout, relay: Relay, server: LocalServer) -> None:
    reset = (int(time.time()) // 86_400 + 1) * 86_400
    headers = {"RateLimit-Limit": "1000", "RateLimit-Remaining": "0", "RateLimit-Reset": str(reset)}
    relay.then(pass_on(), chaos.answer(429, {"error": "exceeded the daily limit"}, headers))
    result = checkout.here("apply", "--yes", "--batch-size", "1", "--concurrency", "1", "--timeout", "0.5")
    assert result.code == 7
    told = result.stdout + result.stderr
    end = datetime.fromtimestamp(reset, UTC)
    assert f"the account's daily limit is used up until {end:%Y-%m-%d} 00:00 UTC" in told
    assert "run it again after that" in told
    assert "--timeout" not in told
    converge(checkout, server)


def test_a_token_of_another_region_is_told_the_right_url(checkout: Checkout, relay: Relay, server: LocalServer) -> None:
    refusal = {"error": "user (b4) not found in this region (eu-central-1). Check that you are using the correct one"}
    relay.then(chaos.answer(404, refusal))
    result = checkout.here("apply", "--yes")
    assert result.code == 6
    told = result.stdout + result.stderr
    assert "belongs to another region" in told
    assert "as url in wfdeploy.yaml: https://qstash-us-east-1.upstash.io (the US)" in told
    converge(checkout, server)


# --- ids that are taken ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("duplicates", ["deduplicate", "error"])
def test_a_run_that_is_in_progress_already(
    checkout: Checkout, relay: Relay, server: LocalServer, duplicates: str
) -> None:
    """Its answer was lost, the logs don't show it, and its id is still reserved."""
    faults = server.faults
    faults.instant_finish = False
    faults.hold_deliveries = True
    faults.duplicates = "error" if duplicates == "error" else "deduplicate"
    server.freeze_logs()
    relay.then(chaos.drop(act=True))
    result = apply(checkout)
    believed = {"deduplicate": (0, {"deduplicated": RUNS}), "error": (7, {"unknown": RUNS})}
    assert (result.code, result.counts) == believed[duplicates], "an answer is believed, words are not"
    server.thaw_logs()
    converge(checkout, server)


def test_a_run_that_another_runner_started_is_found_by_the_words_of_a_refusal(
    checkout: Checkout, relay: Relay, server: LocalServer
) -> None:
    """Between the listing and the trigger; the logs show it a moment later."""
    server.faults.duplicates = "error"
    server.faults.instant_finish = False
    server.faults.hold_deliveries = True

    async def twice(exchange: Exchange) -> None:
        exchange.act()
        await pass_on()(exchange)

    relay.then(twice)
    result = apply(checkout)
    assert (result.code, result.counts) == (0, {"deduplicated": RUNS}), result.stdout + result.stderr
    converge(checkout, server)


@pytest.mark.parametrize("duplicates", ["deduplicate", "error"])
def test_an_id_of_its_own_that_somebody_elses_run_has(checkout: Checkout, server: LocalServer, duplicates: str) -> None:
    faults = server.faults
    faults.instant_finish = False
    faults.hold_deliveries = True
    faults.duplicates = "error" if duplicates == "error" else "deduplicate"
    answer = httpx.post(
        f"{server.url}/v2/trigger/http://127.0.0.1:9/theirs",
        headers={"Authorization": f"Bearer {server.token}", "Upstash-Workflow-RunId": "nightly"},
        content="{}",
    )
    assert answer.status_code == 200
    (taken,) = server.accepted_counts()
    checkout.write(group("g", [run("mine", workflowRunId="nightly"), run("other")]))
    result = apply(checkout)
    assert result.code == 7, result.stdout + result.stderr
    outcomes = {one["address"]: one["outcome"] for one in result.report["results"]}
    assert outcomes == {"g/mine": "rejected", "g/other": "triggered"}
    assert server.accepted_counts()[taken] == 1
    server.end(taken)
    # Now the id is free; whose run that was is known no more, so it is the author's to choose another.
    checkout.write(group("g", [run("mine", workflowRunId="nightly-2"), run("other")]))
    assert apply(checkout).counts == {"triggered": 1, "kept": 1}
    counts = server.accepted_counts()
    once_each(counts, 3)


@pytest.mark.parametrize("duplicates", ["deduplicate", "error"])
def test_an_id_of_its_own_that_its_own_run_has(
    checkout: Checkout, relay: Relay, server: LocalServer, duplicates: str
) -> None:
    faults = server.faults
    faults.instant_finish = False
    faults.hold_deliveries = True
    faults.duplicates = "error" if duplicates == "error" else "deduplicate"
    checkout.write(group("g", [run("mine", workflowRunId="nightly")]))

    async def twice(exchange: Exchange) -> None:
        exchange.act()
        await pass_on()(exchange)  # as if something on the way had sent it twice

    relay.then(twice)
    result = apply(checkout)
    assert (result.code, result.counts) == (0, {"deduplicated": 1}), result.stdout
    converge(checkout, server, 1)


# --- logs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told_by", ["server", "project"])
def test_logs_that_lag_are_waited_for(checkout: Checkout, relay: Relay, server: LocalServer, told_by: str) -> None:
    server.faults.log_lag_s = 1.0
    if told_by == "project":
        server.faults.advertised_log_lag_s = 0.0
        checkout.configure(logLag=1.5)
    else:
        del checkout.server["logLag"]
        checkout.configure()
    relay.then(chaos.drop(act=True), chaos.drop(act=False))
    result = apply(checkout, "--batch-size", "1", "--concurrency", "1")
    assert (result.code, result.counts) == (0, {"triggered": RUNS}), result.stderr
    converge(checkout, server)


def test_logs_that_fail_at_first_stop_it_before_anything_is_sent(
    checkout: Checkout, relay: Relay, server: LocalServer
) -> None:
    relay.listings = [chaos.answer(500, {"error": "the logs are broken"})] * 50
    result = apply(checkout, "--timeout", "1")
    assert result.code == 6, result.stderr
    assert "the logs are broken" in result.stderr
    assert relay.triggers == []
    assert not checkout.state_file.exists()
    relay.listings = []
    converge(checkout, server)


def test_logs_that_fail_when_answers_were_lost_leave_it_to_the_next_apply(
    checkout: Checkout, relay: Relay, server: LocalServer
) -> None:
    relay.listings = [pass_on(), *[chaos.answer(500, {"error": "the logs are broken"})] * 50]
    relay.then(chaos.drop(act=True))
    result = apply(checkout, "--timeout", "1", "--batch-size", "1", "--concurrency", "1")
    assert result.code == 7, result.stderr
    assert result.counts == {"triggered": RUNS - 1, "unknown": 1}
    relay.listings = []
    converge(checkout, server)


def test_a_listing_that_breaks_off_proves_nothing(checkout: Checkout, relay: Relay, server: LocalServer) -> None:
    relay.then(chaos.drop(act=True))
    relay.listings = [
        pass_on(),
        chaos.answer(200, '{"runs":[]', act=False),
        chaos.answer(200, {"cursor": "c1", "runs": []}),
        chaos.drop(act=False),
        chaos.drop(act=False, with_reset=True),
    ]
    apply(checkout, "--timeout", "2")
    converge(checkout, server)


# --- states ----------------------------------------------------------------------------------------------------------


def test_a_state_restored_from_an_older_copy(checkout: Checkout, server: LocalServer) -> None:
    assert apply(checkout).code == 0
    old = checkout.state_file.read_bytes()
    declare(checkout, RUNS + 4)
    assert apply(checkout).counts == {"triggered": 4, "kept": RUNS}
    checkout.state_file.write_bytes(old)
    declare(checkout, RUNS + 6)
    result = apply(checkout)
    assert (result.code, result.counts) == (0, {"adopted": 4, "triggered": 2, "kept": RUNS}), result.stderr
    converge(checkout, server, RUNS + 6)


def test_two_runners_with_states_of_their_own_in_turn(checkout: Checkout, server: LocalServer) -> None:
    other = Checkout(checkout.root.parent / "other", checkout.url, checkout.token)
    for runs in range(1, 7):
        for runner in (checkout, other) if runs % 2 else (other, checkout):
            declare(runner, runs)
            result = apply(runner)
            assert result.code == 0, result.stderr
    once_each(server.accepted_counts(), 6)
    converge(checkout, server, 6)
    converge(other, server, 6)
