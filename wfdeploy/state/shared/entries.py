"""Entries of a shared log: each is one commit of the state."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

SEMANTICS: Final = 2
"""The version of what edits mean. A reader refuses a newer one: it would make other rows of the same entry. An entry
says the oldest that knows all of its edits, so that older readers follow as long as they can."""

_FORMAT: Final = b"wfdeploy-log-1\n"
_MOST_BYTES: Final = 512 * 1024 * 1024
"""Of an entry, uncompressed. The largest that is written is far below, so more is damage or an attack."""


class EntryKind(Enum):
    """What an entry is for."""

    GENESIS = "genesis"  # entry 0: what the log belongs to
    COMMIT = "commit"
    FENCE = "fence"  # a holder's first: what an earlier holder appends late meets it
    MOVING = "moving"  # the state is being moved: nothing but fences follows, and one of the next two
    REOPENED = "reopened"  # it was not moved after all
    CLOSED = "closed"  # the last one: the state has moved
    ABORTED = "aborted"  # entry 0 where a state was to be moved to, and will not be


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a log."""

    serial: int

    before: str
    """Digest of the entry before; empty of entry 0."""

    kind: EntryKind

    writer: str
    """Which holder of the lease wrote it."""

    at_ms: int
    """When (the writer's clock, Unix ms). Edits that need a time take this one, so every replica gets the same rows."""

    semantics: int = 1
    """The version of what edits mean that is needed to read it."""

    precedes_request: bool = False
    """Whether a request to the server follows that relies on it."""

    rows: str = ""
    """Digest of the records that it leaves."""

    edits: Sequence[Sequence[Any]] = ()
    """As `edits_codec.encode` makes them."""

    facts: dict[str, Any] | None = None
    """Of entry 0: what the state belongs to. Of one about a move: where to."""

    def to_bytes(self) -> bytes:
        """The entry as it is stored."""
        content = {
            "semantics": self.semantics,
            "serial": self.serial,
            "before": self.before,
            "kind": self.kind.value,
            "writer": self.writer,
            "at": self.at_ms,
            "request": self.precedes_request,
            "rows": self.rows,
            "edits": self.edits,
            **({} if self.facts is None else {"facts": self.facts}),
        }
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return _FORMAT + zlib.compress(text.encode(), 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> Entry:
        """Read a stored entry. Raises: `NewerSemantics`; `ValueError` for anything that isn't an entry."""
        if not data.startswith(_FORMAT):
            raise ValueError("it is not an entry of a wfdeploy log")
        inflate = zlib.decompressobj()
        try:
            text = inflate.decompress(data[len(_FORMAT) :], _MOST_BYTES)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if not inflate.eof or inflate.unused_data:
            raise ValueError("it is cut off, or too long")
        try:
            content = json.loads(text)
            if content["semantics"] > SEMANTICS:
                raise NewerSemantics(content["semantics"])
            entry = cls(
                serial=content["serial"],
                before=content["before"],
                kind=EntryKind(content["kind"]),
                writer=content["writer"],
                at_ms=content["at"],
                semantics=content["semantics"],
                precedes_request=content["request"],
                rows=content["rows"],
                edits=content["edits"],
                facts=content.get("facts"),
            )
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"it is not an entry: {error!r}") from error
        if not _has_types(entry):
            raise ValueError("a value in it has another type")
        return entry


class NewerSemantics(ValueError):
    """An entry of a newer program."""


def _has_types(entry: Entry) -> bool:
    """Whether the values that everything relies on are of their types; what is in edits is checked where it is used."""
    return (
        type(entry.serial) is int
        and type(entry.at_ms) is int
        and type(entry.precedes_request) is bool
        and all(type(text) is str for text in (entry.before, entry.writer, entry.rows))
        and isinstance(entry.edits, list)
        and (entry.facts is None or isinstance(entry.facts, dict))
    )
