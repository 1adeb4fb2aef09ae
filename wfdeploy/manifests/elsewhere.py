"""What the project's manifests that weren't loaded declare and move, where a command is about some of its files.

A run that isn't declared any more in the files that were loaded may be declared in another one, or have its new name
there. So the others are read, all of them, before a run is taken for removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from wfdeploy.documents.sources import MAX_FILE_BYTES
from wfdeploy.errors import InvalidInput
from wfdeploy.files.access import read_at_most
from wfdeploy.manifests.manifests import Loading, Manifests, load_manifests
from wfdeploy.model.address import instance_parts
from wfdeploy.model.project import Project
from wfdeploy.model.run import Move


class Elsewhere:
    """Reads the whole project when it is asked for the first time. `left_out`: its manifests that weren't loaded."""

    def __init__(self, project: Project, left_out: Sequence[Path], how: Loading) -> None:
        self._project = project
        self._left_out = left_out
        self._how = replace(how, shard=None, listener=None, stdin=None)
        self.problem: str | None = None
        """Why it isn't known what the project declares, where that was asked."""

    def moves(self) -> Sequence[Move]:
        """The project's moves; read only where one of the other files may hold some."""
        if not any(map(_may_move, self._left_out)) or self.whole is None:
            return ()
        return self.whole.moved

    def accounts_for(self, address: str) -> bool:
        """Whether the project declares or moves a recorded address, or may do so."""
        if self._is_nothing:
            return False
        if self.whole is None:
            return True
        parts = instance_parts(address)
        names = (address,) if parts is None else (address, parts[0])
        is_moved = any(move.after(name) is not None for move in self.whole.moved for name in names)
        return is_moved or bool(self.whole.runs.find(names))

    def close(self) -> None:
        """Give back what was read."""
        whole = self.__dict__.get("whole")
        if whole is not None:
            whole.close()

    @property
    def _is_nothing(self) -> bool:
        """Whether there is no project, only files that were named."""
        project = self._project
        return project.file is None and not any((project.root / text).exists() for text in project.manifests)

    @cached_property
    def whole(self) -> Manifests | None:
        """All of the project's manifests; None where they can't be read, or where there is no project."""
        if self._is_nothing:
            return None
        try:
            return load_manifests(self._project, how=self._how)
        except InvalidInput as error:
            first = error.diagnostics[0]
            self.problem = f"{first.place}: {first.message}"
            return None


def _may_move(path: Path) -> bool:
    try:
        return b"moved" in read_at_most(path, MAX_FILE_BYTES)
    except OSError:
        return True
