"""The report of an unexpected error: enough to find the bug, and nothing that must not be shared.

Neither the environment nor local variables are in it; secret values that are known are taken out of the rest.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator

from wfdeploy import __version__
from wfdeploy.cli.output import App
from wfdeploy.render.terminal import printable, printable_lines
from wfdeploy.state import VERSION

_SECRET_NAME = re.compile(r"TOKEN|SECRET|KEY|PASSW|CREDENTIAL|AUTH", re.IGNORECASE)
_SHORTEST_SECRET = 6  # shorter values would blot out ordinary words


def versions() -> str:
    """What the bug is in, for whoever asks about it."""
    return f"wfdeploy {__version__}, state format {VERSION}, Python {platform.python_version()}"


def write_report(error: BaseException, app: App) -> str | None:
    """Write the report beside other temporary files. Returns its path, None when that fails too."""
    try:
        descriptor, path = tempfile.mkstemp(prefix="wfdeploy-report-", suffix=".txt")  # mode 0600
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(_report(error, app))
    except OSError:
        return None
    return path


def _report(error: BaseException, app: App) -> str:
    text = "\n".join(
        (
            versions(),
            f"{sys.implementation.name} on {platform.platform()}",
            f"command: wfdeploy {' '.join(map(printable, _without_values(app.arguments)))}",
            "",
            "".join(traceback.format_exception(error)),
        )
    )
    return printable_lines(scrub(text, _secrets(app)))


def scrub(text: str, secrets: Iterable[str]) -> str:
    """`text` with each secret replaced by `***`, in every encoding that a server's words are scrubbed of."""
    from wfdeploy.upstash.scrub import pattern

    for secret in sorted(set(secrets), key=len, reverse=True):
        text = pattern(secret).sub("***", text)
    return text


def _secrets(app: App) -> Iterator[str]:
    yield from (value for value in app.concealed if value)
    for name, value in app.environ.items():
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET:
            yield value


def _without_values(arguments: Iterable[str]) -> Iterator[str]:
    """The arguments; of `--var NAME=VALUE` only the name."""
    hide = False
    for argument in arguments:
        if hide or argument.startswith("--var="):
            yield re.sub(r"^((?:--var=)?[^=]*=).*", r"\1***", argument, flags=re.DOTALL)
        else:
            yield argument
        hide = argument == "--var"
