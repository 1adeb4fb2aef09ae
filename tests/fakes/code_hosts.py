"""Loopback servers that behave as the documentation of GitHub and GitLab says of comments on one pull request."""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from tests.fakes.loop_thread import LoopThread
from tests.fakes.manual_clock import ManualClock
from tests.fakes.raw_http import RawRequest, read_request, response
from wfdeploy.codehost.github import GitHub
from wfdeploy.codehost.gitlab import GitLab

ME = 41898282
STRANGER = 7
TOKEN = "t0ken-of-the-job"
HEAD = "a" * 40

Intervention: TypeAlias = "Callable[[CodeHostServer, RawRequest], bytes | Awaitable[bytes | None] | None]"
"""What is answered instead; None for a connection that ends without an answer."""


@dataclass(slots=True)
class Note:
    id: int
    author: int
    body: str


class CodeHostServer(LoopThread):
    """Comments, and what a test wants to happen instead: `interventions` by method, one a request."""

    most_characters = 65_536
    me_path = ""

    def __init__(self, *, head: str = HEAD) -> None:
        super().__init__()
        self.head = head
        self.notes: list[Note] = []
        self.requests: list[RawRequest] = []
        self.is_readonly = False
        self.interventions: defaultdict[str, deque[Intervention]] = defaultdict(deque)
        self._last_id = 100

    @property
    def methods(self) -> list[str]:
        """The requests that changed something, or tried to."""
        return [request.method for request in self.requests if request.method != "GET" and not self.is_me(request)]

    def add(self, body: str, *, author: int = ME) -> Note:
        self._last_id += 1
        note = Note(self._last_id, author, body)
        self.notes.append(note)
        return note

    def instead(self, method: str, *interventions: Intervention) -> None:
        self.interventions[method].extend(interventions)

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            self.requests.append(request)
            script = self.interventions[request.method]
            answer: bytes | None
            if script and not self.is_me(request):
                made = script.popleft()(self, request)
                answer = made if isinstance(made, bytes | None) else await made
            else:
                answer = self.answer(request)
            if answer is None:
                writer.close()
                return
            writer.write(answer)
            await writer.drain()

    def is_me(self, request: RawRequest) -> bool:
        return request.path == self.me_path

    def is_allowed(self, request: RawRequest) -> bool:
        raise NotImplementedError

    def answer(self, request: RawRequest) -> bytes:
        raise NotImplementedError

    def page(self, request: RawRequest, values: list[Any]) -> bytes:
        query = parse_qs(request.target.partition("?")[2])
        size, page = int(query["per_page"][0]), int(query["page"][0])
        shown = values[(page - 1) * size : page * size]
        links = {"Link": '<http://elsewhere.example/next>; rel="next"'} if len(values) > page * size else {}
        return response(200, shown, links)

    def posted(self, request: RawRequest) -> str | None:
        """The body of a comment that is short enough."""
        body = str(json.loads(request.body)["body"])
        return body if len(body) <= self.most_characters else None


class GitHubServer(CodeHostServer):
    """Pull request 42 of acme/shop."""

    me_path = "/graphql"

    def client(self, *, graphql: str = "graphql") -> GitHub:
        """The pull request for the owner of the token."""
        return GitHub(
            api_url=self.url,
            graphql_url=f"{self.url}/{graphql}",
            token=TOKEN,
            repository="acme/shop",
            number=42,
            clock=ManualClock(),
            listener=lambda _: None,
            budget_s=300.0,
        )

    def environ(self) -> dict[str, str]:
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.url,
            "GITHUB_GRAPHQL_URL": f"{self.url}/graphql",
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_REF": "refs/pull/42/merge",
            "GITHUB_TOKEN": TOKEN,
        }

    def is_allowed(self, request: RawRequest) -> bool:
        return request.headers.get("authorization") == f"Bearer {TOKEN}"

    def answer(self, request: RawRequest) -> bytes:
        if not self.is_allowed(request):
            return response(401, {"message": f"Bad credentials: {request.headers.get('authorization')}"})
        if self.is_me(request):
            return response(200, {"data": {"viewer": {"databaseId": ME}}})
        if self.is_readonly and request.method != "GET":
            return response(403, {"message": "Resource not accessible by integration"})
        issue = "/repos/acme/shop/issues/42/comments"
        match request.method, request.path:
            case "GET", "/repos/acme/shop/pulls/42":
                return response(200, {"number": 42, "head": {"sha": self.head}})
            case "GET", path if path == issue:
                return self.page(request, [self._shown(note) for note in self.notes])
            case "POST", path if path == issue:
                body = self.posted(request)
                if body is None:
                    return response(422, self._too_long())
                return response(201, self._shown(self.add(body)))
            case method, path if found := re.fullmatch(r"/repos/acme/shop/issues/comments/(\d+)", path):
                note = next((note for note in self.notes if note.id == int(found[1])), None)
                if note is not None and method == "DELETE":
                    self.notes.remove(note)
                    return response(204)
                if note is not None and method == "PATCH" and (body := self.posted(request)) is not None:
                    note.body = body
                    return response(200, self._shown(note))
        return response(404, {"message": "Not Found"})

    def _shown(self, note: Note) -> dict[str, Any]:
        url = f"https://github.example/acme/shop/pull/42#issuecomment-{note.id}"
        return {"id": note.id, "body": note.body, "html_url": url, "user": {"id": note.author}}

    def _too_long(self) -> dict[str, Any]:
        error = {"message": f"body is too long (maximum is {self.most_characters} characters)"}
        return {"message": "Validation Failed", "errors": [error]}


