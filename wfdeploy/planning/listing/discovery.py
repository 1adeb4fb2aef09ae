"""List what the server knows, before anything is triggered.

A listing that is to prove an absence must begin late enough (docs/guarantees.md): `server.logLag` after the last moment
at which a request of interest can have left.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from wfdeploy.errors import Withheld, several
from wfdeploy.model.address import Address
from wfdeploy.model.edits import PutAttempt
from wfdeploy.model.event import Notice
from wfdeploy.model.observed import ObservedRun
from wfdeploy.model.plan import Sending
from wfdeploy.model.state import AttemptStatus, Standing
from wfdeploy.model.workflow_id import RunIndex
from wfdeploy.planning.baseline import Baseline
from wfdeploy.planning.diff.context import NOT_LOOKED_UP, AttemptFinding, Verdict
from wfdeploy.planning.listing.dead_letters import DeadLetters, find_dead_letters
from wfdeploy.planning.listing.long_listings import LongListings
from wfdeploy.planning.listing.run_listing import RunListing
from wfdeploy.planning.listing.run_states import Snapshot
from wfdeploy.planning.listing.run_states import since as since_oldest
from wfdeploy.ports import RunGateway
from wfdeploy.sending.absence import Absence, Findings, examine
from wfdeploy.sending.listing import ListedRuns, earliest, list_all
from wfdeploy.sending.patience import Patience
from wfdeploy.sending.server_time import DATE_RESOLUTION_MS, ROUNDED_S, ServerTime
from wfdeploy.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Lock:
    """The state's lock, held, and the time there is to wait."""

    taken_at: float
    """When (monotonic): no process that held it before has sent anything since."""

    patience: Patience


