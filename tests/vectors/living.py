"""What becomes of a project: read, planned, applied, edited, planned and applied again, against a recorder.

Each aspect of it is a value of plain JSON. What differs from one machine to the next is pinned or left out.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tests.fakes.manual_clock import ManualClock
from tests.support.httpx_network import HttpxNetwork
from tests.support.workbench import Workbench
from tests.vectors.projects import SECRETS, Project
from tests.vectors.recorder import Recorder
from wfdeploy.errors import InvalidInput, WfdeployError
from wfdeploy.manifests.loading import load
from wfdeploy.manifests.manifests import validate
from wfdeploy.manifests.reading import Loading
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.options import ApplyOptions, ApplyRequest
from wfdeploy.model.plan import Plan, Selection
from wfdeploy.model.project import parse_shard
from wfdeploy.operations.plan import planned
from wfdeploy.operations.rendering import render
from wfdeploy.ports import RunGateway
from wfdeploy.project.file import load_project
from wfdeploy.render import diagnostics as diagnostics_view
from wfdeploy.render import plan_json, report, requests
from wfdeploy.state.backend import SqliteBackend
from wfdeploy.upstash.client import UpstashGateway
from wfdeploy.upstash.scrub import Scrubber
from wfdeploy.workspace import Workspace

TOKEN = "the-token"
URL = "https://flows.example.com"
BEGIN_MS = 1_795_442_430_000  # 2026-11-23T14:00:30Z
ENVIRON = {"GITHUB_SHA": "0" * 40, "GITHUB_RUN_ID": "7"}

ASPECTS = tuple(
    f"{aspect} {round_}"
    for round_ in ("before", "after")
    for aspect in ("diagnostics", "rendered", "plan", "report", "requests", "state")
)
"""Of the project as it is made, and after its edit."""


@dataclass
class Bench(Workbench):
    """A workbench whose server is a recorder, whose state has a known key and whose project file is read."""

    recorder: Recorder = None  # type: ignore[assignment]

    @property
    def workspace(self) -> Workspace:
        whole = super().workspace
        assert isinstance(whole.state_backend, SqliteBackend)
        return replace(whole, state_backend=replace(whole.state_backend, new_key=b"k" * 32))

    def gateway(self) -> RunGateway:
        return UpstashGateway(
            URL,
            TOKEN,
            settings=self.project.server,
            clock=self.clock,
            scrubber=Scrubber([TOKEN, *SECRETS.values()]),
            network=HttpxNetwork(self.recorder),
        )


def live(project: Project, edit: Callable[[Project], None], folder: Path) -> dict[str, Any]:
    """Every aspect, by its name. `edit` changes the project between its two applies; `folder` is emptied."""
    luck = project.seed
    clock = ManualClock(now_ms=BEGIN_MS)
    recorder = Recorder(clock, refuses=(0, 0, 0, 20)[luck % 4], fails=(0, 40, 120)[luck % 3], page=project.page)
    found: dict[str, Any] = {}
    with _emptied(folder) as root:
        for round_ in ("before", "after"):
            if round_ == "after":
                edit(project)
                clock._move((300.0, 3600.0, 7200.0 + 17)[luck % 3])
            _write(project, root)
            bench = Bench(
                root,
                URL,
                TOKEN,
                clock=clock,
                environ={**ENVIRON, **project.secrets},
                recorder=recorder,
                user_environ={"HOME": str(root.parent)},
            )
            # Of what is sound, half is looked at alone before its apply, the other half planned: it's the same work.
            is_first = round_ == "before"
            look, plan = luck % 3 == 0 or (is_first and luck % 2 == 0), luck % 2 == 1 or not is_first
            _one_round(project, bench, partial(_note, found, round_), look=look, plan=plan)
    return {name: _without_root(found.get(name), str(root)) for name in ASPECTS}


def _note(found: dict[str, Any], round_: str, name: str, value: Any) -> None:
    found[f"{name} {round_}"] = value


def _one_round(project: Project, bench: Bench, note: Callable[[str, Any], None], *, look: bool, plan: bool) -> None:
    try:
        bench.project = load_project(cwd=bench.root, environment=project.environment)
        bench.shard = parse_shard(project.shard) if project.shard else None
    except InvalidInput as error:
        note("diagnostics", _diagnostics(error.diagnostics))
        return
    except WfdeployError as error:
        note("report", _error(error))
        return
    if project.loses_state and bench.workspace.has_state:
        bench.lose_state()
    if look and not _looked(project, bench, note):
        return
    if plan:
        note("plan", _caught(lambda: _planned(project, bench)))
    sent = len(bench.recorder.sent)
    note("report", _caught(lambda: _applied(project, bench)))
    note("requests", bench.recorder.sent[sent:])
    note("state", _exported(bench))


def _looked(project: Project, bench: Bench, note: Callable[[str, Any], None]) -> bool:
    """Read the manifests alone. Returns whether they are sound."""
    try:
        with load(bench.workspace, project.paths, Selection(variables=project.variables)) as manifests:
            note("diagnostics", _diagnostics(manifests.warnings))
            note("rendered", _read(requests.json_text(render(manifests, None))))
    except InvalidInput:
        note(
            "diagnostics",
            _diagnostics(validate(bench.project, project.paths, how=Loading(variables=project.variables))),
        )
        return False
    except WfdeployError as error:
        note("report", _error(error))
        return False
    return True


def _planned(project: Project, bench: Bench) -> list[Any]:
    """As usual; at times before that without asking the server."""
    made = []
    for offline in (
        (True, False) if project.seed % 5 == 0 and bench.workspace.has_state else (not bench.workspace.has_state,)
    ):
        with planned(
            bench.workspace,
            paths=project.paths,
            selection=_selection(project),
            offline=offline,
            keep_all=project.seed % 4 == 0,
        ) as plan:
            made.append(_read(plan_json.text(plan)))
    return made


def _applied(project: Project, bench: Bench) -> Any:
    # One batch after another, so that the order of requests is the order of the plan.
    options = ApplyOptions(concurrency=1, allow_retrigger=True, allow_cancel=True, create_state=True)
    return _read(report.json_text(_apply(project, bench, options)))


def _apply(project: Project, bench: Bench, options: ApplyOptions) -> Any:
    selection = _selection(project)
    from wfdeploy.model.options import StopFlag
    from wfdeploy.operations.apply import apply

    def yes(_: Plan) -> bool:
        return True

    request = ApplyRequest(selection=selection, options=options, confirm=yes, stop=StopFlag())
    return apply(bench.workspace, request, paths=project.paths)


def _selection(project: Project) -> Selection:
    """At times a part: some seeds say which."""
    groups = sorted(group["metadata"].get("name", "") for group in project.groups())
    if project.seed % 23 == 5 and groups:
        return Selection(variables=project.variables, targets=(f"{groups[0]}/*",))
    if project.seed % 23 == 6 and groups:
        return Selection(variables=project.variables, limit=5)
    return Selection(variables=project.variables)


# --- plain values -------------------------------------------------------------------------------------------------


def _exported(bench: Bench) -> Any:
    """The state's export, without what is another one on each machine or for each commit of a batch."""
    if not bench.workspace.has_state:
        return None
    with bench.open() as store:
        lines = [json.loads(line) for line in bench.workspace.state_backend.export(store)]
    for line in lines:
        for name in ("lineage", "serial", "redactionKey", "by", "endedAtMs"):
            line.pop(name, None)
            line.get("record", {}).pop(name, None)
    return lines


