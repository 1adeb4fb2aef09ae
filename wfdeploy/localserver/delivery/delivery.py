"""One message: build its request, send it, record what it led to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from wfdeploy.localserver.clock import Clock
from wfdeploy.localserver.courier import Courier, Parcel, Reply
from wfdeploy.localserver.delivery import outcome, parcels
from wfdeploy.localserver.runs import waiting
from wfdeploy.localserver.runs.waiting import Waiting
from wfdeploy.localserver.scenario import Scenario
from wfdeploy.localserver.store.dead_letters import DeadLetters
from wfdeploy.localserver.store.ledger import Ledger
from wfdeploy.localserver.store.records import DEFAULT_RETRIES, Due, Kind, Message, Recorded, Run, RunState, Settings
from wfdeploy.localserver.tenants import Keyring

MAX_KEPT_BYTES = 20_000
"""Of an answer's body, in the record of a failed attempt."""


@dataclass(frozen=True, slots=True)
class _Exchange:
    """A message as it was sent, by its own settings over those of its run, and what came back."""

    message: Message
    settings: Settings
    parcel: Parcel
    reply: Reply


@dataclass(frozen=True, slots=True)
class Delivery:
    """Delivers messages; holds nothing between two of them, so a server may be killed at any moment.

    At least once: a message is settled after its answer, so one that was on its way when the server was killed is sent
    again. What an endpoint submits meanwhile is recorded once (the ledger's `step_key`).
    """

    ledger: Ledger
    courier: Courier
    clock: Clock
    scenario: Scenario
    keyring: Keyring

    async def deliver(self, seq: int) -> list[Due]:
        """Deliver one message, unless it became moot; what is to be delivered next, as a consequence."""
        message = self.ledger.pending(seq)
        if message is None:
            return []
        run = self.ledger.run(message.run_seq) if message.run_seq is not None else None
        if run is not None:
            if message.kind is Kind.WAIT:
                with self.ledger.transaction():
                    return Waiting(self.ledger, self.clock.now_ms()).expire(run, message)
            if self._ends_at_once(run, message):
                with self.ledger.transaction():
                    return waiting.end_run(self.ledger, run.seq, RunState.SUCCESS, now_ms=self.clock.now_ms())
        settings = message.settings if run is None else message.settings.over(run.settings)
        key = self.keyring.tenant(message.tenant).current_key
        entries: list[Recorded] = []
        if run is not None and message.kind in (Kind.INIT, Kind.STEP):
            entries = self.ledger.step_list(run.seq, up_to=message.seq)
        lazy_above = self.scenario.lazy_fetch_above_bytes
        parcel = parcels.outgoing(run, message, settings, entries, key=key, lazy_above=lazy_above)
        reply = self.scenario.answer(parcel) if self.scenario.answer is not None else None
        if reply is None:
            reply = await self.courier.send(parcel)
        with self.ledger.transaction():
            return self._record(run, _Exchange(message, settings, parcel, reply))

    def _ends_at_once(self, run: Run, message: Message) -> bool:
        return run.state is RunState.STARTED and message.kind is Kind.INIT and self.scenario.instant_finish

    def _record(self, run: Run | None, done: _Exchange) -> list[Due]:
        message, now = done.message, self.clock.now_ms()
        retries, expression = _retry_policy(message, done.settings)
        verdict = outcome.judge(
            done.reply,
            retried=message.retried,
            retries=retries,
            expression=expression,
            must_be_workflow=message.kind is Kind.INIT and done.settings.must_be_workflow,
            wall_ms=now - self.clock.ahead_ms(),
        )
        if isinstance(verdict, outcome.Retry):
            errors = [*message.errors, _attempt(done.reply, now)]
            # Drops out by itself when the run ended meanwhile: only pending messages are tried again.
            return [self.ledger.retry(message, due_ms=now + verdict.delay_ms, errors=errors)]
        if isinstance(verdict, outcome.Failed):
            errors = [*message.errors, _attempt(done.reply, now, verdict.error)]
            is_settled = self.ledger.settle(message.seq, "failed", now_ms=now, errors=errors)
        else:
            is_settled = self.ledger.settle(message.seq, "delivered", now_ms=now)
        if not is_settled or run is None:
            return []
        if message.kind is Kind.CALL:  # one that fails does not fail the run: the workflow's code gets the status
            return self._answer_call(run, done, retries)
        if message.kind is Kind.FAILURE:
            state = "CALLBACK_FAIL" if isinstance(verdict, outcome.Failed) else "CALLBACK_SUCCESS"
            self._note_callback(run, state, message, done.reply)
            return []
        return self._fail_run(run, done, verdict.error, retries) if isinstance(verdict, outcome.Failed) else []

    def _answer_call(self, run: Run, done: _Exchange, retries: int) -> list[Due]:
        """Send a call's final result to the workflow; the attempts before it are not reported one by one.

        `retried` equals `maxRetries` in a failed result, or the SDK would wait for the next attempt for ever.
        """
        message, settings = done.message, done.settings
        if not settings.callback_url or self.ledger.run(run.seq).state is not RunState.STARTED:
            return []
        max_retries = retries if done.reply.ok else message.retried
        body = parcels.callback_body(
            message, done.reply, done.parcel, max_retries=max_retries, source_body=message.body
        )
        own = Settings(
            callback_headers=settings.callback_headers,
            retries=settings.callback_retries if settings.callback_retries is not None else run.settings.retries,
        )
        now = self.clock.now_ms()
        _, due = self.ledger.add_message(
            tenant=run.tenant,
            run_seq=run.seq,
            kind=Kind.CALL_RESULT,
            url=settings.callback_url,
            body=body,
            settings=own,
            now_ms=now,
        )
        return [due]

    def _fail_run(self, run: Run, done: _Exchange, error: str, retries: int) -> list[Due]:
        """The run failed for good; a failure callback is sent, where one is wanted."""
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
        following = waiting.end_run(self.ledger, run.seq, RunState.FAILED, now_ms=now, failure=failure)
        DeadLetters(self.ledger).add(
            tenant=run.tenant,
            dlq_id=failure["dlqId"],
            run_seq=run.seq,
            failed_at=now,
            callback_state=failure.get("state"),
        )
        if not settings.failure_url:
            return following
        # The Python SDK reads `body` as JSON, so an attempt without an answer is told as one.
        answered = reply if reply.status is not None else Reply(0, body=json.dumps({"message": reply.error}).encode())
        body = parcels.callback_body(
            message,
            answered,
            done.parcel,
            max_retries=retries,
            source_body=run.payload,
            dlqId=failure["dlqId"],
            workflowRunId=run.run_id,
            workflowCreatedAt=run.created_at,
        )
        _, due = self.ledger.add_message(
            tenant=run.tenant,
            run_seq=run.seq,
            kind=Kind.FAILURE,
            url=settings.failure_url,
            body=body,
            settings=message.settings,
            flow_key=settings.failure_flow_key,
            now_ms=now,
        )
        return [*following, due]

    def _note_callback(self, run: Run, state: str, message: Message, reply: Reply) -> None:
        failure = dict(self.ledger.run(run.seq).failure or {})
        failure |= {
            "state": state,
            "callbackMessageId": message.message_id,
            "responseStatus": reply.status or 0,
            "responseHeaders": reply.header_lists(),
            "responseBody": _text(reply.body) if reply.status is not None else reply.error,
        }
        self.ledger.set_failure(run.seq, failure)
        DeadLetters(self.ledger).set_callback_state(run.seq, state)


def _retry_policy(message: Message, settings: Settings) -> tuple[int, str | None]:
    """(how many retries, the delay expression); a call and a failure callback have their own."""
    match message.kind:
        case Kind.CALL:
            # Said by the submission itself, never inherited: a call is not retried unless it asks for it.
            return message.settings.retries or 0, message.settings.retry_delay
        case Kind.FAILURE:
            retries = settings.failure_retries if settings.failure_retries is not None else settings.retries
            expression = settings.failure_retry_delay or settings.retry_delay
        case _:
            retries, expression = settings.retries, settings.retry_delay
    return DEFAULT_RETRIES if retries is None else retries, expression


def _attempt(reply: Reply, now_ms: int, error: str | None = None) -> dict[str, Any]:
    return {
        "error": error or reply.error or f"the endpoint answered {reply.status}",
        "status": reply.status or 0,
        "body": _text(reply.body),
        "headers": reply.header_lists(),
        "time": now_ms,
    }


def _text(body: bytes) -> str:
    return body[:MAX_KEPT_BYTES].decode(errors="replace")
