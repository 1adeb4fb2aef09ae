"""Answers of GitHub's that are not as expected; the others are in test_commenting.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import pytest

from tests.fakes.code_hosts import GitHubServer
from tests.fakes.raw_http import response
from wfdeploy.codehost.github import GitHub
from wfdeploy.errors import RemoteFailure
from wfdeploy.model.pull_request import Comment


async def all_comments(host: GitHub) -> list[Comment]:
    async with aclosing(host):
        return [comment async for comment in host.comments()]


@pytest.mark.parametrize("page", [{}, [7], [None], [{"id": "x", "user": {"id": 41898282}}]])
def test_comments_of_another_form_are_none_or_an_error(page: list[object] | dict[str, object]) -> None:
    with GitHubServer() as server:
        server.instead("GET", lambda _s, _r: response(200, page))
        if page in ([7], [None]):
            assert asyncio.run(all_comments(server.client())) == []
        else:
            with pytest.raises(RemoteFailure, match="has not the expected form"):
                asyncio.run(all_comments(server.client()))


@pytest.mark.parametrize("head", [{}, {"head": None}, {"head": {"sha": 1}}, []])
def test_without_a_head_nobody_knows_the_latest_commit(head: list[object] | dict[str, object]) -> None:
    async def head_of(host: GitHub) -> str:
        async with aclosing(host):
            return await host.head()

    with GitHubServer() as server:
        server.instead("GET", lambda _s, _r: response(200, head))
        assert asyncio.run(head_of(server.client())) == ""


def test_without_an_owner_no_comment_is_its_own() -> None:
    with GitHubServer() as server, pytest.raises(RemoteFailure, match="whose token this is"):
        asyncio.run(all_comments(server.client(graphql="nowhere")))


def test_the_token_goes_to_the_api_alone() -> None:
    """A page names the address of the next one; only its number is used."""
    with GitHubServer() as server:
        for number in range(101):
            server.add(f"comment {number}")
        assert len(asyncio.run(all_comments(server.client()))) == 101
        called: Callable[[str], bool] = lambda target: "page=2" in target  # noqa: E731
        assert [called(request.target) for request in server.requests if request.method == "GET"] == [False, True]
