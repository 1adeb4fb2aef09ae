"""Pages of the logs and of the dead-letter queue: read whole or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wfdeploy.model.observed import ObservedRun, RunState, StepError
from wfdeploy.model.remote import DeadLetter
from wfdeploy.upstash.logs import (
    LogPage,
    UnreadableError,
    read_letter_page,
    read_log_page,
    read_payload_digest,
    read_run,
)
from wfdeploy.upstash.scrub import Scrubber

RUN = {
    "workflowRunId": "wfr_a",
    "workflowUrl": "https://app/wf",
    "workflowState": "RUN_SUCCESS",
    "workflowRunCreatedAt": 1000,
    "workflowRunCompletedAt": 2000,
    "label": "x",
    "labels": ["x", "y"],
    "steps": [],
}


def read(page: Any) -> LogPage:
    return read_log_page(json.dumps(page).encode())


def test_a_page() -> None:
    expected = ObservedRun(
        workflow_run_id="wfr_a",
        state=RunState.SUCCESS,
        created_at_ms=1000,
        completed_at_ms=2000,
        url="https://app/wf",
        labels=("x", "y"),
    )
    assert read({"runs": [RUN], "cursor": "next"}) == LogPage((expected,), "next")


@pytest.mark.parametrize(
    "page", [{"runs": []}, {"runs": None}, {"runs": [], "cursor": ""}, {"runs": [], "cursor": None}]
)
def test_an_empty_last_page(page: Any) -> None:
    assert read(page) == LogPage((), "")


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"workflowState": "RUN_PAUSED"}, "state", RunState.UNKNOWN),
        ({"workflowState": None}, "state", RunState.UNKNOWN),
        ({"workflowRunCompletedAt": 0}, "completed_at_ms", None),
        ({"workflowRunCompletedAt": "soon"}, "completed_at_ms", None),
        ({"labels": None}, "labels", ("x",)),
        ({"labels": None, "label": ""}, "labels", ()),
        ({"workflowUrl": 7}, "url", ""),
        ({"workflowRunCreatedAt": 1000.0}, "created_at_ms", 1000),
    ],
)
def test_what_may_be_missing(change: dict[str, Any], field: str, value: object) -> None:
    (run,) = read({"runs": [{**RUN, **change}]}).runs
    assert getattr(run, field) == value


@pytest.mark.parametrize(
    "page",
    [
        [],
        None,
        {},
        {"error": "x"},
        {"runs": {}},
        {"runs": "x"},
        {"runs": [], "cursor": 7},
        {"runs": [None]},
        {"runs": [RUN, {**RUN, "workflowRunId": ""}]},
        {"runs": [{**RUN, "workflowRunId": None}]},
        {"runs": [{**RUN, "workflowRunCreatedAt": None}]},
        {"runs": [{**RUN, "workflowRunCreatedAt": "2026"}]},
    ],
)
def test_a_run_is_never_passed_over(page: Any) -> None:
    with pytest.raises(UnreadableError):
        read(page)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"\xff"])
def test_what_is_not_json(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_log_page(body)


def test_half_of_a_surrogate_pair_can_be_stored_and_sent_back() -> None:
    page = read({"runs": [RUN | {"workflowRunId": "wfr_\ud83d", "labels": ["\udc00x"]}], "cursor": "\ud800"})
    assert (page.cursor, page.runs[0].workflow_run_id, page.runs[0].labels) == ("?", "wfr_?", ("?x",))
    assert read_log_page(b'{"runs":[],"cursor":"\xed\xa0\x80"}').cursor == "?"
    assert read({"runs": [], "cursor": "\U0001f600"}).cursor == "\U0001f600"


ENTRY = {"dlqId": "1725323658779-0", "workflowRunId": "wfr_a", "workflowCreatedAt": 1000, "body": "x", "labels": ["y"]}


def read_letters(page: Any) -> tuple[tuple[DeadLetter, ...], str]:
    return read_letter_page(json.dumps(page).encode())


def test_a_page_of_dead_letters() -> None:
    assert read_letters({"messages": [ENTRY], "cursor": "next"}) == (
        (DeadLetter("1725323658779-0", "wfr_a", 1000, ("y",)),),
        "next",
    )


@pytest.mark.parametrize(
    "page", [{"messages": []}, {"messages": None}, {"messages": [], "cursor": ""}, {"messages": [], "cursor": None}]
)
def test_an_empty_last_page_of_dead_letters(page: Any) -> None:
    assert read_letters(page) == ((), "")


@pytest.mark.parametrize("created", [None, 0, "soon", -1, True])
def test_the_time_of_a_dead_letter_may_be_missing(created: object) -> None:
    ((letter,), _) = read_letters({"messages": [{**ENTRY, "workflowCreatedAt": created}]})
    assert letter.created_at_ms is None


@pytest.mark.parametrize(
    "page",
    [
        [],
        {},
        {"messages": {}},
        {"messages": [7]},
        {"messages": [], "cursor": 7},
        *({"messages": [{**ENTRY, name: value}]} for name in ("dlqId", "workflowRunId") for value in (None, "", 7)),
        {"messages": [{**ENTRY, "dlqId": ".."}]},
    ],
)
def test_what_cannot_be_read_fails_a_page_of_dead_letters(page: Any) -> None:
    with pytest.raises(UnreadableError):
        read_letters(page)


def test_what_is_no_json_fails_a_page_of_dead_letters() -> None:
    with pytest.raises(UnreadableError):
        read_letter_page(b"<html>")


def error_of(error: dict[str, Any], *, scrub: Any = str) -> StepError:
    step = {"messageId": "msg", "state": "STEP_FAILED", "errors": [error]}
    run = RUN | {"workflowState": "RUN_FAILED", "steps": [{"type": "next", "steps": [step]}]}
    log = read_run(json.dumps({"runs": [run]}).encode(), "wfr_a", None, scrub=scrub)
    assert log is not None
    return log.groups[0].steps[0].errors[0]


PAGE = "<!DOCTYPE html><html><head><style>p {}</style><title>Sign in &amp; go</title></head><body>Welcome</body></html>"


@pytest.mark.parametrize(
    ("error", "message", "body", "reason"),
    [
        (
            {"error": "detected a non-workflow destination", "status": 200, "body": PAGE},
            "detected a non-workflow destination",
            "Sign in & go",
            "200 detected a non-workflow destination: Sign in & go",
        ),
        (
            {"error": "500 Internal Server Error", "status": 500, "body": '{"error": "Error", "message": "no month"}'},
            "500 Internal Server Error",
            "Error: no month",
            "500 Internal Server Error: Error: no month",
        ),
        ({"error": "timeout", "status": 0, "body": ""}, "timeout", "", "timeout"),
        ({"status": 503, "body": "busy"}, "busy", "busy", "503 busy"),
        ({"error": None, "status": 503, "body": None}, "", "", "503"),
        # An SDK's answer ends with a stack trace, and only its beginning is requested.
        (
            {"error": "x", "body": '{"error":"E","message":"a \\"b\\" ñ","stack":"at f (f.js:1)\\n  at g'},
            "x",
            'E: a "b" ñ',
            'x: E: a "b" ñ',
        ),
        ({"error": "x", "body": '{"detail":7}'}, "x", '{"detail":7}', 'x: {"detail":7}'),
        ({"error": "x", "body": "<p>First <b>second</b></p>"}, "x", "First second", "x: First second"),
        ({"error": ["x"], "status": "400", "body": 7}, "", "", ""),
    ],
)
def test_the_server_s_reason_comes_first(error: dict[str, Any], message: str, body: str, reason: str) -> None:
    found = error_of(error)
    assert (found.message, found.body, found.reason) == (message, body, reason)


def test_a_reason_and_an_answer_are_scrubbed_and_bounded() -> None:
    scrub = Scrubber(["s3cret-token"])
    found = error_of(
        {"error": "bad s3cret-token", "body": f"<title>s3cret&#45;token</title>{'x' * 100_000}"}, scrub=scrub
    )
    assert (found.message, found.body) == ("bad ***", "***")
    assert len(error_of({"error": "x" * 10_000, "body": "y" * 10_000}, scrub=scrub).reason) < 1100


def test_a_failed_failure_function_says_why() -> None:
    failure = {"state": "CALLBACK_FAIL", "errors": [{"error": "404 Not Found", "status": 404, "body": "no route"}]}
    body = json.dumps({"runs": [RUN | {"failureFunction": failure}]}).encode()
    log = read_run(body, "wfr_a", None, scrub=str)
    assert log is not None
    assert [error.reason for error in log.failure_errors] == ["404 Not Found: no route"]


def payload_digest(steps: object, created_at_ms: int = 1000) -> str | None:
    return read_payload_digest(json.dumps({"runs": [RUN | {"steps": steps}]}).encode(), "wfr_a", created_at_ms)


def initial(**fields: Any) -> list[Any]:
    return [{"type": "sequential", "steps": [{"stepName": "init", "stepType": "Initial", **fields}]}]


def test_equal_payloads_have_equal_digests() -> None:
    first = payload_digest(initial(out='{"tenant":"acme"}'))
    assert first is not None
    assert first == payload_digest([*initial(out='{"tenant":"acme"}', headers={}), {"type": "next", "steps": []}])
    assert first != payload_digest(initial(out='{"tenant":"globex"}'))
    assert payload_digest(initial(out="")) is not None


@pytest.mark.parametrize(
    "steps",
    [
        None,
        [],
        [{}],
        [{"steps": []}],
        [{"steps": [{"stepType": "Run", "out": "1"}]}],
        initial(),
        initial(out=None),
        initial(out={"a": 1}),
    ],
)
def test_a_payload_that_is_not_shown_has_none(steps: object) -> None:
    assert payload_digest(steps) is None


def test_the_payload_of_another_run_is_not_taken() -> None:
    body = json.dumps({"runs": [RUN | {"steps": initial(out="1")}]}).encode()
    assert read_payload_digest(body, "wfr_b", 1000) is None
    assert read_payload_digest(body, "wfr_a", 9_000_000) is None
