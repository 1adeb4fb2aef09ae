"""Accept work: a trigger that starts a run, a submission that continues one, a plain message.

Everything here runs inside one transaction of the caller and returns the API's answer as JSON values.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.requests import Request

from wfdeploy.files.access import is_text
from wfdeploy.localserver import compact
from wfdeploy.localserver.api.services import Services, tenant_of
from wfdeploy.localserver.fault_plan import Handshakes, TriggerItem
from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.runs import options, waiting
from wfdeploy.localserver.runs.options import Options
from wfdeploy.localserver.store.filters import check_url
from wfdeploy.localserver.store.records import (
    DeliverySettings,
    DueMessage,
    Handshake,
    MessageKind,
    RunRecord,
    RunState,
    new_run_id,
)
from wfdeploy.localserver.tenants import Tenant


@dataclass(frozen=True, slots=True)
class Submission:
    """One element of a batch, or one single request: the destination, the headers and the raw body."""

    destination: str
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, raw: object, *, any_body: bool = False) -> Submission:
        """Check an element of a batch.

        `any_body`: the body may be any JSON and is sent as its text; `context.call` of the JavaScript SDK submits
        objects (observed).

        Raises: Malformed for an element that is no message.
        """
        if not isinstance(raw, dict) or not isinstance(raw.get("destination"), str):
            raise Malformed("each element must be an object with a destination")
        headers, body = raw.get("headers"), raw.get("body")
        if headers is None:
            headers = {}
        if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
            raise Malformed("headers must be an object of strings")
        if body is not None and not isinstance(body, str):
            if not any_body:
                raise Malformed("body must be a string")
            body = compact.dumps(body)
        if raw.get("queue") is not None:
            raise Malformed("queue is not supported by this server; use flow control")
        destination = raw["destination"]
        if not all(map(is_text, (destination, body or "", *headers, *headers.values()))):
            raise Malformed("the message holds half a surrogate pair, which is no character")
        return cls(destination, headers, (body or "").encode())


class Malformed(Refused):
    """An element of a batch is not a message. The whole request is refused, as for a body that is not JSON."""


ENDED = "failed to publish to url: can not append to a a cancelled workflow"
"""To the SDKs, a 400 means that the run has ended. (The service's own text, as quoted in public reports.)"""


@dataclass(frozen=True, slots=True)
class Invocation:
    """The body of a `context.invoke`: the waiting run and its step, and the payload of the new run."""

    invoker_id: str
    invoker_created_at: int | None
    step: dict[str, Any]
    step_id: int
    payload: str

    @classmethod
    def of(cls, body: bytes) -> Invocation:
        """Raises: Refused for a body that is no invocation."""
        try:
            parsed = json.loads(body)
        except (ValueError, RecursionError):
            parsed = None
        step = parsed.get("step") if isinstance(parsed, dict) else None
        if not isinstance(parsed, dict) or not isinstance(step, dict) or not isinstance(step.get("stepId"), int):
            raise Refused("the body is not an invocation")
        invoker_id, created_at = parsed.get("workflowRunId"), parsed.get("workflowRunCreatedAt")
        payload = parsed.get("body")
        if not isinstance(invoker_id, str) or not isinstance(payload, str | None) or not compact.is_sendable(parsed):
            raise Refused("the body is not an invocation")
        # An SDK that does not know the time sends zero.
        return cls(
            invoker_id,
            created_at if isinstance(created_at, int) and created_at else None,
            step,
            step["stepId"],
            payload or "",
        )


class DuplicateRun(Refused):
    """A trigger of an id whose run is in progress, when the fault plan refuses duplicates."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"a workflow run with id {run_id} is already in progress")


@dataclass(slots=True)
class Ingest:
    """Accepts the work of one request. The caller schedules `to_schedule` after it has committed the transaction."""

    services: Services
    tenant: Tenant
    caller_ip: str
    to_schedule: list[DueMessage] = field(default_factory=list)

    @classmethod
    def of(cls, services: Services, request: Request) -> Ingest:
        """For one HTTP request."""
        return cls(services, tenant_of(request), request.client.host if request.client else "")

    def _due_ms(self, wanted: Options, now_ms: int) -> int:
        longest_ms = self.services.faults.plan.max_delay_ms
        return wanted.due_ms(now_ms, ahead_ms=self.services.clock.ahead_ms(), longest_ms=longest_ms)

    def _take(self, item: Submission, now_ms: int) -> None:
        self.services.quotas.take_message(self.services.faults.plan, self.tenant.name, len(item.body), now_ms)

    def trigger(self, item: Submission, *, rest: bool) -> dict[str, Any]:
        """Start a run, or answer that a run with this id is in progress.

        `rest`: the request used a trigger path of the REST API, not by the SDKs' batch. The server then points the
        failure callback at the workflow (inferred) and expects the destination to be a workflow.
        """
        check_url(item.destination)
        wanted = options.read(item.headers, is_trigger=rest)
        self._refuse_if_scripted(item, wanted)
        now = self.services.clock.now_ms()
        due = self._due_ms(wanted, now)
        run_id = wanted.run_id
        created_at = now
        if run_id is None:
            run_id = new_run_id()
        elif (newest := self.services.store.newest(self.tenant.name, run_id)) is not None:
            _, state, newest_at = newest
            if state == RunState.STARTED:
                if self.services.faults.duplicates == "error":
                    raise DuplicateRun(run_id)
                return {"workflowRunId": run_id, "workflowCreatedAt": newest_at, "deduplicated": True}
            # This time stamp distinguishes the runs of one id, so it never repeats.
            created_at = max(now, newest_at + 1)
        self._take(item, now)
        settings = wanted.settings
        if rest:
            settings = _rest_defaults(settings, item.destination)
            if self.services.faults.handshakes is not Handshakes.OFF:
                settings = replace(settings, handshake=Handshake.OPEN)
        self.services.flow_keys.note(self.tenant.name, settings)
        instant = self.services.faults.instant_finish and due <= now
        run_seq = self.services.store.add_run(
            tenant=self.tenant.name,
            run_id=run_id,
            url=item.destination,
            state=RunState.SUCCESS if instant else RunState.STARTED,
            created_at=created_at,
            starts_at=due,
            caller_ip=self.caller_ip,
            labels=wanted.labels,
            payload=item.body,
            settings=settings,
        )
        answer: dict[str, Any] = {"workflowRunId": run_id, "workflowCreatedAt": created_at}
        if not instant:
            _, entry = self.services.store.add_message(
                tenant=self.tenant.name,
                run_seq=run_seq,
                kind=MessageKind.INIT,
                url=item.destination,
                body=b"",  # the payload is kept with the run
                now_ms=now,
                due_ms=due,
            )
            self.to_schedule.append(entry)
        return answer

    def _refuse_if_scripted(self, item: Submission, wanted: Options) -> None:
        if self.services.faults.refuse is None:
            return
        headers = {name.lower(): value for name, value in item.headers.items()}
        refusal = self.services.faults.refuse(
            TriggerItem(wanted.run_id, item.destination, headers, item.body.decode(errors="replace"))
        )
        if refusal is not None:
            raise Refused(refusal.error, status=refusal.status)

    def publish(self, item: Submission) -> dict[str, Any]:
        """One element of `/v2/batch`, or `/v2/publish`: a run's start, its continuation, or a plain message."""
        check_url(item.destination)
        wanted = options.read(item.headers)
        if wanted.starts_run:
            if wanted.completes_handshake and (completed := self._complete_handshake(wanted)) is not None:
                return completed
            answer = self.invoke(item) if wanted.is_invoke else self.trigger(item, rest=False)
            return {"messageId": answer["workflowRunId"], **answer}
        now = self.services.clock.now_ms()
        due = self._due_ms(wanted, now)
        self._take(item, now)
        if wanted.run_id is None:
            wanted.check_plain()
            self.services.flow_keys.note(self.tenant.name, wanted.settings)
            message_id, entry = self.services.store.add_message(
                tenant=self.tenant.name,
                run_seq=None,
                kind=MessageKind.PLAIN,
                url=item.destination,
                body=item.body,
                settings=wanted.settings,
                now_ms=now,
                due_ms=due,
            )
            self.to_schedule.append(entry)
            return {"messageId": message_id}
        run = self.run_to_continue(wanted)
        self.services.flow_keys.note(self.tenant.name, wanted.settings)
        return self._continue(run, item, wanted, now, due)

    def _complete_handshake(self, wanted: Options) -> dict[str, Any] | None:
        """Take over what an endpoint's SDK says of the run that it got through the REST API.

        The run isn't a duplicate: its first message is delivered once more when this delivery has been answered. What
        the trigger set stays; the SDK only adds to it (JavaScript SDK 1.3.3 sends its own defaults, too). None if no
        handshake is open.
        """
        run = self.services.store.run_in_progress(self.tenant.name, wanted.run_id or "")
        if run is None or run.settings.handshake is None:
            return None
        failure_url = run.settings.failure_url
        if failure_url == run.url:  # the default of a REST trigger
            failure_url = wanted.settings.failure_url or failure_url
        settings = replace(run.settings.over(wanted.settings), failure_url=failure_url, handshake=None)
        self.services.store.set_settings(run.seq, settings)
        messages = self.services.store.recorded_of_run(run.seq)
        return {
            "messageId": messages[0].message_id,
            "workflowRunId": run.run_id,
            "workflowCreatedAt": run.created_at,
        }

    def _note_submission(self, run: RunRecord, wanted: Options) -> None:
        """Remember that an endpoint has submitted a step instead of triggering the run."""
        if run.settings.handshake is not Handshake.OPEN:
            return
        # Only the Python SDK sends back the headers that it received.
        seen = Handshake.STEP_SUBMITTED if wanted.delivery is None else Handshake.IGNORED
        self.services.store.set_settings(run.seq, replace(run.settings, handshake=seen))

    def invoke(self, item: Submission) -> dict[str, Any]:
        """`context.invoke`: start a run and let another run wait for its end."""
        invocation = Invocation.of(item.body)
        invoker = self.services.store.run_in_progress(self.tenant.name, invocation.invoker_id)
        if invoker is None or invocation.invoker_created_at not in (None, invoker.created_at):
            raise Refused(ENDED)
        if (known := waiting.invoked_run(self.services.store, invoker, invocation.step_id)) is not None:
            # The delivery was repeated, and the SDK makes up a new id each time.
            return {"workflowRunId": known.run_id, "workflowCreatedAt": known.created_at, "deduplicated": True}
        self._note_submission(invoker, options.read(item.headers))
        answer = self.trigger(replace(item, body=invocation.payload.encode()), rest=False)
        newest = self.services.store.newest(self.tenant.name, answer["workflowRunId"])
        assert newest is not None
        now = self.services.clock.now_ms()
        if answer.get("deduplicated") and self.services.store.run(newest[0]).invoker is not None:
            # Not a 400: the SDK would conclude that the invoker has ended.
            raise Refused(f"another run already waits for the end of {answer['workflowRunId']}", status=412)
        waiting.attach(self.services.store, newest[0], invoker=invoker, step=invocation.step, now_ms=now)
        invoked = self.services.store.run(newest[0])
        if invoked.state is not RunState.STARTED:  # `instant_finish` of the fault plan
            self.to_schedule += waiting.notify_invoker(self.services.store, invoked, now_ms=now)
        return answer

    def run_to_continue(self, wanted: Options) -> RunRecord:
        """The run in progress that a submission belongs to.

        Raises: Refused when the run has ended.
        """
        run = self.services.store.run_in_progress(self.tenant.name, wanted.run_id or "")
        if (
            run is not None
            and wanted.delivery is not None
            and not self.services.store.has_message(run.seq, wanted.delivery)
        ):
            run = None  # the endpoint is still working for an earlier run of this id, which has ended
        if run is None:
            raise Refused(ENDED)
        self._note_submission(run, wanted)
        return run

    def _continue(self, run: RunRecord, item: Submission, wanted: Options, now: int, due: int) -> dict[str, Any]:
        """Append an entry to the run and schedule its delivery."""
        kind = MessageKind.CALL if wanted.is_call else MessageKind.STEP
        step_key = _call_key(wanted) if wanted.is_call else _step_key(item.body)
        try:
            message_id, entry = self.services.store.add_message(
                tenant=self.tenant.name,
                run_seq=run.seq,
                kind=kind,
                url=item.destination,
                body=item.body,
                settings=wanted.settings,
                now_ms=now,
                due_ms=due,
                step_key=step_key,
            )
        except sqlite3.IntegrityError:
            # Deliveries happen at least once, so an endpoint may submit a step twice. It is recorded once.
            assert step_key is not None
            return {"messageId": self.services.store.message_of_step(run.seq, step_key), "deduplicated": True}
        delivery = self.services.open.submitting(run.seq, step_key=step_key, message_id=wanted.delivery)
        self.to_schedule.append(replace(entry, after=delivery))
        return {"messageId": message_id}


def _rest_defaults(settings: DeliverySettings, destination: str) -> DeliverySettings:
    markers = {"Upstash-Workflow-Is-Failure": "true", "Upstash-Workflow-Failure-Callback": "true"}
    return replace(
        settings,
        must_be_workflow=True,
        failure_url=settings.failure_url or destination,
        failure_headers={**settings.headers, **settings.failure_headers, **markers},
    )


def _step_key(body: bytes) -> str | None:
    """The key of the step that a submission records: `plan:<target>` or `result:<id>`; None if it is no step."""
    try:
        step = json.loads(body)
    except ValueError:
        return None
    if not isinstance(step, dict):
        return None
    if isinstance(target := step.get("targetStep"), int) and target > 0:
        return f"plan:{target}"
    if isinstance(step_id := step.get("stepId"), int) and step_id > 0:
        return f"result:{step_id}"
    return None


def _call_key(wanted: Options) -> str | None:
    """The key of a call. Without it, a repeated delivery would call the third party twice."""
    for name, value in wanted.settings.callback_headers.items():
        if name.lower() == "upstash-workflow-stepid":
            return f"call:{value}"
    return None
