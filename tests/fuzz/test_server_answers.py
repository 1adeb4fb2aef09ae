"""Answers of a server, or of something before it: no run counts as triggered, refused or gone by a misreading."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.fakes.manual_clock import ManualClock
from tests.fuzz.hunt import Hunt, hunt
from tests.fuzz.mutation import Damage
from tests.fuzz.sound import check_error
from tests.support.httpx_network import HttpxNetwork
from wfdeploy.errors import RemoteFailure
from wfdeploy.model.project import ServerSettings
from wfdeploy.model.remote import (
    Answered,
    BatchRefused,
    Cancelled,
    Denied,
    Gone,
    InProgress,
    Item,
    Lost,
    NotCancelled,
    Resumed,
    Stop,
    Taken,
    Throttled,
    TooLarge,
    Unclear,
)
from wfdeploy.render.terminal import printable
from wfdeploy.upstash.client import UpstashGateway
from wfdeploy.upstash.scrub import Scrubber

T = TypeVar("T")

SENT = ["wfr_a-g1", "wfr_b-g1", "own.id", "wfr_a-g11"]
ITEMS = [Item(run_id, b'{"destination":"https://a"}') for run_id in SENT]
STATUSES = (200, 201, 202, 204, 301, 400, 401, 403, 404, 408, 409, 412, 413, 418, 429, 500, 502, 503, 599, 999)
CREATED = 1_795_442_400_000

TRIGGERED: Any = [{"workflowRunId": run_id, "workflowCreatedAt": CREATED + n} for n, run_id in enumerate(SENT)]
ANSWERS: list[Any] = [
    TRIGGERED,
    [{**TRIGGERED[0], "deduplicated": True}, {**TRIGGERED[1], "workflowRunId": f"wfr_{SENT[1]}"}, *TRIGGERED[2:]],
    [TRIGGERED[0], {"error": "destination is not a URL", "status": 400}, {"workflowRunId": SENT[2], "error": "no"},
     {"status": 503, "error": "later"}],
    {"error": f"workflow run {SENT[0]} is already running"},
    {"error": {"message": "quota exceeded"}, "status": 412},
    "an answer of a proxy", None, [], {},
]  # fmt: skip
PIECES: list[Any] = [
    *SENT, *(f"wfr_{run_id}" for run_id in SENT), f"{SENT[0]}x", "wfr_", 200, 201, 400, "400", 408, 429, 503,
    "503", True,
    "workflowRunId", "error", "status", "deduplicated", f"{SENT[3]} is already running", "already running", CREATED,
    "messages", "runs", "cursor", "dlqId", "RUN_SUCCESS", "RUN_STARTED",
]  # fmt: skip
LOGS: Any = {
    "cursor": "",
    "runs": [
        {"workflowRunId": run_id, "workflowUrl": "https://a", "workflowState": state, "workflowRunCreatedAt": CREATED,
         "workflowRunCompletedAt": CREATED + 9, "labels": ["wfdeploy.p.e", "x"], "dlqId": "1-2",
         "failureFunction": {"state": "CALLBACK_FAIL"},
         "steps": [{"type": "sequential", "steps": [{"stepName": "s", "stepType": "Run", "state": "STEP_FAILED",
                    "createdAt": CREATED, "retries": 3, "errors": [{"error": "x", "body": '{"error":"E"}', "status": 1,
                    "time": CREATED}]}]}]}
        for run_id, state in zip(SENT, ("RUN_SUCCESS", "RUN_STARTED", "RUN_FAILED", "RUN_CANCELED"), strict=True)
    ],
}  # fmt: skip
LETTERS: Any = {
    "cursor": "c",
    "messages": [
        {"dlqId": f"1-{n}", "workflowRunId": run_id, "workflowCreatedAt": CREATED, "label": "wfdeploy.p.e"}
        for n, run_id in enumerate(SENT)
    ],
}
HEADERS: list[tuple[str, str]] = [
    ("Date", "Thu, 26 Nov 2026 06:00:00 GMT"), ("Date", "soon"), ("Date", "Thu, 99 Nov 99999 06:00:00 +9999"),
    ("Retry-After", "3"), ("Retry-After", "-1e400"), ("Retry-After", "nan"), ("RateLimit-Limit", "1"),
    ("RateLimit-Reset", "9" * 400), ("Burst-RateLimit-Reset", "1795442401"), ("Location", "https://b/\x1b[2J"),
    ("Content-Encoding", "gzip"), ("Content-Encoding", "br"), ("Wfdeploy-Log-Lag", "0"), ("Wfdeploy-Server-Id", "x"),
    ("Content-Type", "text/html"),
]  # fmt: skip


class Answers(httpx.AsyncBaseTransport):
    """Gives the answers one after the other, and the last one from then on."""

    def __init__(self, answers: list[tuple[int, list[tuple[str, str]], bytes]]) -> None:
        self.answers = answers
        self.asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        status, headers, body = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        assert self.asked < 2000, "a server that answers nonsense is asked without an end"
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        return httpx.Response(status, headers=raw, stream=httpx.ByteStream(body))


def answer(damage: Damage, sample: Any, usual: int) -> tuple[int, list[tuple[str, str]], bytes]:
    rng = damage.rng
    status = usual if rng.random() < 0.7 else rng.choice(STATUSES)
    headers = rng.sample(HEADERS, rng.choice((0, 0, 1, 3)))
    chance = rng.random()
    if chance < 0.03:
        body = damage.nested()
    elif chance < 0.25:
        body = damage.octets(json.dumps(sample).encode(), [json.dumps(LOGS).encode()])
    elif chance < 0.3:
        body = damage.encoded(sample)
    else:
        body = damage.encoded(damage.value(sample, PIECES))
    return status, headers, body


@contextmanager
def gateway(transport: Answers) -> Iterator[UpstashGateway]:
    yield UpstashGateway(
        "https://server.example", "token", settings=ServerSettings(), clock=ManualClock(), scrubber=Scrubber(["token"]),
        network=HttpxNetwork(transport), wait_budget_s=60.0,
    )  # fmt: skip


def told(runner: asyncio.Runner, answers: list[Any], ask: Callable[[UpstashGateway], Awaitable[T]]) -> T:
    """What is made of answers: the same each time."""

    async def asked() -> T | str:
        with gateway(Answers(answers)) as remote:
            try:
                return await ask(remote)
            except RemoteFailure as error:
                check_error(error)
                return f"failed: {error.message}"

    first, second = runner.run(asked()), runner.run(asked())
    assert first == second
    return first  # type: ignore[return-value]


def parsed(body: bytes) -> Any:
    try:
        return json.loads(json.dumps(json.loads(body), ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError):
        return None


def test_no_answer_to_a_trigger_is_misread(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:

        def example(rng: random.Random, done: Hunt) -> None:
            damage = Damage(rng)
            given = done.input = answer(damage, rng.choice(ANSWERS), 201)
            status, _, body = given
            reply: Any = told(runner, [given], lambda remote: remote.trigger(ITEMS))
            done.note(type(reply).__name__)
            match reply:
                case Answered(items):
                    assert status in (200, 201)
                    list_ = parsed(body)
                    assert isinstance(list_, list)
                    assert len(list_) == len(items) == len(SENT)
                    for index, item in enumerate(items):
                        check_item(index, item, list_)
                        done.note(type(item).__name__)
                case BatchRefused(_, message, running):
                    assert status in (400, 412)
                    assert message
                    assert all(run_id in json.dumps(parsed(body)) + body.decode(errors="replace") for run_id in running)
                case TooLarge():
                    assert status == 413
                case Throttled(_, wait_s):
                    assert status == 429
                    assert wait_s is None or 0 <= wait_s <= 86_400
                case Stop():
                    assert 300 <= status < 500
                    assert status not in (400, 408, 412, 413, 429)
                case Lost(reason):
                    assert reason
                case _:
                    raise AssertionError(reply)
            for name in ("message", "reason", "hint"):
                printable(getattr(reply, name, None) or "").encode()

        hunt("answers to a trigger", 1500, example, allowed=tmp_path)


def check_item(index: int, item: Any, answer_: list[Any]) -> None:
    ours = (SENT[index], f"wfr_{SENT[index]}")
    by_id = [one for one in answer_ if isinstance(one, dict) and one.get("workflowRunId") in ours]
    match item:
        case Taken(created, deduplicated):
            (one,) = by_id
            assert not one.get("error")
            told_: Any = one.get("workflowCreatedAt")
            assert created is None or (type(told_) in (int, float) and created == int(told_))
            assert not deduplicated or one.get("deduplicated") is True
        case Denied() | InProgress() | Throttled():
            at = answer_[index]
            (one,) = by_id or [at]
            assert isinstance(one, dict)
            assert one.get("error") or str(one.get("status"))[:1] == "4"
            assert str(one.get("status"))[:1] not in ("1", "2", "3", "5")
            assert str(one.get("status")) != "408"
            assert one.get("workflowCreatedAt") is None or not by_id
            if isinstance(item, InProgress):
                assert any(run_id in item.message for run_id in ours)
        case _:
            assert isinstance(item, Unclear)


def _listed(runs: object) -> list[Any]:
    return runs if isinstance(runs, list) else []


def test_no_listing_tells_of_a_run_that_the_server_did_not_list(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:

        def example(rng: random.Random, done: Hunt) -> None:
            damage = Damage(rng)
            page = {**LOGS, "cursor": rng.choice(("", "c1", "c2"))}
            given = done.input = [answer(damage, page, 200) for _ in range(rng.randint(1, 3))]

            async def listed(remote: UpstashGateway) -> Any:
                return [page async for page in remote.list_runs(label="wfdeploy.p.e", since_ms=None)]

            pages: Any = told(runner, given, listed)
            done.note("failed" if isinstance(pages, str) else "listed")
            if isinstance(pages, str):
                return
            assert pages[-1].last
            read = [parsed(body) for _, _, body in given]
            entries = [entry for page_ in read if isinstance(page_, dict) for entry in _listed(page_.get("runs"))]
            known = [entry.get("workflowRunId") for entry in entries if isinstance(entry, dict)]
            for page_ in pages:
                for run in page_.runs:
                    assert run.workflow_run_id in known
                    assert 0 <= run.created_at_ms < 1e15
                    assert all(isinstance(label, str) for label in run.labels)

        hunt("listings", 600, example, allowed=tmp_path)


def test_a_run_that_is_looked_at_is_the_one_that_was_asked_for(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:

        def example(rng: random.Random, done: Hunt) -> None:
            given = done.input = [answer(Damage(rng), LOGS, 200)]
            run: Any = told(runner, given, lambda remote: remote.read_run(SENT[0], rng.choice((None, CREATED))))
            done.note(type(run).__name__)
            assert isinstance(run, str) or run is None or run.workflow_run_id in (SENT[0], f"wfr_{SENT[0]}")

        hunt("logs of a run", 300, example, allowed=tmp_path)


def test_dead_letters_and_resumes(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:

        def example(rng: random.Random, done: Hunt) -> None:
            damage = Damage(rng)
            pages = [answer(damage, {**LETTERS, "cursor": rng.choice(("", "c", "d"))}, 200) for _ in range(2)]
            done.input = pages

            async def listed(remote: UpstashGateway) -> Any:
                return [letters async for letters in remote.list_dead_letters(label="wfdeploy.p.e", since_ms=1)]

            letters: Any = told(runner, pages, listed)
            done.note("failed" if isinstance(letters, str) else "letters")
            for letter in () if isinstance(letters, str) else (one for page in letters for one in page):
                assert letter.dlq_id
                assert letter.workflow_run_id

            given = answer(damage, TRIGGERED[0], 200)
            done.input = pages, given
            status, _, body = given
            reply: Any = told(runner, [given], lambda remote: remote.resume("1-2", labels=["x"]))
            done.note(type(reply).__name__)
            match reply:
                case Resumed(run_id, _):
                    assert status in (200, 201)
                    assert parsed(body)["workflowRunId"] == run_id
                case Gone():
                    assert status == 404
                case Denied() | Stop() | Throttled():
                    assert 300 <= status < 500
                    assert status not in (404, 408)
                case _:
                    assert isinstance(reply, Lost)

        hunt("dead letters and resumes", 250, example, allowed=tmp_path)


def test_cancels(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:

        def example(rng: random.Random, done: Hunt) -> None:
            damage = Damage(rng)
            samples: list[Any] = [{"cancelled": 2}, {"actionId": "a1"}, {"state": "FINISHED"}, {"state": "RUNNING"}]
            given = done.input = [answer(damage, rng.choice(samples), 200) for _ in range(rng.randint(1, 3))]
            reply: Any = told(runner, given, lambda remote: remote.cancel(SENT, label="wfdeploy.p.e"))
            done.note(type(reply).__name__)
            match reply:
                case Cancelled(count):
                    assert count is None or 0 <= count <= len(SENT)
                    assert any(200 <= status < 300 for status, _, _ in given)
                case NotCancelled(message):
                    assert message
                    printable(message).encode()
                case _:
                    raise AssertionError(reply)

        hunt("cancels", 300, example, allowed=tmp_path)
