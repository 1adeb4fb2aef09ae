"""The manifests of a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wfdeploy.catalogue.catalogue import Catalogue
from wfdeploy.catalogue.database import remove
from wfdeploy.catalogue.entries import Cache
from wfdeploy.documents.sources import MAX_FILE_BYTES
from wfdeploy.errors import CacheDamaged, InvalidInput
from wfdeploy.files.access import read_at_most
from wfdeploy.manifests.manifests import Manifests, load_manifests
from wfdeploy.manifests.reading import Loading
from wfdeploy.manifests.requests import Requests
from wfdeploy.model.address import instance_parts
from wfdeploy.model.plan import RequestedAction, Selection
from wfdeploy.model.project import LOCAL, Project
from wfdeploy.model.run import Move

if TYPE_CHECKING:
    from wfdeploy.model.project import Project
    from wfdeploy.model.run import DeclaredRun
    from wfdeploy.workspace import Workspace

T = TypeVar("T")


def load(
    workspace: Workspace,
    paths: Sequence[str] | None,
    selection: Selection,
    *,
    begins: bool = False,
    shrink: bool = True,
) -> Manifests:
    """Read, check and expand; to be closed.

    For an action that needs no declaration nothing is read: a run can be cancelled while the manifests are broken.

    begins: this command makes a state where there is none.
    shrink: bodies needn't be shown in the order of their keys.

    Raises: `InvalidInput`, `UsageError`.
    """
    if selection.requested in (RequestedAction.CANCEL, RequestedAction.RESUME):
        return _nothing()
    how = Loading(
        variables=dict(selection.variables),
        stdin=workspace.stdin or bytes,
        cwd=workspace.cwd,
        defaults=workspace.defaults,
        cache=_cache(workspace, begins=begins),
        shard=workspace.target.shard,
        shrink=shrink,
        loopback=workspace.target.loopback or workspace.target.project.environment == LOCAL,
        listener=workspace.listener,
    )
    with workspace.phase("load"):
        manifests = load_manifests(workspace.project, paths, how)
    is_all = manifests.complete and how.shard is None
    return manifests if is_all else _with_the_rest(manifests, workspace, how)


def _cache(workspace: Workspace, *, begins: bool) -> Cache | None:
    """The cache, known by a key of the state; none where there is no state and won't be."""
    folder, secret = cache_folder(workspace.project), workspace.secret(begins=begins)
    return None if folder is None or secret is None else Cache.of(folder, secret)


def _with_the_rest(manifests: Manifests, workspace: Workspace, how: Loading) -> Manifests:
    """Manifests, or runs, that are a part of the project's, with what the others move."""
    elsewhere = Elsewhere(workspace.project, manifests.left_out, how)
    moved = list(manifests.moved)
    if how.shard is None:
        moved += [move for move in elsewhere.moves() if move not in moved and not _declares(manifests, move.origin)]
    return replace(manifests, moved=tuple(moved), elsewhere=elsewhere)


def _declares(manifests: Manifests, name: str) -> bool:
    return bool(manifests.runs.find([name])) if "/" in name else name in manifests.groups


def _nothing() -> Manifests:
    runs = Catalogue(None)
    runs.seal()
    return Manifests(runs=runs, requests=Requests(_unread), groups={}, complete=False)


def _unread(*_: object, **_options: object) -> Iterator[tuple[int, DeclaredRun]]:
    """Nothing is declared, so nothing is ever read again."""
    return iter(())


def with_sound_cache(workspace: Workspace, use: Callable[[], T]) -> T:
    """Do something with loaded manifests.

    Should the cache turn out to be damaged, it is thrown away and all of it is done again: whatever was sent by then is
    in the state.
    """
    try:
        return use()
    except CacheDamaged as error:
        from wfdeploy.model.event import Notice

        folder = cache_folder(workspace.project)
        if folder is not None:
            remove(folder)
        workspace.listener(Notice(f"{error.message}: the cache is thrown away, and all manifests are read"))
        return use()


def cache_folder(project: Project) -> Path | None:
    """Where the project's cache is kept; None outside of a project, where no traces are to be left."""
    home = project.root / ".wfdeploy"
    return home / "cache" if project.file is not None or home.is_dir() else None


class Elsewhere:
    """The whole project, read when it is needed for the first time: what the manifests that weren't loaded declare and
    move.

    A run that isn't declared any more in the files that were loaded may be declared in another one, or have its new
    name there. So all of them are read before a run is taken for removed.

    left_out: the project's manifests that weren't loaded.
    """

    def __init__(self, project: Project, left_out: Sequence[Path], how: Loading) -> None:
        self._project = project
        self._left_out = left_out
        # All of its runs, none of which is sent; no progress is reported.
        self._how = Loading(
            variables=how.variables,
            defaults=how.defaults,
            cwd=how.cwd,
            cache=how.cache,
            keep=0,
            loopback=how.loopback,
        )
        self.problem: str | None = None
        """Why it isn't known what the project declares, where that was needed."""

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
