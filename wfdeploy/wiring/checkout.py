"""What of a checkout isn't trusted: links in place of named files, and files that only this machine may write."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from wfdeploy.errors import StateUnusable, UsageError
from wfdeploy.files.access import escaped
from wfdeploy.files.bounds import Bounds, OutOfBoundsError
from wfdeploy.files.tracking import UnreadableIndexError, tracked
from wfdeploy.model.address import shell_word

OWN_FOLDER = ".wfdeploy"
"""The folder beside the project file that only this machine writes to."""


def not_as_named(what: str, path: Path, error: OutOfBoundsError) -> UsageError:
    """The error for a path that leads somewhere else."""
    real = os.path.realpath(path)
    return UsageError(
        f"{what} {escaped(str(path))} {error.reason}: a link leads to {escaped(real)}",
        hint=f"name the file itself; or allow it: --allow path={shell_word(real)}",
    )


def require_as_named(what: str, name: str, *, folder: Path, bounds: Bounds) -> None:
    """Refuse a named path that a link within the checkout leads out of it. Raises: `UsageError`."""
    try:
        bounds.as_named(folder, name)
    except OutOfBoundsError as error:
        raise not_as_named(what, folder / name, error) from error


def require_untracked(root: Path, database: Path) -> None:
    """Refuse a state, cache or database that came with the checkout: whoever opened the pull request wrote it.

    root: the folder of the project.
    database: that of the state, or of the embedded server.

    Raises: `StateUnusable`.
    """
    why = "what wfdeploy keeps would be what a commit says, and not what happened"
    _require_untracked(root, [OWN_FOLDER], why)
    # Resolved, since `.wfdeploy/../data.db` lies elsewhere, and so does everything in a folder that is a link.
    real = Path(os.path.realpath(database.parent))
    if not real.is_relative_to(Path(os.path.realpath(root), OWN_FOLDER)):
        beside = (f"{database.name}{suffix}" for suffix in ("-wal", "-shm", "-journal"))
        _require_untracked(database.parent, [database.name, *beside], why)


def _require_untracked(folder: Path, names: Collection[str], why: str) -> None:
    try:
        found = tracked(folder, names)
    except UnreadableIndexError as error:
        raise StateUnusable(
            f"cannot tell whether git tracks {', '.join(names)} in {folder}: {error}",
            hint="repair the repository; `git status` says what is wrong with it",
        ) from error
    if found is not None:
        shown = shell_word(str(found))
        raise StateUnusable(
            f"git tracks {found}: {why}",
            hint=f"take it out of the repository: git rm -r --cached {shown}; a line in .gitignore keeps it out",
        )


def require_own_plan(file: Path, *, folder: Path, bounds: Bounds) -> None:
    """Refuse a saved plan that came with the checkout. It may have replaced the manifests, and decides which paths are
    read, with which variables, and what is triggered again.

    Raises: `UsageError`, `StateUnusable`.
    """
    why = "a saved plan is applied for whoever made it, not for a commit"
    _require_own("the plan", file, why, folder=folder, bounds=bounds)


def require_own_report(file: Path, *, folder: Path, bounds: Bounds) -> None:
    """Refuse a report that came with the checkout: a commit could say of itself what it likes.

    Raises: `UsageError`, `StateUnusable`.
    """
    why = "a report is what this job wrote, not what a commit says of itself"
    _require_own("the report", file, why, folder=folder, bounds=bounds)


def _require_own(what: str, file: Path, why: str, *, folder: Path, bounds: Bounds) -> None:
    require_as_named(what, str(file), folder=folder, bounds=bounds)
    path = folder / file
    for each in (path, path.resolve()):
        _require_untracked(each.parent, [each.name], why)
