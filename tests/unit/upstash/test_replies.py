"""What an answer says of each run, and when it may not be believed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.model.remote import Answered, Denied, InProgress, Lost, Taken, Throttled, Unclear
from wfdeploy.upstash.replies import read_batch_reply

NOT_CREATED = Unclear("the answer doesn't say that the run was created")
NO_STATUS = Unclear("the answer has an item whose status can't be read")
IDS = ["wfr_a", "wfr_b", "c", "wfr_c-longer"]


def read(answer: Any, sent: list[str] = IDS) -> Answered | Lost:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return read_batch_reply(body, sent, scrub=lambda text: text.upper())


def ok(run_id: str, at: int | None = 1) -> dict[str, Any]:
    return {"workflowRunId": run_id, "workflowCreatedAt": at}


@given(st.permutations(IDS), st.lists(st.booleans(), min_size=4, max_size=4))
def test_any_order_and_either_form_of_the_ids_is_understood(order: list[str], doubled: list[bool]) -> None:
    answer = [
        ok(f"wfr_{run_id}" if double else run_id, IDS.index(run_id) + 1)
        for run_id, double in zip(order, doubled, strict=True)
    ]
    assert read(answer) == Answered(tuple(Taken(n + 1) for n in range(4)), in_order=order == IDS)


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "workflowRunId": st.sampled_from(["wfr_a", "wfr_b"]),
                "workflowCreatedAt": st.sampled_from([1, 0, 1.0, None, True]),
                "deduplicated": st.sampled_from([True, False, None, 1]),
                "error": st.sampled_from(["x", "", None]),
            },
        ),
        min_size=2,
        max_size=2,
    )
)
def test_the_quick_way_to_read_agrees_with_the_thorough_one(answer: list[dict[str, Any]]) -> None:
    # One item that isn't usual sends the whole answer the thorough way; its neighbours must come out the same.
    quick = read(answer, ["wfr_a", "wfr_b"])
    thorough = read([*answer, ok("wfr_wfr_z")], ["wfr_a", "wfr_b", "wfr_z"])
    if isinstance(quick, Answered) and isinstance(thorough, Answered):
        assert thorough.items == (*quick.items, Taken(1))
    else:
        assert type(quick) is type(thorough)


def test_an_id_as_sent_wins_over_a_prefixed_form_of_another() -> None:
    assert read([ok("x", 1), ok("wfr_x", 2)], ["x", "wfr_x"]) == Answered((Taken(1), Taken(2)))
    assert isinstance(read([ok("wfr_x", 1), ok("wfr_wfr_x", 2)], ["x", "wfr_x"]), Lost)  # two readings: none


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"error": "bad url"}, Denied("BAD URL")),
        ({"error": {"message": "bad url"}}, Denied("BAD URL")),
        ({"message": "bad url", "status": 400}, Denied("BAD URL")),
        ({"message": "queued"}, Unclear("the answer has an item with neither an id nor an error")),
        ({"detail": "x", "messageId": "m"}, Unclear("the answer has an item with neither an id nor an error")),
        ({"status": 302}, Unclear("the answer holds an error that is none: 302 FOUND")),
        ({"message": "accepted", "status": 202}, Unclear("the answer holds an error that is none: ACCEPTED")),
        ({"error": "x", "status": 201}, Unclear("the answer holds an error that is none: X")),
        (
            {"workflowRunId": "wfr_b", "status": 304},
            Unclear("the answer holds an error that is none: 304 NOT MODIFIED"),
        ),
        ({"error": "boom", "status": 500}, Unclear("the server had trouble with this run: BOOM")),
        ({"error": "slow", "status": 408}, Unclear("the server had trouble with this run: SLOW")),
        ({"workflowRunId": "wfr_b", "error": "bad url"}, Denied("BAD URL")),
        ({"workflowRunId": "wfr_b", "error": {}}, NOT_CREATED),
        ({"workflowRunId": "wfr_b"}, NOT_CREATED),
        ({"workflowRunId": "wfr_b", "success": False}, NOT_CREATED),
        ({"workflowRunId": "wfr_b", "message": "no plan"}, Unclear(f"{NOT_CREATED.reason}, but: NO PLAN")),
        ({"workflowRunId": "wfr_b", "deduplicated": True}, Taken(None, deduplicated=True)),
        ({"workflowRunId": "wfr_b", "deduplicated": False}, NOT_CREATED),
        ({**ok("wfr_b"), "message": "created"}, Taken(1)),
        ({**ok("wfr_b"), "status": "failed"}, NO_STATUS),
        ({**ok("wfr_b"), "status": 0}, NO_STATUS),
        ({**ok("wfr_b"), "status": None}, Taken(1)),
        ({"error": "boom", "status": "500 Internal Server Error"}, NO_STATUS),
        ({"error": "boom", "status": 99999}, NO_STATUS),
        ({"error": "boom", "status": [500]}, NO_STATUS),
        ({"error": "boom", "status": 500.0}, Unclear("the server had trouble with this run: BOOM")),
        ({"error": "slow down", "status": 429.0}, Throttled("SLOW DOWN")),
        ({"workflowRunId": "wfr_b", "error": ["?"]}, Denied("NO REASON GIVEN")),
        ({"error": "run wfr_b is already running"}, InProgress("RUN WFR_B IS ALREADY RUNNING")),
        ({"error": "run wfr_b is already running", "status": 400}, InProgress("RUN WFR_B IS ALREADY RUNNING")),
        ({"error": "run wfr_a is already running"}, Denied("RUN WFR_A IS ALREADY RUNNING")),
        ({"workflowRunId": "wfr_b", "error": "run is already in progress"}, Denied("RUN IS ALREADY IN PROGRESS")),
        ({"error": "run limit reached: 9 runs are active"}, Denied("RUN LIMIT REACHED: 9 RUNS ARE ACTIVE")),
        ({"error": "slow down", "status": 429}, Throttled("SLOW DOWN")),
        ({"error": "slow down", "status": "429"}, Throttled("SLOW DOWN")),
        ({"status": 429}, Throttled("429 TOO MANY REQUESTS")),
        ({"workflowRunId": "wfr_b", "status": 429}, Throttled("429 TOO MANY REQUESTS")),
        ({"workflowRunId": "wfr_b", "status": 400}, Denied("400 BAD REQUEST")),
        (
            {"workflowRunId": "wfr_b", "status": 500},
            Unclear("the server had trouble with this run: 500 INTERNAL SERVER ERROR"),
        ),
        ({**ok("wfr_b"), "status": 429}, Unclear("the answer holds both a run and an error")),
        ({**ok("wfr_b"), "status": 201}, Taken(1)),
        ({**ok("wfr_b"), "error": "bad url"}, Unclear("the answer holds both a run and an error")),
        ({**ok("wfr_b"), "deduplicated": True}, Taken(1, deduplicated=True)),
        ({**ok("wfr_b"), "deduplicated": False}, Taken(1)),
        ({**ok("wfr_b"), "deduplicated": None}, Taken(1)),
        ({**ok("wfr_b"), "deduplicated": "yes"}, Unclear("the answer's deduplicated is neither true nor false")),
        ({**ok("wfr_b"), "more": [1, 2]}, Taken(1)),
        (ok("wfr_b", None), NOT_CREATED),
        (ok("wfr_b", 0), NOT_CREATED),
        ({"workflowRunId": "wfr_b", "workflowCreatedAt": "2026-11-23"}, Taken(None)),
        ({"workflowRunId": "wfr_b", "workflowCreatedAt": True}, Taken(None)),
        ({"workflowRunId": "wfr_b", "workflowCreatedAt": 1795436398723.0}, Taken(1795436398723)),
    ],
)
def test_one_item(answer: Any, expected: Any) -> None:
    reply = read([ok("wfr_a"), answer, ok("c"), ok("wfr_c-longer")])
    assert isinstance(reply, Answered)
    assert reply.items == (Taken(1), expected, Taken(1), Taken(1))


def test_errors_without_ids_are_placed_only_where_positions_hold() -> None:
    reply = read([{"error": "x"}, ok("wfr_a"), ok("c"), ok("wfr_c-longer")])
    assert isinstance(reply, Answered)
    assert isinstance(reply.items[1], Unclear)
    assert [type(item) for item in reply.items] == [Taken, Unclear, Taken, Taken]


def test_errors_alone_are_placed_by_position() -> None:
    answer = [{"error": f"no {n}"} for n in range(4)]
    assert read(answer) == Answered(tuple(Denied(f"NO {n}") for n in range(4)))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(IDS),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["workflowRunId", "error", "workflowCreatedAt", "deduplicated", "status"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=16,
    )
)
def test_no_json_makes_it_stumble(answer: Any) -> None:
    reply = read(answer)
    if isinstance(reply, Answered):
        assert len(reply.items) == len(IDS)
        taken = [
            run_id
            for run_id, item in zip(IDS, reply.items, strict=True)
            if isinstance(item, Taken) and not item.deduplicated
        ]
        # Nothing is believed to have been started whose id didn't come back.
        for run_id in taken:
            assert any(isinstance(item, dict) and str(item.get("workflowRunId")).endswith(run_id) for item in answer)


@given(st.binary(max_size=60))
def test_no_bytes_make_it_stumble(body: bytes) -> None:
    assert isinstance(read(body), Lost)
