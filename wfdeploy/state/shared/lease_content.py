"""What the lease of a shared state says."""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from wfdeploy.files.access import ci_job, user_name

_MOST_BYTES: Final = 16 * 1024

_LONGEST_NAME: Final = 200
"""Characters of a name from the environment. A longer one would make a lease that nobody can read, and a fence that
looks like an entry with edits, which pruning deletes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lease, for people."""

    host: str
    user: str
    pid: int
    command: str
    job: str = ""
    """The CI job, where there is one."""

    @classmethod
    def of_this_process(cls, command: str, environ: Mapping[str, str]) -> Holder:
        return cls(
            host=socket.gethostname()[:_LONGEST_NAME],
            user=user_name()[:_LONGEST_NAME],
            pid=os.getpid(),
            command=command[:_LONGEST_NAME],
            job=(ci_job(environ) or "")[:_LONGEST_NAME],
        )

    def __str__(self) -> str:
        job = f", {self.job}" if self.job else ""
        return f"{self.user} on {self.host} (process {self.pid}, {self.command}{job})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """How the log stood when the lease was given back."""

    serial: int
    digest: str
    incarnation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlocked:
    """Who took the lease away from its holder, for people."""

    by: Holder

    at_ms: int
    """When (that one's clock, Unix ms)."""

    def __str__(self) -> str:
        return f"{self.by} at {utc(self.at_ms)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseContent:
    """What the lease says."""

    counter: int
    """Grows with every write, so that a version is never met again."""

    nonce: str
    """Another one with every write."""

    tenure: str
    """Another one with each time that the lease is taken."""

    holder: Holder | None
    """The latest one, also after it was released."""

    life_s: float

    taken_at_ms: int | None
    """When the holder took it (its clock, Unix ms), for people. None where that can't be told."""

    suspect: str = ""
    """Why the state may not hold all that was triggered; empty when it surely does."""

    stray: bool = False
    """Whether a holder that doesn't know that it lost the lease may still send, until its life is over."""

    released: Released | None = None
    """None while it is held."""

    unlocked: Unlocked | None = None
    """Where it was not its holder who gave it back."""

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> LeaseContent | None:
        """None where it can't be read: such a lease counts as held."""
        try:
            if len(data) > _MOST_BYTES:
                return None
            values: dict[str, Any] = json.loads(data)
            holder, released, unlocked = values["holder"], values["released"], values.get("unlocked")
            content = cls(
                **values
                | {
                    "holder": None if holder is None else Holder(**holder),
                    "released": None if released is None else Released(**released),
                    "unlocked": None
                    if unlocked is None
                    else Unlocked(by=Holder(**unlocked["by"]), at_ms=int(unlocked["at_ms"])),
                }
            )
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        is_sound = (
            type(content.counter) is int
            and isinstance(content.life_s, int | float)
            and 0 < content.life_s <= 24 * 3600
            and isinstance(content.suspect, str)
            and isinstance(content.tenure, str)
            and isinstance(content.stray, bool)
            and isinstance(content.taken_at_ms, int | None)
            and (content.released is None or isinstance(content.released.serial, int))
        )
        return content if is_sound else None


# Why the state may not hold all that was triggered.
TAKEN_OVER = "the state was taken over from {holder}, which may have triggered runs that it doesn't hold"
UNLOCKED = "the lease was taken away by hand from {holder}, which may have triggered runs that the state doesn't hold"
LOST = "the lease of the state was lost, so another process may be triggering runs"
LEFT_OPEN = "the outcome of some requests was not known when the state was last used"
COPIED = "the state was made from a copy, which may be older than what was triggered since"
MOVED_BACK = "the log of the state, or where it is kept, isn't as it was left"


def renewed(content: LeaseContent) -> LeaseContent:
    """The same, as another version."""
    return replace(content, counter=content.counter + 1, nonce=secrets.token_hex(16))


def holder_of(content: LeaseContent | None) -> str:
    """Who holds it, or held it last, for people. None: it can't be read."""
    if content is None or content.holder is None:
        return "a holder that can't be told"
    return str(content.holder) if content.taken_at_ms is None else f"{content.holder} since {utc(content.taken_at_ms)}"


def utc(time_ms: int) -> str:
    """A time of the lease, for people."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time_ms / 1000))
