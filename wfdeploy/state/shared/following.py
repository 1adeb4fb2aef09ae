"""Bring a replica to the end of its log, or build it anew: from a snapshot and the entries after it."""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from wfdeploy.errors import StateUnusable
from wfdeploy.files.databases import remove_database
from wfdeploy.model.shared_log import digest_of
from wfdeploy.state.database import connect, translated
from wfdeploy.state.export import export_lines, import_lines
from wfdeploy.state.shared.entries import EntryKind
from wfdeploy.state.shared.replica import Replica, read_entry, read_facts

if TYPE_CHECKING:
    from wfdeploy.log_ports import SharedLog
    from wfdeploy.model.state import Binding
    from wfdeploy.ports import StateReader

TRY_S: Final = 30.0
"""How long one read goes on trying, in seconds."""

_AT_ONCE: Final = 16
"""Entries read at once."""

SNAPSHOT_AFTER: Final = 64
"""Entries after which a holder leaves a new snapshot: more than so many never follow the newest one for long."""

_BUILT_AGAIN: Final = 3
"""How often a replica is built anew, where pruning overtakes it meanwhile."""

_LARGEST_FENCE: Final = 4096
"""Bytes. A fence holds no edits; whether a small entry is one, it says itself."""

_DIGEST_LINE: Final = "entry "

_DRAFT_LINE: Final = "draft"


def follow(log: SharedLog, path: Path, binding: Binding | None) -> None:
    """Bring the replica at `path` to the end of the log; make it where there is none.

    Raises: `StateUnusable` where there is no state, it belongs elsewhere, or the log isn't the one that the replica
    followed; `StateUnreachable`.
    """
    found = _open_sound(path) if path.exists() else None
    if found is not None:
        with closing(found) as replica:
            serial, digest = replica.end
            listed = [each.number for each in log.list_entries(serial, within_s=TRY_S)]
            own = log.read_entry(serial, within_s=TRY_S) if serial in listed[:1] else None
            if own is not None and digest_of(own.content) == digest:
                try:
                    _replay(log, replica, listed[1:])
                except _MissingError as missing:
                    # A fence is never pruned: a replica that ends with one may be overtaken all the same.
                    if not missing.is_pruned(log):
                        raise
                else:
                    return
            elif own is not None or not _is_behind(log, serial, listed):
                raise StateUnusable(
                    f"the log of the state at {log.backend.name} isn't the one that this machine followed up to entry "
                    f"{serial}: " + ("that entry is another one" if own is not None else "it ends before it"),
                    hint="it was cut, restored from an older copy, or replaced: find out which before anything is "
                    f"sent; if it is right as it is, delete {path}",
                )
    for tries in range(_BUILT_AGAIN):
        remove_database(path)  # also what was left beside one that somebody deleted
        try:
            _build(log, path, binding)
        except _MissingError as missing:
            if tries == _BUILT_AGAIN - 1 or not missing.is_pruned(log):
                raise
        else:
            return


class _MissingError(StateUnusable):
    """An entry isn't there, and later ones are; or a snapshot is gone that was listed."""

    def __init__(self, what: str, log: SharedLog, number: int) -> None:
        super().__init__(
            f"{what} {number} of the log at {log.backend.name} is missing, and later ones are there",
            hint="restore the log from a copy: a rule of the bucket, or somebody, has deleted what was needed",
        )
        self.number = number

    def is_pruned(self, log: SharedLog) -> bool:
        """Whether a snapshot holds what it did."""
        return any(each.number >= self.number for each in log.backend.list_snapshots())


def _is_behind(log: SharedLog, serial: int, listed: Sequence[int]) -> bool:
    """Whether the log has gone on and lost the beginning that the replica would need."""
    return bool(listed) or any(each.number > serial for each in log.backend.list_snapshots())


def _open_sound(path: Path) -> Replica | None:
    """The replica; None where it is damaged. Nothing is lost with it."""
    try:
        replica = _open(path, None)
    except StateUnusable:
        return None
    try:
        replica.end  # noqa: B018 - reads it
    except StateUnusable:
        replica.close()
        return None
    return replica


