"""From the plan's changes to what is sent: secrets put in, attempts written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from wfdeploy.errors import InvalidInput
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.plan import Change, Plan
from wfdeploy.model.run import DeclaredRun, DesiredRun
from wfdeploy.model.state import Attempt, AttemptStatus
from wfdeploy.operations.prepared import Prepared
from wfdeploy.pipeline.apply.shipment import Shipment
from wfdeploy.pipeline.identify.describe import secret_names


def gather_secrets(plan: Plan, prepared: Prepared) -> dict[str, str]:
    """The values of the secrets that the plan's sends need, from the environment.

    Raises: `InvalidInput` naming every secret without a value, at the first run that needs it.
    """
    workspace = prepared.workspace
    values: dict[str, str] = {}
    problems: dict[str, Diagnostic] = {}
    for change, declared in _sends(plan, prepared, only=lambda run: run.has_secrets):
        request = declared.request
        for name in secret_names(request):
            if name in values or name in problems:
                continue
            value = workspace.environ.get(name, "")
            problem = _problem(value, in_header=name in secret_names(request, body=False))
            if problem is None:
                values[name] = value
                continue
            problems[name] = Diagnostic(
                code="bad-secret",
                message=f"the secret {name} {problem}",
                place=declared.source.place,
                address=change.address,
                hint=f"set the environment variable {name}",
            )
    if problems:
        raise InvalidInput(list(problems.values()))
    return values


def _problem(value: str, *, in_header: bool) -> str | None:
    """What is wrong with a secret's value. In a header or a URL, a line break would end it (RFC 9110, 5.5)."""
    if not value:
        return "has no value"
    if in_header and any(ord(char) < 32 or ord(char) == 127 for char in value):
        return "holds a line break or another control character, and stands in a header or a URL"
    return None


def shipments(
    plan: Plan, prepared: Prepared, secrets: Mapping[str, str], *, since_ms: int | None, by: str
) -> Iterator[Shipment]:
    """One shipment for each change that sends, in the order of the manifests, encoded when it is asked for."""
    workspace = prepared.workspace
    encode = workspace.encoder(workspace.project.label, secrets)
    for change, declared in _sends(plan, prepared):
        request = declared.request
        item = encode(request, change.workflow_run_id)
        attempt = _attempt(change, declared, prepared, since_ms=since_ms, by=by)
        former = change.attempt
        again = former is not None and former.is_open and former.workflow_run_id == change.workflow_run_id
        yield Shipment(
            item,
            attempt,
            inconclusive=change.send_before_ms is not None,
            looked_up=again,
            send_before_ms=change.send_before_ms,
        )


def _sends(
    plan: Plan, prepared: Prepared, only: Callable[[DesiredRun], bool] = lambda _: True
) -> Iterator[tuple[Change, DeclaredRun]]:
    """The changes that send, with their requests, in the order of the manifests: files are read from front to back."""
    order = sorted(
        ((change.desired.file << 40 | (change.desired.at_s or 0)) << 64 | change.desired.number) << 32 | index
        for index, change in enumerate(plan.changes)
        if change.sends and change.desired is not None and only(change.desired)
    )

    def pairs() -> Iterator[tuple[Change, DesiredRun]]:
        for place in order:
            change = plan.changes[place & 0xFFFFFFFF]
            assert change.desired is not None
            yield change, change.desired

    return prepared.manifests.requests.each(pairs())


def _attempt(change: Change, declared: DeclaredRun, prepared: Prepared, *, since_ms: int | None, by: str) -> Attempt:
    assert change.desired is not None
    delivery = declared.request.delivery
    fresh = Attempt(
        address=change.address,
        fingerprint=change.fingerprint,
        generation=change.generation,
        workflow_run_id=change.workflow_run_id,
        status=AttemptStatus.INTENT,
        intent_at_ms=prepared.workspace.clock.now_ms(),  # the batch that it goes into is sent when it is full
        since_ms=since_ms,
        delay_s=delivery.delay_s,
        not_before_s=delivery.not_before_s,
        explicit_id=declared.workflow_run_id is not None,
        delivery=change.desired.delivery,
        by=by,
        source=str(declared.source),
        request=prepared.recorded(declared.request),
    )
    former = change.attempt
    if former is None or not former.is_open or former.workflow_run_id != change.workflow_run_id:
        return fresh
    # Sent again under the same id: what is true of either attempt must be found and waited for.
    return fresh._replace(
        since_ms=None if former.since_ms is None or since_ms is None else min(former.since_ms, since_ms),
        delay_s=max(former.delay_s or 0, fresh.delay_s or 0) or None,
        not_before_s=max(former.not_before_s or 0, fresh.not_before_s or 0) or None,
    )
