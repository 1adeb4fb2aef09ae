"""What every command is handed: the object that travels in click's context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wfdeploy.cli.output import Output


@dataclass(slots=True, kw_only=True)
class App:
    """One invocation of the program.

    `environ`: the process environment, read here and nowhere else. `arguments`: the command line, for the state's
    lock and for reports. `concealed`: secret values met so far; a report of an unexpected error leaves them out.
    """

    output: Output
    environ: Mapping[str, str]
    arguments: tuple[str, ...] = ()
    concealed: set[str] = field(default_factory=set, repr=False)
