"""What a shared log answers: the log of a state's commits, in a bucket or database that many machines can reach."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class WriteOutcome(Enum):
    """How one try to write ended, as far as its answer tells."""

    WRITTEN = "written"
    """It is there, and durable."""

    REFUSED = "refused"
    """Something else is there: the object exists already, or has another version. This try wrote nothing."""

    DETACHED = "detached"
    """The entry before isn't there with the digest that was named. This try wrote nothing."""

    UNDECIDED = "undecided"
    """The answer was lost or says nothing: it may be there, or may still land seconds from now."""


@dataclass(frozen=True, slots=True)
class WriteAnswer:
    """The answer to one try to write."""

    outcome: WriteOutcome
    version: str = ""
    """Of what was written."""

    reason: str = ""
    """Why it is undecided, for people."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry, or a snapshot, in a listing."""

    number: int
    size: int
    """In bytes."""

    version: str
    """Equal versions of one number mean equal content; different ones, and empty ones, prove nothing."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The content of an entry or of the lease, with its version."""

    content: bytes
    version: str
    """What a compare-and-swap names. Opaque."""

    written_at_ms: int | None = None
    """When it was last written, by the clock of the backend. None where that can't be told."""


@dataclass(frozen=True, slots=True)
class Written:
    """Exactly the bytes that were offered are there."""

    version: str


@dataclass(frozen=True, slots=True)
class NumberTaken:
    """Somebody else's bytes are there. Our entry will never be; our lease, if it ever was, has been replaced."""

    found: Stored | None
    """None: the lease is gone."""


@dataclass(frozen=True, slots=True)
class Detached:
    """The log doesn't go up to the entry before: it was cut, restored, swapped or pruned. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """Whether our bytes are there, or will be, could not be found out in time. Nothing else may be offered."""

    reason: str


Appended: TypeAlias = Written | NumberTaken | Detached | Undecided
Swapped: TypeAlias = Written | NumberTaken | Undecided


def digest_of(content: bytes) -> str:
    """The digest of an entry, which the next one names."""
    return hashlib.sha256(content).hexdigest()
