"""What every command is handed: the object that travels in click's context."""

from __future__ import annotations

from collections.abc import Mapping

from wfdeploy.cli.output import Output


class App:
    """One invocation of the program.

    `environ`: the process environment, read here and nowhere else. `arguments`: the command line, for the state's
    lock and for reports. `concealed`: secret values met so far; a report of an unexpected error leaves them out.
    """

    def __init__(self, *, output: Output, environ: Mapping[str, str]) -> None:
        self.output = output
        self.environ = environ
        self.arguments: tuple[str, ...] = ()
        self.concealed: set[str] = set()
