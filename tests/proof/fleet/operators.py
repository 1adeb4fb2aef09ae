"""People who deal with runs by other means than manifests: in the console, or with `wfdeploy rollout`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.proof.fleet.bench import FleetBench
from tests.proof.fleet.observer import Observer
from tests.proof.fleet.once import Once
from tests.proof.fleet.people import Team
from tests.proof.fleet.steps import Steps
from wfdeploy.errors import WfdeployError
from wfdeploy.operations import rollouts


@dataclass
class Operators:
    """`look`: have the rules see what happened so far. `say` is told what is done."""

    bench: FleetBench
    team: Team
    observer: Observer
    once: Once
    steps: Steps
    look: Callable[[], None]
    say: Callable[[str], None]

    def meddle(self, chance: Random) -> None:
        """Somebody deals with a run behind wfdeploy's back."""
        wire = self.observer.wire
        what = chance.choice(("cancelled", "resumed", "restarted", "deleted"))
        successor = None
        wanted = "RUN_STARTED" if what == "cancelled" else "RUN_FAILED"
        self.look()
        found = [run for runs in self.observer.own.values() if (run := runs[-1]).state == wanted]
        if not found:
            return
        run = chance.choice(found)
        if what == "cancelled":
            wire.ask("DELETE", f"/v2/workflows/runs/{run.run_id}")
        else:
            letters = wire.ask("GET", "/v2/workflows/dlq", workflowRunId=run.run_id).json()["messages"]
            letters = [one for one in letters if one["workflowCreatedAt"] == run.created_ms]
            if not letters:
                return
            path = f"/v2/workflows/dlq/{letters[0]['dlqId']}"
            if what == "deleted":
                wire.ask("DELETE", path)
            else:
                button = "/dlq/resume/" if what == "resumed" else "/dlq/restart/"
                successor = wire.ask("POST", path.replace("/dlq/", button)).json()["workflowRunId"]
                self.observer.foreign.add(successor)
                self.observer.successors[run.run_id] = successor
        self.say(f"{run.run_id} {what} by somebody else")
        self.once.meddled(run, what=what, successor=successor)

    def steer(self, what: str) -> None:
        """`wfdeploy rollout WHAT`."""
        steer: Callable[..., object] = getattr(rollouts, what)
        try:
            steer(self.bench.workspace, self.team.groups["wave"].name)
        except WfdeployError:
            return
        self.look()
        self.say(f"rollout {what}")
        self.steps.steered(what, self.observer.wire.clock.now_ms())
