"""Try a server on what the guarantees assume of it, with at most five runs that nothing else knows.

They carry labels of their own and ids that no project derives, so no listing of a project's runs shows them, and no
plan takes them for its own. Four are delayed by an hour, to a host that can't exist (RFC 2606), and cancelled long
before. Should this process be killed, the next probe finds them by their labels and cancels them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from wfdeploy.errors import RemoteFailure, StateError, UsageError
from wfdeploy.model.checks import IntendedRuns, ProbeReport, Suggestion, Truth
from wfdeploy.model.observed import ObservedRun
from wfdeploy.model.remote import (
    Answered,
    BatchRefused,
    Cancelled,
    Denied,
    InProgress,
    Item,
    ItemReply,
    Lost,
    NotCancelled,
    NotSent,
    Stop,
    Taken,
    Throttled,
    TooLarge,
)
from wfdeploy.model.request import Body, BodyKind, Delivery, Request, Template
from wfdeploy.model.workflow_id import id_key
from wfdeploy.operations.account_limits import fitting_settings
from wfdeploy.operations.probe_verdicts import Kept, Observations, ProbeRun, judge, still_going
from wfdeploy.sending.server_time import ServerTime

if TYPE_CHECKING:
    from wfdeploy.model.remote import TriggerReply
    from wfdeploy.model.state import Record
    from wfdeploy.ports import RunGateway
    from wfdeploy.workspace import Workspace

MOST_RUNS = 5
DELAY_S = 3600
NOWHERE = "https://wfdeploy-doctor.invalid/"
"""Where delayed runs would be delivered, should nobody cancel them."""

_LABEL = "wfdeploy-doctor"
_ID = "wfr_wfdeploy-doctor-"
_NO_URL = "no URL"
"""A destination that any server refuses."""

_REACH_MS = 2 * 1000 * DELAY_S
"""How far back runs of probes that were killed are searched for; older ones were delivered."""

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_SLACK_S = 1.0
"""Beside twice `server.logLag`: how long a run, or the end of one, is waited for."""

_AT_ONCE = 100
"""Runs in one request to cancel ("Bulk Cancel Workflow Runs", `count`)."""

_RECORDS = 1000
"""Records among which one is searched for that the logs must still hold."""

_SURE = 0.9
"""The part of `server.logRetention` within which the logs must surely hold a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOptions:
    """What a probe may do. `destination`: where the run that begins at once is delivered; None: there is none."""

    destination: str | None = None

    def __post_init__(self) -> None:
        """Raises: `UsageError` for what isn't a URL."""
        if self.destination is not None and not self.destination.startswith(("http://", "https://")):
            raise UsageError("the destination of a probe is an http(s) URL", hint="name an endpoint of yours")


def intended_runs(workspace: Workspace, options: ProbeOptions) -> IntendedRuns:
    """What a probe would trigger."""
    return IntendedRuns(
        label=_label(workspace),
        delayed=MOST_RUNS - 1,
        delay_s=DELAY_S,
        nowhere=NOWHERE,
        destination=options.destination,
    )


def _label(workspace: Workspace, kind: str = "") -> str:
    project = workspace.project
    return f"{_LABEL}{kind}.{project.key}.{project.environment}"


def probe(workspace: Workspace, options: ProbeOptions) -> ProbeReport:
    """Trigger, list and cancel runs of the probe's own, and say which assumptions hold.

    Raises: `RemoteFailure` when the server can't be asked, or refuses all; `UsageError` without a token. Whatever ends
    it, its runs are cancelled.
    """
    return asyncio.run(_conduct(workspace, options))


async def _conduct(workspace: Workspace, options: ProbeOptions) -> ProbeReport:
    async with aclosing(workspace.gateway()) as gateway:
        return await _Probe(workspace, gateway, options).run()


