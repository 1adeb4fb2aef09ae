"""The main error handler: run a command line, and turn whatever ends it into an exit code.

Only here is `except Exception` allowed. Errors that a user can act on are shown with a hint; anything else is a bug,
and leaves a report that can be attached to an issue.
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Sequence
from itertools import pairwise

import click

from wfdeploy.cli.output import App
from wfdeploy.cli.signals import Terminated, terminate_politely
from wfdeploy.errors import ExitCode, InvalidInput, PolicyViolated, WfdeployError
from wfdeploy.render.terminal import without_passwords

PROGRAM = "wfdeploy"
COMPLETE_VARIABLE = "_WFDEPLOY_COMPLETE"


def run(arguments: Sequence[str], app: App, group: click.Group | None = None) -> int:
    """Run one command line, of `wfdeploy` unless another group is given. Return the exit code, whatever happens."""
    if group is None:
        group = _wfdeploy()
    app.arguments = tuple(map(without_passwords, arguments))
    instruction = app.environ.get(COMPLETE_VARIABLE)
    if instruction:
        try:
            from wfdeploy.cli.completing import answer

            app.output.payload(answer(group, {"obj": app}, PROGRAM, COMPLETE_VARIABLE, instruction))
        except Exception:  # no shell asks like this, or a bug; no message may join the command line that is typed
            return ExitCode.USAGE
        return ExitCode.OK

    # Not click's own `main`: it takes any broken pipe, a socket's too, for a reader that went away, and any end of file
    # for ^C.
    try:
        with (
            terminate_politely(),
            group.make_context(PROGRAM, list(arguments), obj=app, terminal_width=_help_width(app)) as ctx,
        ):
            return int(group.invoke(ctx) or ExitCode.OK)
    except (Exception, KeyboardInterrupt, Terminated) as error:
        return _handle(error, app)


def _handle(error: BaseException, app: App) -> int:
    """Report how a command ended, or what interrupted the report: another ^C, or no file left to write it with."""
    try:
        return _report(error, app)
    except (Exception, KeyboardInterrupt, Terminated) as another:
        try:
            return _report(another, app)
        except KeyboardInterrupt:  # the key is held down
            return ExitCode.SIGINT


def _report(error: BaseException, app: App) -> int:
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.ClickException():
            return _report_usage(error, app)
        case InvalidInput() | PolicyViolated():
            _report_diagnostics(error, app)
            return error.exit_code
        case WfdeployError():
            app.output.error(error.message, error.hint, exitCode=int(error.exit_code))
            return error.exit_code
        case Terminated():
            app.output.error("terminated")
            return ExitCode.SIGTERM
        case KeyboardInterrupt() | click.Abort():
            app.output.error("interrupted")
            return ExitCode.SIGINT
        case _:
            return _report_refusal(error, app) or _report_bug(error, app)


def _wfdeploy() -> click.Group:
    from wfdeploy.cli.main import main

    return main


def _help_width(app: App) -> int:
    """The width that click would choose (it would import half the standard library to ask the terminal)."""
    return max(min(app.output.width or 80, 80) - 2, 50)


def _report_usage(error: click.ClickException, app: App) -> int:
    _read_output_options(app)
    hint = None
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f"try '{error.ctx.command_path} --help'"
    app.output.error(error.format_message(), hint, exitCode=int(ExitCode.USAGE))
    return ExitCode.USAGE


def _read_output_options(app: App) -> None:
    """Set the output options of a command line that could not be parsed to its end."""
    from wfdeploy.cli.output import ColorMode, LogFormat

    words = [word for argument in app.arguments for word in argument.split("=", 1)]
    for name, value in pairwise(words):
        if name == "--log-format" and value in (format_.value for format_ in LogFormat):
            app.output.log_format = LogFormat(value)
        elif name == "--color" and value in (mode.value for mode in ColorMode):
            app.output.color = ColorMode(value)


def _report_diagnostics(error: InvalidInput | PolicyViolated, app: App) -> None:
    from wfdeploy.cli.output import LogFormat
    from wfdeploy.render.diagnostics import place_fields, text

    output = app.output
    if output.log_format is LogFormat.JSON:
        for diagnostic in error.diagnostics:
            output.error(diagnostic.message, diagnostic.hint, **place_fields(diagnostic))
    else:
        output.block(text(error.diagnostics, output.error_style, width=output.error_width), always=True)
    output.error(error.message, error.hint, exitCode=int(error.exit_code))


_REFUSALS = frozenset(
    (
        errno.EACCES,
        errno.EBADF,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.EMFILE,
        errno.ENAMETOOLONG,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOSPC,
        errno.EPERM,
        errno.EROFS,
        errno.ESTALE,
    )
)
"""Errors of the system, of the limits of the process or of its permissions, wherever they occur."""

_SCARCE = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM))


def _report_refusal(error: BaseException, app: App) -> ExitCode | None:
    """Report an error of the machine rather than of ours; None for anything else."""
    hint = None
    if isinstance(error, MemoryError):
        message, hint = "out of memory", "give it more, or less to do at once"
    elif isinstance(error, OSError) and not _has_working_directory():
        message, hint = "the working directory is gone", "change to one that is there: cd DIR"
    elif isinstance(error, OSError) and error.errno in _REFUSALS:
        name = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        message = f"{name}{error.strerror}"
    elif isinstance(error, ImportError) and any(os.strerror(number) in str(error) for number in _SCARCE):
        message = str(error)  # of the system's loader, which gives no number
    else:
        return None
    if not isinstance(error, OSError) or error.errno in _SCARCE:
        # Python's complaints about half-made objects come after the error, and mean nothing to a user.
        sys.unraisablehook = lambda _: None
        warnings.simplefilter("ignore")
    app.output.error(message, hint, exitCode=int(ExitCode.SYSTEM))
    return ExitCode.SYSTEM


def _has_working_directory() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - asks no more than that
    except OSError:
        return False
    return True


def _report_bug(error: BaseException, app: App) -> int:
    versions = ""
    try:
        from wfdeploy.cli.report_file import versions as versions_of
        from wfdeploy.cli.report_file import write_report

        versions = f" ({versions_of()})"
        path = write_report(error, app)
    except Exception:  # nothing is left to write it with
        path = None
    app.output.error(
        f"this is a bug in wfdeploy: {type(error).__name__}{versions}",
        f"a report is in {path}; please attach it to an issue" if path else "no report could be written",
        exitCode=int(ExitCode.BUG),
    )
    return ExitCode.BUG
