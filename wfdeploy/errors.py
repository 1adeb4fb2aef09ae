"""The exception tree, the exit codes, and counts in messages.

    WfdeployError                  exit code
    ├── InvalidInput               4    manifests, project file, expressions: carries diagnostics
    ├── StateError                 5
    │   ├── StateLocked            5    somebody else holds the lock
    │   ├── StateUnusable          5    corrupt, unreadable, newer, foreign
    │   │   └── StateUnreachable   5    a shared state doesn't answer now
    │   ├── StateMoved             5    another command changed the state while somebody was asked
    │   ├── StalePlan              5    a saved plan that no longer holds
    │   └── CacheDamaged           5    the cache does not hold what was written to it
    ├── RemoteFailure              6    refused or unreachable, nothing was triggered
    │   └── CommentRefused         6    the host of a pull request permits no comment
    ├── Withheld                   8    beyond a limit, or not confirmed
    │   └── PolicyViolated         8    a policy forbids it: carries diagnostics
    ├── UsageError                 64   invalid options or arguments
    ├── SystemRefused              74   a full disk, a limit of the process, a missing permission
    └── Interrupted                130, 143

Problems that users fix in files, of which there may be many, are `Diagnostic`s (model/diagnostic.py), not exceptions.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfdeploy.model.diagnostic import Diagnostic


class ExitCode(IntEnum):
    """The exit status of a command. Scripts rely on it, so values never change."""

    OK = 0
    BUG = 1
    CHANGES = 2
    INVALID = 4
    STATE = 5
    REMOTE = 6
    PARTIAL = 7
    WITHHELD = 8
    USAGE = 64
    SYSTEM = 74
    SIGINT = 130
    SIGTERM = 143


EXIT_CODE_MEANING: dict[ExitCode, str] = {
    ExitCode.OK: "the requested work is done, and nothing is wrong",
    ExitCode.BUG: "unexpected error in wfdeploy; a report file is written and its path shown",
    ExitCode.CHANGES: "only with plan --detailed-exitcode: there is work to do",
    ExitCode.INVALID: "a manifest, the project file, an expression or an address is wrong",
    ExitCode.STATE: "the state is unreadable, foreign or locked, or a saved plan is stale",
    ExitCode.REMOTE: "the server refused or was unreachable before anything was triggered",
    ExitCode.PARTIAL: "not all changes succeeded, a watched run ended badly or not in time, or --fail-on found runs",
    ExitCode.WITHHELD: "a limit was exceeded, a policy forbids it, or a confirmation is missing; nothing was sent",
    ExitCode.USAGE: "invalid options or arguments",
    ExitCode.SYSTEM: "this machine refused: a full disk, a limit, an output or a directory that can't be used",
    ExitCode.SIGINT: "interrupted (^C); the state is saved up to the last answer",
    ExitCode.SIGTERM: "terminated; the state is saved up to the last answer",
}


class WfdeployError(Exception):
    """A failure that the user can act on.

    `hint` is what to do next, shown on a line of its own.
    """

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidInput(WfdeployError):
    """Input files are wrong; every problem found is in `diagnostics`."""

    exit_code = ExitCode.INVALID

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        count = len(diagnostics)
        super().__init__(several(count, "error"))
        self.diagnostics = tuple(diagnostics)


class StateError(WfdeployError):
    """The state can't be used; nothing was changed."""

    exit_code = ExitCode.STATE


class StateLocked(StateError):
    """Another process holds the state's lock."""


class StateUnusable(StateError):
    """The state is corrupt, unreadable, read-only, of a newer version, or belongs to another target."""


class StateUnreachable(StateUnusable):
    """The place of a shared state could not be reached, or gave no clear answer in time. Trying again may help."""


class StateMoved(StateError):
    """Another command changed the state while this one waited for an answer; nothing was sent."""


class StalePlan(StateError):
    """A plan that must not be applied: what it was made from has changed."""


class CacheDamaged(StateError):
    """The cache of loaded manifests was changed or damaged since it was written."""


class RemoteFailure(WfdeployError):
    """The server refused or could not be reached, and nothing was triggered."""

    exit_code = ExitCode.REMOTE


class CommentRefused(RemoteFailure):
    """The host of a pull request doesn't permit the token to comment there."""


class Withheld(WfdeployError):
    """A limit was exceeded, or a confirmation is missing; nothing was sent."""

    exit_code = ExitCode.WITHHELD


class PolicyViolated(Withheld):
    """A policy of the project or of the operator forbids it; nothing was sent. What it forbids is in `diagnostics`."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        first, more = diagnostics[0], len(diagnostics) - 1
        about = f"{first.address}: " if first.address else ""
        rest = f" (and {several(more, 'other violation')})" if more else ""
        super().__init__(
            f"a policy forbids it, and nothing was sent: {about}{first.message}{rest}",
            hint="change what is declared; or who answers for the policy changes that",
        )
        self.diagnostics = tuple(diagnostics)


class UsageError(WfdeployError):
    """Options or arguments that make no sense, alone or together."""

    exit_code = ExitCode.USAGE


class SystemRefused(WfdeployError):
    """The operating system refused what any command needs. What was done before stands, and is recorded.

    The exit code is that of an I/O error in sysexits(3), where the one of `UsageError` comes from too.
    """

    exit_code = ExitCode.SYSTEM


class Interrupted(WfdeployError):
    """A request to stop ended the operation; `exit_code` is that of the signal."""

    def __init__(self, message: str, *, exit_code: ExitCode, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


def several(count: int, noun: str = "run", plural: str = "") -> str:
    """A count in a message: `1 run`, `1,200 runs`. `plural`: where it isn't the noun with an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
