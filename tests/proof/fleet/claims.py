"""What apply says it did was done: a run that it calls triggered, resumed or adopted is there, one that it calls
cancelled was cancelled."""

from __future__ import annotations

from collections.abc import Iterable

from tests.proof.fleet.observer import Observer, Violation
from wfdeploy.model.event import Event, Outcome, Settled

_THERE = (Outcome.TRIGGERED, Outcome.DEDUPLICATED, Outcome.RESUMED, Outcome.ADOPTED)


class Claims:
    """Goes by what is told as it happens, so that an apply that dies is held to its word too."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def check(self, events: Iterable[Event]) -> None:
        """Raises: Violation."""
        for event in events:
            for result in event.results if isinstance(event, Settled) else ():
                runs = self._observer.by_id.get(result.workflow_run_id, [])
                own = [one for one in runs if one.own_id is None or one.who == result.address.partition("/")[2]]
                run = own[-1] if own else None
                if result.outcome in _THERE and run is None:
                    raise Violation(f"called {result.outcome.value}, and not there: {result}")
                if result.outcome is Outcome.CANCELLED and run is not None and run.state != "RUN_CANCELED":
                    raise Violation(f"called cancelled, and it was not: {result} is {run}")
