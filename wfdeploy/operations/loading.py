"""The manifests of a command."""

from __future__ import annotations

from collections.abc import Sequence

from wfdeploy.model.plan import Selection
from wfdeploy.operations.manifests import Manifests, load_manifests
from wfdeploy.operations.workspace import Workspace


def load(workspace: Workspace, paths: Sequence[str] | None, selection: Selection) -> Manifests:
    """Read, check and expand. Raises: `InvalidInput`, `UsageError`."""
    return load_manifests(
        workspace.project,
        paths,
        variables=dict(selection.variables),
        stdin=workspace.stdin,
        defaults=workspace.defaults,
    )
