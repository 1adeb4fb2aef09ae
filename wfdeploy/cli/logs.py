"""What libraries log goes where everything else goes: to the output, under its policy.

Without this, Python writes their warnings and tracebacks straight to standard error, through a progress bar and into
a JSON log.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from wfdeploy.cli.output import Output
from wfdeploy.render.printable import printable


@contextmanager
def heard(output: Output) -> Iterator[None]:
    """Warnings of ours are warnings; those of libraries are details (-v), since a user can't act on them."""
    handler = _ToOutput(output)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


class _ToOutput(logging.Handler):
    def __init__(self, output: Output) -> None:
        super().__init__(logging.WARNING)
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text}: {record.exc_info[1]!r}"
        if record.name.partition(".")[0] == "wfdeploy":
            self._output.warn(printable(text))
        else:
            self._output.detail(printable(f"{record.name}: {text}"))
