"""Sessions against a gateway of the test's own."""

from __future__ import annotations

from collections.abc import Sequence

from wfdeploy.model.edits import Edit
from wfdeploy.model.options import StopFlag
from wfdeploy.ports import Clock, Listener, RunGateway, StateWriter
from wfdeploy.sending.journal import Journal
from wfdeploy.sending.patience import Patience
from wfdeploy.sending.server_time import ServerTime
from wfdeploy.sending.session import Outcomes, Session


class NullStore(StateWriter):
    """A state that forgets at once."""

    def stage(self, edits: Sequence[Edit], *, precedes_request: bool = False) -> None:
        pass

    def finish(self) -> int:
        return 0


def unheard(event: object, /) -> None:
    """Ignore an event."""


def session(
    gateway: RunGateway,
    clock: Clock,
    *,
    store: StateWriter | None = None,
    listener: Listener = unheard,
    stop: StopFlag | None = None,
    budget_s: float = 0.0,
    time: ServerTime | None = None,
    log_lag_s: float = 0.0,
) -> Session:
    """A session with the label `ours`, which by default commits to nothing."""
    return Session(
        connection=gateway,
        journal=Journal(store or NullStore()),
        clock=clock,
        time=time or ServerTime(clock),
        patience=Patience(clock, stop or StopFlag(), listener, budget_s),
        listener=listener,
        label="ours",
        log_lag_s=lambda: log_lag_s,
        outcomes=Outcomes(listener),
    )
