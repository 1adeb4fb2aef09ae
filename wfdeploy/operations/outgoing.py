"""Turn a plan's changes into requests: fill in secrets, make the attempts that are written down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from wfdeploy.errors import InvalidInput
from wfdeploy.manifests.identify.describe import Recorder, secret_names
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.plan import Change, Plan, without_first_triggers
from wfdeploy.model.remote import Item
from wfdeploy.model.request import Request
from wfdeploy.model.run import DesiredRun
from wfdeploy.model.spool import in_order
from wfdeploy.model.state import Attempt, AttemptStatus
from wfdeploy.planning.baseline import Baseline
from wfdeploy.sending.batches import OutgoingRequest


def gather_secrets(triggers: Iterable[Change], baseline: Baseline) -> dict[str, str]:
    """Read the secrets that these triggers need from the environment.

    Raises: `InvalidInput` naming every secret without a value, at the expression that names it, for the first run.
    """
    workspace = baseline.workspace
    if not workspace.project.secrets:  # no manifest may name one
        return {}
    values: dict[str, str] = {}
    problems: dict[str, Diagnostic] = {}
    secretive = (change for change in triggers if _run_of(change).has_secrets)
    for change, run, request in _with_requests(baseline, secretive):
        for name in secret_names(request):
            if name in values or name in problems:
                continue
            value = workspace.environ.get(name, "")
            problem = _problem(value, in_header=name in secret_names(request, body=False))
            if problem is None:
                values[name] = value
                continue
            about = Diagnostic(
                code="bad-secret",
                message=f"the secret {name} {problem}",
                place=run.source.place,
                address=change.address,
                hint=f"set the environment variable {name}",
            )
            problems[name] = baseline.manifests.at_secret(about, run, name)
    if problems:
        raise InvalidInput(list(problems.values()))
    return values


def _problem(value: str, *, in_header: bool) -> str | None:
    """Why a secret's value can't be used. In a header or a URL, a line break would end it (RFC 9110, 5.5)."""
    if not value:
        return "has no value"
    if in_header and any(ord(char) < 32 or ord(char) == 127 for char in value):
        return "holds a line break or another control character, and stands in a header or a URL"
    return None


def trigger_requests(
    triggers: Iterable[Change], baseline: Baseline, secrets: Mapping[str, str], *, since_ms: int | None, by: str
) -> Iterator[OutgoingRequest]:
    """Yield the requests of these triggers, lazily, in their order."""
    workspace = baseline.workspace
    now_ms = workspace.clock.now_ms
    record = Recorder()
    encode = workspace.encoder(workspace.project.label, secrets).encode
    for change, run, request in _with_requests(baseline, triggers):
        run_id = change.workflow_run_id
        own, end = record(request, baseline.head.redaction_key)
        attempt = Attempt(
            change.address,
            change.fingerprint,
            change.generation,
            run_id,
            now_ms(),  # the batch that it goes into is sent when it is full
            since_ms,
            run.delay_s,
            run.not_before_s,
            run.workflow_run_id is not None,
            run.delivery,
            str(run.source),
            own + end,
            len(end),
            change.tries,
            by,
        )
        outgoing = OutgoingRequest(encode(request, run_id, baseline.derived_id(attempt)), attempt)
        if change.send_before_ms is not None:
            outgoing.send_before_ms, outgoing.inconclusive = change.send_before_ms, True
        if change.attempt is not None:
            _continue(outgoing, change.attempt)
        yield outgoing


def _continue(outgoing: OutgoingRequest, former: Attempt) -> None:
    """Where this is a former attempt, sent again under the same id: either of the two must be found and waited for."""
    attempt = outgoing.attempt
    if former.workflow_run_id != attempt.workflow_run_id or not former.is_open:
        return
    earliest = None if former.since_ms is None or attempt.since_ms is None else min(former.since_ms, attempt.since_ms)
    outgoing.looked_up = True
    outgoing.attempt = attempt._replace(
        since_ms=earliest,
        delay_s=max(former.delay_s or 0, attempt.delay_s or 0) or None,
        not_before_s=max(former.not_before_s or 0, attempt.not_before_s or 0) or None,
    )


def in_order_of_manifests(plan: Plan) -> Iterable[Change]:
    """The changes that trigger a run, in manifest order."""
    return in_order(_Triggers(plan), _place)


class _Triggers(Iterable[Change]):
    """The changes of a plan that trigger a run, found anew each time they are gone through."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __iter__(self) -> Iterator[Change]:
        return (one for one in self._plan.sending if one.dlq_id is None and one.desired is not None)


def _with_requests(baseline: Baseline, changes: Iterable[Change]) -> Iterator[tuple[Change, DesiredRun, Request]]:
    return baseline.manifests.requests.each((change, _run_of(change)) for change in changes)


def _run_of(change: Change) -> DesiredRun:
    assert change.desired is not None
    return change.desired


def _place(change: Change) -> tuple[int, int, int]:
    run = _run_of(change)
    return run.file, run.at_s or 0, run.number


def resume_requests(plan: Plan, baseline: Baseline, *, since_ms: int | None, by: str) -> Iterator[OutgoingRequest]:
    """Yield the requests of all changes that resume. They need nothing of the manifests: what was sent goes on."""
    for change in without_first_triggers(plan.changes):
        if not change.resumes:
            continue
        former = change.attempt
        again = former is not None and former.is_open and former.workflow_run_id == change.workflow_run_id
        attempt = former if former is not None and again else _resume(change, baseline, since_ms=since_ms, by=by)
        if attempt is None:
            continue
        yield OutgoingRequest(Item(attempt.workflow_run_id, b""), attempt, looked_up=again)


def _resume(change: Change, baseline: Baseline, *, since_ms: int | None, by: str) -> Attempt | None:
    # The plan's own edits are committed by now: the record is the run that goes on.
    record = next(iter(baseline.store.records([change.address])), None)
    if record is None:
        return None
    return Attempt(
        address=change.address,
        fingerprint=record.fingerprint,
        generation=record.generation,
        workflow_run_id=change.workflow_run_id,
        status=AttemptStatus.INTENT,
        intent_at_ms=baseline.workspace.clock.now_ms(),
        since_ms=since_ms,
        delivery=record.delivery,
        by=by,
        source=record.source,
        request=record.request,
        tries=change.tries,
        dlq_id=change.dlq_id,
        triggered_id=record.triggered_id or record.workflow_run_id,
    )
