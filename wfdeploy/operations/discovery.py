"""Asking the server what it knows, before anything is triggered.

A listing that is to prove an absence must begin late enough (docs/guarantees.md): `server.logLag` after the last
moment at which a request of interest can have left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from wfdeploy.model.address import Address
from wfdeploy.model.edits import PutAttempt
from wfdeploy.model.event import Notice
from wfdeploy.model.plan import Sending
from wfdeploy.model.run_index import RunIndex
from wfdeploy.model.state import AttemptStatus, Standing
from wfdeploy.operations.outlook import Seen
from wfdeploy.operations.prepared import Prepared
from wfdeploy.operations.refreshing import since as since_oldest
from wfdeploy.operations.workspace import Workspace
from wfdeploy.pipeline.apply.absence import Absence
from wfdeploy.pipeline.apply.patience import Patience
from wfdeploy.pipeline.apply.recovery import Findings, Listed, examine, list_all, since
from wfdeploy.pipeline.diff.context import NOT_LOOKED_UP, Finding, Verdict
from wfdeploy.pipeline.diff.observing import View
from wfdeploy.ports import RunGateway


class Discovery:
    """Listings for one command. `locked_at_ms`: when (our clock) it got the state's lock; no process that held it
    before has sent anything since. None without a lock: then nothing is proven about open attempts. `stopped`: the
    user's wish to stop, heeded between pages."""

    def __init__(
        self,
        workspace: Workspace,
        gateway: RunGateway,
        locked_at_ms: int | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.workspace = workspace
        self.gateway = gateway
        self.locked_at_ms = locked_at_ms
        self.stopped = stopped

    @property
    def log_lag_s(self) -> float:
        """The project's own word, else the embedded server's, else the default; seconds."""
        settings = self.workspace.project.server
        if settings.log_lag_given:
            return settings.log_lag_s
        told = self.workspace.log_lag_s
        if told is None:
            told = self.gateway.facts.log_lag_s
        return settings.log_lag_s if told is None else told

    async def look(self, prepared: Prepared, sending: Sending, asked: Collection[Standing] = ()) -> Seen:
        """What a plan without guarantees shows: list, and tell what is found of open attempts; absence says nothing
        yet. `asked`: the runs whose state shall be known. Raises: `RemoteFailure`."""
        listed = await self._list(prepared, sending, asked)
        index = RunIndex(listed.runs)
        verdicts = {
            attempt.address: Verdict(Finding.FOUND, run)
            if (run := index.attempted(attempt, prepared.names_of(attempt)))
            else NOT_LOOKED_UP
            for attempt in prepared.open_attempts
        }
        return self._seen(listed, verdicts)

    async def settle(
        self,
        prepared: Prepared,
        sending: Sending,
        patience: Patience,
        *,
        suspect: str | None,
        asked: Collection[Standing] = (),
    ) -> Seen:
        """List late enough to tell what became of open attempts.

        `suspect`: why the state may not know all that was triggered (then the listing must also be late enough for
        what another process may just have done); None when it does. Raises: `RemoteFailure`.
        """
        assert self.locked_at_ms is not None
        clock = self.workspace.clock
        ended = self._close_intents(prepared, suspect=suspect is not None)
        if self._lag_is_open:
            await self._probe()
        lag_ms = round(1000 * self.log_lag_s)
        now_ms = clock.now_ms()
        wait_ms = 0
        reasons = []
        for attempt in prepared.open_attempts:
            # No later than the lock allows, also where the clock that wrote the time was wrong.
            last_ms = min(ended[attempt.address], self.locked_at_ms)
            wait_ms = max(wait_ms, last_ms + lag_ms - now_ms)
        if prepared.open_attempts:
            count = len(prepared.open_attempts)
            reasons.append(f"the outcome of {count} run{'s' if count > 1 else ''} is not known")
        if suspect is not None:
            wait_ms = max(wait_ms, self.locked_at_ms + lag_ms - now_ms)
            reasons.append(suspect)
        settled = await patience.wait(
            wait_ms / 1000, f"{' and '.join(reasons)}: waiting until the server's logs can tell (server.logLag)"
        )
        if not settled:
            if suspect is not None and not patience.stopped:
                self._say_unsettled(suspect)
            return await self.look(prepared, sending, asked)
        listed = await self._list(prepared, sending, asked)
        findings = self._examine(prepared, listed, ended, lag_ms)
        if findings.too_early and await patience.wait(
            findings.wait_ms / 1000,
            "a delayed run whose answer was lost may just be starting: waiting until the logs can tell",
        ):
            listed = await self._list(prepared, sending, asked)
            findings = self._examine(prepared, listed, ended, lag_ms)
        return self._seen(listed, self._verdicts(prepared, findings))

    async def inspect(self, standings: Collection[Standing]) -> View:
        """How these runs do, and nothing else, by one listing. Raises: `RemoteFailure`."""
        workspace = self.workspace
        listed = await list_all(
            self.gateway,
            workspace.clock,
            workspace.listener,
            label=workspace.project.label,
            since_ms=since_oldest(standings, round(1000 * self.log_lag_s)),
            stopped=self.stopped,
        )
        return self._view(listed)

    def covers(self, prepared: Prepared, seen: Seen, sending: Sending) -> bool:
        """Whether a listing reaches back as far as it must before these changes are sent."""
        needed = _reach(prepared, sending, self.workspace.clock.now_ms(), round(1000 * self.log_lag_s))
        return seen.reach_ms is None or (needed is not None and needed >= seen.reach_ms)

    # --- pieces ----------------------------------------------------------------------------------------------

    @property
    def _lag_is_open(self) -> bool:
        workspace = self.workspace
        return (
            not workspace.project.server.log_lag_given
            and workspace.log_lag_s is None
            and self.gateway.facts.time_ms is None
        )

    async def _probe(self) -> None:
        """One page, for what the answer's headers tell."""
        pages = self.gateway.list_runs(label=self.workspace.project.label, since_ms=self.workspace.clock.now_ms())
        async for _ in pages:
            break

    async def _list(self, prepared: Prepared, sends: Sending, asked: Collection[Standing]) -> Listed:
        """One listing for all purposes: it reaches back to what may be unknown, and to the oldest run asked after."""
        workspace = self.workspace
        lag_ms = round(1000 * self.log_lag_s)
        start = _reach(prepared, sends, workspace.clock.now_ms(), lag_ms)
        oldest = since_oldest(asked, lag_ms)
        retention_ms = round(1000 * workspace.project.server.log_retention_s)
        if start is not None and start < workspace.clock.now_ms() - retention_ms:
            workspace.listener(
                Notice(
                    "this state was last brought up to date longer ago than the server's logs reach back "
                    "(server.logRetention): runs that another runner triggered in between cannot be known"
                )
            )
        listed = await list_all(
            self.gateway,
            workspace.clock,
            workspace.listener,
            label=workspace.project.label,
            since_ms=start if start is None or oldest is None else min(start, oldest),
            stopped=self.stopped,
        )
        listed.reach_ms = start
        return listed

    def _seen(self, listed: Listed, verdicts: dict[Address, Verdict]) -> Seen:
        reach_ms = listed.reach_ms
        began_ms = listed.began_ms if listed.server_time_known else None
        return Seen(
            # What lies further back is known to the state already, or is too old to be told.
            runs=tuple(run for run in listed.runs if reach_ms is None or run.created_at_ms >= reach_ms),
            verdicts=verdicts,
            began_ms=began_ms,
            view=self._view(listed),
            reach_ms=reach_ms,
        )

    def _view(self, listed: Listed) -> View:
        return View(
            runs=RunIndex(listed.runs),
            since_ms=listed.since_ms,
            began_ms=listed.began_ms if listed.server_time_known else None,
            now_ms=self.workspace.clock.now_ms(),
            log_lag_ms=round(1000 * self.log_lag_s),
            log_retention_ms=round(1000 * self.workspace.project.server.log_retention_s),
        )

    def _close_intents(self, prepared: Prepared, *, suspect: bool) -> dict[Address, int]:
        """When each open attempt's last byte can have left. For those of a process that died, that is before we got
        the lock; so it is for all of a state that isn't the whole story, since another process may have sent them
        again. It is written down, so that it never moves later."""
        assert self.locked_at_ms is not None
        ended: dict[Address, int] = {}
        edits = []
        for attempt in prepared.open_attempts:
            ended_ms = attempt.ended_at_ms
            if suspect or attempt.status is AttemptStatus.INTENT or ended_ms is None:
                ended_ms = self.locked_at_ms
                closed = attempt._replace(
                    status=AttemptStatus.UNKNOWN,
                    ended_at_ms=ended_ms,
                    error=attempt.error or "the process that sent it ended before its answer was recorded",
                )
                prepared.attempts[attempt.address] = closed
                edits.append(PutAttempt(closed._replace(address=prepared.recorded_address(attempt.address))))
            ended[attempt.address] = ended_ms
        if edits:
            prepared.store.commit(edits)
            prepared.head = prepared.store.head()
        return ended

    def _examine(self, prepared: Prepared, listed: Listed, ended: dict[Address, int], lag_ms: int) -> Findings:
        return examine(prepared.open_attempts, listed, names=prepared.names_of, ended_at_ms=ended, log_lag_ms=lag_ms)

    def _verdicts(self, prepared: Prepared, findings: Findings) -> dict[Address, Verdict]:
        oldest_ms = self.workspace.clock.now_ms() - round(1000 * self.workspace.project.server.log_retention_s)
        verdicts: dict[Address, Verdict] = {}
        for attempt in prepared.open_attempts:
            address = attempt.address
            run = findings.found.get(address)
            absence = findings.absent.get(address)
            if run is not None:
                verdicts[address] = Verdict(Finding.FOUND, run)
            elif attempt.resend:
                verdicts[address] = Verdict(Finding.ABSENT)
            elif absence is None:
                verdicts[address] = NOT_LOOKED_UP
            elif attempt.intent_at_ms < oldest_ms:
                verdicts[address] = Verdict(Finding.TOO_OLD)
            elif absence is Absence.RESERVED_IF_ACCEPTED:
                verdicts[address] = Verdict(
                    Finding.ABSENT_OR_DELAYED, send_before_ms=findings.send_before_ms.get(address)
                )
            else:
                verdicts[address] = Verdict(Finding.ABSENT)
        return verdicts

    def _say_unsettled(self, suspect: str) -> None:
        from wfdeploy.errors import Withheld

        raise Withheld(
            f"{suspect}, and --timeout leaves no time to wait until the server's logs can tell what was triggered",
            hint=f"give it more than {self.log_lag_s:.0f} seconds with --timeout",
        )


def _reach(prepared: Prepared, sends: Sending, now_ms: int, lag_ms: int) -> int | None:
    """Where the listing must begin: server time in Unix ms, None for the beginning.

    The watermark covers what showed when it was set. A delayed run may show only once it starts, under the time at
    which it was accepted; so for runs about to be triggered the listing begins earlier by their delay.
    """
    watermark = prepared.head.watermark_ms
    if watermark is None:
        return None
    start = watermark
    attempts = prepared.open_attempts
    if attempts:
        earliest = since(attempts)
        if earliest is None:
            return None
        start = min(start, earliest)
    for change in sends:
        if change.desired is None:
            continue
        not_before_ms = 1000 * (change.desired.not_before_s or 0)
        if watermark - lag_ms < not_before_ms < now_ms + lag_ms:
            return None
        start = min(start, watermark - 1000 * (change.desired.delay_s or 0))
    return start
