"""Whether git ignores a file, by the `.gitignore` files of its work tree.

They are read here, not by git, for the reason that `tracking` gives.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from wfdeploy.files.access import read_at_most
from wfdeploy.files.tracking import work_tree

_MOST_BYTES = 1 << 20


def is_ignored(path: Path, environ: Mapping[str, str]) -> bool:
    """Whether git would leave a file out that isn't tracked. False outside of a work tree.

    environ: names the user's configuration. The file of `core.excludesFile` is looked at in its usual place only.
    """
    top = work_tree(path.parent)
    if top is None:
        return False
    from pathspec import GitIgnoreSpec

    real = Path(os.path.realpath(path.parent), path.name)
    for folder, lines in _patterns(top, real, environ):  # the nearest decides (gitignore(5))
        found = GitIgnoreSpec.from_lines(lines).check_file(real.relative_to(folder).as_posix()).include
        if found is not None:
            return found
    return False


def _patterns(top: Path, path: Path, environ: Mapping[str, str]) -> Iterator[tuple[Path, list[str]]]:
    """Files of patterns, the nearest first, each with the folder that they are about."""
    for folder in path.parents:
        yield folder, _lines(folder / ".gitignore")
        if folder == top:
            break
    yield top, _lines(top / ".git" / "info" / "exclude")
    config = environ.get("XDG_CONFIG_HOME") or (f"{home}/.config" if (home := environ.get("HOME")) else "")
    if config:
        yield top, _lines(Path(config, "git", "ignore"))


def _lines(file: Path) -> list[str]:
    """The lines of a file; none of one that can't be read."""
    try:
        return read_at_most(file, _MOST_BYTES).decode(errors="surrogateescape").splitlines()
    except OSError:
        return []
