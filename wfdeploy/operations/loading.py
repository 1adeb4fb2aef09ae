"""The manifests of a command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wfdeploy.model.plan import Selection
from wfdeploy.model.project import Project
from wfdeploy.operations.manifests import Loading, Manifests, load_manifests
from wfdeploy.operations.requests import KEPT_FOR_A_LOOK
from wfdeploy.operations.workspace import Workspace


def load(
    workspace: Workspace, paths: Sequence[str] | None, selection: Selection, *, keep: int = KEPT_FOR_A_LOOK
) -> Manifests:
    """Read, check and expand; to be closed. `keep`: requests to hold in memory.

    Raises: `InvalidInput`, `UsageError`.
    """
    how = Loading(
        variables=dict(selection.variables),
        stdin=workspace.stdin,
        defaults=workspace.defaults,
        cache=cache_folder(workspace.project),
        keep=keep,
    )
    return load_manifests(workspace.project, paths, how=how)


def cache_folder(project: Project) -> Path | None:
    """Where the project's cache is kept; None outside of a project, where no traces are to be left."""
    home = project.root / ".wfdeploy"
    return home / "cache" if project.file is not None or home.is_dir() else None
