"""What the server really did, read from its own ledger, and when; nothing of it comes from wfdeploy."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.proof.fleet.fleet import Picture
from tests.proof.fleet.wire import Sent, Wire
from wfdeploy.localserver.serve import LocalServer
from wfdeploy.localserver.services import Services


class Violation(AssertionError):
    """The server did what was promised not to happen."""


@dataclass(slots=True, eq=False)
class Seen:
    """A run as the server has it. `key`: who it is, with the time of an instance. `sent`: when the request for it first
    left; None for what others than apply started. `label`: of a resume."""

    seq: int
    run_id: str
    kind: str
    who: str
    version: int
    at: str | None
    created_ms: int
    label: str | None
    sent: Sent | None
    state: str = "RUN_STARTED"
    completed_ms: int | None = None

    @property
    def key(self) -> str:
        return self.who if self.at is None else f"{self.who}@{self.at}"

    def state_at(self, ms: int) -> str:
        """How it did at a moment of the server's clock."""
        return self.state if self.completed_ms is not None and self.completed_ms <= ms else "RUN_STARTED"

    def __str__(self) -> str:
        return f"{self.key} v{self.version} {self.run_id} created {self.created_ms} {self.state} {self.sent}"


@dataclass(slots=True, eq=False)
class Round:
    """One apply, or one round of `apply --wait`. Times are the server's. `kind`: what it was about, "everything", "a
    part" or "by hand". `planned_ms`: when it was decided what it is about: of later rounds, when the first one began.
    `allows_cancel`: with `--allow-cancel`. `is_overtaken`: a newer commit was applied since. `is_clean`: it was about
    everything, and says that it left nothing open. `blocked`: the kinds of groups of which it says that something has
    to wait."""

    number: int
    began_ms: int
    groups: dict[str, Picture]
    planned_ms: int
    kind: str = "everything"
    is_overtaken: bool = False
    allows_cancel: bool = False
    ended_ms: int = 0
    is_clean: bool = False
    blocked: frozenset[str] = frozenset()


@dataclass
class Observer:
    """`runs`: all, in order of acceptance; `own`: by key, those that apply started. `foreign`: the ids of those that
    others started."""

    server: LocalServer
    wire: Wire
    runs: list[Seen] = field(default_factory=list)
    own: dict[str, list[Seen]] = field(default_factory=dict)
    by_id: dict[str, Seen] = field(default_factory=dict)
    rounds: dict[int, Round] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    _going: dict[int, Seen] = field(default_factory=dict)

    def look(self) -> list[Seen]:
        """Take note of all that happened; the new runs."""
        last = self.runs[-1].seq if self.runs else 0
        rows, ended = self.server.inside(lambda services: _read(services, last, self._going))
        fresh = [self._seen(row) for row in rows]
        for one in fresh:
            if one.run_id in self.by_id:
                raise Violation(f"accepted twice under one id: {self.by_id[one.run_id]}, {one}")
            self.runs.append(one)
            self._going[one.seq] = one
            self.by_id[one.run_id] = one
            if one.sent is not None:
                self.own.setdefault(one.key, []).append(one)
        for seq, state, completed_ms in ended:
            one = self._going.pop(seq)
            one.state, one.completed_ms = state, completed_ms
        return fresh

    def _seen(self, row: tuple[int, str, str, bytes, int, str]) -> Seen:
        seq, run_id, url, payload, created_ms, labels = row
        body = json.loads(payload)
        label = next((text for text in (labels or "").split(",") if text in self.wire.sent), None)
        if run_id in self.foreign:  # which carries the labels of the run that it goes on with
            label = None
        sent = self.wire.sent.get(run_id if label is None else label)
        if label is not None and any(one.label == label for one in self.runs):
            raise Violation(f"two runs under the label {label} of one attempt: {body}")
        at = body.get("at")
        return Seen(seq, run_id, url.rpartition("/")[2], body["run"], body["v"], at, created_ms, label, sent)

    # --- questions -------------------------------------------------------------------------------------------

    def newest(self, key: str, *, before: Seen | None = None) -> Seen | None:
        """The last run that apply started for a key (before another one)."""
        own = self.own.get(key, ())
        for one in reversed(own):
            if before is None or one.seq < before.seq:
                return one
        return None

    def instances(self, who: str) -> Iterable[Seen]:
        """The runs that apply started for the instances of a run."""
        prefix = f"{who}@"
        return (one for key, runs in self.own.items() if key.startswith(prefix) for one in runs)


def _read(
    services: Services, last: int, going: dict[int, Seen]
) -> tuple[list[tuple[int, str, str, bytes, int, str]], list[tuple[int, str, int]]]:
    connection = services.ledger.connection
    fresh = [
        tuple(row)
        for row in connection.execute(
            "SELECT seq, run_id, url, payload, created_at, labels FROM runs WHERE seq > ? ORDER BY seq", (last,)
        )
    ]
    seqs = [*going, *(row[0] for row in fresh)]
    ended = []
    for start in range(0, len(seqs), 500):
        part = seqs[start : start + 500]
        marks = ", ".join("?" * len(part))
        ended += [
            tuple(row)
            for row in connection.execute(
                f"SELECT seq, state, completed_at FROM runs WHERE state <> 'RUN_STARTED' AND seq IN ({marks})",
                part,
            )
        ]
    return fresh, ended