@dataclass(slots=True)
class _Probe:
    workspace: Workspace
    gateway: RunGateway
    options: ProbeOptions
    label: str = field(init=False)
    other_label: str = field(init=False)
    time: ServerTime = field(init=False)
    began_at: float = field(init=False)
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    sent: dict[str, list[str]] = field(default_factory=dict)
    """Ids of runs that may have been started and weren't cancelled since, by label."""
    triggered: int = 0
    leftovers: int = 0

    def __post_init__(self) -> None:
        self.label = _label(self.workspace)
        self.other_label = _label(self.workspace, "-2")
        self.time = ServerTime(self.workspace.clock)
        self.began_at = self.time.now()

    async def run(self) -> ProbeReport:
        """Raises: `RemoteFailure`."""
        await self._list(self.label)  # tells the server's time
        await self._cancel_leftovers()
        seen = Observations(
            label=self.label,
            log_lag_s=self._log_lag_s,
            retention=await self._retention(),
            storage=self._storage(),
        )
        try:
            await self._trigger(seen)
            await self._watch(seen)
            await self._trigger_again(seen)
            await self.workspace.clock.sleep(min(seen.log_lag_seen_s or 0.0, seen.log_lag_s))
            seen.listed = await self._list(self.label)
            uncancelled = await self._cancel(seen)
        finally:
            await self._clean_up()
        return ProbeReport(
            assumptions=judge(seen),
            log_lag_s=seen.log_lag_seen_s,
            suggestions=(*_of_lag(seen), *fitting_settings(self.gateway.facts, self.workspace.project.server)),
            triggered=self.triggered,
            leftovers=self.leftovers,
            uncancelled=tuple(uncancelled),
        )

    @property
    def _log_lag_s(self) -> float:
        settings = self.workspace.project.server
        known = self.workspace.log_lag_s if self.workspace.log_lag_s is not None else self.gateway.facts.log_lag_s
        return settings.log_lag_s if settings.log_lag_given or known is None else known

    # --- before ----------------------------------------------------------------------------------------------

    async def _cancel_leftovers(self) -> None:
        """Cancel what earlier probes left that were killed."""
        for label in (self.label, self.other_label):
            found = await self._list(label, reach_ms=_REACH_MS)
            left = [
                run.workflow_run_id
                for run in found
                if run.state.may_run and label in run.labels and id_key(run.workflow_run_id).startswith(_ID)
            ]
            for start in range(0, len(left), _AT_ONCE):
                reply = await self.gateway.cancel(left[start : start + _AT_ONCE], label=label)
                if isinstance(reply, Cancelled):
                    self.leftovers += len(left[start : start + _AT_ONCE]) if reply.count is None else reply.count

    def _storage(self) -> Kept:
        backend = self.workspace.state_backend
        try:
            backend.try_out()
        except StateError as error:
            # It passed as a check a moment ago, or there would be no probe: this is about the machine.
            return Kept(truth=Truth.UNKNOWN, detail=error.message)
        if backend.is_shared:
            return Kept(truth=Truth.HOLDS, detail="of several writers of one object one wins, and stale writes fail")
        if not self.workspace.target.state_file.parent.is_dir():
            return Kept(truth=Truth.UNKNOWN, detail="there is no state yet")
        return Kept(
            truth=Truth.HOLDS, detail="a lock keeps a second one out; between machines, your pipeline has to see to it"
        )

    async def _retention(self) -> Kept:
        """Look for the oldest recorded run that the logs must still hold."""
        if self.gateway.facts.server_id is not None:
            return Kept(truth=Truth.HOLDS, detail="the embedded server forgets nothing")
        retention_s = self.workspace.project.server.log_retention_s
        now_ms = self.time.earliest_ms()
        record = self._oldest(since_ms=now_ms - round(1000 * _SURE * retention_s))
        if record is None or record.created_at_ms is None:
            return Kept(truth=Truth.UNKNOWN, detail="the state has no run that is old enough to tell")
        age_s = (now_ms - record.created_at_ms) / 1000
        run = await self.gateway.read_run(record.workflow_run_id, record.created_at_ms)
        if run is None:
            return Kept(truth=Truth.FAILS, detail=f"a run of {_span(age_s)} ago is not in the logs: {record.address}")
        if age_s < retention_s / 2:
            return Kept(
                truth=Truth.UNKNOWN,
                detail=f"the oldest run to look for is {_span(age_s)} old, and {_span(retention_s)} are relied on",
            )
        return Kept(truth=Truth.HOLDS, detail=f"a run of {_span(age_s)} ago is still in the logs")

    def _oldest(self, *, since_ms: int) -> Record | None:
        try:
            if not self.workspace.has_state:
                return None
            with closing(self.workspace.open_state(readonly=True)) as store:
                recorded = islice(store.records(), _RECORDS)
                within = [record for record in recorded if (record.created_at_ms or 0) >= since_ms]
        except StateError:
            return None  # reported by the check of the state
        return min(within, key=lambda record: record.created_at_ms or 0, default=None)

    # --- runs ------------------------------------------------------------------------------------------------

    def _item(self, name: str, *, label: str, destination: str = NOWHERE, delay_s: int | None = DELAY_S) -> Item:
        run_id = f"{_ID}{self.nonce}-{name}"
        template = Template(
            destination=destination,
            content_type="application/json",
            delivery=Delivery(retries=0, delay_s=delay_s),
        )
        body = Body(BodyKind.JSON, {"wfdeploy": "a probe of `wfdeploy doctor`; it does nothing"})
        return self.workspace.encoder(label, {}).encode(Request(template, body), run_id)

    async def _trigger(self, seen: Observations) -> None:
        """Trigger one run together with one that must be refused; then the others."""
        mixed = [self._item("mixed", label=self.label), self._item("refused", label=self.label, destination=_NO_URL)]
        reply, began, ended = await self._send({self.label: mixed}, mixed)
        self._note(seen, mixed, reply, began, ended)
        match reply:
            case BatchRefused(message=message) | TooLarge(message):
                seen.refusal = message
                seen.refused.update(id_key(item.workflow_run_id) for item in mixed)
            case Answered((_, Denied(message))):
                seen.refusal = message
                seen.refused.add(id_key(mixed[1].workflow_run_id))
            case _:
                _require_acceptance(reply)
        names = ["first", "second", "third"][: MOST_RUNS - 2 - len(seen.runs)]
        rest = [self._item(name, label=self.label) for name in names]
        elsewhere = self._item("elsewhere", label=self.other_label)
        now = [
            self._item("now", label=self.label, destination=destination, delay_s=None)
            for destination in filter(None, (self.options.destination,))
        ]
        batch = [*rest, elsewhere, *now]
        reply, began, ended = await self._send({self.label: [*rest, *now], self.other_label: [elsewhere]}, batch)
        _require_acceptance(reply)
        self._note(seen, batch, reply, began, ended)
        if isinstance(reply, Answered):
            seen.in_order = reply.in_order
        if not seen.runs:
            raise RemoteFailure("the server accepted no run of the probe", hint="name another --destination")

    async def _send(
        self, by_label: Mapping[str, Sequence[Item]], batch: Sequence[Item]
    ) -> tuple[TriggerReply, float, float]:
        """Send a batch, once. What it may start is known to the clean-up before it leaves."""
        for label, items in by_label.items():
            known = self.sent.setdefault(label, [])
            known += [item.workflow_run_id for item in items if item.workflow_run_id not in known]
        began = self.time.now()
        return await self.gateway.trigger(batch), began, self.time.now()

    def _note(self, seen: Observations, items: Sequence[Item], reply: TriggerReply, began: float, ended: float) -> None:
        """Note which runs were accepted."""
        if not isinstance(reply, Answered):
            return
        within = (self.time.earliest_ms(began), self.time.latest_ms(ended)) if self.time.is_known else None
        for item, answer in zip(items, reply.items, strict=True):
            if not isinstance(answer, Taken):
                continue
            self.triggered += 1
            name = item.workflow_run_id.rpartition("-")[2]
            run = ProbeRun(
                workflow_run_id=item.workflow_run_id,
                is_delayed=name != "now",
                sent_at=began,
                answered_at=ended,
                created_within_ms=within,
            )
            if name == "elsewhere":
                seen.elsewhere = run
            else:
                seen.runs[id_key(item.workflow_run_id)] = run

    async def _watch(self, seen: Observations) -> None:
        """List until all runs are shown, or for long enough to say that they aren't."""
        pause_s, until = _FIRST_PAUSE_S, self.time.now() + 2 * seen.log_lag_s + _SLACK_S
        while True:
            asked_at = self.time.now()
            listed = {id_key(run.workflow_run_id) for run in await self._list(self.label)}
            shown_at = self.time.now()
            for key, run in seen.runs.items():
                if key not in listed:
                    seen.absent_for_s[key] = asked_at - run.answered_at
                elif key not in seen.shown_after_s:
                    seen.shown_after_s[key] = shown_at - run.sent_at
            if len(seen.shown_after_s) == len(seen.runs) or asked_at >= until:
                return
            await self.workspace.clock.sleep(pause_s)
            pause_s = min(1.5 * pause_s, _LONGEST_PAUSE_S)

    async def _trigger_again(self, seen: Observations) -> None:
        """Send a run that is queued a second time, as it was."""
        key, run = next(((key, run) for key, run in seen.runs.items() if run.is_delayed), (None, None))
        if key is None or run is None:
            return
        name = run.workflow_run_id.rpartition("-")[2]
        destination = _NO_URL if name == "refused" else NOWHERE
        item = self._item(name, label=self.label, destination=destination)
        reply, _, _ = await self._send({self.label: [item]}, [item])
        seen.again = key
        seen.again_reply = _clear(reply, run.workflow_run_id)

    async def _cancel(self, seen: Observations) -> list[str]:
        """Cancel all runs, and list until they have ended. Return the ids of those that may not have."""
        replies = {label: await self.gateway.cancel(ids, label=label) for label, ids in self.sent.items()}
        refused = [reply for reply in replies.values() if isinstance(reply, NotCancelled)]
        seen.cancel_reply = [*refused, *replies.values()][0]
        pause_s, until = _FIRST_PAUSE_S, self.time.now() + 2 * seen.log_lag_s + _SLACK_S
        while True:
            asked_at = self.time.now()
            listed = [run for label in self.sent for run in await self._list(label)]
            states = {id_key(run.workflow_run_id): run.state for run in reversed(listed)}
            seen.after_cancel = {key: state for key, state in states.items() if key in seen.accepted}
            going = still_going(seen.after_cancel)
            if not going or asked_at >= until:
                break
            await self.workspace.clock.sleep(pause_s)
            pause_s = min(1.5 * pause_s, _LONGEST_PAUSE_S)
        unsure = [
            run_id
            for label, ids in self.sent.items()
            for run_id in ids
            if id_key(run_id) in going
            or (isinstance(replies[label], NotCancelled) and id_key(run_id) not in seen.after_cancel)
        ]
        self.sent.clear()
        return unsure

    async def _clean_up(self) -> None:
        """Cancel what may have been started and wasn't cancelled, as far as that can be done."""
        for label, ids in self.sent.items():
            await self.gateway.cancel(ids, label=label)

    async def _list(self, label: str, *, reach_ms: int = 0) -> list[ObservedRun]:
        """List the runs that carry a label and were created since the probe began, or `reach_ms` before.

        Raises: `RemoteFailure`.
        """
        runs: list[ObservedRun] = []
        asked_at = self.time.now()
        since_ms = self.time.earliest_ms(self.began_at) - reach_ms - 1000
        async for page in self.gateway.list_runs(label=label, since_ms=max(since_ms, 0)):
            self.time.learn(page.server_time_ms, asked_at=asked_at, answered_at=self.time.now())
            runs += page.runs
            asked_at = self.time.now()
        return runs


