"""Loaded manifests as the runs that they declare."""

from __future__ import annotations

from collections.abc import Iterator

from wfdeploy.manifests.manifests import Manifests
from wfdeploy.model.run import DeclaredRun


def declared_runs(manifests: Manifests) -> Iterator[DeclaredRun]:
    """Every run with its request, by address."""
    for run in manifests.runs.runs():
        yield DeclaredRun(run.address, run.group, run.source, manifests.requests.of(run), run.workflow_run_id)
