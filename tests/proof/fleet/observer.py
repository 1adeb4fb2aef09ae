"""What the server really did, read from its own ledger, and when; nothing of it comes from wfdeploy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.proof.fleet.fleet import Picture
from tests.proof.fleet.wire import ATTEMPT, Sent, Wire, identity
from tests.support.local_server import LocalServer
from wfdeploy.localserver.api.services import Services


class Violation(AssertionError):
    """The server did what was promised not to happen."""


@dataclass(slots=True, eq=False)
class Seen:
    """A run as the server has it. `key`: who it is, with the time of an instance. `sent`: when the request for it first
    left; None for what others than apply started. `label`: of a resume. `identity`: what no two runs share; ids that
    authors give go from one to another."""

    seq: int
    run_id: str
    identity: str
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

    @property
    def own_id(self) -> str | None:
        """The id that its author gave it."""
        return None if self.identity == self.run_id else self.run_id

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
    others started. `successors`: by run id, that of the run with which others continued it. `cancelled`: those that
    somebody ended."""

    server: LocalServer
    wire: Wire
    runs: list[Seen] = field(default_factory=list)
    own: dict[str, list[Seen]] = field(default_factory=dict)
    by_id: dict[str, list[Seen]] = field(default_factory=dict)
    rounds: dict[int, Round] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    successors: dict[str, str] = field(default_factory=dict)
    cancelled: list[Seen] = field(default_factory=list)
    _by_identity: dict[str, Seen] = field(default_factory=dict)
    _going: dict[int, Seen] = field(default_factory=dict)

    def look(self) -> list[Seen]:
        """Take note of all that happened; the new runs."""
        last = self.runs[-1].seq if self.runs else 0
        rows, ended = self.server.inside(lambda services: _read(services, last, self._going))
        fresh = [self._seen(row) for row in rows]
        for one in fresh:
            if one.identity in self._by_identity:
                raise Violation(f"accepted twice under one id: {self._by_identity[one.identity]}, {one}")
            self._by_identity[one.identity] = one
            self.runs.append(one)
            self._going[one.seq] = one
            self.by_id.setdefault(one.run_id, []).append(one)
            if one.sent is not None:
                self.own.setdefault(one.key, []).append(one)
        for seq, state, completed_ms in ended:
            one = self._going.pop(seq)
            one.state, one.completed_ms = state, completed_ms
            if state == "RUN_CANCELED":
                self.cancelled.append(one)
        return fresh

    def _seen(self, row: tuple[int, str, str, bytes, int, str]) -> Seen:
        seq, run_id, url, payload, created_ms, labels = row
        body = json.loads(payload)
        # One that others resumed carries the labels of the run that it goes on with.
        told = [] if run_id in self.foreign else (labels or "").split(",")
        label = next((text for text in told if ATTEMPT.fullmatch(text) and text in self.wire.sent), None)
        name = identity(run_id, told) if label is None else run_id
        sent = self.wire.sent.get(name if label is None else label)
        if label is not None and any(one.label == label for one in self.runs):
            raise Violation(f"two runs under the label {label} of one attempt: {body}")
        at = body.get("at")
        return Seen(seq, run_id, name, url.rpartition("/")[2], body["run"], body["v"], at, created_ms, label, sent)

    # --- questions -------------------------------------------------------------------------------------------

    def newest(self, key: str, *, before: Seen | None = None) -> Seen | None:
        """The last run that apply started for a key (before another one)."""
        own = self.own.get(key, ())
        for one in reversed(own):
            if before is None or one.seq < before.seq:
                return one
        return None

    def with_id(self, run_id: str, *, ms: int) -> Seen | None:
        """The last run that had an id at a moment of the server's clock; the first one that got it where none had."""
        runs = self.by_id.get(run_id, [])
        return next((one for one in reversed(runs) if one.created_ms <= ms), runs[0] if runs else None)

    def continued(self, run: Seen) -> Iterator[Seen]:
        """A run, and those with which others continued it: a record follows them where that is certain."""
        yield run
        while (successor := self.successors.get(run.run_id)) is not None and successor in self.by_id:
            run = self.by_id[successor][-1]
            yield run

    def instances(self, who: str) -> Iterable[Seen]:
        """The runs that apply started for the instances of a run."""
        prefix = f"{who}@"
        return (one for key, runs in self.own.items() if key.startswith(prefix) for one in runs)


def _read(
    services: Services, last: int, going: dict[int, Seen]
) -> tuple[list[tuple[int, str, str, bytes, int, str]], list[tuple[int, str, int]]]:
    connection = services.store.connection
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
