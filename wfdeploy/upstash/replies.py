"""Read the answer to a batch trigger or to a resume: the outcome of each run.

Sources: "Workflow REST reference: Batch Trigger Workflow Runs", "Resume Workflow from DLQ". The shape of a refused item
isn't documented; `{"error": "..."}` was observed. Anything that can't be read with certainty is `Unclear` (one run) or
`Lost` (the batch), never a guess: then only the logs decide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from operator import itemgetter, ne
from typing import Any

from wfdeploy.errors import several
from wfdeploy.model.remote import (
    Answered,
    BatchRefused,
    Denied,
    Gone,
    InProgress,
    ItemReply,
    Lost,
    Resumed,
    ResumeReply,
    Taken,
    Throttled,
    TooLarge,
    Unclear,
)
from wfdeploy.upstash.logs import milliseconds
from wfdeploy.upstash.refusals import (
    by_returned_id,
    error_of,
    error_text,
    json_of,
    named_running,
    read_refusal,
    reason_of,
)
from wfdeploy.upstash.transfer import Answer

_usual = itemgetter("workflowRunId", "workflowCreatedAt")


def read_batch_reply(body: bytes, sent: Sequence[str], *, scrub: Callable[[str], str]) -> Answered | Lost:
    """The outcomes in a 2xx answer for the runs whose ids were `sent`, in that order.

    Runs are matched by the returned id (as sent, or with one more `wfr_`), in any order. An item without an id is
    matched by position, but only while every item with an id is at its own position.
    """
    try:
        answer = json_of(body)
    except (ValueError, RecursionError):
        return Lost("the answer isn't JSON")
    if not isinstance(answer, list):
        return Lost("the answer isn't a list")
    if len(answer) != len(sent):
        return Lost(f"the answer has {several(len(answer), 'item')} for {several(len(sent))}")
    if (taken := _all_taken(answer, sent)) is not None:
        return Answered(taken)
    known = by_returned_id(sent)
    position = {workflow_run_id: index for index, workflow_run_id in enumerate(sent)}
    replies: list[ItemReply | None] = [None] * len(sent)
    without_id: list[tuple[int, object]] = []
    in_order = True
    for index, item in enumerate(answer):
        returned = item.get("workflowRunId") if type(item) is dict else None
        if not isinstance(returned, str) or not returned:
            without_id.append((index, item))
            continue
        workflow_run_id = known.get(returned)
        if workflow_run_id is None:
            return Lost("the answer holds an id that wasn't sent")
        at = position[workflow_run_id]
        if replies[at] is not None:
            return Lost("the answer holds an id twice")
        in_order = in_order and at == index
        replies[at] = _with_id(item, workflow_run_id, scrub)
    for index, item in without_id:
        if in_order:
            replies[index] = _without_id(item, sent[index], scrub)
    unread = Unclear("the answer doesn't say which run an error is for")
    return Answered(tuple(reply or unread for reply in replies), in_order)


def _all_taken(answer: list[Any], sent: Sequence[str]) -> tuple[Taken, ...] | None:
    """Read the usual answer, all runs accepted and in order, in a twentieth of the time.

    None for any other answer; the full reading gives the same result for the usual one.
    """
    if not sent or set(map(type, answer)) != {dict}:
        return None
    try:
        returned, created = zip(*map(_usual, answer), strict=True)
    except KeyError:
        return None
    if any(map(ne, returned, sent)) or len(set(sent)) < len(sent) or set(map(type, created)) != {int}:
        return None
    if not 0 < min(created) <= max(created) < 1e15:
        return None
    deduplicated: Iterable[bool] = repeat(False)
    if set(map(len, answer)) != {2}:  # some items have more than the two fields
        deduplicated = [item.get("deduplicated", False) for item in answer]
        if set(map(type, deduplicated)) != {bool} or any(item.get("error") or "status" in item for item in answer):
            return None
    pairs = list(zip(created, deduplicated, strict=False))
    known = {pair: Taken(*pair) for pair in set(pairs)}  # the runs of one batch mostly share a millisecond
    return tuple(map(known.__getitem__, pairs))


def _with_id(item: Mapping[str, object], workflow_run_id: str, scrub: Callable[[str], str]) -> ItemReply:
    deduplicated = item.get("deduplicated")
    created_at = item.get("workflowCreatedAt")
    status = _status(item)
    if status is None:
        return Unclear("the answer has an item whose status can't be read")
    if (error := item.get("error")) or status >= 300:
        if created_at is not None or deduplicated is not None:
            return Unclear("the answer holds both a run and an error")
        return _refused(status, error_of(error), workflow_run_id, scrub)
    if deduplicated is not None and not isinstance(deduplicated, bool):
        return Unclear("the answer's deduplicated is neither true nor false")
    if not created_at and deduplicated is not True:
        words = scrub(error_of(item))
        return Unclear(f"the answer doesn't say that the run was created{words and f', but: {words}'}")
    return Taken(milliseconds(created_at) or None, deduplicated is True)


def _without_id(item: object, workflow_run_id: str, scrub: Callable[[str], str]) -> ItemReply:
    if not isinstance(item, dict) or item.get("workflowRunId"):
        return Unclear("the answer has an item of unknown shape")
    status = _status(item)
    if status is None:
        return Unclear("the answer has an item whose status can't be read")
    if not error_of(item.get("error")) and not status:
        # Another text, such as a `message`, may mean anything.
        return Unclear("the answer has an item with neither an id nor an error")
    return _refused(status, error_of(item), workflow_run_id, scrub)


def _refused(status: int, message: str, workflow_run_id: str, scrub: Callable[[str], str]) -> ItemReply:
    words = scrub(message or (reason_of(status) if status else "no reason given"))
    if status >= 500 or status == 408:
        return Unclear(f"the server had trouble with this run: {words}")
    if 0 < status < 400:
        return Unclear(f"the answer holds an error that is none: {words}")
    if status == 429:
        return Throttled(words)
    if named_running(message, (workflow_run_id,)):
        return InProgress(words)
    return Denied(words)


def _status(item: Mapping[str, object]) -> int | None:
    """The status of one item: 0 if it has none, None if it is unreadable."""
    status = item.get("status")
    if status is None:
        return 0
    if type(status) is float and status.is_integer():
        status = int(status)
    text = str(status) if type(status) in (int, str) else ""
    return int(text) if re.fullmatch(r"[1-5][0-9]{2}", text) else None


def read_resume_reply(answer: Answer, *, now_ms: int, token_source: str, scrub: Callable[[str], str]) -> ResumeReply:
    """The outcome of a resume. A 2xx answer that doesn't name the new run counts as lost, so the logs decide."""
    if answer.status in (200, 201):
        return _read(answer.body)
    if answer.status == 404:
        raw = error_text(answer.body)
        return Gone(scrub(f"{reason_of(404)}: {raw}" if raw else reason_of(404)))
    refusal = read_refusal(
        answer.status, answer.headers, answer.body, (), now_ms=now_ms, token_source=token_source, scrub=scrub
    )
    match refusal:
        case BatchRefused(_, message) | TooLarge(message):
            return Denied(message)
        case Answered():
            return Lost("the answer makes no sense")  # a refusal never is an outcome per run
        case _:
            return refusal


def _read(body: bytes) -> Resumed | Lost:
    try:
        answer = json_of(body)
    except (ValueError, RecursionError):
        return Lost("the answer isn't JSON")
    run_id = answer.get("workflowRunId") if isinstance(answer, dict) else None
    if not isinstance(run_id, str) or not run_id:
        return Lost("the answer names no run")
    created = answer.get("workflowCreatedAt")
    if not created or answer.get("error"):
        return Lost("the answer doesn't say that the run was created")
    is_time = isinstance(created, int) and not isinstance(created, bool) and created > 0
    return Resumed(run_id, created if is_time else None)
