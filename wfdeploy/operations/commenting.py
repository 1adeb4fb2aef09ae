"""Post a report as one comment of a pull request, which is updated in place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TypeAlias

from wfdeploy.errors import RemoteFailure
from wfdeploy.model.pull_request import Comment, FoundStamp, Posted, PostOutcome
from wfdeploy.ports import CodeHost

_TRIES = 5
_MOST_MARKED = 20

Compose: TypeAlias = Callable[[bool], str]
"""Makes the body of a comment; of one that says that it is out of date, if so."""


def post(host: CodeHost, stamp: FoundStamp, compose: Compose, mark: Callable[[str], str]) -> Posted:
    """Create or update the comment of a report, then mark the project's other comments that are out of date.

    stamp: of the report.
    mark: makes of a comment's text one that says that it is out of date.

    Other jobs may post at the same time, and no host compares before it replaces. So each change is made right after a
    look, never repeated without another one, and looked at afterwards. Raises: `RemoteFailure`, `CommentRefused`.
    """
    return asyncio.run(_posted(host, stamp, compose, mark))


async def _posted(host: CodeHost, stamp: FoundStamp, compose: Compose, mark: Callable[[str], str]) -> Posted:
    async with aclosing(host):
        posted = await _settled(host, stamp, compose)
        return replace(posted, marked=await _marked(host, stamp, mark))


async def _settled(host: CodeHost, stamp: FoundStamp, compose: Compose) -> Posted:
    outcome = PostOutcome.UNCHANGED
    stored: Comment | None = None  # as the host keeps it
    is_stale = False
    for _ in range(_TRIES):
        head = await host.head()  # each time: a rate limit may have taken minutes
        is_stale = stamp.is_behind(head)
        body = compose(is_stale)
        mine = [comment for comment in await _own(host) if _stamp(comment).marker == stamp.marker]
        if not mine:
            if stored is not None:  # the list is behind
                return Posted(outcome, stored.url, is_stale)
            outcome, stored = PostOutcome.CREATED, await host.create(body)
            continue
        newer = next((comment for comment in mine if is_stale and _stamp(comment).commit == head), None)
        kept = newer or mine[0]
        if newer is not None:
            outcome, is_stale = PostOutcome.SUPERSEDED, False
        elif not any(_is_same(kept.body, wanted) for wanted in (body, stored.body if stored else body)):
            outcome = outcome if outcome is PostOutcome.CREATED else PostOutcome.UPDATED
            stored = await host.replace(kept, body)
            continue
        for duplicate in mine:
            if duplicate is not kept:
                await host.delete(duplicate)
        return Posted(outcome, kept.url, is_stale)
    if stored is not None:
        return Posted(outcome, stored.url, is_stale)
    raise RemoteFailure("the comment could not be posted: it was neither accepted nor found")


async def _marked(host: CodeHost, report: FoundStamp, mark: Callable[[str], str]) -> Sequence[Comment]:
    """Mark one after the other, each right after a look: their jobs may be posting."""
    marked: list[Comment] = []
    tried: set[str] = set()
    while len(tried) < _MOST_MARKED:
        head = await host.head()
        outdated = (comment for comment in await _own(host) if _is_outdated(comment, report, head))
        comment = next((comment for comment in outdated if comment.id not in tried), None)
        if comment is None:
            break
        tried.add(comment.id)
        if (done := await host.replace(comment, mark(comment.body))) is not None:
            marked.append(done)
    return marked


async def _own(host: CodeHost) -> Sequence[Comment]:
    return [comment async for comment in host.comments() if FoundStamp.of(comment.body) is not None]


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