def _require_acceptance(reply: TriggerReply) -> None:
    """Raises: `RemoteFailure` for an answer after which nothing can be tried."""
    match reply:
        case Stop(message=message, hint=hint):
            raise RemoteFailure(f"triggering runs of the probe: {message}", hint=hint)
        case BatchRefused(message=message) | TooLarge(message) | Throttled(message=message):
            raise RemoteFailure(f"triggering runs of the probe: {message}")
        case NotSent(reason) | Lost(reason):
            raise RemoteFailure(f"triggering runs of the probe: {reason}", hint="try again")
        case Answered():
            return


def _clear(reply: TriggerReply, run_id: str) -> ItemReply | None:
    """What an answer says of the one run that it is about; None for nothing certain."""
    match reply:
        case Answered((Taken() | InProgress() as item,)):
            return item
        case BatchRefused(message=message, running=running) if run_id in running:
            return InProgress(message)
        case _:
            return None


def _of_lag(seen: Observations) -> tuple[Suggestion, ...]:
    """A longer `server.logLag`, where runs were shown later than that."""
    longest = seen.log_lag_seen_s
    late = max(seen.absent_for_s.values(), default=0.0)
    if longest is None or late <= seen.log_lag_s:
        return ()
    seconds = -(-round(3 * longest) // 10) * 10 or 10
    reason = f"a run was listed after {longest:.1f} s; this is three times as long"
    return (Suggestion(setting="server.logLag", value=f"{seconds}s", reason=reason),)


def _span(seconds: float) -> str:
    return f"{seconds / 86400:.1f} days" if seconds >= 86400 else f"{seconds / 3600:.1f} hours"
