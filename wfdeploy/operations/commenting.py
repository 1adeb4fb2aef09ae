"""Post a report as one comment of a pull request, which is updated in place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import TypeAlias

from wfdeploy.errors import RemoteFailure
from wfdeploy.model.pull_request import Comment, FoundStamp, Posted, PostOutcome
from wfdeploy.ports import CodeHost

_TRIES = 5

Compose: TypeAlias = Callable[[bool], str]
"""Makes the body of a comment; of one that says that it is out of date, if so."""


def post(host: CodeHost, stamp: FoundStamp, compose: Compose, mark: Callable[[str], str]) -> Posted:
    """Create or update the comment of a report, then mark the project's other comments that are out of date.

    stamp: of the report.
    mark: makes of a comment's text one that says that it is out of date.

    Where two commands posted at once, the next one leaves one comment. Raises: `RemoteFailure`, `CommentRefused`.
    """
    return asyncio.run(_posted(host, stamp, compose, mark))


async def _posted(host: CodeHost, stamp: FoundStamp, compose: Compose, mark: Callable[[str], str]) -> Posted:
    async with aclosing(host):
        head = await host.head()
        posted, own = await _settled(host, stamp, head, compose)
        marked = [comment for comment in own if _is_outdated(comment, stamp, head)]
        return Posted(
            posted.outcome,
            posted.url,
            posted.is_stale,
            [comment for comment in marked if await host.replace(comment, mark(comment.body))],
        )


async def _settled(host: CodeHost, stamp: FoundStamp, head: str, compose: Compose) -> tuple[Posted, Sequence[Comment]]:
    """Also returns all comments of wfdeploy, as they were before."""
    is_stale = stamp.is_behind(head)
    body = compose(is_stale)
    created = False
    for _ in range(_TRIES):
        own = [comment async for comment in host.comments() if FoundStamp.of(comment.body) is not None]
        mine = [comment for comment in own if _stamp(comment).marker == stamp.marker]
        if not mine:
            made, created = await host.create(body), True
            if made is not None:
                return Posted(PostOutcome.CREATED, made.url, is_stale), own
            continue  # it may be there nevertheless
        newer = next((comment for comment in mine if is_stale and _stamp(comment).commit == head), None)
        kept = newer or mine[0]
        outcome = PostOutcome.CREATED if created else PostOutcome.UPDATED
        if newer is not None:
            outcome, is_stale = PostOutcome.SUPERSEDED, False
        elif _is_same(kept.body, body):
            outcome = PostOutcome.CREATED if created else PostOutcome.UNCHANGED
        elif not await host.replace(kept, body):
            continue  # somebody deleted it
        for duplicate in mine:
            if duplicate is not kept:
                await host.delete(duplicate)
        return Posted(outcome, kept.url, is_stale), own
    raise RemoteFailure("the comment could not be posted: it was neither accepted nor found")


def _is_outdated(comment: Comment, report: FoundStamp, head: str) -> bool:
    stamp = _stamp(comment)
    is_other = stamp.project == report.project and stamp.marker != report.marker
    return is_other and stamp.is_behind(head) and not stamp.is_stale


def _stamp(comment: Comment) -> FoundStamp:
    stamp = FoundStamp.of(comment.body)
    assert stamp is not None  # others were left out
    return stamp


def _is_same(one: str, other: str) -> bool:
    """Whether two texts are the same but for what a host changes: ends of lines, and blanks at the end."""
    return _normalized(one) == _normalized(other)


def _normalized(text: str) -> str:
    return text.replace("\r\n", "\n").strip()
