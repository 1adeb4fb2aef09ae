"""How a run ends: its id is free, and the run that invoked it hears of it.

Source: the step that `context.invoke` sends, and what its result must hold, were observed with the JavaScript SDK.
"""

from __future__ import annotations

import json
from typing import Any

from wfdeploy.localserver import compact
from wfdeploy.localserver.runs import options
from wfdeploy.localserver.store.ledger import Ledger
from wfdeploy.localserver.store.records import Due, Kind, Run, RunState


def end(
    ledger: Ledger,
    run_seq: int,
    state: RunState,
    *,
    now_ms: int,
    response: str | None = None,
    failure: dict[str, Any] | None = None,
) -> list[Due]:
    """End a run, unless it has ended already; what is to be delivered as a consequence. Inside a transaction."""
    if not ledger.end_run(run_seq, state, now_ms=now_ms, response=response, failure=failure):
        return []
    return tell_invoker(ledger, ledger.run(run_seq), now_ms=now_ms)


def tell_invoker(ledger: Ledger, run: Run, *, now_ms: int) -> list[Due]:
    """Append the result of an ended run to the one that waits for it, unless that one has ended meanwhile."""
    if run.invoker is None:
        return []
    invoker_seq = run.invoker["runSeq"]
    told = ledger.connection.execute(
        "UPDATE messages SET state = 'delivered', done_at = ? WHERE seq = ? AND state = 'waiting'",
        (now_ms, run.invoker["messageSeq"]),
    ).rowcount
    if not told:
        return []
    invoker = ledger.run(invoker_seq)
    out: dict[str, Any] = {} if run.response is None else {"body": run.response}
    out |= {"isFailed": run.state is RunState.FAILED, "isCanceled": run.state is RunState.CANCELED}
    step = run.invoker["step"]
    _, due = ledger.add_message(
        tenant=invoker.tenant,
        run_seq=invoker_seq,
        kind=Kind.STEP,
        url=invoker.url,
        body=compact.dumps({**step, "out": compact.dumps(out)}).encode(),
        settings=options.NOTHING,
        now_ms=now_ms,
        due_ms=now_ms,
        step_key=f"result:{step['stepId']}",
    )
    return [due]


def attach(ledger: Ledger, run_seq: int, *, invoker: Run, step: dict[str, Any], now_ms: int) -> None:
    """Have a run wait for the end of another, which may have ended already (see `tell_invoker`)."""
    run = ledger.run(run_seq)
    _, due = ledger.add_message(
        tenant=invoker.tenant,
        run_seq=invoker.seq,
        kind=Kind.INVOKE,
        url=run.url,
        body=compact.dumps({"step": step, "invokedSeq": run_seq}).encode(),
        settings=options.NOTHING,
        now_ms=now_ms,
        due_ms=now_ms,
        step_key=f"invoke:{step['stepId']}",
        state="waiting",
    )
    told = {"runSeq": invoker.seq, "messageSeq": due.seq, "step": step}
    told |= {"workflowRunId": invoker.run_id, "workflowUrl": invoker.url, "workflowRunCreatedAt": invoker.created_at}
    ledger.connection.execute("UPDATE runs SET invoker = ? WHERE seq = ?", (compact.dumps(told), run_seq))


def invoked_run(ledger: Ledger, invoker: Run, step_id: int) -> Run | None:
    """The run that a step of this one invoked."""
    row = ledger.connection.execute(
        "SELECT body FROM messages WHERE run_seq = ? AND step_key = ?", (invoker.seq, f"invoke:{step_id}")
    ).fetchone()
    return None if row is None else ledger.run(json.loads(row["body"])["invokedSeq"])