def _caught(use: Callable[[], Any]) -> Any:
    try:
        return use()
    except WfdeployError as error:
        return _error(error)


def _error(error: WfdeployError) -> Any:
    told = error.diagnostics if isinstance(error, InvalidInput) else ()
    return [type(error).__name__, int(error.exit_code), error.message, error.hint, _diagnostics(told)]


def _diagnostics(found: Iterable[Diagnostic]) -> list[Any]:
    return [diagnostics_view.fields(diagnostic) for diagnostic in found]


def _read(pieces: Iterable[str]) -> Any:
    return json.loads("".join(pieces))


def _without_root(value: Any, root: str) -> Any:
    """The folder's own name is another one each time."""
    if value is None:
        return None
    return json.loads(json.dumps(value).replace(json.dumps(root)[1:-1], "ROOT"))


# --- files --------------------------------------------------------------------------------------------------------


@contextmanager
def _emptied(folder: Path) -> Iterator[Path]:
    """A folder below it for the project, as the working directory."""
    root = folder / "project"
    for path in (root, folder / ".local"):
        shutil.rmtree(path, ignore_errors=True)
    root.mkdir(parents=True)
    before = os.open(".", os.O_RDONLY)
    os.chdir(root)
    try:
        yield root
    finally:
        os.fchdir(before)
        os.close(before)


def _write(project: Project, root: Path) -> None:
    """What the project says, and nothing else but what wfdeploy keeps."""
    for name in ("manifests", "data", "payloads", "wfdeploy.yaml"):
        path = root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            with suppress(FileNotFoundError):
                path.unlink()
    for name, content in project.contents().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name, target in project.links.items():
        (root / name).symlink_to(target)
