"""Pull requests on GitHub, and on GitHub Enterprise Server.

Sources: GitHub's REST API documentation, "Issue comments", "Pulls", "Rate limits for the REST API".
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from wfdeploy.codehost.exchange import Address, Answer, Exchange
from wfdeploy.codehost.values import comment_of, number_field, require, text_field
from wfdeploy.errors import CommentRefused, RemoteFailure
from wfdeploy.model.pull_request import Comment
from wfdeploy.ports import Clock, Listener

NAME = "GitHub"
_PAGE = 100
_MOST_PAGES = 100
_HINT = "the token needs to read and write pull requests; in a workflow: permissions: pull-requests: write"


class GitHub:
    """`CodeHost` for a pull request on GitHub."""

    def __init__(
        self,
        *,
        api_url: str,
        graphql_url: str,
        token: str,
        repository: str,
        number: int,
        clock: Clock,
        listener: Listener,
        budget_s: float,
    ) -> None:
        """repository: OWNER/NAME. budget_s: how long all waits may take together."""
        headers = {
            "authorization": f"Bearer {token}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
        }
        address = Address(NAME, api_url, headers, token, _HINT)
        self._exchange = Exchange(address, clock=clock, listener=listener, budget_s=budget_s)
        self._graphql_url = graphql_url
        self._repository = f"/repos/{repository}"
        self._number = number
        self._me: int | None = None

    async def head(self) -> str:
        answer = self._there(await self._exchange.request("GET", f"{self._repository}/pulls/{self._number}"))
        head = answer.value.get("head") if isinstance(answer.value, dict) else None
        return text_field(head, "sha")

    async def comments(self) -> AsyncIterator[Comment]:
        me = await self._owner()
        for page in range(1, _MOST_PAGES + 1):
            path = f"{self._repository}/issues/{self._number}/comments?per_page={_PAGE}&page={page}"
            answer = self._there(await self._exchange.request("GET", path))
            for value in require(list, answer.value, NAME):
                if number_field(value.get("user") if isinstance(value, dict) else None, "id") == me:
                    yield _comment(value)
            if not answer.has_next:
                return
        raise RemoteFailure(f"the pull request has more than {_PAGE * _MOST_PAGES:,} comments")

    async def create(self, body: str) -> Comment | None:
        path = f"{self._repository}/issues/{self._number}/comments"
        answer = await self._exchange.once("POST", path, {"body": body})
        return None if answer is None else _comment(self._there(answer).value)

    async def replace(self, comment: Comment, body: str) -> Comment | None:
        answer = await self._exchange.once("PATCH", f"{self._repository}/issues/comments/{comment.id}", {"body": body})
        return None if answer is None or answer.status == 404 else _comment(answer.value)

    async def delete(self, comment: Comment) -> None:
        await self._exchange.request("DELETE", f"{self._repository}/issues/comments/{comment.id}")

    async def aclose(self) -> None:
        await self._exchange.aclose()

    async def _owner(self) -> int:
        """The id of the token's owner. The REST API doesn't say it to the token of a workflow or an app, GraphQL does
        to all."""
        if self._me is None:
            query = {"query": "query { viewer { databaseId } }"}
            answer = await self._exchange.request("POST", "", query, url=self._graphql_url)
            data = answer.value.get("data") if isinstance(answer.value, dict) else None
            viewer = data.get("viewer") if isinstance(data, dict) else None
            self._me = number_field(viewer, "databaseId")
            if self._me is None:
                raise RemoteFailure("GitHub doesn't say whose token this is, so no comment is known to be its own")
        return self._me

    def _there(self, answer: Answer) -> Answer:
        if answer.status == 404:
            shown = self._repository.removeprefix("/repos/")
            raise CommentRefused(
                f"GitHub knows no pull request {self._number} of {shown}, or the token may not see it (404)",
                hint=_HINT,
            )
        return answer


def _comment(value: Any) -> Comment:
    return comment_of(value, NAME, url="html_url")
