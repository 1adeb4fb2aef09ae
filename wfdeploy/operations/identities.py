"""How identities are made, as the diff is given it: of a project, its manifests' requests and the state's key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wfdeploy.model.project import Project
from wfdeploy.model.run import DesiredRun
from wfdeploy.operations.requests import Requests
from wfdeploy.operations.respelled import Respelled
from wfdeploy.pipeline.diff.context import Identities
from wfdeploy.pipeline.identify.describe import describe
from wfdeploy.pipeline.identify.fingerprint import fingerprint_as, version_of
from wfdeploy.pipeline.identify.run_ids import Naming, attempt_label, attempt_place


def identities(
    project: Project, requests: Requests, respelled: Respelled, redaction_key: Callable[[], bytes]
) -> Identities:
    """The identities of one project and environment. `redaction_key`: that of the state."""

    def fingerprints_under(run: DesiredRun, text: str) -> Sequence[str]:
        former = respelled.former(run)
        if version_of(text) == version_of(run.fingerprint):
            return (run.fingerprint,) if former is None else (run.fingerprint, former.fingerprint)
        declared = (requests.of(run), None if former is None else requests.formerly(run))
        found = [
            fingerprint_as(text, one.request, run.group.identity, run.workflow_run_id)
            for one in declared
            if one is not None
        ]
        return [one for one in found if one is not None]

    def described(run: DesiredRun) -> Mapping[str, Any]:
        return describe(requests.of(run).request, redaction_key())

    def label(address: str, fingerprint_text: str, generation: int, tries: int) -> str:
        place = attempt_place(project.key, project.environment, address, fingerprint_text)
        return attempt_label(place, generation, tries)

    return Identities(
        run_id=Naming(project.key, project.environment),
        fingerprints_under=fingerprints_under,
        describe=described,
        attempt_label=label,
    )
