"""The exception tree and the exit codes.

    WfdeployError                  exit code
    ├── InvalidInput               4    manifests, project file, expressions: carries diagnostics
    ├── StateError                 5
    │   ├── StateLocked            5    somebody else is applying
    │   ├── StateUnusable          5    corrupt, unreadable, newer, foreign
    │   ├── StalePlan              5    a saved plan that no longer holds
    │   └── CacheDamaged           5    the cache does not hold what was written to it
    ├── RemoteFailure              6    refused or unreachable, nothing was triggered
    ├── Withheld                   8    a cap or a missing consent stopped it
    ├── UsageError                 64   a wrong command line
    ├── SystemRefused              74   a full disk, a limit of the process, a closed door of this machine
    └── Interrupted                130, 143

What can be many and is the user's to fix is a `Diagnostic` (model/diagnostic.py), not an exception.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfdeploy.model.diagnostic import Diagnostic


class ExitCode(IntEnum):
    """What a command's exit status says; scripts rely on it, so values never change."""

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
    ExitCode.OK: "the asked work is done, nothing wrong",
    ExitCode.BUG: "unexpected error in wfdeploy; a report file is written and its path shown",
    ExitCode.CHANGES: "only with plan --detailed-exitcode: there is work to do",
    ExitCode.INVALID: "a manifest, the project file, an expression or an address is wrong",
    ExitCode.STATE: "the state is unreadable, foreign or locked, or a saved plan is stale",
    ExitCode.REMOTE: "the server refused or was unreachable before anything was triggered",
    ExitCode.PARTIAL: "some changes took and some did not, or a watched run ended badly",
    ExitCode.WITHHELD: "a cap or a missing consent stopped it; nothing was sent",
    ExitCode.USAGE: "a wrong command line",
    ExitCode.SYSTEM: "this machine refused: a full disk, a limit, an output or a directory that can't be used",
    ExitCode.SIGINT: "interrupted (^C); the state is saved up to the last answer",
    ExitCode.SIGTERM: "terminated; the state is saved up to the last answer",
}


class WfdeployError(Exception):
    """Something that stops the command and that the user can act on.

    `hint` is the next thing to do or type, shown on its own line.
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
        super().__init__(f"{count} error{'s' if count != 1 else ''}")
        self.diagnostics = tuple(diagnostics)


class StateError(WfdeployError):
    """The state can't be used for this; nothing was changed."""

    exit_code = ExitCode.STATE


class StateLocked(StateError):
    """Another process holds the state's lock."""


class StateUnusable(StateError):
    """The state is corrupt, unreadable, read-only, of a newer version, or belongs to another target."""


class StalePlan(StateError):
    """A saved plan that may not be carried out any more."""


class CacheDamaged(StateError):
    """The cache of loaded manifests does not hold what was written to it."""


class RemoteFailure(WfdeployError):
    """The server refused or could not be reached, and nothing was triggered."""

    exit_code = ExitCode.REMOTE


class Withheld(WfdeployError):
    """A cap or a missing consent stopped the command before it sent anything."""

    exit_code = ExitCode.WITHHELD


class UsageError(WfdeployError):
    """The command line asks for something that makes no sense."""

    exit_code = ExitCode.USAGE


class SystemRefused(WfdeployError):
    """The operating system refused what any command needs. What had been done by then stands, and is recorded.

    The number is that of an I/O error in sysexits(3), as the one of a wrong command line is.
    """

    exit_code = ExitCode.SYSTEM


class Interrupted(WfdeployError):
    """A signal ended the command; `exit_code` is that of the signal."""

    def __init__(self, message: str, *, exit_code: ExitCode, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code
