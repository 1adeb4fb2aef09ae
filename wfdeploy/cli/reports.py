"""The reports that a command writes beside its result: files, and the summary of a job on GitHub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from wfdeploy.cli.command import app_of, offering
from wfdeploy.cli.report_formats import AVAILABLE, ReportFormat
from wfdeploy.errors import InvalidInput, SystemRefused, UsageError, WfdeployError

if TYPE_CHECKING:
    from types import TracebackType

    from wfdeploy.cli.output import App
    from wfdeploy.model.diagnostic import Diagnostic
    from wfdeploy.model.plan import Plan
    from wfdeploy.model.project import Target

Function: TypeAlias = Callable[..., Any]

_SUMMARY_BYTES = 1024 * 1024
"""The most that the summary of a step may have. Source: GitHub's documentation, "Step isolation and limits"."""

_SUMMARY_LIMIT = 200_000  # characters, of four bytes at most
_FOR_COMMENT = 1_000
"""The characters of a comment that are left for what is added to a report when it is posted."""


Maker: TypeAlias = Callable[[int], Iterable[str]]
"""Makes the pieces of a report, of at most so many characters where its format has a limit."""


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A file to write a report to, as the command line names it."""

    format: ReportFormat
    name: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a command failed, for people."""

    message: str
    hint: str | None = None
    diagnostics: Sequence[Diagnostic] = ()

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Say it as the terminal does; of an unexpected error, no more than its kind."""
        match error:
            case InvalidInput():
                return cls(error.message, error.hint, error.diagnostics)
            case WfdeployError():
                return cls(error.message, error.hint)
            case click.ClickException():
                return cls(error.format_message())
            case KeyboardInterrupt():
                return cls("interrupted")
            case Exception():
                return cls(f"unexpected error: {type(error).__name__}")
            case _:
                return cls("terminated")


class Reports:
    """The reports of one command, which a `with` statement surrounds.

    They are written once their content is known, also when that is no more than why the command failed. Where one
    can't be written, the command does its work, shows its result and only then fails.
    """

    def __init__(self, app: App, command: str, files: Sequence[ReportFile]) -> None:
        self._app = app
        self._command = command
        self._files = files
        self._summary = app.environ.get("GITHUB_STEP_SUMMARY", "") if self._has(ReportFormat.MARKDOWN) else ""
        self._target: Target | None = None
        self._planned: Sequence[str] | None = None
        self._is_written = False
        self._refusal: SystemRefused | None = None

    @property
    def has_files(self) -> bool:
        """Whether any file is to be written."""
        return bool(self._files)

    @property
    def has_markdown(self) -> bool:
        """Whether there is any use for Markdown."""
        return bool(self._summary) or any(file.format is ReportFormat.MARKDOWN for file in self._files)

    def about(self, target: Target) -> None:
        """Say what the reports are about, as soon as that is known."""
        self._target = target

    def plan(self, plan: Plan) -> None:
        """Keep the changes of the first plan, for the report of what became of them."""
        if self._planned is None and self.has_markdown:
            from wfdeploy.render.plan_markdown import changes

            self._planned = tuple(changes(plan, limit=self._limit // 2, title="Planned"))

    @property
    def planned(self) -> Sequence[str]:
        """The lines of Markdown that show the changes of the plan; there are none without a plan."""
        return self._planned or ()

    def write(self, makers: Mapping[ReportFormat, Maker]) -> None:
        """Write each report whose content is known now."""
        self._is_written = True
        for file in self._files:
            make = makers[file.format]
            pieces = self._stamped(make) if file.format is ReportFormat.MARKDOWN else make(0)
            try:
                _write(file.name, pieces)
            except OSError as error:
                self._refusal = SystemRefused(
                    f"can't write the report {file.name}: {error.strerror or error}",
                    hint="what the command did stands; only this report of it is missing",
                )
        if self._summary:
            self._summarize(makers[ReportFormat.MARKDOWN])

    def __enter__(self) -> Reports:
        for file in self._files:
            _require_writable(file.name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and not self._is_written and not isinstance(error, click.exceptions.Exit):
            self.write(self._of_failure(Failure.of(error)))
        if self._refusal is not None:
            if error is None:
                raise self._refusal
            self._app.output.warn(self._refusal.message)

    def _has(self, format_: ReportFormat) -> bool:
        return format_ in AVAILABLE[self._command]

    @property
    def _limit(self) -> int:
        """The most characters of Markdown: it is for a comment at the host whose job this is, else at GitHub."""
        from wfdeploy.model.pull_request import GITHUB_LIMIT, GITLAB_LIMIT

        return (GITLAB_LIMIT if self._app.environ.get("GITLAB_CI") else GITHUB_LIMIT) - _FOR_COMMENT

    def _stamped(self, make: Maker) -> Iterator[str]:
        """Markdown, after the lines by which a comment with it is found again."""
        from pathlib import Path

        from wfdeploy.model.pull_request import ReportStamp
        from wfdeploy.wiring.code_host import reported_commit

        target = self._target
        stamp = ReportStamp(
            project="" if target is None else target.project.name,
            environment="" if target is None else target.project.environment,
            shard="" if target is None or target.shard is None else str(target.shard),
            commit=reported_commit(self._app.environ, Path.cwd() if target is None else target.project.root) or "",
        )
        yield str(stamp)
        yield "\n"
        yield from make(self._limit)

    def _of_failure(self, failure: Failure) -> Mapping[ReportFormat, Maker]:
        def markdown(_: int) -> Iterator[str]:
            from wfdeploy.render import failure_markdown

            target = self._target
            return failure_markdown.text(
                self._command,
                failure.message,
                failure.hint,
                project="" if target is None else target.project.name,
                environment="" if target is None else target.project.environment,
                diagnostics=failure.diagnostics,
                planned=self.planned,
            )

        def json(_: int) -> Iterator[str]:
            from wfdeploy.render import diagnostics

            return diagnostics.failure_json(failure.message, failure.hint, failure.diagnostics)

        def junit(_: int) -> Iterator[str]:
            from wfdeploy.render import junit

            return junit.of_failure(self._command, failure.message, failure.diagnostics)

        return {
            ReportFormat.MARKDOWN: markdown,
            ReportFormat.JSON: json,
            ReportFormat.JUNIT: junit,
            **of_diagnostics(failure.diagnostics, failure=failure.message),
        }

    def _summarize(self, make: Maker) -> None:
        """Add to the summary of the job's step; whatever comes of that, the command goes on."""
        content = "".join((*make(_SUMMARY_LIMIT), "\n")).encode(errors="replace")
        # O_NONBLOCK: a pipe that nobody reads must not stop the command.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            with open(os.open(self._summary, flags, 0o666), "wb") as file:  # noqa: PTH123 - a descriptor, not a path
                if os.fstat(file.fileno()).st_size + len(content) > _SUMMARY_BYTES:
                    self._app.output.warn("the job's summary has no room for this report")
                else:
                    file.write(content)
        except (OSError, ValueError) as error:
            self._app.output.warn(f"can't write the job's summary: {getattr(error, 'strerror', None) or error}")


