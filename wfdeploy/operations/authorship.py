"""Who triggers runs, and where: each record holds it, for audits."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from wfdeploy.files.access import ci_job, escaped, user_name
from wfdeploy.files.tracking import work_tree

_CI_COMMIT = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT", "CIRCLE_SHA1")


def authorship(environ: Mapping[str, str], root: Path) -> str:
    """JSON with host, user, the CI job and the git commit of the manifests, as far as they are known."""
    facts = {"host": socket.gethostname(), "user": user_name()}
    job = ci_job(environ)
    commit = commit_of(environ, root)
    if job:
        facts["job"] = job
    if commit:
        facts["commit"] = commit
    return json.dumps({name: escaped(fact) for name, fact in facts.items()}, sort_keys=True, separators=(",", ":"))


def actor(environ: Mapping[str, str]) -> Mapping[str, object]:
    """Who runs this command, as far as the CI service says it, else this machine.

    environ: of the process alone; an env file, which may be part of the checkout, doesn't speak for anybody.

    Sources: GitHub Actions, "Variables reference"; GitLab, "Predefined CI/CD variables".
    """
    return {
        "name": _first(environ, ("GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN")) or user_name(),
        "host": socket.gethostname(),
        "ci": ci_job(environ) is not None,
        "event": _first(environ, ("GITHUB_EVENT_NAME", "CI_PIPELINE_SOURCE")) or "",
        "ref": _first(environ, ("GITHUB_REF_NAME", "CI_COMMIT_REF_NAME")) or "",
    }


def _first(environ: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((environ[name] for name in names if environ.get(name)), None)


def job_url(environ: Mapping[str, str]) -> str | None:
    """Where the CI job can be seen that this process runs in; None where that isn't known.

    Sources: GitHub Actions, "Variables reference"; GitLab, "Predefined CI/CD variables"; Jenkins and CircleCI likewise.
    """
    parts = [environ.get(name) for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")]
    if all(parts):
        return "{}/{}/actions/runs/{}".format(*parts)
    return next((environ[name] for name in ("CI_JOB_URL", "BUILD_URL", "CIRCLE_BUILD_URL") if environ.get(name)), None)


def commit_of(environ: Mapping[str, str], root: Path) -> str | None:
    """The git commit of the files around a folder: the CI job's, else that of the work tree; None where there is
    none."""
    return next((environ[name] for name in _CI_COMMIT if environ.get(name)), None) or _head(root)


def _head(root: Path) -> str | None:
    top = work_tree(root)
    if top is None:
        return None
    try:
        # Of this very repository: git would take a committed folder for one that looks like it, and obey what it says.
        done = subprocess.run(  # noqa: S603  (git is found as the user's shell finds it)
            ["git", f"--git-dir={top / '.git'}", "rev-parse", "HEAD"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
