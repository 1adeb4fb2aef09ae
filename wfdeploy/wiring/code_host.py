"""The pull request that a CI job is about, from its environment variables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wfdeploy.files.access import read_at_most
from wfdeploy.operations.authorship import commit_of

_LONGEST_EVENT = 32 * 1024 * 1024
"""Payloads of events have at most 25 MB. Source: GitHub's documentation, "Webhook events and payloads"."""


def reported_commit(environ: Mapping[str, str], root: Path) -> str | None:
    """The commit that a report is about: the latest of the pull request, where the job is about one, since what it
    has checked out may be a merge that exists nowhere else. Else that of the files around a folder."""
    pull_request = github_event(environ).get("pull_request")
    head = pull_request.get("head") if isinstance(pull_request, dict) else None
    sha = head.get("sha") if isinstance(head, dict) else None
    if isinstance(sha, str):
        return sha
    return environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or commit_of(environ, root)


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
