"""What an operator named on the command line, when a link in the checkout has taken its place."""

from __future__ import annotations

import os
from pathlib import Path

from wfdeploy.errors import UsageError
from wfdeploy.files.bounds import Bounds, OutOfBoundsError
from wfdeploy.files.names import escaped
from wfdeploy.model.pasting import shell_word


def not_as_named(what: str, path: Path, error: OutOfBoundsError) -> UsageError:
    """The error for a path that leads elsewhere."""
    real = os.path.realpath(path)
    return UsageError(
        f"{what} {escaped(str(path))} {error.reason}: a link leads to {escaped(real)}",
        hint=f"name the file itself; or allow it: --allow path={shell_word(real)}",
    )


def require_as_named(what: str, name: str, *, folder: Path, bounds: Bounds) -> None:
    """Raises: `UsageError` where a link within the checkout leads a named path out of it."""
    try:
        bounds.as_named(folder, name)
    except OutOfBoundsError as error:
        raise not_as_named(what, folder / name, error) from error
