"""Pages of the dead-letter queue: read whole or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wfdeploy.model.remote import DeadLetter
from wfdeploy.upstash.logs import UnreadableError, read_letter_page

ENTRY = {"dlqId": "1725323658779-0", "workflowRunId": "wfr_a", "workflowCreatedAt": 1000, "body": "x", "labels": ["y"]}


def read(page: Any) -> tuple[tuple[DeadLetter, ...], str]:
    return read_letter_page(json.dumps(page).encode())


def test_a_page() -> None:
    assert read({"messages": [ENTRY], "cursor": "next"}) == (
        (DeadLetter("1725323658779-0", "wfr_a", 1000, ("y",)),),
        "next",
    )


@pytest.mark.parametrize(
    "page", [{"messages": []}, {"messages": None}, {"messages": [], "cursor": ""}, {"messages": [], "cursor": None}]
)
def test_an_empty_last_page(page: Any) -> None:
    assert read(page) == ((), "")


@pytest.mark.parametrize("created", [None, 0, "soon", -1, True])
def test_the_time_may_be_missing(created: object) -> None:
    ((letter,), _) = read({"messages": [{**ENTRY, "workflowCreatedAt": created}]})
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
def test_what_cannot_be_read_fails_the_page(page: Any) -> None:
    with pytest.raises(UnreadableError):
        read(page)


def test_what_is_no_json_fails_the_page() -> None:
    with pytest.raises(UnreadableError):
        read_letter_page(b"<html>")
