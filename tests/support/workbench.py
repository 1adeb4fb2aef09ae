"""A project in a temporary directory and the use cases on it, in process, against any server that speaks the API."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wfdeploy.model.event import ApplyReport, Event, Outcome
from wfdeploy.model.options import ApplyOptions, ApplyRequest, StopFlag
from wfdeploy.model.plan import Plan, Selection
from wfdeploy.model.project import Project, ServerSettings, Shard, Target
from wfdeploy.model.spool import Spool
from wfdeploy.operations import adopt as adopting
from wfdeploy.operations import apply as applying
from wfdeploy.operations import plan as planning
from wfdeploy.planning.saved_plan import read_plan
from wfdeploy.ports import Clock, RunGateway, StateBackend
from wfdeploy.state.backend import SqliteBackend
from wfdeploy.state.sqlite_store import SqliteStore
from wfdeploy.upstash import encoder
from wfdeploy.upstash.client import UpstashGateway
from wfdeploy.upstash.scrub import Scrubber
from wfdeploy.wiring.assembly import SystemClock
from wfdeploy.workspace import Workspace


def run(name: str, **fields: Any) -> dict[str, Any]:
    """One run of a manifest."""
    return {"name": name, **fields}


def group(name: str, runs: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    """A RunGroup as data."""
    return {
        "apiVersion": "wfdeploy/v1",
        "kind": "RunGroup",
        "metadata": {"name": name},
        "spec": {"destination": "http://127.0.0.1:9/wf", **spec, "runs": runs},
    }


@dataclass
class Workbench:
    """`root` holds `manifests/` and the state. `url` and `token`: the server, which the state is bound to."""

    root: Path
    url: str
    token: str
    project: Project = field(init=False)
    clock: Clock = field(default_factory=SystemClock)
    environ: Mapping[str, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    state_file: Path = field(init=False)
    log_lag_s: float | None = None
    wrap: Callable[[RunGateway], RunGateway] = lambda gateway: gateway
    shard: Shard | None = None
    user_environ: Mapping[str, str] = field(default_factory=lambda: os.environ)  # where the user's directories are

    def __post_init__(self) -> None:
        (self.root / "manifests").mkdir(parents=True, exist_ok=True)
        self.project = Project(root=self.root, name="bench", server=ServerSettings(read_timeout_s=5.0))
        self.state_file = self.root / ".wfdeploy" / "state" / "default.db"

    # --- the project -----------------------------------------------------------------------------------------

    def write(self, *groups: dict[str, Any], file: str = "runs.yaml") -> None:
        """Replace a manifest file (JSON is YAML)."""
        text = "\n---\n".join(json.dumps(value, indent=1) for value in groups)
        (self.root / "manifests" / file).write_text(text + "\n", encoding="utf-8")

    def server(self, **settings: Any) -> None:
        """Change the project's server settings."""
        self.project = replace(self.project, server=replace(self.project.server, **settings))

    @property
    def workspace(self) -> Workspace:
        target = Target(
            project=self.project, url=self.url, token=self.token, state_file=self.state_file, shard=self.shard
        )
        return Workspace(
            target=target,
            clock=self.clock,
            listener=self.events.append,
            environ=self.environ,
            state_backend=SqliteBackend.of(target, self.url, command="test", environ=self.user_environ),
            gateway=self.gateway,
            encoder=encoder,
            log_lag_s=self.log_lag_s,
        )

    def gateway(self) -> RunGateway:
        return self.wrap(
            UpstashGateway(
                self.url,
                self.token,
                settings=self.project.server,
                clock=self.clock,
                scrubber=Scrubber([self.token, *self.environ.values()]),
                listener=self.events.append,
            )
        )

    # --- the use cases ---------------------------------------------------------------------------------------

    def plan(
        self, *, offline: bool = False, keep_all: bool = False, paths: Sequence[str] | None = None, **selection: Any
    ) -> Plan:
        with planning.planned(
            self.workspace, paths=paths, selection=Selection(**selection), offline=offline, keep_all=keep_all
        ) as plan:
            # Changes are made, and explained, while manifests and state are there.
            return replace(plan, changes=Spool(plan.explain(plan.changes)), explain=iter)

    def apply(
        self,
        *,
        plan_file: Path | None = None,
        stop: StopFlag | None = None,
        confirm: Callable[[Plan], bool] = lambda _: True,
        options: ApplyOptions | None = None,
        state_backend: StateBackend | None = None,
        paths: Sequence[str] | None = None,
        **selection: Any,
    ) -> ApplyReport:
        workspace = self.workspace
        if state_backend is not None:
            workspace = replace(workspace, state_backend=state_backend)
        request = ApplyRequest(
            selection=Selection(**selection),
            options=options or ApplyOptions(),
            confirm=confirm,
            stop=stop or StopFlag(),
        )
        saved = None if plan_file is None else read_plan(plan_file)
        return applying.apply(workspace, request, paths=paths, saved=saved)

    def adopt(self, *, confirm: Callable[[Plan], bool] = lambda _: True, **selection: Any) -> ApplyReport:
        return adopting.adopt(self.workspace, paths=None, selection=Selection(**selection), confirm=confirm)

    def lose_state(self) -> None:
        """Delete the file, and what lies beside it but for the lock."""
        for file in self.state_file.parent.glob(f"{self.state_file.name}*"):
            if not file.name.endswith(".lock"):
                file.unlink()

    def open(self) -> SqliteStore:
        """The state, for looking."""
        return SqliteStore.open_existing(self.state_file, None, readonly=True)


def counts(report: ApplyReport) -> dict[str, int]:
    """The outcomes of a report that are not zero."""
    return {outcome.value: count for outcome, count in report.summary.items() if count}


def planned(plan: Plan) -> dict[str, str]:
    """Action by address."""
    return {change.address: change.action.value for change in plan.changes}


__all__ = ["Outcome", "Workbench", "counts", "group", "planned", "run"]
