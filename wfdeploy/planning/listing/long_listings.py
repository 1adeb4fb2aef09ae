"""Keep long listings, so that the next command can continue an interrupted one (docs/guarantees.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from wfdeploy.errors import RemoteFailure
from wfdeploy.model.observed import ObservedRun
from wfdeploy.model.remote import RunPage
from wfdeploy.ports import RunGateway
from wfdeploy.sending.listing import is_ours, list_all
from wfdeploy.sending.server_time import ServerTime
from wfdeploy.workspace import Workspace

KEPT_FROM_PAGES = 100
"""Shorter listings are sooner begun anew than continued."""

_LONGEST_MS = 24 * 3600 * 1000
"""Older ones are begun anew."""


@dataclass(frozen=True, slots=True)
class EarlierListing:
    """The project's runs in a complete listing that an earlier command began."""

    runs: Sequence[ObservedRun]
    began_ms: int  # no later than it began (server time, Unix ms)


class _OtherPageError(Exception):
    """The server now has another page where a listing was left."""


class LongListings:
    """Keeps the pages of listings, for a process that holds the state's lock."""

    def __init__(
        self, workspace: Workspace, gateway: RunGateway, time: ServerTime, stopped: Callable[[], bool]
    ) -> None:
        target = workspace.target
        key = "\0".join(
            [
                *workspace.state_backend.binding,
                target.token or "",
                str(target.state_file.resolve()) if target.state_url is None else target.state_name,
            ]
        )
        self._file = workspace.state_backend.listing_file(
            hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:32]
        )
        self._workspace = workspace
        self._gateway = gateway
        self._time = time
        self._stopped = stopped

    def keeper(self, since_ms: int | None) -> Callable[[str, RunPage], None]:
        """Make the function that gets the pages of a new listing, just before its first page is requested."""
        asked_at = self._time.now()
        began_ms: int | None = None
        first: list[tuple[str, RunPage]] | None = []

        def keep(cursor: str, page: RunPage) -> None:
            nonlocal began_ms, first
            if first is None:
                if began_ms is not None:
                    self._file.add(cursor, page.runs)
                return
            if not first:
                self._time.learn(page.server_time_ms, asked_at=asked_at, answered_at=self._time.now())
                if page.server_time_ms is None or self._gateway.facts.server_id is not None:
                    first = None  # it isn't known when it began; or it is the embedded server, which is quick
                    return
                began_ms = self._time.earliest_ms(asked_at)
            first.append((cursor, page))
            if len(first) >= KEPT_FROM_PAGES and began_ms is not None:
                self._file.begin(since_ms, began_ms)
                for each, its in first:
                    self._file.add(each, its.runs)
                first = None

        return keep

    async def continued(
        self, since_ms: int | None, expected: int, probe: Callable[[], Awaitable[None]]
    ) -> EarlierListing | None:
        """Continue an interrupted listing to its end. None where there is none to continue.

        probe: asks for the server's time.
        Raises: `RemoteFailure`, `Interrupted`; what was read is kept.
        """
        saved = self._file.load()
        if saved is None or saved.since_ms != since_ms:
            return None
        if not self._time.is_known:
            await probe()
        if not self._time.is_known:
            return None
        if not self._time.latest_ms() - _LONGEST_MS <= saved.began_ms <= self._time.latest_ms():
            return None
        label = self._workspace.project.label
        has_begun = False

        def keep(cursor: str, page: RunPage) -> None:
            nonlocal has_begun
            if has_begun:
                self._file.add(cursor, page.runs)
            elif not saved.last_ids <= {run.workflow_run_id for run in page.runs}:
                # A cursor that is no longer known may be answered with an empty page, which would look like the end.
                raise _OtherPageError
            has_begun = True

        try:
            rest = await list_all(
                self._gateway,
                self._workspace.clock,
                self._workspace.listener,
                label=label,
                since_ms=since_ms,
                expected=expected,
                cursor=saved.cursor,
                keep=keep,
                stopped=self._stopped,
            )
        except _OtherPageError:
            return None
        except RemoteFailure:
            if has_begun:
                raise
            return None  # the cursor is refused; or the server can't be reached, as the next request will show
        return EarlierListing([*(run for run in saved.runs if is_ours(run, label)), *rest.runs], saved.began_ms)
