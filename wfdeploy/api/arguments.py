"""What the methods of a project are given, checked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from wfdeploy.errors import UsageError

if TYPE_CHECKING:
    from wfdeploy.model.status import ShownState

Paths: TypeAlias = Sequence[str | os.PathLike[str]]
"""Files and folders, relative to that of the project."""


def readable(paths: Paths | None) -> tuple[str, ...] | None:
    """Paths that an operation may read. Raises: `UsageError` for standard input, which is the program's own."""
    chosen = texts_of(paths) if isinstance(paths, str) else tuple(os.fspath(path) for path in paths or ())
    if "-" in chosen:
        raise UsageError("standard input is read by the command alone", hint="name a file")
    return chosen or None


def states_of(given: Iterable[str]) -> frozenset[ShownState]:
    """States of runs. Raises: `UsageError` for an unknown one."""
    from wfdeploy.model.status import run_states

    return run_states(texts_of(given))


def texts_of(given: Iterable[str]) -> tuple[str, ...]:
    """Several texts. Raises: `UsageError` for one alone, each letter of which would be taken for one."""
    if isinstance(given, str):
        raise UsageError(f"{given!r} is one text, and a list of texts is wanted", hint=f"write [{given!r}]")
    return tuple(given)
