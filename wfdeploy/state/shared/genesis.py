"""The first entry of a shared log: how a state begins, empty or as the copy of another one."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wfdeploy.errors import StateUnusable
from wfdeploy.model.shared_log import Written
from wfdeploy.state.shared.entries import Entry, EntryKind
from wfdeploy.state.shared.following import TRY_S, write_draft
from wfdeploy.state.shared.replica import Facts, not_appended, read_entry, read_facts

if TYPE_CHECKING:
    from wfdeploy.log_ports import SharedLog
    from wfdeploy.model.state import Binding
    from wfdeploy.ports import StateReader


@dataclass(frozen=True, slots=True)
class GenesisWriter:
    """Begins states in a log, for who holds its lease."""

    log: SharedLog

    binding: Binding

    writer: str
    """Who begins it, for people."""

    wall: Callable[[], float] = time.time

    def begin_empty(self, redaction_key: bytes) -> None:
        """Begin an empty state. Raises: `StateUnusable` where there is one already, or not everything was deleted."""
        self._prepare()
        if is_begun(self.log):
            raise not_empty(self.log)
        self._append(EntryKind.GENESIS, Facts(secrets.token_hex(16), self.binding, redaction_key).to_json())

    def begin_from(self, store: StateReader, holds: Callable[[], float], more: Mapping[str, str]) -> None:
        """Begin a state with the content of another one: its draft, then entry 0, which says `more` too.

        holds: raises when the lease is no longer held.
        Raises: as `begin_empty`.
        """
        self.require_empty()
        head = store.head()
        draft = write_draft(self.log, store)
        holds()
        facts = Facts(head.lineage, self.binding, head.redaction_key).to_json()
        self._append(EntryKind.GENESIS, {**facts, "snapshot": draft, **more})

    def require_empty(self) -> None:
        """Require that a state can begin here, at most with the draft of one. Raises: `StateUnusable`."""
        self._prepare()
        if _has_entries(self.log) or any(each.number > 0 for each in self.log.backend.list_snapshots()):
            raise not_empty(self.log)

    def refuse(self, facts: Mapping[str, str]) -> None:
        """Write an entry 0 that no state begins with: one that is on its way here doesn't begin any more.

        Raises: `StateUnusable` where there is an entry 0, or whether it was written can't be found out.
        """
        self.log.backend.prepare()
        self._append(EntryKind.ABORTED, dict(facts))

    def _prepare(self) -> None:
        self.log.backend.prepare()
        self.log.backend.check()

    def _append(self, kind: EntryKind, facts: dict[str, Any]) -> None:
        entry = Entry(
            serial=0,
            before="",
            kind=kind,
            writer=f"{self.writer} {secrets.token_hex(8)}",
            at_ms=round(1000 * self.wall()),
            facts=facts,
        )
        done = self.log.append(0, entry.to_bytes(), "", within_s=TRY_S)
        if not isinstance(done, Written):
            raise not_appended(0, done, self.log.backend.name)


def is_begun(log: SharedLog) -> bool:
    """Whether there is a log, or a part of one."""
    return _has_entries(log) or bool(log.backend.list_snapshots())


def not_empty(log: SharedLog) -> StateUnusable:
    """The error where there is something already: a state, or what is left of one."""
    name = log.backend.name
    genesis = log.read_entry(0, within_s=TRY_S)
    if genesis is None and not _has_entries(log):
        return StateUnusable(
            f"an unfinished copy of a state is at {name}",
            hint="finish what made it, `wfdeploy state migrate` or `wfdeploy state import`: run that again",
        )
    entry = None if genesis is None else read_entry(0, genesis.content)
    if entry is None or entry.facts is None or entry.kind is not EntryKind.GENESIS:
        return StateUnusable(
            f"{name} holds a part of a state, or the mark of a move that was aborted", hint="choose another prefix"
        )
    return StateUnusable(
        f"there is a state at {name} already, of {read_facts(entry.facts).binding}",
        hint="use it, or choose another prefix",
    )


def _has_entries(log: SharedLog) -> bool:
    return any(True for _ in log.list_entries(0, within_s=TRY_S))
