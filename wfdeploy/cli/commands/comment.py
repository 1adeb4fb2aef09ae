"""`wfdeploy comment`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command, Option
from wfdeploy.errors import CommentRefused, ExitCode, UsageError

if TYPE_CHECKING:
    from wfdeploy.cli.output import App
    from wfdeploy.model.pull_request import Posted
    from wfdeploy.wiring.code_host import PullRequestJob

_LONGEST_REPORT = 16 * 1024 * 1024


@click.command(
    "comment",
    cls=Command,
    exits=(ExitCode.STATE, ExitCode.REMOTE),
    examples="""
        wfdeploy plan -e production --report markdown=plan.md && wfdeploy comment plan.md
        wfdeploy comment plan.md --pull-request 42
    """,
)
@click.argument("file", metavar="FILE", type=click.Path())
@click.option(
    "--pull-request",
    cls=Option,
    metavar="NUMBER",
    type=click.IntRange(min=1),
    help="The pull request, or merge request.  [default: the one that the CI job is about]",
)
@click.option(
    "--timeout",
    cls=Option,
    metavar="SECONDS",
    type=options.FiniteRange(min=0),
    default=300.0,
    help="How long to wait for rate limits and passing failures, together.  [default: 300]",
)
@options.view
def comment(*, app: App, file: str, pull_request: int | None, timeout: float) -> None:
    """Post a report as a comment of the pull request, and update it in place.

    FILE is what `--report markdown=FILE` wrote. Each environment has a comment of its own, which is found again by a
    hidden line and its author. A report of an earlier commit never replaces one of the latest; where it must stand, it
    says that it is out of date.

    In GitHub Actions and GitLab CI, the variables of the job name the pull request. The token is GITHUB_TOKEN or
    GITLAB_TOKEN. The job of a fork's pull request has none that may comment: then this is a warning.
    """
    from wfdeploy.wiring.code_host import pull_request_job

    report = _read(file)
    job = pull_request_job(app.environ, pull_request)
    if job.token is not None:
        app.concealed.add(job.token)
    posted = None
    try:
        if job.token is not None:
            posted = _post(app, job, job.token, report, timeout)
        elif not job.is_from_fork:
            raise UsageError(f"there is no token for {job.host}: {job.token_source} is not set", hint="set it")
        else:
            _warn_of_fork(app, f"there is no {job.token_source}")
    except CommentRefused as error:
        if not job.is_from_fork:
            raise
        _warn_of_fork(app, error.message)
    _show(app, posted)


def _warn_of_fork(app: App, reason: str) -> None:
    app.output.warn(
        f"nothing was posted: {reason}; the pull request comes from a fork, whose jobs may not comment",
        "the report is in the job's summary, or among its artifacts",
    )


def _post(app: App, job: PullRequestJob, token: str, report: str, timeout_s: float) -> Posted:
    from wfdeploy.cli import progress
    from wfdeploy.model.pull_request import FoundStamp
    from wfdeploy.operations.authorship import job_url
    from wfdeploy.operations.commenting import post
    from wfdeploy.render.comment import body, mark_stale

    stamp = FoundStamp.of(report)
    assert stamp is not None  # it was read as a report

    def compose(is_stale: bool) -> str:
        return body(report, limit=job.limit, is_stale=is_stale, job_url=job_url(app.environ))

    with progress.listener(app.output) as listener:
        return post(job.open(token, listener, timeout_s), stamp, compose, mark_stale)


def _show(app: App, posted: Posted | None) -> None:
    from wfdeploy.render.comment import posted_json, posted_text

    app.output.show(posted_json(posted), posted_text(posted) if posted else "")


def _read(name: str) -> str:
    """Read a report that this job wrote. Raises: `UsageError`, `StateUnusable` for one that came with the checkout."""
    from pathlib import Path

    from wfdeploy.files.access import read_named
    from wfdeploy.files.bounds import Bounds
    from wfdeploy.model.pull_request import FoundStamp
    from wfdeploy.wiring.checkout import require_own_report

    folder = Path.cwd()
    bounds = Bounds.around(folder)
    require_own_report(Path(name), folder=folder, bounds=bounds)
    try:
        data = read_named(name, folder=folder, bounds=bounds, most=_LONGEST_REPORT)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"the report {name} can't be read: {reason}", hint="check FILE") from error
    if len(data) > _LONGEST_REPORT:
        raise UsageError(f"the report {name} is larger than {_LONGEST_REPORT // 1024**2} MiB")
    if FoundStamp.of(text) is None:
        raise UsageError(f"{name} is no report of wfdeploy", hint=f"write one: wfdeploy plan --report markdown={name}")
    return text