def with_reports(command: str) -> Callable[[Function], Function]:
    """Add --report; pass `reports`."""
    names = ", ".join(format_.value for format_ in AVAILABLE[command])
    choice = " or ".join(names.rsplit(", ", 1))

    def read(_ctx: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> Sequence[ReportFile]:
        return [_report_file(command, value, names) for value in values]

    option = click.option(
        "--report",
        "report_files",
        metavar="FORMAT=FILE",
        multiple=True,
        callback=read,
        shell_complete=offering("report_files"),
        help=f"Also write a report to a file, as {choice}. May be repeated.",
    )

    def decorate(function: Function) -> Function:
        @wraps(function)
        def reporting(*, report_files: Sequence[ReportFile], **flags: Any) -> Any:
            with Reports(app_of(click.get_current_context()), command, report_files) as reports:
                return function(reports=reports, **flags)

        added: Function = option(reporting)
        return added

    return decorate


def of_diagnostics(diagnostics: Sequence[Diagnostic], *, failure: str | None = None) -> Mapping[ReportFormat, Maker]:
    """The reports that consist of diagnostics. `failure`: why the command ended without all of them."""

    def gitlab(_: int) -> Iterator[str]:
        from wfdeploy.model.diagnostic import Diagnostic, Place
        from wfdeploy.render import code_quality

        found = diagnostics
        if failure is not None and not found:  # a list of nothing would say that nothing is wrong
            found = [Diagnostic(code="failed", message=failure, place=Place("wfdeploy.yaml"))]
        return code_quality.text(found, _paths())

    def sarif(_: int) -> Iterator[str]:
        from wfdeploy.render import sarif

        return sarif.text(diagnostics, _paths(), failure=failure)

    return {ReportFormat.GITLAB: gitlab, ReportFormat.SARIF: sarif}


def _paths() -> Callable[[str], str]:
    from pathlib import Path

    from wfdeploy.wiring.code_host import in_repository

    return in_repository(Path.cwd())


def _report_file(command: str, value: str, names: str) -> ReportFile:
    """`FORMAT=FILE`. Raises: `click.BadParameter`."""
    name, _, file = value.partition("=")
    found = next((format_ for format_ in AVAILABLE[command] if format_.value == name), None)
    if found is None:
        raise click.BadParameter(f"'{name}' is not a format of reports of `{command}`; available: {names}.")
    if file in ("", "-"):
        raise click.BadParameter(f"'{value}' names no file; as in {name}=FILE.")
    return ReportFile(found, file)


def _require_writable(name: str) -> None:
    """Raises: `UsageError` for a file that can't be there, before the command does anything; and for one that a link
    of the checkout leads out of it."""
    from pathlib import Path

    from wfdeploy.files.bounds import Bounds, OutOfBoundsError

    path, folder = Path(name), Path.cwd()
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} for the report {path.name}", hint="make it first")
    if path.is_dir():
        raise UsageError(f"cannot write the report {name}: it is a folder", hint="name a file")
    try:
        Bounds.around(folder).as_named(folder, path.parent)
    except OutOfBoundsError as error:
        raise UsageError(
            f"the folder of the report {name} {error.reason}, since it is a link", hint="name the folder itself"
        ) from error


def _write(name: str, pieces: Iterable[str]) -> None:
    """Write a file whole or not at all; a pipe or a device as a shell's `>` does. A link is replaced, not followed.

    Raises: `OSError`.
    """
    from pathlib import Path

    from wfdeploy.files.access import replace_file, write_through

    path = Path(name)
    encoded = (piece.encode(errors="replace") for piece in pieces)
    if path.exists() and not path.is_file():
        write_through(path, b"".join(encoded))
    else:
        replace_file(path, encoded, mode=0o666)
