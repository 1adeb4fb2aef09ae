"""The answer to a resume ("Workflow REST reference: Resume Workflow from DLQ")."""

from __future__ import annotations

from collections.abc import Callable

from wfdeploy.model.remote import Answered, BatchRefused, Denied, Gone, Lost, Resumed, ResumeReply, TooLarge
from wfdeploy.upstash.faults import read_refusal, reason_of
from wfdeploy.upstash.transfer import Answer
from wfdeploy.upstash.words import error_text, json_of


def read_resume_reply(answer: Answer, *, now_ms: int, token_source: str, scrub: Callable[[str], str]) -> ResumeReply:
    """What became of a resume. A 2xx that doesn't name the new run is as good as no answer: the logs must tell."""
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
            return Lost("the answer makes no sense")  # a refusal is none
        case _:
            return refusal


def _read(body: bytes) -> Resumed | Lost:
    try:
        told = json_of(body)
    except (ValueError, RecursionError):
        return Lost("the answer isn't JSON")
    run_id = told.get("workflowRunId") if isinstance(told, dict) else None
    if not isinstance(run_id, str) or not run_id:
        return Lost("the answer names no run")
    created = told.get("workflowCreatedAt")
    if not created or told.get("error"):
        return Lost("the answer doesn't say that the run was created")
    is_time = isinstance(created, int) and not isinstance(created, bool) and created > 0
    return Resumed(run_id, created if is_time else None)
