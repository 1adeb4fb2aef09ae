"""Deliver one message: build its request, send it, record the outcome."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

from wfdeploy.localserver.clock import ServerClock
from wfdeploy.localserver.delivery import endpoint_requests, outcome
from wfdeploy.localserver.delivery.open_deliveries import OpenDeliveries
from wfdeploy.localserver.fault_plan import FaultPlan, Handshakes
from wfdeploy.localserver.http_client import EndpointRequest, HttpClient, Reply
from wfdeploy.localserver.runs import waiting
from wfdeploy.localserver.runs.waiting import Waits
from wfdeploy.localserver.store.dead_letters import DlqStore
from wfdeploy.localserver.store.records import (
    DEFAULT_RETRIES,
    DeliverySettings,
    DueMessage,
    Message,
    MessageKind,
    Recorded,
    RunRecord,
    RunState,
)
from wfdeploy.localserver.store.run_store import RunStore
from wfdeploy.localserver.tenants import SigningKeys

_LOG = logging.getLogger(__name__)

MAX_KEPT_BYTES = 20_000
"""Bytes of an answer's body in the record of a failed attempt."""


@dataclass(frozen=True, slots=True)
class _Exchange:
    """A message as it was sent, and the reply. `settings`: the message's own, over those of its run."""

    message: Message
    settings: DeliverySettings
    request: EndpointRequest
    reply: Reply
    began_handshake: bool