def _open(path: Path, binding: Binding | None) -> Replica:
    replica = Replica.open_existing(path, binding)
    assert isinstance(replica, Replica)
    return replica


def _build(log: SharedLog, path: Path, binding: Binding | None) -> None:
    genesis = log.read_entry(0, within_s=TRY_S)
    if genesis is None:
        raise no_state(log)
    entry = read_entry(0, genesis.content)
    if entry.kind is EntryKind.ABORTED:
        raise StateUnusable(
            f"there is no state at {log.backend.name}: one was to be moved there, and that was aborted",
            hint="choose another prefix",
        )
    if entry.kind is not EntryKind.GENESIS or entry.facts is None:
        raise StateUnusable(f"what lies at {log.backend.name} is not a state", hint="check the URL")
    facts = read_facts(entry.facts)
    if binding is not None and facts.binding != binding:
        raise StateUnusable(
            f"the state at {log.backend.name} belongs to {facts.binding}, not to {binding}",
            hint="choose the environment it was made for, or another URL",
        )
    newest = max((each.number for each in log.backend.list_snapshots()), default=0)
    draft = str(entry.facts.get("snapshot", ""))
    if newest or draft:
        _restore(log, newest, path, facts.binding, genesis=None if newest else (digest_of(genesis.content), draft))
    else:
        Replica.begin(path, genesis.content)
    with closing(_open(path, binding)) as replica:
        serial, _ = replica.end
        _replay(log, replica, [each.number for each in log.list_entries(serial + 1, within_s=TRY_S)])
        if replica.head().written_at_ms is None and (last := log.read_entry(serial, within_s=TRY_S)) is not None:
            replica.note_last(read_entry(serial, last.content))


def no_state(log: SharedLog) -> StateUnusable:
    """The error where there is no state at a URL."""
    return StateUnusable(
        f"there is no state at {log.backend.name}",
        hint=f"check the URL; if it is to begin there: wfdeploy state init {log.backend.name}",
    )


def _replay(log: SharedLog, replica: Replica, numbers: Sequence[int]) -> None:
    """Replay entries, which were listed; what a listing left out is there all the same."""
    if not numbers:
        return
    first, last = replica.end[0] + 1, numbers[-1]
    with ThreadPoolExecutor(min(_AT_ONCE, last - first + 1), thread_name_prefix="entries") as pool:
        replica.replay(_read(log, pool, first, last))


def _read(log: SharedLog, pool: ThreadPoolExecutor, first: int, last: int) -> Iterator[tuple[int, bytes]]:
    for start in range(first, last + 1, _AT_ONCE):
        numbers = range(start, min(start + _AT_ONCE, last + 1))
        for number, stored in zip(numbers, pool.map(lambda n: log.read_entry(n, within_s=TRY_S), numbers), strict=True):
            if stored is None:
                raise _MissingError("entry", log, number)
            yield number, stored.content


# --- snapshots -----------------------------------------------------------------------------------------------


def write_snapshot(log: SharedLog, replica: Replica) -> int | None:
    """Leave a snapshot of the replica, and read it back. Returns its serial; None where another one stands there that
    can't be read."""
    serial, digest = replica.end
    with tempfile.TemporaryFile() as file:
        _compress(export_lines(replica), f"{_DIGEST_LINE}{digest}", file)
        log.create_snapshot(serial, file, within_s=TRY_S)
    with tempfile.TemporaryFile() as copy:
        if not log.read_snapshot(serial, copy, within_s=TRY_S):
            return None
        copy.seek(0)
        try:
            with gzip.open(copy, "rt", encoding="utf-8") as lines:
                same = next(lines, "") == f"{_DIGEST_LINE}{digest}\n" and sum(1 for _ in lines) > 0
        except (OSError, EOFError, UnicodeDecodeError, zlib.error):
            return None
    return serial if same else None


