"""Listed runs, found by what identifies them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from wfdeploy.model.observed import ObservedRun
from wfdeploy.model.state import Attempt
from wfdeploy.model.workflow_id import derived_id, id_key

SAME_MS = 1000
"""The time of one run may be told in milliseconds here and in seconds there."""


class RunIndex:
    """The runs of a listing.

    A derived id, and the label of a resume, stand for one run. An id that an author gave doesn't: it is free again when
    its run has ended, and may be given to another run then.
    """

    def __init__(self, runs: Iterable[ObservedRun] = ()) -> None:
        self._by_id: dict[str, list[ObservedRun]] = {}
        self._by_label: dict[str, ObservedRun] = {}
        for run in sorted(runs, key=lambda run: run.created_at_ms):
            self._by_id.setdefault(id_key(run.workflow_run_id), []).append(run)
            for label in run.labels:
                # Of several runs with one label it is the first: the others are resumes of that one, by hand, which
                # take its labels along.
                self._by_label.setdefault(id_key(label), run)

    def recorded(self, workflow_run_id: str, created_at_ms: int | None) -> ObservedRun | None:
        """The run of a record. `created_at_ms`: as it is recorded (None: not known, then it is the newest one)."""
        for run in reversed(self._by_id.get(id_key(workflow_run_id), ())):
            if created_at_ms is None or abs(run.created_at_ms - created_at_ms) <= SAME_MS:
                return run
            if derived_id(run) in (None, id_key(workflow_run_id)):
                return run
        return None

    def attempted(self, attempt: Attempt, names: Collection[str]) -> ObservedRun | None:
        """The run that an attempt started. `names`: the derived ids that it may have gone out under (more than one for
        an address that was renamed); of a resume, its label."""
        since_ms = (attempt.since_ms or 0) if attempt.explicit_id else 0
        for name in map(id_key, names):
            run = self._by_id.get(name, [None])[-1] or self._by_label.get(name)
            if run is not None and run.created_at_ms >= since_ms:
                return run
        if not attempt.explicit_id:
            return None
        # Earlier builds sent an author's id without the label that identifies its run.
        for run in self._by_id.get(id_key(attempt.workflow_run_id), ()):
            if derived_id(run) is None and run.created_at_ms >= since_ms:
                return run
        return None
