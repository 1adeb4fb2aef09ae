"""A page of the dead-letter queue ("Workflow REST reference: List Failed Workflow Runs")."""

from __future__ import annotations

from wfdeploy.model.remote import DeadLetter
from wfdeploy.upstash.logs import UnreadableError, cursor_of, dlq_id_of, labels_of, milliseconds
from wfdeploy.upstash.words import json_of


def read_letter_page(body: bytes) -> tuple[tuple[DeadLetter, ...], str]:
    """The entries, and the cursor of the next page (empty: this is the last one).

    An entry that can't be read fails the page: passing over it would make its run look dealt with. Raises:
    `UnreadableError`.
    """
    try:
        page = json_of(body)
    except (ValueError, RecursionError):
        raise UnreadableError("the dead letters aren't JSON") from None
    messages = page.get("messages") if isinstance(page, dict) else None
    # A server written in Go says null for an empty list.
    if not isinstance(page, dict) or not isinstance(messages, list | None) or "messages" not in page:
        raise UnreadableError("the answer holds no list of dead letters")
    return tuple(_letter(entry) for entry in messages or ()), cursor_of(page)


def _letter(entry: object) -> DeadLetter:
    if not isinstance(entry, dict):
        raise UnreadableError("the dead letters hold an entry that is none")
    dlq_id, run_id = dlq_id_of(entry.get("dlqId")), entry.get("workflowRunId")
    if dlq_id is None or not isinstance(run_id, str) or not run_id:
        raise UnreadableError("the dead letters hold one without its id or its run's")
    return DeadLetter(dlq_id, run_id, milliseconds(entry.get("workflowCreatedAt")) or None, labels_of(entry))
