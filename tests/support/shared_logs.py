"""A shared log in memory, for tests of what stands above it."""

from __future__ import annotations

from pathlib import Path

from wfdeploy.errors import StateUnusable
from wfdeploy.model.state import Binding
from wfdeploy.state.shared.entries import Entry, EntryKind, digest
from wfdeploy.state.shared.replica import Facts, Replica


class MemoryLog:
    """Entries in a list, and the right to append to it."""

    def __init__(self, binding: Binding, *, lineage: str = "1e" * 16) -> None:
        facts = Facts(lineage=lineage, binding=binding, redaction_key=b"k" * 32).to_json()
        genesis = Entry(serial=0, before="", kind=EntryKind.GENESIS, writer="", at_ms=0, facts=facts)
        self.entries = [genesis.to_bytes()]

    @property
    def writer(self) -> str:
        return "writer"

    def append(self, serial: int, data: bytes, before: str) -> None:
        if serial != len(self.entries) or digest(self.entries[-1]) != before:
            raise StateUnusable("somebody else has this entry")
        self.entries.append(data)

    def replica(self, path: Path, **more: object) -> Replica:
        """A replica that holds all of the log."""
        if not path.exists():
            Replica.begin(path, self.entries[0])
        replica = Replica.open_existing(path, None, **more)  # type: ignore[arg-type]
        assert isinstance(replica, Replica)
        serial, _ = replica.end
        replica.replay(list(enumerate(self.entries))[serial + 1 :])
        return replica
