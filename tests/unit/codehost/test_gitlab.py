"""What is special about GitLab; the rest is in test_commenting.py."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from tests.fakes.code_hosts import GitLabServer, refuse
from tests.fakes.raw_http import response
from wfdeploy.errors import CommentRefused, RemoteFailure
from wfdeploy.model.pull_request import Comment


def created(server: GitLabServer, body: str) -> Comment | None:
    async def create() -> Comment | None:
        async with aclosing(server.client(web_url="")) as host:
            return await host.create(body)

    return asyncio.run(create())


def test_no_line_is_a_command() -> None:
    text = "````text\n```\n/merge\n````\n/approve\na /close\n"
    with GitLabServer() as server:
        comment = created(server, text)
        assert server.notes[0].body == "````text\n```\n /merge\n````\n /approve\na /close\n"
    assert comment is not None
    assert comment.url == ""


def test_a_text_that_is_too_long_is_refused_with_its_reason() -> None:
    with GitLabServer() as server, pytest.raises(RemoteFailure, match=r"refused the request \(400\).*too long"):
        created(server, "x" * 1_000_001)


@pytest.mark.parametrize("me", [refuse(404), lambda _s, _r: response(200, {"id": "x"})])
def test_a_token_without_an_owner_is_refused(me: object, monkeypatch: pytest.MonkeyPatch) -> None:
    async def list_comments(server: GitLabServer) -> None:
        async with aclosing(server.client(web_url="")) as host:
            async for _ in host.comments():
                pass

    monkeypatch.setattr(GitLabServer, "me_path", "/nowhere")
    with GitLabServer() as server:
        server.instead("GET", me)  # type: ignore[arg-type]
        with pytest.raises(CommentRefused, match="whose token this is"):
            asyncio.run(list_comments(server))