class GitLabServer(CodeHostServer):
    """Merge request 42 of the project 5."""

    most_characters = 1_000_000
    me_path = "/api/v4/user"

    def client(self, *, web_url: str = "https://gitlab.example/acme/shop") -> GitLab:
        """The merge request for the owner of the token."""
        return GitLab(
            api_url=f"{self.url}/api/v4",
            web_url=web_url,
            token=TOKEN,
            project="5",
            number=42,
            clock=ManualClock(),
            listener=lambda _: None,
            budget_s=300.0,
        )

    def environ(self) -> dict[str, str]:
        return {
            "GITLAB_CI": "true",
            "CI_API_V4_URL": f"{self.url}/api/v4",
            "CI_PROJECT_ID": "5",
            "CI_MERGE_REQUEST_PROJECT_ID": "5",
            "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "5",
            "CI_MERGE_REQUEST_PROJECT_URL": "https://gitlab.example/acme/shop",
            "CI_MERGE_REQUEST_IID": "42",
            "GITLAB_TOKEN": TOKEN,
        }

    def is_allowed(self, request: RawRequest) -> bool:
        return request.headers.get("private-token") == TOKEN

    def answer(self, request: RawRequest) -> bytes:
        if not self.is_allowed(request):
            return response(401, {"message": "401 Unauthorized"})
        if self.is_me(request):
            return response(200, {"id": ME, "username": "project_5_bot"})
        if self.is_readonly and request.method != "GET":
            return response(403, {"message": "403 Forbidden"})
        root = "/api/v4/projects/5/merge_requests/42"
        match request.method, request.path:
            case "GET", path if path == root:
                return response(200, {"iid": 42, "sha": self.head})
            case "GET", path if path == f"{root}/notes":
                return self.page(request, [self._shown(note) for note in self.notes])
            case "POST", path if path == f"{root}/notes":
                body = self.posted(request)
                if body is None:
                    return response(400, {"message": {"note": ["is too long (maximum is 1000000 characters)"]}})
                return response(201, self._shown(self.add(body)))
            case method, path if found := re.fullmatch(rf"{root}/notes/(\d+)", path):
                note = next((note for note in self.notes if note.id == int(found[1])), None)
                if note is not None and method == "DELETE":
                    self.notes.remove(note)
                    return response(204)
                if note is not None and method == "PUT" and (body := self.posted(request)) is not None:
                    note.body = body
                    return response(200, self._shown(note))
        return response(404, {"message": "404 Not Found"})

    def _shown(self, note: Note) -> dict[str, Any]:
        return {"id": note.id, "body": note.body, "author": {"id": note.author}, "system": False}


def refuse(status: int, message: str = "", headers: Mapping[str, str] | None = None) -> Intervention:
    """An answer that says no, and has no effect."""
    return lambda _server, _request: response(status, {"message": message}, headers)


def lose(server: CodeHostServer, request: RawRequest) -> bytes | None:
    """Do it, and end the connection without an answer."""
    server.answer(request)
    return None


def drop(_server: CodeHostServer, _request: RawRequest) -> bytes | None:
    """End the connection, and do nothing."""
    return None