def write_draft(log: SharedLog, store: StateReader) -> str:
    """Leave snapshot 0, which a copied state begins with, and read it back. Entry 0 then names its digest, which this
    returns. What an earlier attempt left is replaced.

    For who holds the lease. Raises: `StateUnreachable`; `StateUnusable` where it can't be read back.
    """
    lines = sha256()
    with tempfile.TemporaryFile() as file:

        def hashed() -> Iterator[str]:
            for line in export_lines(store, serial=0):
                lines.update(f"{line}\n".encode())
                yield line

        _compress(hashed(), _DRAFT_LINE, file)
        for _ in range(2):
            log.create_snapshot(0, file, within_s=TRY_S)
            if _digest_of_draft(log) == lines.hexdigest():
                return lines.hexdigest()
            log.backend.delete_snapshot(0)
    raise StateUnusable(
        f"the copy of the state at {log.backend.name} is not what was written there", hint="run it again"
    )


def _digest_of_draft(log: SharedLog) -> str:
    """The digest of the lines of snapshot 0; empty where it can't be read."""
    lines = sha256()
    with tempfile.TemporaryFile() as copy:
        if not log.read_snapshot(0, copy, within_s=TRY_S):
            return ""
        copy.seek(0)
        try:
            with gzip.open(copy, "rb") as content:
                if content.readline() != f"{_DRAFT_LINE}\n".encode():
                    return ""
                while piece := content.read(1024 * 1024):
                    lines.update(piece)
        except (OSError, EOFError, zlib.error):
            return ""
    return lines.hexdigest()


def _compress(lines: Iterable[str], head: str, file: IO[bytes]) -> None:
    with (
        gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1, mtime=0) as packed,
        TextIOWrapper(packed, encoding="utf-8", newline="\n") as text,
    ):
        text.write(f"{head}\n")
        for line in lines:
            text.write(line + "\n")


def _restore(
    log: SharedLog, number: int, path: Path, binding: Binding, *, genesis: tuple[str, str] | None = None
) -> None:
    """Make a replica from a snapshot. Raises: `StateUnusable`.

    genesis: of snapshot 0, the digest of entry 0, and that of the snapshot which entry 0 names.
    """
    name = f"snapshot {number} at {log.backend.name}"
    if genesis is not None and _digest_of_draft(log) != genesis[1]:
        raise StateUnusable(
            f"{name} is missing, or isn't the one that the state began with", hint="restore the log from a copy"
        )
    with tempfile.TemporaryFile() as file:
        if not log.read_snapshot(number, file, within_s=TRY_S):
            raise _MissingError("snapshot", log, number)
        file.seek(0)
        try:
            with gzip.open(file, "rt", encoding="utf-8", newline="\n") as lines:
                head = next(lines, "").rstrip("\n")
                if not (head == _DRAFT_LINE if genesis else head.startswith(_DIGEST_LINE)):
                    raise StateUnusable(f"{name} is damaged: it has no digest")
                import_lines(lines, path, binding).close()
        except (OSError, EOFError, zlib.error) as error:
            raise StateUnusable(f"{name} is damaged: {error}") from error
    with closing(connect(path, readonly=False)) as connection, translated(str(path)):
        (serial,) = connection.execute("SELECT value FROM head WHERE key = 'serial'").fetchone()
        if serial != number:
            remove_database(path)
            raise StateUnusable(f"{name} holds the state of serial {serial}")
        connection.execute(
            "INSERT INTO head VALUES ('nonce', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            (genesis[0] if genesis else head.removeprefix(_DIGEST_LINE),),
        )


def prune(log: SharedLog) -> None:
    """Delete the entries behind the last snapshot but one, and older snapshots. Fences stay for ever: what a holder of
    long ago appends late must meet one."""
    snapshots = [each.number for each in log.backend.list_snapshots()]
    if len(snapshots) < 2:
        return
    keep_from = snapshots[-2]
    # Behind the one before, an earlier pruning has left fences alone.
    first = snapshots[-3] + 1 if len(snapshots) > 2 else 1
    for each in log.list_entries(first, within_s=TRY_S):
        if each.number > keep_from:
            break
        if each.size > _LARGEST_FENCE:
            log.backend.delete_entry(each.number)
            continue
        stored = log.read_entry(each.number, within_s=TRY_S)
        if stored is not None and read_entry(each.number, stored.content).kind is EntryKind.COMMIT:
            log.backend.delete_entry(each.number)
    for number in snapshots[:-2]:
        log.backend.delete_snapshot(number)
