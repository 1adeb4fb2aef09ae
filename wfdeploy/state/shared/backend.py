"""A state that many machines share, as a `StateBackend`: its log, this machine's replica, and the lease."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from wfdeploy.errors import StateError, StateLocked, StateMoved, StateUnusable
from wfdeploy.files.databases import make_private
from wfdeploy.model.state import LockStatus, StateVersion, StorageFacts
from wfdeploy.state import VERSION, locking
from wfdeploy.state.shared.following import SNAPSHOT_AFTER, TRY_S, follow, prune, write_snapshot
from wfdeploy.state.shared.genesis import GenesisWriter, is_begun
from wfdeploy.state.shared.lease import LIFE_S, Clocks, Lease, LeasePermit, take
from wfdeploy.state.shared.lease_content import COPIED, LEFT_OPEN, MOVED_BACK, Holder, Released
from wfdeploy.state.shared.replica import Replica
from wfdeploy.state.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from wfdeploy.log_ports import SharedLog
    from wfdeploy.model.state import Binding
    from wfdeploy.ports import ListingFile, Permit, RecordReader, StateReader, StateStore

_NUL = "\0"
_ASKED_FOR_S = 1.0
"""So long a question is answered with the lease held, in seconds: without a terminal nobody is asked."""

_FENCED_AGAIN = 8
"""How often a fence is tried that somebody's late entry came before."""

_FRESH_S = 2.0
"""So long after it followed the log, a command that only reads doesn't look at it again, in seconds."""

_FOLLOWING_S = 30.0
"""How long a command that only reads waits for another one of this machine that follows the log."""


