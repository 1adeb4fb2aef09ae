"""The command to type next, for the same target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wfdeploy.model.pasting import shell_word

if TYPE_CHECKING:
    from wfdeploy.cli.flags import TargetFlags
    from wfdeploy.model.plan import Selection


def command_line(
    command: str, flags: TargetFlags, arguments: Sequence[str] = (), selection: Selection | None = None
) -> str:
    """`wfdeploy COMMAND` with the arguments and flags that lead to the same place."""
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
