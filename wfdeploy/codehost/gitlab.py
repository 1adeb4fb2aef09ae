"""Merge requests on GitLab.

Sources: GitLab's REST API documentation, "Notes", "Merge requests", "Users", "Pagination"; "Quick actions".
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from wfdeploy.codehost.exchange import Address, Answer, Exchange
from wfdeploy.codehost.values import comment_of, number_field, require, text_field
from wfdeploy.errors import CommentRefused, RemoteFailure
from wfdeploy.model.pull_request import Comment
from wfdeploy.ports import Clock, Listener

NAME = "GitLab"
_PAGE = 20
"""Notes may have a million characters each."""

_MOST_PAGES = 500
_HINT = "the token needs the scope api, and at least the role Reporter in the project; CI_JOB_TOKEN can't comment"

_COMMAND = re.compile(r"^/", re.MULTILINE)
"""A line that begins so may be a command (`/merge`), with the token's rights. Not every version of GitLab sees where a
block of code ends as Markdown does, so no line may begin so."""


class GitLab:
    """`CodeHost` for a merge request on GitLab."""

    def __init__(
        self,
        *,
        api_url: str,
        web_url: str,
        token: str,
        project: str,
        number: int,
        clock: Clock,
        listener: Listener,
        budget_s: float,
    ) -> None:
        """project: its id. web_url: of the merge request's project; empty where nobody knows. budget_s: how long all
        waits may take together."""
        address = Address(NAME, api_url, {"private-token": token}, token, _HINT)
        self._exchange = Exchange(address, clock=clock, listener=listener, budget_s=budget_s)
        self._path = f"/projects/{project}/merge_requests/{number}"
        self._web_url = f"{web_url}/-/merge_requests/{number}" if web_url else ""
        self._number = number
        self._me: int | None = None

    async def head(self) -> str:
        return text_field(self._there(await self._exchange.request("GET", self._path)).value, "sha")

    async def comments(self) -> AsyncIterator[Comment]:
        me = await self._owner()
        for page in range(1, _MOST_PAGES + 1):
            path = f"{self._path}/notes?per_page={_PAGE}&page={page}&order_by=created_at&sort=asc"
            answer = self._there(await self._exchange.request("GET", path))
            for value in require(list, answer.value, NAME):
                if number_field(value.get("author") if isinstance(value, dict) else None, "id") == me:
                    yield self._comment(value)
            if not answer.has_next:
                return
        raise RemoteFailure(f"the merge request has more than {_PAGE * _MOST_PAGES:,} comments")

    async def create(self, body: str) -> Comment | None:
        answer = await self._exchange.once("POST", f"{self._path}/notes", {"body": _without_commands(body)})
        return None if answer is None else self._comment(self._there(answer).value)

    async def replace(self, comment: Comment, body: str) -> Comment | None:
        path = f"{self._path}/notes/{comment.id}"
        answer = await self._exchange.once("PUT", path, {"body": _without_commands(body)})
        return None if answer is None or answer.status == 404 else self._comment(answer.value)

    async def delete(self, comment: Comment) -> None:
        await self._exchange.request("DELETE", f"{self._path}/notes/{comment.id}")

    async def aclose(self) -> None:
        await self._exchange.aclose()

    async def _owner(self) -> int:
        if self._me is None:
            answer = await self._exchange.request("GET", "/user")
            self._me = number_field(answer.value, "id")
            if self._me is None:
                raise CommentRefused("GitLab doesn't say whose token this is, so no comment is known to be its own")
        return self._me

    def _comment(self, value: Any) -> Comment:
        comment = comment_of(value, NAME)
        return Comment(comment.id, comment.body, f"{self._web_url}#note_{comment.id}" if self._web_url else "")

    def _there(self, answer: Answer) -> Answer:
        if answer.status == 404:
            raise CommentRefused(
                f"GitLab knows no merge request {self._number} of this project, or the token may not see it (404)",
                hint=_HINT,
            )
        return answer


def _without_commands(body: str) -> str:
    return _COMMAND.sub(" /", body)
