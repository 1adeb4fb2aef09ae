"""Each declared run is started once, tried again no more often than its policy says, and nothing is cancelled that
nobody wanted cancelled.

A start is right when the run before it at its address was another version, or when somebody asked for it by hand (a
*permit*). Any other has to be a try: the run before must have ended as the policy minds, with attempts left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from tests.proof.fleet.fleet import Care, Group, Picture
from tests.proof.fleet.observer import Observer, Round, Seen, Violation

_DAY_S = 86_400
DLQ_RETENTION_S = 3 * _DAY_S


class Once:
    """Told of what people do, then of the runs that it led to. A permit is a (key, version). `slack_s`: by how much the
    client's clock may be set, which policies go by."""

    def __init__(self, observer: Observer, groups: Mapping[str, Group], *, slack_s: int) -> None:
        self._observer = observer
        self._slack_s = slack_s
        self._groups = groups
        self._permits: set[tuple[str, int]] = set()
        self._asked: set[tuple[str, int]] = set()
        self._tries: Counter[str] = Counter()
        self._by_hand: Counter[str] = Counter()
        self._most_by_hand: Counter[str] = Counter()
        self._handled: dict[Seen, str | None] = {}  # with the id of the run that continues each
        self._let_go: set[Seen] = set()  # of these, which may be tried again by what an earlier apply wrote down
        self._stays_cancelled: set[Seen] = set()
        self._may_end: set[Seen] = set()
        self._forgotten: set[str] = set()
        self._cancels_seen = 0
        self._cancelled_seen = 0

    # --- what people do --------------------------------------------------------------------------------------

    def asked(self, action: str, keys: Iterable[tuple[str, int]]) -> None:
        """Something is wanted by hand of these (key, version)."""
        for key, version in keys:
            newest = self._observer.newest(key)
            if action == "retrigger":
                self._asked.add((key, version))
                if newest is not None and self._care(newest.kind).replaces == "cancel":
                    self._may_end.add(newest)
            elif action in ("resume", "restart"):
                self._by_hand[key] += 1
                self._most_by_hand[key] += 1
            elif action == "cancel" and newest is not None:
                self._may_end.add(newest)
                self._stays_cancelled.add(newest)

    def meddled(self, run: Seen, *, what: str, successor: str | None = None) -> None:
        """Others dealt with a run: its dead letter is gone, or it was cancelled. `successor`: the id of the run that
        they had continue it."""
        if what == "cancelled":
            self._may_end.add(run)
        else:
            self._handled[run] = successor
            assert run.completed_ms is not None
            if any(not one.is_clean and one.ended_ms >= run.completed_ms for one in self._observer.rounds.values()):
                self._let_go.add(run)

    def forgot(self, whos: Iterable[str]) -> None:
        """The records of these may be forgotten, on purpose: declared again, they may be triggered again."""
        self._forgotten |= set(whos)

    def redeclared(self, who: str, version: int) -> None:
        """A run is declared again as it was."""
        if who in self._forgotten:
            self._permits.add((who, version))

    def lost_state(self) -> None:
        """What stood in the state alone isn't known any more: what was cancelled by hand."""
        self._stays_cancelled.clear()

    # --- what came of it -------------------------------------------------------------------------------------

    def check(self, fresh: Iterable[Seen], round_: Round | None) -> None:
        """Raises: Violation."""
        for run in fresh:
            if run.sent is not None:
                self._check_start(run, self._observer.rounds[run.sent.round])
        self._check_cancels()
        if round_ is not None and round_.is_clean:  # what was asked for by hand is done, or was not to be
            self._asked.clear()
            self._by_hand.clear()

    def _check_start(self, run: Seen, round_: Round) -> None:
        assert run.sent is not None
        if round_.is_overtaken:
            raise Violation(f"started by an older commit than the last one that was applied: {run}")
        if run.at is None:
            picture = round_.groups.get(run.kind)
            declared = None if picture is None else picture.runs.get(run.who)
            if (declared is None or declared.version != run.version) and run.label is None:
                raise Violation(f"started, and not declared so: {run}")
            if run.label is None and declared is not None and declared.own_id != run.own_id:
                raise Violation(f"started, and declared with the id {declared.own_id}: {run}")
        before = self._observer.newest(run.key, before=run)
        if run.at is not None and before is None:
            return
        is_new = before is None or before.version != run.version
        if run.label is None and (is_new or (run.key, run.version) in self._permits | self._asked):
            self._check_replaced(run, before)
            self._permits.discard((run.key, run.version))
            self._asked.discard((run.key, run.version))
            self._forgotten.discard(run.who)
            self._tries[run.key] = self._most_by_hand[run.key] = 0
            return
        if before is None:
            raise Violation(f"resumed, and never started: {run}")
        self._check_try(run, before)

    def _check_try(self, run: Seen, before: Seen) -> None:
        assert run.sent is not None
        if (successor := self._handled.get(before)) is not None:
            before = self._observer.by_id[successor][-1]  # that one counts
        care, state = self._care(run.kind), before.state_at(run.sent.ms)
        tries = self._tries[run.key]
        self._tries[run.key] += 1
        if state not in ("RUN_FAILED", "RUN_CANCELED"):
            raise Violation(f"started twice: {before} was {state}, then {run}")
        if self._tries[run.key] > care.most + self._most_by_hand[run.key]:
            raise Violation(f"tried more than {care.most} times: {run}")
        if self._by_hand[run.key] > 0:
            self._by_hand[run.key] -= 1
            return
        assert before.completed_ms is not None
        waited_s = (run.sent.ms - before.completed_ms) / 1000 + self._slack_s
        if state == "RUN_CANCELED":
            if not care.restarts_cancelled:
                raise Violation(f"restarted, though cancelled ones are to be reported: {run}")
            if before in self._stays_cancelled:
                raise Violation(f"restarted, though it was cancelled by hand: {run}")
        elif care.on_failure == "report":
            raise Violation(f"tried again, though failures are to be reported: {run}")
        elif before in self._handled and before not in self._let_go and waited_s < DLQ_RETENTION_S:
            raise Violation(f"tried again, though somebody else had dealt with it: {run}")
        if run.label is not None and care.on_failure != "resume":
            raise Violation(f"resumed, where it should be restarted: {run}")
        if waited_s < min(care.backoff_s * 2**tries, _DAY_S):
            raise Violation(f"tried again after {waited_s:g} s, before its backoff: {run}")

    def _check_replaced(self, run: Seen, before: Seen | None) -> None:
        assert run.sent is not None
        if before is None or run.who in self._forgotten:
            return
        # One that left in vain is sent again, perhaps after another one.
        ms = run.sent.ms if run.sent.ms >= before.created_ms else run.created_ms
        if self._care(run.kind).replaces != "allow" and before.state_at(ms) == "RUN_STARTED":
            raise Violation(f"replaced while {before} was going: {run}")

    def _check_cancels(self) -> None:
        cancels = self._observer.wire.cancels
        for run_id, sent in cancels[self._cancels_seen :]:
            run, then = self._observer.with_id(run_id, ms=sent.ms), self._observer.rounds[sent.round]
            if run is None:
                raise Violation(f"cancelled, and never started: {run_id}")
            if then.is_overtaken:
                raise Violation(f"cancelled by an older commit than the last one that was applied: {run}")
            if run not in self._may_end and not self._ends(run, then):
                raise Violation(f"cancelled, and nobody wanted it: {run}")
            self._may_end.add(run)
        self._cancels_seen = len(cancels)
        for run in self._observer.cancelled[self._cancelled_seen :]:
            if run not in self._may_end:
                raise Violation(f"cancelled in another one's place: {run}")
        self._cancelled_seen = len(self._observer.cancelled)

    def _ends(self, run: Seen, then: Round) -> bool:
        """Whether the manifests of that moment want a run ended."""
        care, picture = self._care(run.kind), then.groups.get(run.kind)
        declared = None if picture is None else picture.runs.get(run.who)
        if declared is None:
            is_lost = picture is not None and picture.is_table and not picture.runs
            return care.on_remove == "cancel" and (then.allows_cancel or not is_lost)
        return care.replaces == "cancel" and (
            declared.version != run.version or (run.who, run.version) in self._permits | self._asked
        )

    def _care(self, kind: str) -> Care:
        return self._groups[kind].care

    def started(self, picture: Picture, *, ms: int) -> dict[str, Seen]:
        """By who: the run on the server of each declared one, as it is declared now."""
        found: dict[str, Seen] = {}
        for who, declared in picture.runs.items():
            newest = self._observer.newest(who)
            if newest is not None and newest.version == declared.version and newest.created_ms <= ms:
                found[who] = newest
        return found
