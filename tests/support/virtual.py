"""A project and a model of the server in virtual time: days of reconciles in a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import ModelRun, ModelServer, dying
from tests.fakes.state_backend import crashing
from tests.support.scratch import scratch
from tests.support.workbench import Workbench
from wfdeploy.model.blocking import unix_of
from wfdeploy.model.observed import RunState


class EndingServer(ModelServer):
    """A model server whose runs may end badly. `badly`: which ones do, by workflow run id."""

    badly: Callable[[str], bool] = staticmethod(lambda _: False)

    def state_of(self, run: ModelRun, now_ms: int) -> RunState:
        state = super().state_of(run, now_ms)
        return RunState.FAILED if state is RunState.SUCCESS and self.badly(run.run_id) else state


class VirtualBench(Workbench):
    """A workbench with its own clock and server."""

    clock: ManualClock
    remote: EndingServer

    def at(self, text: str) -> None:
        """Let time pass until then (as in `2026-11-23T15:00:00Z`), by a right clock."""
        seconds = unix_of(text) - self.clock.true_ms / 1000
        assert seconds >= 0, "time doesn't go back"
        self.clock._move(seconds)

    def pass_time(self, seconds: float) -> None:
        self.clock._move(seconds)

    def apply_and_die(self, commit: int, *, after: bool, **selection: Any) -> None:
        """An apply whose process dies at its n-th commit, before or after that is durable; or that lives to its end."""
        with dying():
            self.apply(state_backend=crashing(self.workspace.state_backend, [commit], after=after), **selection)

    def triggered(self) -> list[str]:
        """The slugs of what the server accepted, sorted; each was accepted once."""
        twice = {run_id: count for run_id, count in self.remote.counts.items() if count != 1}
        assert not twice, f"not accepted once: {twice}"
        return sorted(
            run_id.removeprefix("wfr_").rpartition("-g")[0].rpartition("-")[0] for run_id in self.remote.counts
        )


@contextmanager
def virtual_bench(
    begin: str = "2026-11-23T14:00:00Z", *, lag_s: float = 5.0, duration_s: float = 1.0, root: Path | None = None
) -> Iterator[VirtualBench]:
    """A project in memory whose runs take `duration_s`."""
    with scratch() as folder:
        clock = ManualClock(now_ms=1000 * unix_of(begin))
        bench = VirtualBench(root or folder / "project", "http://127.0.0.1:9", "token", clock=clock)
        bench.remote = EndingServer(clock, lag_s=lag_s, durations_s=(duration_s,))
        bench.wrap = lambda _: bench.remote
        bench.server(log_lag_s=lag_s, log_lag_given=True)
        yield bench
