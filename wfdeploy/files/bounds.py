"""Where the files lie that a project may name.

Whoever opens a pull request can name any path, and can put links into the checkout. What a project names is therefore
resolved first, and must lie in git's work tree (without one, in the project's folder), under no hidden name. What the
operator names on the command line, or allows, may lie anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from wfdeploy.files.tracking import work_tree

_GIT = frozenset((".git",))
_NEVER = _GIT | {".wfdeploy"}
"""Credentials of a checkout, and what wfdeploy keeps: of no use in a manifest, and of much to somebody else."""


class OutOfBoundsError(Exception):
    """A path that a project may not name.

    code: `outside` or `hidden`.
    reason: for people.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where the files lie that a project may name.

    root: the folder within which everything may be named that isn't hidden.
    allowed: files, and folders with what isn't hidden in them, that an operator named.
    """

    root: Path
    allowed: tuple[Path, ...] = ()

    @classmethod
    def around(cls, project: Path, allowed: Iterable[Path] = ()) -> Bounds:
        """The bounds of the project in a folder, to which `allowed` is relative."""
        real = Path(os.path.realpath(project))
        return cls(work_tree(real) or real).named(real, allowed)

    def named(self, folder: Path, paths: Iterable[Path | str]) -> Bounds:
        """Extend the bounds by what an operator named, relative to a folder.

        Within the root that is the path as it reads: where a link leads that was put there isn't the operator's word.
        """
        plain = [self._as_read(folder, path) for path in paths]
        resolved = (path if path.is_relative_to(self.root) else Path(os.path.realpath(path)) for path in plain)
        return replace(self, allowed=(*self.allowed, *resolved))

    def resolve(self, path: Path, *, may_hide: bool = False) -> Path:
        """Follow all links of a path that need not exist.

        may_hide: its names may be hidden ones, but for git's.

        Raises: `OutOfBoundsError`.
        """
        real = Path(os.path.realpath(path))
        bases = [base for base in (self.root, *self.allowed) if real.is_relative_to(base)]
        if not bases:
            raise OutOfBoundsError("outside", "lies outside of the project")
        names = real.relative_to(self.root).parts if real.is_relative_to(self.root) else real.parts
        # Where case doesn't count, `.GIT` is `.git`. Whoever names a folder means what is to be seen in it.
        is_seen = any(not any(name.startswith(".") for name in real.relative_to(base).parts) for base in bases)
        if any(name.casefold() in (_GIT if may_hide else _NEVER) for name in names) or not (may_hide or is_seen):
            raise OutOfBoundsError("hidden", "is hidden, or in a hidden folder")
        return real

    def as_named(self, folder: Path, path: Path | str) -> Path | None:
        """Where a path leads that an operator named, relative to a folder, when it lies within the root; None for one
        that lies elsewhere, where nobody else puts anything.

        Raises: `OutOfBoundsError` where a link has taken its place, or that of a folder above, and leads out.
        """
        plain, real = self._as_read(folder, path), Path(os.path.realpath(os.path.join(folder, path)))  # noqa: PTH118
        if not plain.is_relative_to(self.root):
            return None
        return real if real == plain else self.resolve(real, may_hide=True)

    def _as_read(self, folder: Path, path: Path | str) -> Path:
        """A path with none of its links followed; but those above the root, which nobody can commit."""
        plain = Path(os.path.normpath(os.path.join(os.path.realpath(folder), path)))  # noqa: PTH118 - `..` as it reads
        top = next((above for above in (plain, *plain.parents) if _is_same(above, self.root)), None)
        return plain if top is None else self.root / plain.relative_to(top)


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False