class SharedBackend:
    """A `StateBackend` on a shared log; its methods are documented there.

    One command uses it, from one thread.
    """

    def __init__(
        self,
        open_log: Callable[[], SharedLog],
        *,
        name: str,
        folder: Path,
        binding: Binding,
        command: str,
        environ: Mapping[str, str],
        clocks: Clocks,
        copied_with_state: tuple[Path, ...] = (),
        may_take_over: bool = True,
        before_begin: Callable[[], None] = lambda: None,
        life_s: float = LIFE_S,
        now_ms: Callable[[], int] | None = None,
    ) -> None:
        """`open_log`: called when the log is first needed. `name`: its URL without secrets. `folder`: of the replicas
        of this machine. `before_begin`: raises where no state may begin here."""
        self.binding = binding
        self.new_key = os.urandom(32)
        self.path = folder / f"{sha256(_NUL.join((name, *binding)).encode()).hexdigest()[:32]}.{VERSION}.db"
        self._open_log = open_log
        self._opened: SharedLog | None = None
        self.name = name
        self.is_moving = False
        """Whether this command moves the state: it alone may open it meanwhile."""
        self._command = command
        self._environ = environ
        self._copied_with_state = copied_with_state
        self._clocks = clocks
        self._may_take_over = may_take_over
        self._before_begin = before_begin
        self._life_s = life_s
        self._now_ms = now_ms
        self._exists = False
        self._lease: Lease | None = None
        self._released: Released | None = None
        self._writes: Replica | None = None  # the replica that the lease's fence was appended by
        self._followed: float | None = None
        self._version: StateVersion | None = None  # that was last opened to be read
        self._lock_timeout_s = 0.0
        self._on_wait: Callable[[str], None] = lambda _: None

    @property
    def log(self) -> SharedLog:
        """The log, opened when it is first needed. Raises: `StateUnusable`."""
        if self._opened is None:
            self._opened = self._open_log()
        return self._opened

    def close(self) -> None:
        """Close the connections to the log. Without it, they stay open as long as the process."""
        if self._opened is not None:
            self._opened.backend.close()
            self._opened = None

    # --- as a StateBackend -----------------------------------------------------------------------------------

    def exists(self) -> bool:
        if not self._exists:
            self._exists = self.path.exists() or self.log.read_entry(0, within_s=TRY_S) is not None
        return self._exists

    def prepare(self) -> None:
        self.log.backend.prepare()

    @property
    def versions(self) -> Sequence[StateVersion]:
        return () if self._version is None else (self._version,)

    def open(self, *, readonly: bool) -> StateStore:
        replica = self._in_place(self._open(readonly=readonly))
        head, now_ms = replica.head(), round(1000 * self._clocks.wall())
        version = StateVersion(self.binding.shard, head.serial, head.written_at_ms, now_ms)
        self._version = version if self._lease is None else None
        return replica

    def _open(self, *, readonly: bool) -> Replica:
        if self._lease is None:
            if not readonly:
                raise StateUnusable(f"the state at {self.name} is written only by who holds its lease")
            self._follow_for_reading()
            return self._replica(readonly=True)
        if self._writes is None:
            return self._begin_tenure(self._lease)
        if readonly:
            return self._replica(readonly=True)
        replica = self._replica()
        replica.write_with(self._lease)
        self._writes = replica
        return replica

    def create(self) -> StateStore:
        """Begin a state at its URL. The lease is held already, so that nobody else begins another one."""
        self.begin()
        return self.open(readonly=False)

    def begin(self) -> None:
        """Begin an empty state. Raises: `StateUnusable` where there is one already, or not everything was deleted."""
        self._before_begin()
        self.genesis.begin_empty(self.new_key)
        self._exists = True

    def begin_from(self, store: StateReader, **more: str) -> None:
        """Begin a state with the content of another one; entry 0 says `more`. Raises: as `begin`."""
        self._before_begin()
        self.genesis.begin_from(store, self.held.remaining_s, more)
        self._exists = True

    @property
    def genesis(self) -> GenesisWriter:
        """What begins a state here."""
        return GenesisWriter(self.log, self.binding, str(self.as_holder), self._clocks.wall)

    def empty(self) -> StateStore:
        return SqliteStore.in_memory(self.binding, redaction_key=self.new_key)

    @contextmanager
    def lock(self, timeout_s: float, on_wait: Callable[[str], None]) -> Iterator[None]:
        with ExitStack() as stack:
            self._make_folder()
            stack.enter_context(locking.lock(self.path, command=self._command, timeout_s=timeout_s, on_wait=on_wait))
            self._lock_timeout_s, self._on_wait = timeout_s, on_wait
            self._take()
            try:
                yield
            finally:
                if self._lease is not None:
                    try:
                        self._end_tenure(self._lease)
                    finally:
                        self._lease.stop()  # an interrupt too must not leave it renewed for ever
                self._lease = self._released = self._writes = None

    def ask(self, confirm: Callable[[], bool]) -> bool:
        """Ask with the lease held for a moment, since often nobody is asked; then without it."""
        lease, writes = self._lease, self._writes
        assert lease is not None
        if writes is None:  # there is no state yet, so nobody else waits for it
            return confirm()
        end = writes.end
        timer = threading.Timer(_ASKED_FOR_S, self._end_tenure, (lease,))
        timer.start()
        try:
            answer = confirm()
        finally:
            timer.cancel()
            timer.join()
        if not lease.is_released:
            return answer
        self._lease = None
        if answer:
            self._take()
            self._take_up(writes, end, lease.suspect)
        return answer

    def _take(self) -> None:
        self._lease, self._released = take(
            self.log,
            self.as_holder,
            self._clocks,
            timeout_s=self._lock_timeout_s,
            on_wait=self._on_wait,
            is_begun=lambda: is_begun(self.log),
            may_take_over=self._may_take_over,
            life_s=self._life_s,
        )
        self._keep(self._lease)

    def _keep(self, lease: Lease) -> None:
        lease.start()

    def _take_up(self, replica: Replica, end: tuple[int, str], suspect: str) -> None:
        """Go on in another tenure, if nobody had one in between: each begins with a fence.

        end: of the log, as it was. suspect: why the state was suspect then.
        Raises: `StateMoved`.
        """
        lease = self.held
        moved = StateMoved("another command has changed the state meanwhile")
        is_same = lease.suspect == suspect and self._is_as_released(end)
        if not is_same or any(True for _ in self.log.list_entries(end[0] + 1, within_s=TRY_S)):
            raise moved
        replica.write_with(lease)
        try:
            replica.fence()
        except StateUnusable as error:
            raise moved from error

    def lock_status(self) -> LockStatus:
        from wfdeploy.state.shared.holding import look

        return look(self.log).status

    def try_out(self) -> StorageFacts:
        backend = self.log.backend
        backend.check()
        return StorageFacts(time_ms=backend.now_ms(), warnings=tuple(backend.warnings()))

    @property
    def is_shared(self) -> bool:
        return True

    @property
    def stray_s(self) -> float:
        return self.held.stray_s

    @property
    def permit(self) -> Permit:
        return LeasePermit(lambda: self.held)

    @property
    def held(self) -> Lease:
        """The lease. Raises: `StateUnusable` when it isn't held."""
        if self._lease is None:
            raise StateUnusable(f"the lease of the state at {self.name} is not held, so nothing is sent")
        return self._lease

    def is_latest(self, store: RecordReader) -> bool:  # noqa: ARG002 - there is one state
        return self._lease is not None and not self._lease.suspect

    def mark_latest(self, store: RecordReader) -> None:  # noqa: ARG002
        assert self._lease is not None
        self._lease.trust()

    def clear_mark(self, store: RecordReader) -> None:  # noqa: ARG002 - whoever takes the lease over distrusts it
        assert self._lease is not None
        self._lease.remaining_s()

    def export(self, store: StateReader) -> Iterator[str]:
        from wfdeploy.state.export import export_lines

        return export_lines(store)

    def import_(self, lines: Iterable[str]) -> StateStore:
        from wfdeploy.state.export import import_lines

        self.genesis.require_empty()
        with (
            tempfile.TemporaryDirectory(dir=self.path.parent) as folder,
            closing(import_lines(lines, Path(folder, "import.db"), self.binding)) as store,
        ):
            self.begin_from(store)
        self.held.distrust(COPIED)  # it may be older than what was triggered since
        return self.open(readonly=False)

    def listing_file(self, name: str) -> ListingFile:
        from wfdeploy.state.user_files import SavedListingFile, trusted_folder

        return SavedListingFile(trusted_folder(self._environ, self._copied_with_state), name)

    # --- a tenure --------------------------------------------------------------------------------------------

    def _begin_tenure(self, lease: Lease) -> Replica:
        """Follow the log to its end, fence it, and open the replica for writing."""
        log = self.log
        for _ in range(_FENCED_AGAIN):
            follow(log, self.path, self.binding)
            replica = self._replica()
            self._in_place(replica)
            try:
                if self._released is not None and not self._is_as_released(replica.end):
                    lease.distrust(MOVED_BACK)
                replica.write_with(lease)
                replica.fence()
            except StateError:
                replica.close()
                with closing(self._replica(readonly=True)) as left:
                    serial, _ = left.end
                if not any(True for _ in log.list_entries(serial + 1, within_s=TRY_S)):
                    raise
                # What an earlier holder appended late came before the fence. It counts, and the state is suspect.
                lease.distrust(MOVED_BACK)
                continue
            self._writes = replica
            return replica
        raise StateLocked(f"others go on writing to the log of the state at {self.name}", hint="run it again later")

    def _is_as_released(self, end: tuple[int, str]) -> bool:
        """Whether the log, which has this end, is as its last holder left it."""
        left = self._released
        here = (*end, self.log.backend.incarnation())
        return left is not None and (left.serial, left.digest, left.incarnation) == here

    def _end_tenure(self, lease: Lease) -> None:
        """Release the lease. Nothing that fails here loses anything: others wait until it is over."""
        try:
            if self._writes is None:  # nothing was written
                released = self._released
                if released is None:
                    end, incarnation = (-1, ""), ""
                else:
                    end, incarnation = (released.serial, released.digest), released.incarnation
            else:
                incarnation = self.log.backend.incarnation()
                with closing(self._replica(readonly=True)) as replica:
                    end = replica.end
                    if any(attempt.is_open for attempt in replica.attempts()):
                        lease.distrust(LEFT_OPEN)
                    self._leave_snapshot(lease, replica)
        except StateError:
            lease.distrust(LEFT_OPEN)
            end, incarnation = (-1, ""), ""
        lease.release(end, incarnation)

    def _leave_snapshot(self, lease: Lease, replica: Replica) -> None:
        """Leave a snapshot where many entries follow the newest one, and delete what nobody needs any more."""
        serial, _ = replica.end
        newest = max((each.number for each in self.log.backend.list_snapshots()), default=0)
        if serial - newest < SNAPSHOT_AFTER or replica.head().moving:  # which no snapshot holds
            return
        lease.remaining_s()
        if write_snapshot(self.log, replica) is not None:
            prune(self.log)

    # --- pieces ----------------------------------------------------------------------------------------------

    def _in_place(self, replica: Replica) -> Replica:
        """Refuse a state that is being moved, or has moved. Raises: `StateUnusable`."""
        head = replica.head()
        if head.moving and not self.is_moving:
            from wfdeploy.state.moved import parsed, refusal

            replica.close()
            raise refusal(parsed(head.moving), self.name)
        return replica

    def _replica(self, *, readonly: bool = False) -> Replica:
        replica = Replica.open_existing(self.path, self.binding, readonly=readonly, now_ms=self._now_ms)
        assert isinstance(replica, Replica)
        return replica

    def _follow_for_reading(self) -> None:
        """Follow the log, unless this command has just done so."""
        now = self._clocks.steady()
        if self._followed is not None and now - self._followed < _FRESH_S:
            return
        self._make_folder()
        try:
            # Another command of this machine may be appending: then its replica is as new as any.
            timeout_s = 0.0 if self.path.exists() else _FOLLOWING_S
            with locking.lock(self.path, command=self._command, timeout_s=timeout_s):
                follow(self.log, self.path, self.binding)
            self._followed = now
        except StateLocked:
            if not self.path.exists():
                raise

    def _make_folder(self) -> None:
        try:
            make_private(self.path.parent)
        except OSError as error:
            raise StateUnusable(
                f"cannot make the directory {self.path.parent}: {error.strerror}",
                hint="make it writable, or set XDG_STATE_HOME to another one",
            ) from error

    @property
    def as_holder(self) -> Holder:
        """This process, as it stands in the lease."""
        return Holder.of_this_process(self._command, self._environ)