class Discovery:
    """Makes the listings of one command. Without the lock, they prove nothing about open attempts."""

    def __init__(self, workspace: Workspace, gateway: RunGateway, time: ServerTime, lock: Lock | None = None) -> None:
        self.workspace = workspace
        self.gateway = gateway
        self.time = time
        self.lock = lock
        self._long = None if lock is None else LongListings(workspace, gateway, time, self.stopped)
        self._joined: tuple[int, int] | None = None  # see `_list_after`

    def stopped(self) -> bool:
        """Whether the user wants to stop; checked between pages."""
        return self.lock is not None and self.lock.patience.stopped

    @property
    def log_lag_s(self) -> float:
        """The project's setting, else the embedded server's, else the default; seconds."""
        settings = self.workspace.project.server
        if settings.log_lag_given:
            return settings.log_lag_s
        known = self.workspace.log_lag_s
        if known is None:
            known = self.gateway.facts.log_lag_s
        return settings.log_lag_s if known is None else known

    @property
    def _lag_ms(self) -> int:
        return round(1000 * self.log_lag_s)

    async def list_runs(self, baseline: Baseline, sends: Sending, standings: Collection[Standing]) -> RunListing:
        """List, and report which open attempts are found. Absence proves nothing.

        sends: what is going to be sent.
        standings: the recorded runs whose state must be known.
        Raises: `RemoteFailure`.
        """
        listed = await self._list(baseline, sends, standings)
        index = RunIndex(listed.runs)
        verdicts = {
            attempt.address: Verdict(AttemptFinding.FOUND, run)
            if (run := index.attempted(attempt, baseline.names_of(attempt)))
            else NOT_LOOKED_UP
            for attempt in baseline.open_attempts
        }
        return self._listing(listed, verdicts)

    async def list_late(
        self, baseline: Baseline, sends: Sending, standings: Collection[Standing], *, suspect: str | None
    ) -> RunListing:
        """List late enough to know what became of open attempts, and what another runner may have triggered.

        suspect: why the state may not hold all that was triggered; None when it does. Then the listing must also be
        late enough for what another process may just have done.
        Raises: `RemoteFailure`, `Withheld`.
        """
        assert self.lock is not None
        time, patience = self.time, self.lock.patience
        if self._lag_is_open or (baseline.open_attempts and not time.is_known):
            await self._probe()
        self._close_intents(baseline, self.lock)
        lag_s = self.log_lag_s
        wait_s = 0.0
        reasons = []
        if baseline.open_attempts:
            locked_ms = time.earliest_ms(self.lock.taken_at)
            last_ms = max(min(locked_ms, ended_ms + DATE_RESOLUTION_MS) for ended_ms in self._ended(baseline).values())
            wait_s = (last_ms - time.earliest_ms()) / 1000 + lag_s
            count = len(baseline.open_attempts)
            reasons.append(f"the outcome of {several(count)} is not known")
        if suspect is not None:
            wait_s = max(wait_s, self.lock.taken_at + lag_s - time.now())
            reasons.append(suspect)
        is_late_enough = await patience.wait(
            wait_s + ROUNDED_S if wait_s > 0 else 0.0,
            f"{' and '.join(reasons)}: waiting until the server's logs can tell (server.logLag)",
        )
        if not is_late_enough:
            if suspect is not None and not patience.stopped:
                raise Withheld(
                    f"{suspect}, and --timeout leaves no time to wait until the server's logs can tell what was "
                    "triggered",
                    hint=f"give it more than {lag_s:.0f} seconds with --timeout",
                )
            return await self.list_runs(baseline, sends, standings)
        listed = await self._list(baseline, sends, standings)
        findings = self._examine(baseline, listed)
        if findings.too_early and await patience.wait(
            findings.wait_ms / 1000,
            "a delayed run whose answer was lost may just be starting: waiting until the logs can tell",
        ):
            listed = await self._list(baseline, sends, standings)
            findings = self._examine(baseline, listed)
        return self._listing(listed, self._verdicts(baseline, findings))

    async def inspect(self, standings: Collection[Standing]) -> Snapshot:
        """Update the states of these runs, by one listing. Raises: `RemoteFailure`."""
        start = since_oldest(standings, self._lag_ms)
        return self._snapshot(await self._list_since(start, len(standings)))

    async def runs_since(self, standings: Collection[Standing]) -> Sequence[ObservedRun]:
        """List these runs, and all that came after them. Raises: `RemoteFailure`."""
        return (await self._list_since(since_oldest(standings, self._lag_ms), len(standings))).runs

    async def dead_letters(self, standings: Sequence[Standing]) -> DeadLetters:
        """Find the dead letters of these runs in the dead-letter queue."""
        return await find_dead_letters(self, standings, since_oldest(standings, self._lag_ms))

    def covers(self, baseline: Baseline, listing: RunListing, sends: Sending) -> bool:
        """Whether a listing reaches back as far as it must before these changes are sent."""
        needed = self._reach(baseline, sends)
        if listing.reach_ms is not None and (needed is None or needed < listing.reach_ms):
            return False
        if self._joined is None:
            return True
        watermark_ms, start_ms = self._joined
        needed = self._reach(baseline, sends, watermark_ms)
        return needed is not None and needed >= start_ms

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
        """Ask for one page, for what the headers of the answer say."""
        asked_at = self.time.now()
        pages = self.gateway.list_runs(label=self.workspace.project.label, since_ms=self.workspace.clock.now_ms())
        async for page in pages:
            self.time.learn(page.server_time_ms, asked_at=asked_at, answered_at=self.time.now())
            break

    async def _list(self, baseline: Baseline, sends: Sending, standings: Collection[Standing]) -> ListedRuns:
        """Make one listing for all purposes, back to what may be unknown, and to the oldest run in question."""
        workspace = self.workspace
        start = self._reach(baseline, sends)
        oldest = since_oldest(standings, self._lag_ms)
        declared = sum(group.tally.count for group in baseline.manifests.runs.groups.values())
        since_ms = start if start is None or oldest is None else min(start, oldest)
        self._joined = None
        listed = await self._list_after(baseline, sends, since_ms, oldest, declared)
        if listed is None:
            listed = await self._list_since(since_ms, declared, self._long)
        listed.reach_ms = start
        retention_ms = round(1000 * workspace.project.server.log_retention_s)
        if start is not None and start < self.time.latest_ms() - retention_ms:
            workspace.listener(
                Notice(
                    "this state was last brought up to date longer ago than the server's logs reach back "
                    "(server.logRetention): runs that another runner triggered in between cannot be known"
                )
            )
        return listed

    async def _list_after(
        self, baseline: Baseline, sends: Sending, since_ms: int | None, oldest_ms: int | None, expected: int
    ) -> ListedRuns | None:
        """Continue a listing that an earlier command began, and list what came after it. None: there is none.

        The earlier listing counts as if it had ended then and moved the watermark. The second one reaches back to
        there, or further, by the rules for watermarks.
        """
        earlier = None if self._long is None else await self._long.continued(since_ms, expected, self._probe)
        if earlier is None:
            return None
        watermark_ms = earlier.began_ms - self._lag_ms
        start_ms = self._reach(baseline, sends, watermark_ms)
        if start_ms is None:
            return None
        start_ms = start_ms if oldest_ms is None else min(start_ms, oldest_ms)
        listed = await self._list_since(start_ms, expected)
        newer = {(run.workflow_run_id, run.created_at_ms) for run in listed.runs}
        listed.runs += [run for run in earlier.runs if (run.workflow_run_id, run.created_at_ms) not in newer]
        self._joined = watermark_ms, start_ms
        return listed

    def _reach(self, baseline: Baseline, sends: Sending, watermark_ms: int | None = None) -> int | None:
        """Where a listing must begin (server time, Unix ms; None: at the beginning).

        The watermark covers what showed when it was set. A delayed run may show only once it starts, under the time at
        which it was accepted. So for runs about to be triggered, the listing begins earlier by their delay.
        watermark_ms: in place of the state's.
        """
        watermark = baseline.head.watermark_ms if watermark_ms is None else watermark_ms
        if watermark is None:
            return None
        now_ms, lag_ms = self.time.latest_ms(), self._lag_ms
        start = watermark
        attempts = baseline.open_attempts
        if attempts:
            first = earliest(attempt.since_ms for attempt in attempts)
            if first is None:
                return None
            start = min(start, first)
        for change in sends:
            if change.desired is None:
                continue
            not_before_ms = 1000 * (change.desired.not_before_s or 0)
            if watermark - lag_ms < not_before_ms < now_ms + lag_ms:
                return None
            start = min(start, watermark - 1000 * (change.desired.delay_s or 0))
        return start

    async def _list_since(self, since_ms: int | None, expected: int, long: LongListings | None = None) -> ListedRuns:
        workspace = self.workspace
        listed = await list_all(
            self.gateway,
            workspace.clock,
            workspace.listener,
            label=workspace.project.label,
            since_ms=since_ms,
            expected=expected,
            keep=(lambda _cursor, _page: None) if long is None else long.keeper(since_ms),
            stopped=self.stopped,
        )
        self.time.learn(listed.date_ms, asked_at=listed.asked_at, answered_at=listed.answered_at)
        # The clock of an embedded server is fast, or was moved, on purpose.
        if self.gateway.facts.server_id is None and (notice := self.time.complaint()) is not None:
            workspace.listener(notice)
        return listed

    def _listing(self, listed: ListedRuns, verdicts: dict[Address, Verdict]) -> RunListing:
        reach_ms, began_ms = listed.reach_ms, self._began_ms(listed)
        return RunListing(
            # What lies further back is known to the state already, or is too old to matter.
            runs=tuple(run for run in listed.runs if reach_ms is None or run.created_at_ms >= reach_ms),
            verdicts=verdicts,
            began_ms=began_ms,
            watermark_ms=None if began_ms is None else max(began_ms - self._lag_ms, 0),
            now_ms=self.time.earliest_ms() if self.time.is_known else None,
            snapshot=self._snapshot(listed),
            reach_ms=reach_ms,
        )

    def _snapshot(self, listed: ListedRuns) -> Snapshot:
        return Snapshot(
            runs=RunIndex(listed.runs),
            since_ms=listed.since_ms,
            began_ms=self._began_ms(listed),
            now_ms=self.workspace.clock.now_ms(),
            log_lag_ms=self._lag_ms,
            log_retention_ms=round(1000 * self.workspace.project.server.log_retention_s),
        )

    def _began_ms(self, listed: ListedRuns) -> int | None:
        """When a listing began, in server time; None where the server tells no time."""
        return self.time.earliest_ms(listed.asked_at) if self.time.is_known else None

    def _close_intents(self, baseline: Baseline, lock: Lock) -> None:
        """Fix the last moment of each open attempt that has none: nobody who held the lock before this process can have
        sent a byte since. It is written in server time, and never moves later."""
        time = self.time
        edits = []
        for attempt in baseline.open_attempts:
            if attempt.status is AttemptStatus.INTENT or attempt.ended_at_ms is None:
                closed = attempt._replace(
                    status=AttemptStatus.UNKNOWN,
                    ended_at_ms=time.latest_ms(lock.taken_at) if time.is_known else None,
                    error=attempt.error or "the process that sent it ended before its answer was recorded",
                )
                if closed != attempt:
                    baseline.attempts[attempt.address] = closed
                    edits.append(PutAttempt(closed._replace(address=baseline.renames.recorded_as(attempt.address))))
        if edits:
            baseline.store.commit(edits)
            baseline.head = baseline.store.head()

    def _ended(self, baseline: Baseline) -> dict[Address, int]:
        """When the last byte of each open attempt can have left, in server time. No later than the lock allows, even if
        the server's clock was put back since."""
        assert self.lock is not None
        locked_ms = self.time.earliest_ms(self.lock.taken_at)
        return {
            attempt.address: locked_ms if attempt.ended_at_ms is None else min(attempt.ended_at_ms, locked_ms)
            for attempt in baseline.open_attempts
        }

    def _examine(self, baseline: Baseline, listed: ListedRuns) -> Findings:
        return examine(
            baseline.open_attempts,
            listed.runs,
            names=baseline.names_of,
            listed_at_ms=self.time.earliest_ms(listed.asked_at),
            ended_at_ms=self._ended(baseline),
            log_lag_ms=self._lag_ms,
        )

    def _verdicts(self, baseline: Baseline, findings: Findings) -> dict[Address, Verdict]:
        oldest_ms = self.time.latest_ms() - round(1000 * self.workspace.project.server.log_retention_s)
        verdicts: dict[Address, Verdict] = {}
        for attempt in baseline.open_attempts:
            address = attempt.address
            run = findings.found.get(address)
            absence = findings.absent.get(address)
            if run is not None:
                verdicts[address] = Verdict(AttemptFinding.FOUND, run)
            elif attempt.resend:
                verdicts[address] = Verdict(AttemptFinding.ABSENT)
            elif absence is None:
                verdicts[address] = NOT_LOOKED_UP
            elif (attempt.intent_at_ms if attempt.since_ms is None else attempt.since_ms) < oldest_ms:
                verdicts[address] = Verdict(AttemptFinding.TOO_OLD)
            elif absence is Absence.RESERVED_IF_ACCEPTED:
                verdicts[address] = Verdict(
                    AttemptFinding.ABSENT_OR_DELAYED, send_before_ms=findings.send_before_ms.get(address)
                )
            else:
                verdicts[address] = Verdict(AttemptFinding.ABSENT)
        return verdicts
