"""The manifests of a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wfdeploy.catalogue.authentication import Cache
from wfdeploy.catalogue.catalogue import Catalogue
from wfdeploy.catalogue.database import remove
from wfdeploy.errors import CacheDamaged
from wfdeploy.manifests.manifests import Loading, Manifests, load_manifests
from wfdeploy.manifests.requests import Requests
from wfdeploy.model.plan import Selection, Wish

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
    """Read, check and expand; to be closed. For a wish that needs no declaration nothing is read: a run can be
    cancelled while the manifests are broken.

    begins: this command makes a state where there is none.
    shrink: bodies needn't be shown in the order of their keys.

    Raises: `InvalidInput`, `UsageError`.
    """
    if selection.wish in (Wish.CANCEL, Wish.RESUME):
        return _nothing()
    how = Loading(
        variables=dict(selection.variables),
        stdin=workspace.stdin,
        cwd=workspace.cwd,
        defaults=workspace.defaults,
        cache=_cache(workspace, begins=begins),
        shard=workspace.target.shard,
        shrink=shrink,
        listener=workspace.listener,
    )
    manifests = load_manifests(workspace.project, paths, how=how)
    is_all = manifests.complete and how.shard is None
    return manifests if is_all else _with_the_rest(manifests, workspace, how)


def _cache(workspace: Workspace, *, begins: bool) -> Cache | None:
    """The cache, known by a key of the state; none where there is no state and won't be."""
    folder, secret = cache_folder(workspace.project), workspace.secret(begins=begins)
    return None if folder is None or secret is None else Cache.of(folder, secret)


def _with_the_rest(manifests: Manifests, workspace: Workspace, how: Loading) -> Manifests:
    """Manifests, or runs, that are a part of the project's, with what the others move."""
    from wfdeploy.manifests.elsewhere import Elsewhere

    elsewhere = Elsewhere(workspace.project, manifests.left_out, replace(how, keep=0))
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
    """Do something with loaded manifests. Should the cache turn out to be damaged, it is thrown away and all of it is
    done again: whatever was sent by then is in the state."""
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
