"""Render: show the effective requests of declared runs. Nothing is compared, nothing is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from wfdeploy.errors import UsageError
from wfdeploy.manifests.identify.describe import delivery_fields, doing
from wfdeploy.manifests.identify.fingerprint import identify
from wfdeploy.manifests.manifests import Manifests
from wfdeploy.model.address import instance_parts
from wfdeploy.model.blocking import NOMINAL_S, unix_of
from wfdeploy.model.request import Redact, Request
from wfdeploy.model.run import DesiredRun
from wfdeploy.model.status import Rendered
from wfdeploy.planning.targets import Targets

REDACTED = "(redacted)"

_SIGNS = re.compile(r"[*?]|%2A|%3F")
"""The signs that make an address a pattern."""


def render(manifests: Manifests, address: str | None) -> Iterator[Rendered]:
    """Yield the runs that an address or a glob matches (None: every run), in address order. With a time at the end of
    the address: the instances of recurring runs at that time, whether the schedule has it or not.

    Raises: `UsageError` when nothing matches; `InvalidInput` when an instance can't be made.
    """
    targets = Targets(() if address is None else (address,))
    found = False
    for run in manifests.runs.runs() if address is None else _runs(manifests, address):
        if targets.match(run.address):
            found = True
            fields = _fields(manifests.requests.of(run))
            is_recurring = manifests.groups[run.group.name].schedule is not None and run.at_s is None
            example_s = NOMINAL_S if is_recurring else None
            yield Rendered(run.address, run.source, run.fingerprint, run.workflow_run_id, fields, example_s)
    if not found and address is not None:
        hint = "addresses look like group/name or group/name[key]; without one all runs are shown"
        raise UsageError(f"no declared run matches {address}", hint=hint)


def _runs(manifests: Manifests, address: str) -> Iterator[DesiredRun]:
    """The declared runs; for an address with a time, the instances at it."""
    parts = instance_parts(address)
    if parts is None:
        if "/" not in address or _SIGNS.search(address) is not None:
            yield from manifests.runs.runs()
            return
        declared = manifests.runs.find([address]).values()
        manifests.requests.fetch(declared)  # reads no more of its file than it takes
        yield from declared
        return
    try:
        at_s = unix_of(parts[1])
    except ValueError as error:
        raise UsageError(f"{parts[1]} is not a time", hint="times look like 2026-11-24T03:00:00Z") from error
    for name in sorted(name for name, group in manifests.groups.items() if group.schedule is not None):
        file = manifests.runs.file_of(name)
        instances = [pair for pair in manifests.requests.instances(file, at_s) if pair[1].group.name == name]
        for number, run in sorted(instances, key=lambda pair: pair[1].address):
            yield identify(run, file, number)._replace(at_s=at_s)


def _fields(request: Request) -> Mapping[str, Any]:
    delivery = request.template.delivery
    fields = {**doing(request), **delivery_fields(delivery)}
    if delivery.redact is not None:
        fields |= _redacted(delivery.redact, fields)
    return {name: value for name, value in fields.items() if value is not None and value != {}}


def _redacted(redact: Redact, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    names = {name.lower() for name in redact.headers} if isinstance(redact.headers, tuple) else set()
    given: Mapping[str, Any] = fields["headers"]
    hidden = {name: REDACTED if redact.headers is True or name in names else value for name, value in given.items()}
    return {"headers": hidden, **({"body": REDACTED} if redact.body and fields["body"] is not None else {})}
