"""What the command line says about where to work, and a command line that leads to the same place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfdeploy.model.plan import Selection
    from wfdeploy.model.project import Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFlags:
    """Which project, environment, server and state the command line asks for; None where it says nothing."""

    environment: str | None = None
    project_file: str | None = None
    state: str | None = None
    url: str | None = None
    token_file: str | None = None
    local: bool = False
    env_file: str | None = None
    shard: Shard | None = None
    allow: tuple[str, ...] = ()


def command_line(
    command: str, flags: TargetFlags, arguments: Sequence[str] = (), selection: Selection | None = None
) -> str:
    """`wfdeploy COMMAND` with the arguments and flags that lead to the same place."""
    from wfdeploy.model.address import shell_word

    words = ["wfdeploy", command]
    words += [f"./{path}" if path.startswith("-") and path != "-" else path for path in arguments]  # no option
    for name, value in (
        ("-e", flags.environment),
        ("--url", flags.url),
        ("--token-file", flags.token_file),
        ("--state", flags.state),
        ("--project-file", flags.project_file),
        ("--env-file", flags.env_file),
        ("--shard", flags.shard),
    ):
        if value is not None:
            words += [name, str(value)]
    if flags.local:
        words.append("--local")
    if selection is not None:
        for target in selection.targets:
            words += ["--target", target]
        for address in selection.replace:
            words += ["--replace", address]
        if selection.limit is not None:
            words += ["--limit", str(selection.limit)]
        if selection.prune:
            words.append("--prune")
        if selection.refresh.value != "auto":
            words.append(f"--refresh={selection.refresh.value}")
        for name, value in selection.variables.items():
            words += ["--var", f"{name}={value}"]
    return " ".join(map(shell_word, words))
