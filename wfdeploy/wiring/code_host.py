"""The pull request that a CI job is about, and the way to its host.

From environment variables alone, so that no file of the checkout chooses where a token is sent.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from wfdeploy.errors import UsageError
from wfdeploy.files.access import read_at_most
from wfdeploy.files.tracking import work_tree
from wfdeploy.http.urls import problem_of
from wfdeploy.model.pull_request import GITHUB_LIMIT, GITLAB_LIMIT
from wfdeploy.operations.authorship import commit_of

if TYPE_CHECKING:
    from wfdeploy.ports import CodeHost, Listener

_LONGEST_EVENT = 32 * 1024 * 1024
"""Payloads of events have at most 25 MB. Source: GitHub's documentation, "Webhook events and payloads"."""

_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_PROJECT = re.compile(r"[0-9]{1,18}")
_TOKEN = re.compile(r"[!-~]{1,4096}")
_PULL_REF = re.compile(r"refs/pull/([0-9]{1,18})/(?:merge|head)")

Open: TypeAlias = "Callable[[str, Listener, float], CodeHost]"
"""Opens the way to a pull request, with a token, for so many seconds of waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestJob:
    """A pull request, as the variables of a CI job name it.

    host: its name, for messages.
    token: None where there is none.
    token_source: the variables that are looked at for it.
    is_from_fork: whether its commits are in another repository, so that the job may not get a token that can comment.
    limit: the most characters of a comment.
    """

    host: str
    token: str | None = field(repr=False)
    token_source: str
    is_from_fork: bool
    limit: int
    open: Open = field(repr=False)


def pull_request_job(environ: Mapping[str, str], number: int | None = None) -> PullRequestJob:
    """Find the pull request. `number`: another one than the job's.

    Raises: `UsageError` where nothing says which one is meant, or where a variable holds no such thing.
    """
    if environ.get("CI_API_V4_URL") and not environ.get("GITHUB_ACTIONS"):
        return _gitlab(environ, number)
    if environ.get("GITHUB_REPOSITORY"):
        return _github(environ, number)
    raise UsageError(
        "nothing says where the pull request is: this is no job of GitHub Actions or GitLab CI",
        hint="set GITHUB_REPOSITORY=OWNER/NAME and GITHUB_TOKEN, or CI_API_V4_URL, CI_PROJECT_ID and GITLAB_TOKEN, "
        "and name the pull request: --pull-request NUMBER",
    )


def reported_commit(environ: Mapping[str, str], root: Path) -> str | None:
    """The commit that a report is about: the latest of the pull request, where the job is about one, since what it
    has checked out may be a merge that exists nowhere else. Else that of the files around a folder."""
    sha = _object(_object(github_event(environ), "pull_request"), "head").get("sha")
    if isinstance(sha, str):
        return sha
    return environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or commit_of(environ, root)


def in_repository(cwd: Path) -> Callable[[str], str]:
    """What makes of a file's name, relative to a folder, its path from the top of git's work tree; one that lies
    elsewhere keeps its name."""
    folder = Path(os.path.realpath(cwd))
    top = work_tree(folder) or folder

    def path_of(name: str) -> str:
        path = Path(os.path.normpath(folder / name))
        return path.relative_to(top).as_posix() if path.is_relative_to(top) else name

    return path_of


def github_event(environ: Mapping[str, str]) -> dict[str, Any]:
    """The payload of the event that started a job on GitHub; empty where there is none that can be read."""
    name = environ.get("GITHUB_EVENT_PATH")
    if not name:
        return {}
    try:
        event = json.loads(read_at_most(Path(name), _LONGEST_EVENT))
    except (OSError, ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


def _github(environ: Mapping[str, str], given: int | None) -> PullRequestJob:
    api_url = _address(environ, "GITHUB_API_URL", "https://api.github.com")
    graphql_url = _address(environ, "GITHUB_GRAPHQL_URL", f"{api_url.removesuffix('/v3')}/graphql")
    repository = _matching(environ, "GITHUB_REPOSITORY", _REPOSITORY, "OWNER/NAME")
    event = github_event(environ)
    pull_request = _object(event, "pull_request")
    number = given or _number_in(environ, event)
    if number is None:
        raise _nothing_named("pull request")
    # Of another pull request than the event's, nobody knows.
    is_from_fork = pull_request.get("number") == number and _id(pull_request, "head") != _id(pull_request, "base")

    def open_(token: str, listener: Listener, budget_s: float) -> CodeHost:
        from wfdeploy.codehost.github import GitHub
        from wfdeploy.wiring.assembly import SystemClock

        return GitHub(
            api_url=api_url,
            graphql_url=graphql_url,
            token=token,
            repository=repository,
            number=number,
            clock=SystemClock(),
            listener=listener,
            budget_s=budget_s,
        )

    return PullRequestJob(
        host="GitHub",
        token=_token(environ, "GITHUB_TOKEN", "GH_TOKEN"),
        token_source="GITHUB_TOKEN",  # noqa: S106 (a name)
        is_from_fork=is_from_fork,
        limit=GITHUB_LIMIT,
        open=open_,
    )


def _gitlab(environ: Mapping[str, str], given: int | None) -> PullRequestJob:
    api_url = _address(environ, "CI_API_V4_URL", "")
    own = "CI_MERGE_REQUEST_PROJECT_ID"
    project = _matching(environ, own if environ.get(own) else "CI_PROJECT_ID", _PROJECT, "the id of a project")
    iid = environ.get("CI_MERGE_REQUEST_IID", "")
    number = given or (int(iid) if _PROJECT.fullmatch(iid) else None)
    if number is None:
        raise _nothing_named("merge request")
    web_url = environ.get("CI_MERGE_REQUEST_PROJECT_URL") or environ.get("CI_PROJECT_URL", "")

    def open_(token: str, listener: Listener, budget_s: float) -> CodeHost:
        from wfdeploy.codehost.gitlab import GitLab
        from wfdeploy.wiring.assembly import SystemClock

        return GitLab(
            api_url=api_url,
            web_url=web_url,
            token=token,
            project=project,
            number=number,
            clock=SystemClock(),
            listener=listener,
            budget_s=budget_s,
        )

    return PullRequestJob(
        host="GitLab",
        token=_token(environ, "GITLAB_TOKEN"),
        token_source="GITLAB_TOKEN",  # noqa: S106 (a name)
        is_from_fork=environ.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", project) != project,
        limit=GITLAB_LIMIT,
        open=open_,
    )


def _number_in(environ: Mapping[str, str], event: Mapping[str, Any]) -> int | None:
    """The number of the pull request that a job on GitHub is about: also one of a comment on a pull request."""
    issue = _object(event, "issue")
    for found in (_object(event, "pull_request"), issue if "pull_request" in issue else {}):
        number = found.get("number")
        if isinstance(number, int) and not isinstance(number, bool) and number > 0:
            return number
    ref = _PULL_REF.fullmatch(environ.get("GITHUB_REF", ""))
    return int(ref[1]) if ref else None


def _nothing_named(what: str) -> UsageError:
    return UsageError(f"this job is not about a {what}", hint=f"name the {what}: --pull-request NUMBER")


def _address(environ: Mapping[str, str], name: str, default: str) -> str:
    url = (environ.get(name, "").strip() or default).rstrip("/")
    if (problem := problem_of(url)) is not None or "?" in url:
        raise UsageError(f"{name} can't be the address of an API: {problem or 'it has a question mark'}")
    return url


def _matching(environ: Mapping[str, str], name: str, pattern: re.Pattern[str], meant: str) -> str:
    value = environ.get(name, "")
    if not pattern.fullmatch(value) or set(value.split("/")) & {".", ".."}:
        raise UsageError(f"{name} is {value!r}, which is not {meant}")
    return value


def _token(environ: Mapping[str, str], *names: str) -> str | None:
    for name in names:
        if value := environ.get(name, "").strip():
            if not _TOKEN.fullmatch(value):
                raise UsageError(f"{name} holds no token: it has blanks or characters that no token has")
            return value
    return None


def _object(value: Mapping[str, Any], field_: str) -> Mapping[str, Any]:
    found = value.get(field_)
    return found if isinstance(found, dict) else {}


def _id(pull_request: Mapping[str, Any], side: str) -> object:
    """The id of the repository of one side; None for one that was deleted."""
    return _object(_object(pull_request, side), "repo").get("id")