@dataclass(frozen=True, slots=True)
class Deliverer:
    """Delivers messages, at least once. It keeps nothing in memory between two of them.

    A message is settled after its answer, so one that was in flight when the server was killed is sent again. What an
    endpoint submits meanwhile is recorded once (`step_key` in the run store).
    """

    store: RunStore
    http_client: HttpClient
    clock: ServerClock
    faults: FaultPlan
    signing_keys: SigningKeys
    open: OpenDeliveries

    async def deliver(self, seq: int) -> list[DueMessage]:
        """Deliver one message, unless it was dropped; the messages to deliver as a consequence."""
        message = self.store.pending(seq)
        if message is None:
            return []
        run = self.store.run(message.run_seq) if message.run_seq is not None else None
        if run is not None:
            if message.kind is MessageKind.WAIT:
                with self.store.transaction():
                    return Waits(self.store, self.clock.now_ms()).expire(run, message)
            if self._ends_at_once(run, message):
                with self.store.transaction():
                    return waiting.end_run(self.store, run.seq, RunState.SUCCESS, now_ms=self.clock.now_ms())
        settings = message.settings if run is None else message.settings.over(run.settings)
        key = self.signing_keys.tenant(message.tenant).current_key
        entries: list[Recorded] = []
        if run is not None and message.kind in (MessageKind.INIT, MessageKind.STEP):
            entries = self.store.step_list(run.seq, up_to=message.seq)
        lazy_above = self.faults.lazy_fetch_above_bytes
        request = endpoint_requests.build(run, message, settings, entries, key=key, lazy_above=lazy_above)
        scripted = self.faults.answer(request) if self.faults.answer is not None else None
        with self.open.opened(message):
            reply = scripted if scripted is not None else await self.http_client.send(request)
        began = scripted is None and endpoint_requests.begins_handshake(run, message)
        with self.store.transaction():
            return self._record(run, _Exchange(message, settings, request, reply, began))

    def _ends_at_once(self, run: RunRecord, message: Message) -> bool:
        return run.state is RunState.STARTED and message.kind is MessageKind.INIT and self.faults.instant_finish

    def _record(self, run: RunRecord | None, done: _Exchange) -> list[DueMessage]:
        message, now = done.message, self.clock.now_ms()
        retries, expression = _retry_policy(message, done.settings)
        verdict = outcome.judge(
            done.reply,
            retried=message.retried,
            retries=retries,
            expression=expression,
            must_be_workflow=(
                message.kind is MessageKind.INIT and done.settings.must_be_workflow and not done.began_handshake
            ),
            wall_ms=now - self.clock.ahead_ms(),
        )
        if isinstance(verdict, outcome.Delivered) and run is not None and done.began_handshake:
            handshake = self.store.run(run.seq).settings.handshake
            is_strict = self.faults.handshakes is Handshakes.STRICT
            match outcome.judge_handshake(done.reply, handshake=handshake, is_strict=is_strict):
                case outcome.Completed():
                    return [self.store.redeliver(message, now_ms=now)]
                case outcome.Unproven():
                    _LOG.warning("%s: %s", run.run_id, outcome.UNPROVEN)
                case outcome.Failed() as verdict:
                    pass
        if isinstance(verdict, outcome.Retry):
            errors = [*message.errors, _attempt(message, done.reply, now)]
            # If the run has ended meanwhile, this changes nothing: only pending messages are tried again.
            return [self.store.retry(message, due_ms=now + verdict.delay_ms, errors=errors)]
        if isinstance(verdict, outcome.Failed):
            errors = [*message.errors, _attempt(message, done.reply, now, verdict.error)]
            is_settled = self.store.settle(message.seq, "failed", now_ms=now, errors=errors)
        else:
            is_settled = self.store.settle(message.seq, "delivered", now_ms=now)
        if not is_settled or run is None:
            return []
        if (
            message.kind is MessageKind.CALL
        ):  # one that fails does not fail the run: the workflow's code gets the status
            return self._answer_call(run, done, retries)
        if message.kind is MessageKind.FAILURE:
            state = "CALLBACK_FAIL" if isinstance(verdict, outcome.Failed) else "CALLBACK_SUCCESS"
            self._note_callback(run, state, message, done.reply)
            return []
        return self._fail_run(run, done, verdict.error, retries) if isinstance(verdict, outcome.Failed) else []

    def _answer_call(self, run: RunRecord, done: _Exchange, retries: int) -> list[DueMessage]:
        """Send a call's final result to the workflow; earlier attempts are not reported.

        In a failed result `retried` equals `maxRetries`, or the SDK would wait for the next attempt forever.
        """
        message, settings = done.message, done.settings
        if not settings.callback_url or self.store.run(run.seq).state is not RunState.STARTED:
            return []
        max_retries = retries if done.reply.ok else message.retried
        body = endpoint_requests.callback_body(
            message, done.reply, done.request, max_retries=max_retries, source_body=message.body
        )
        own = DeliverySettings(
            callback_headers=settings.callback_headers,
            retries=settings.callback_retries if settings.callback_retries is not None else run.settings.retries,
        )
        now = self.clock.now_ms()
        _, due = self.store.add_message(
            tenant=run.tenant,
            run_seq=run.seq,
            kind=MessageKind.CALL_RESULT,
            url=settings.callback_url,
            body=body,
            settings=own,
            now_ms=now,
        )
        return [due]

    def _fail_run(self, run: RunRecord, done: _Exchange, error: str, retries: int) -> list[DueMessage]:
        """Fail the run for good, and send a failure callback if there is one."""
        message, settings, reply = done.message, done.settings, done.reply
        now = self.clock.now_ms()
        failure: dict[str, Any] = {
            "dlqId": f"{now}-{message.seq}",
            "messageId": message.message_id,
            "error": error,
            "failStatus": reply.status or 0,
            "failHeaders": reply.header_lists(),
            "failResponse": _text(reply.body) if reply.status is not None else error,
            "maxRetries": retries,
        }
        if settings.failure_url:
            failure |= {"url": settings.failure_url, "state": "CALLBACK_INPROGRESS"}
        following = waiting.end_run(self.store, run.seq, RunState.FAILED, now_ms=now, failure=failure)
        DlqStore(self.store).add(
            tenant=run.tenant,
            dlq_id=failure["dlqId"],
            run_seq=run.seq,
            failed_at=now,
            callback_state=failure.get("state"),
        )
        if not settings.failure_url:
            return following
        # The Python SDK parses `body` as JSON, so an attempt without an answer gets a JSON body.
        answered = reply if reply.status is not None else Reply(0, body=json.dumps({"message": reply.error}).encode())
        body = endpoint_requests.callback_body(
            message,
            answered,
            done.request,
            max_retries=retries,
            source_body=run.payload,
            dlqId=failure["dlqId"],
            workflowRunId=run.run_id,
            workflowCreatedAt=run.created_at,
        )
        _, due = self.store.add_message(
            tenant=run.tenant,
            run_seq=run.seq,
            kind=MessageKind.FAILURE,
            url=settings.failure_url,
            body=body,
            settings=message.settings,
            flow_key=settings.failure_flow_key,
            now_ms=now,
        )
        return [*following, due]

    def _note_callback(self, run: RunRecord, state: str, message: Message, reply: Reply) -> None:
        failure = dict(self.store.run(run.seq).failure or {})
        failure |= {
            "state": state,
            "callbackMessageId": message.message_id,
            "responseStatus": reply.status or 0,
            "responseHeaders": reply.header_lists(),
            "responseBody": _text(reply.body) if reply.status is not None else reply.error,
        }
        self.store.set_failure(run.seq, failure)
        DlqStore(self.store).set_callback_state(run.seq, state)


def _retry_policy(message: Message, settings: DeliverySettings) -> tuple[int, str | None]:
    """(number of retries, delay expression); a call and a failure callback have their own."""
    match message.kind:
        case MessageKind.CALL:
            # From the submission itself, never inherited: a call is not retried unless it requests that.
            return message.settings.retries or 0, message.settings.retry_delay
        case MessageKind.FAILURE:
            retries = settings.failure_retries if settings.failure_retries is not None else settings.retries
            expression = settings.failure_retry_delay or settings.retry_delay
        case _:
            retries, expression = settings.retries, settings.retry_delay
    return DEFAULT_RETRIES if retries is None else retries, expression


def _attempt(message: Message, reply: Reply, now_ms: int, error: str | None = None) -> dict[str, Any]:
    """What is kept of a failed attempt. `due`, which the API doesn't show: when it should have begun."""
    return {
        "error": error or reply.error or reply.status_line,
        "status": reply.status or 0,
        "body": _text(reply.body),
        "headers": reply.header_lists(),
        "time": now_ms,
        "due": message.due_at,
    }


def _text(body: bytes) -> str:
    return body[:MAX_KEPT_BYTES].decode(errors="replace")
