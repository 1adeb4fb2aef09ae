"""No run of a group starts before the groups that it depends on are as far as it wants them."""

from __future__ import annotations

from collections.abc import Iterable

from tests.proof.fleet.fleet import Picture
from tests.proof.fleet.observer import Observer, Round, Seen, Violation

_ENDED = ("RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED")


class Order:
    """Looks at the server at the moment at which a run's request first left. A run whose intent an earlier apply may
    have left behind is judged by that one too."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._tries: dict[tuple[str, int], int] = {}

    def check(self, fresh: Iterable[Seen]) -> None:
        """Raises: Violation."""
        for run in fresh:
            if run.sent is None or run.label is not None or run.at is not None:
                continue
            before = self._observer.newest(run.key, before=run)
            round_ = self._observer.rounds[run.sent.round]
            picture = round_.groups.get(run.kind)
            if (
                round_.kind == "by hand"
                or picture is None
                or not picture.depends_on
                or (before is not None and before.version == run.version)
            ):
                continue  # asked for by hand, or not held up, or a restart, which goes on with what was started before
            # A failed run has ended, also where the same plan has it tried again.
            reason = self.missing(round_, picture, run.sent.ms) and self.missing(round_, picture, round_.began_ms)
            if reason is not None and not self._was_let_go(run, round_.number):
                raise Violation(f"{run} started, but {reason}")

    def missing(self, round_: Round, picture: Picture, ms: int) -> str | None:
        """Why the group has to wait at a moment of the server's clock; None when it doesn't."""
        for kind, condition in picture.depends_on:
            other = round_.groups[kind]
            for who, declared in other.runs.items():
                run = self._newest(other, who, ms)
                if run is None or (other.timetable is None and run.version != declared.version):
                    return f"{who} was not triggered"
                states = {one.state_at(ms) for one in self._observer.continued(run) if one.created_ms <= ms}
                if condition == "succeeded" and "RUN_SUCCESS" not in states:
                    return f"{run} had not succeeded"
                if condition == "finished" and states.isdisjoint(_ENDED):
                    return f"{run} had not ended"
        return None

    def _newest(self, group: Picture, who: str, ms: int) -> Seen | None:
        """The run that counts at a moment: the last one, or the last one of the newest instance."""
        if group.timetable is None:
            runs = self._observer.own.get(who, [])
        else:
            runs = sorted(self._observer.instances(who), key=lambda run: (run.at or "", run.seq))
        return next((run for run in reversed(runs) if run.created_ms <= ms), None)

    def _was_let_go(self, run: Seen, number: int) -> bool:
        """Whether an earlier apply, one that left things open, may have written the run down as to be sent."""
        for earlier in range(number - 1, 0, -1):
            round_ = self._observer.rounds[earlier]
            picture = round_.groups.get(run.kind)
            declared = None if picture is None else picture.runs.get(run.who)
            if round_.is_clean or picture is None or declared is None or declared.version != run.version:
                return False
            if None in (self.missing(round_, picture, ms) for ms in (round_.began_ms, round_.ended_ms)):
                return True
        return False
