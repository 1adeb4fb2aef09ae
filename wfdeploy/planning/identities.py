"""How identities are made, for the diff: from a project, its manifests' requests and the state's key."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wfdeploy.manifests.identify.describe import describe, recorded_parts
from wfdeploy.manifests.identify.fingerprint import fingerprint_as, version_of
from wfdeploy.manifests.identify.run_ids import Naming, attempt_label, attempt_place
from wfdeploy.manifests.requests import Requests
from wfdeploy.model.plan import ABSENT, FieldChange
from wfdeploy.model.project import Project
from wfdeploy.model.run import DesiredRun
from wfdeploy.planning.diff.context import Identities
from wfdeploy.planning.renames import Respelled

_MOST_KEPT = 1000
"""Differences beside bodies that are remembered."""

_BODY = '{"body":'
_decode = json.JSONDecoder().raw_decode


def identities(
    project: Project, requests: Requests, respelled: Respelled, redaction_key: Callable[[DesiredRun], bytes]
) -> Identities:
    """The identities of one project and environment. `redaction_key`: that of a run's record."""

    def fingerprints_under(run: DesiredRun, text: str) -> Sequence[str]:
        former = respelled.former(run)
        if version_of(text) == version_of(run.fingerprint):
            return (run.fingerprint,) if former is None else (run.fingerprint, former.fingerprint)
        declared = [requests.of(run)]
        if former is not None and (other := requests.formerly(run)) is not None:
            declared.append(other.request)
        found = [fingerprint_as(text, request, run.group.identity, run.workflow_run_id) for request in declared]
        return [one for one in found if one is not None]

    beside_bodies: dict[tuple[str, str], tuple[FieldChange, ...]] = {}

    def changes(run: DesiredRun, before: str) -> tuple[FieldChange, ...]:
        request, key = requests.of(run), redaction_key(run)
        body, rest = recorded_parts(request, key)
        if not rest or not before.startswith(_BODY) or before[len(_BODY)].isspace():
            return compare_fields(before, describe(request, key))
        # The body comes first; the rest is shared by many runs.
        if before.startswith((f"{body},", f"{body}}}")):
            end = len(body)
            own: tuple[FieldChange, ...] = ()
        else:
            old, end = _decode(before, len(_BODY))
            own = compare("body", old, request.body.value)
        suffixes = before[end:], rest
        if suffixes not in beside_bodies:
            if len(beside_bodies) >= _MOST_KEPT:
                beside_bodies.clear()
            beside_bodies[suffixes] = compare_fields(f"{_BODY}0{suffixes[0]}", json.loads(f"{_BODY}0{rest}"))
        return own + beside_bodies[suffixes]

    def label(address: str, fingerprint_text: str, generation: int, tries: int) -> str:
        place = attempt_place(project.key, project.environment, address, fingerprint_text)
        return attempt_label(place, generation, tries)

    return Identities(
        run_id=Naming(project.key, project.environment),
        fingerprints_under=fingerprints_under,
        changes=changes,
        attempt_label=label,
    )


def compare_fields(recorded: str, declared: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """The fields that differ, in path order. `recorded`: the request of a record (JSON; empty: not known)."""
    return compare("", json.loads(recorded), declared) if recorded else ()


def compare(path: str, old: object, new: object) -> tuple[FieldChange, ...]:
    """The fields that differ at a path, in path order."""
    found: list[FieldChange] = []
    _compare(path, old, new, found)
    return tuple(found)


def _compare(path: str, old: object, new: object, found: list[FieldChange]) -> None:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            before, after = old.get(key, ABSENT), new.get(key, ABSENT)
            if before is not after:
                _compare(f"{path}.{key}" if path else key, before, after, found)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            _compare(f"{path}[{index}]", before, after, found)
    elif old != new or isinstance(old, bool) is not isinstance(new, bool):
        found.append(FieldChange(path, old, new))
