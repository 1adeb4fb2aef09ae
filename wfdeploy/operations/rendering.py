"""The effective requests of declared runs, for people to look at: nothing is compared, nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wfdeploy.errors import UsageError
from wfdeploy.model.rendering import Rendered
from wfdeploy.model.request import Redact, Request
from wfdeploy.operations.manifests import Manifests
from wfdeploy.pipeline.diff.targets import Targets
from wfdeploy.pipeline.identify.describe import delivery_fields, doing

REDACTED = "(redacted)"


def render(manifests: Manifests, address: str | None) -> Iterator[Rendered]:
    """Each run that an address, or a glob of addresses, stands for (None: every run), in address order.

    Raises: `UsageError` when nothing matches.
    """
    targets = Targets(() if address is None else (address,))
    found = False
    for run in manifests.runs.runs():
        if targets.match(run.address):
            found = True
            declared = manifests.requests.of(run)
            yield Rendered(run.address, run.source, run.fingerprint, run.workflow_run_id, _fields(declared.request))
    if not found and address is not None:
        hint = "addresses look like group/name or group/name[key]; without one all runs are shown"
        raise UsageError(f"no declared run matches {address}", hint=hint)


def _fields(request: Request) -> Mapping[str, Any]:
    fields = {**doing(request), **delivery_fields(request.delivery)}
    if request.delivery.redact is not None:
        fields |= _redacted(request.delivery.redact, fields)
    return {name: value for name, value in fields.items() if value is not None and value != {}}


def _redacted(redact: Redact, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    names = {name.lower() for name in redact.headers} if isinstance(redact.headers, tuple) else set()
    given: Mapping[str, Any] = fields["headers"]
    hidden = {name: REDACTED if redact.headers is True or name in names else value for name, value in given.items()}
    return {"headers": hidden, **({"body": REDACTED} if redact.body and fields["body"] is not None else {})}
