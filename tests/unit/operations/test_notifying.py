"""What people are told: news, once or more, under one id, by a command that ends as it would without."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.chaos_server import ChaosServer, answer, drop, hang
from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import Crash, ModelServer
from tests.fakes.state_backend import crashing
from tests.support.shared_logs import ManualClocks, MemoryBackend
from tests.support.workbench import Workbench, counts, group, run
from wfdeploy.errors import ExitCode, InvalidInput, StateLocked, Withheld
from wfdeploy.model.address import Address
from wfdeploy.model.edits import Edit, Observe, PutRecord
from wfdeploy.model.event import ApplyReport, Notice
from wfdeploy.model.notification import NotificationKind, Webhook
from wfdeploy.model.observed import RunState
from wfdeploy.model.options import ApplyOptions, ApplyRequest, StopFlag
from wfdeploy.model.plan import Plan, Selection
from wfdeploy.model.state import Binding
from wfdeploy.operations import apply as applying
from wfdeploy.operations import delivering
from wfdeploy.operations.notifying import Notifier
from wfdeploy.operations.refresh import refresh
from wfdeploy.operations.rollouts import approve
from wfdeploy.ports import StateBackend, Webhooks
from wfdeploy.state.export import export_lines, import_lines
from wfdeploy.state.shared.backend import SharedBackend
from wfdeploy.state.sqlite_store import SqliteStore
from wfdeploy.webhooks.sender import HttpWebhooks
from wfdeploy.workspace import Workspace

OK, DOWN = answer(200, "ok"), answer(503)
KINDS = NotificationKind


@dataclass
class Scene:
    """A project with webhooks, and the far ends of these."""

    bench: Workbench
    hooks: dict[str, ChaosServer]
    backend: StateBackend | None = None
    unset: set[str] = field(default_factory=set)
    timeout_s: float = 30.0
    """Short only where no answer ever comes: a busy machine answers late."""

    def __post_init__(self) -> None:
        self.configure(*(Webhook(name, f"{name.upper()}_URL") for name in self.hooks))

    def configure(self, *webhooks: Webhook) -> None:
        self.bench.project = replace(self.bench.project, notify=webhooks)

    @property
    def workspace(self) -> Workspace:
        workspace = replace(self.bench.workspace, webhooks=self.open)
        return workspace if self.backend is None else replace(workspace, state_backend=self.backend)

    def open(self) -> tuple[Callable[[], Webhooks], Collection[str]]:
        urls = {name: f"{server.url}/hook" for name, server in self.hooks.items() if name not in self.unset}
        return lambda: HttpWebhooks(urls, timeout_s=self.timeout_s, pauses_s=(0.0,)), urls.keys()

    def apply(self, confirm: Callable[[Plan], bool] = lambda _: True, **options: Any) -> ApplyReport:
        request = ApplyRequest(selection=Selection(), options=ApplyOptions(**options), confirm=confirm, stop=StopFlag())
        return applying.apply(self.workspace, request, paths=None)

    def observe(self, state: RunState, *addresses: str) -> None:
        self.commit([Observe(Address(address), state, self.bench.clock.now_ms()) for address in addresses])

    def commit(self, edits: Sequence[Edit]) -> None:
        workspace = self.workspace
        with workspace.lock():
            store = workspace.open_state()
            workspace.commit(store, edits)
            store.close()

    def told(self, name: str = "ops") -> list[str]:
        """The messages so far, without project, commands and id."""
        texts = [json.loads(request.body)["text"] for request in self.hooks[name].requests]
        return [text.splitlines()[0].partition("*: ")[2] for text in texts]

    def ids(self, name: str = "ops") -> list[str]:
        return [request.headers["webhook-id"] for request in self.hooks[name].requests]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    remote = ModelServer(ManualClock())
    bench = Workbench(tmp_path, "http://127.0.0.1:9", "token", clock=remote.clock)
    bench.wrap = lambda _: remote
    bench.server(log_lag_s=0.0, log_lag_given=True)
    bench.write(group("g", [run("a"), run("b"), run("c")]), group("h", [run("d")]))
    with ChaosServer(otherwise=OK) as ops, ChaosServer(otherwise=OK) as pager:
        scene = Scene(bench, {"ops": ops})
        assert counts(scene.apply()) == {"triggered": 4}
        assert scene.told() == []
        scene.hooks["pager"] = pager
        yield scene


def test_failed_runs_are_told_once_and_new_ones_again(scene: Scene) -> None:
    scene.observe(RunState.FAILED, "g/a", "g/b", "h/d")
    assert scene.apply().warnings == ()
    assert scene.told() == ["2 runs of g have failed", "1 run of h has failed"]
    body = json.loads(scene.hooks["ops"].requests[0].body)["text"].splitlines()
    assert body[:3] == ["*bench, default*: 2 runs of g have failed", "• `g/a`", "• `g/b`"]
    assert body[3:5] == ["`wfdeploy logs 'g/*' --failed`", "`wfdeploy resume 'g/*' --failed`"]
    serial = serial_of(scene)
    for _ in range(3):
        scene.apply()
    assert (len(scene.told()), serial_of(scene)) == (2, serial)
    scene.observe(RunState.FAILED, "g/c")
    scene.apply()
    assert scene.told()[2:] == ["1 run of g has failed (3 in all)"]


def serial_of(scene: Scene) -> int:
    with scene.bench.open() as store:
        return store.head().serial


def test_what_was_cancelled_or_vanished_elsewhere_is_drift_and_what_we_cancelled_is_not(scene: Scene) -> None:
    now_ms = scene.bench.clock.now_ms()
    scene.observe(RunState.CANCELED, "g/a")
    scene.observe(RunState.MISSING, "g/b")
    scene.commit([Observe(Address("g/c"), RunState.CANCELED, now_ms, handled=True)])
    scene.apply()
    assert scene.told() == ["2 runs of g are not as declared: 1 cancelled, 1 missing from the server's logs"]


def test_a_rollout_that_waits_for_approval_is_told_once_for_each_step(scene: Scene) -> None:
    steps = [{"count": 1, "pauseUntil": "approved"}, {"count": 2, "pauseUntil": "approved"}]
    scene.bench.write(group("r", [run(name) for name in "abcd"], rollout={"steps": steps}), file="more.yaml")
    for _ in range(3):
        scene.apply()
    assert scene.told() == ["the rollout of r waits for approval after step 1 of 2"]
    text = json.loads(scene.hooks["ops"].requests[0].body)["text"]
    assert "`wfdeploy rollout approve r`" in text
    approve(scene.bench.workspace, "r")
    scene.apply()
    assert scene.told()[1:] == ["the rollout of r waits for approval after step 2 of 2"]


def test_an_apply_that_fails_is_told_until_one_succeeds(scene: Scene) -> None:
    broken, sound = "what: ever\n", (scene.bench.root / "manifests" / "runs.yaml").read_text()
    manifest = scene.bench.root / "manifests" / "runs.yaml"
    manifest.write_text(broken)
    for _ in range(2):
        with pytest.raises(InvalidInput):
            scene.apply()
    assert scene.told() == [
        "an apply failed with exit code 4: a manifest, the project file, an expression or an address is wrong"
    ]
    manifest.write_text(sound)
    scene.apply()
    scene.bench.write(group("g", [run(name) for name in "abcx"]), group("h", [run("d")]))
    with pytest.raises(Withheld):
        scene.apply(max_triggers=0)
    with pytest.raises(Withheld):
        scene.apply(max_triggers=0)
    scene.apply()
    manifest.write_text(broken)
    with pytest.raises(InvalidInput):
        scene.apply()
    assert [text[:35] for text in scene.told()[1:]] == [
        "an apply failed with exit code 8: a", "an apply failed with exit code 4: a",
    ]  # fmt: skip
    assert len(set(scene.ids())) == 3


def test_what_a_person_ended_and_what_a_schedule_meets_is_not_told(scene: Scene) -> None:
    scene.bench.write(group("g", [run("x")]))
    with pytest.raises(Withheld, match="declined"):
        scene.apply(lambda _: False)
    workspace = scene.bench.workspace
    with workspace.lock(), pytest.raises(StateLocked):
        scene.apply()
    assert scene.told() == []


def test_a_failure_without_a_state_is_told_at_once(scene: Scene) -> None:
    scene.bench.lose_state()
    scene.bench.project = replace(scene.bench.project, state_required=True)
    with pytest.raises(Withheld):
        scene.apply()
    assert [text[:33] for text in scene.told()] == ["an apply failed with exit code 8:"]


def test_a_message_is_about_what_happened_and_holds_nothing_of_requests(scene: Scene) -> None:
    spec = {"defaults": {"headers": {"authorization": "hidden-1"}, "body": {"card": "hidden-2"}}}
    scene.bench.write(group("s", [run("a")], **spec), file="more.yaml")
    scene.apply()
    scene.observe(RunState.FAILED, "s/a")
    scene.apply()
    (request,) = scene.hooks["ops"].requests
    assert b"hidden" not in request.raw
    assert b"token" not in request.body


# --- delivery ---------------------------------------------------------------------------------------------------


def test_what_fails_is_a_warning_and_tried_again_by_the_next_command_under_the_same_id(scene: Scene) -> None:
    scene.observe(RunState.FAILED, "g/a")
    scene.hooks["ops"].then(DOWN, DOWN)
    report = scene.apply()
    assert report.exit_code is ExitCode.OK
    assert report.warnings == ("webhook ops: it answered 503; 1 notification waits for the next command",)
    assert scene.apply().warnings == ()
    assert len(set(scene.ids())) == 1
    assert len(scene.ids()) == 3
    scene.apply()
    assert len(scene.ids()) == 3


@pytest.mark.parametrize(
    ("lost", "timeout_s"),
    [(drop(act=False), 30.0), (drop(act=False, with_reset=True), 30.0), (hang(act=False), 1.0)],
    ids=["dropped", "reset", "hangs"],
)
def test_a_lost_answer_is_sent_twice_with_the_same_id(scene: Scene, lost: Any, timeout_s: float) -> None:
    scene.timeout_s = timeout_s
    scene.observe(RunState.FAILED, "g/a")
    scene.hooks["ops"].then(lost)
    assert scene.apply().warnings == ()
    first, second = scene.hooks["ops"].requests
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)


@pytest.mark.parametrize(("commit", "after"), [(1, False), (1, True), (2, False), (2, True)])
def test_killed_at_any_commit_it_is_told_at_least_once_under_one_id(scene: Scene, commit: int, after: bool) -> None:
    """The first commit writes the notification down, the second that it was accepted."""
    scene.observe(RunState.FAILED, "g/a", "g/b")
    workspace = scene.workspace
    doomed = replace(workspace, state_backend=crashing(workspace.state_backend, [commit], after=after))
    with pytest.raises(Crash):
        Notifier(doomed).notify()
    before = len(scene.ids())
    assert before == (commit == 2)
    scene.apply()
    scene.apply()
    assert len(set(scene.ids())) == 1
    assert len(scene.ids()) == before + (not (commit == 2 and after))


def test_of_several_webhooks_one_that_fails_holds_up_no_other(scene: Scene) -> None:
    scene.configure(Webhook("ops", "OPS_URL"), Webhook("pager", "PAGER_URL", frozenset({KINDS.DRIFT})))
    scene.observe(RunState.FAILED, "g/a")
    scene.observe(RunState.MISSING, "g/b")
    scene.hooks["ops"].then(DOWN, DOWN)
    (warning,) = scene.apply().warnings
    assert warning == "webhook ops: it answered 503; 2 notifications wait for the next command"
    assert [text[:8] for text in scene.told("pager")] == ["1 run of"]
    scene.apply()
    assert Counter(scene.ids()) == dict.fromkeys(scene.ids(), 1) | {scene.ids()[0]: 3}
    assert len(scene.ids("pager")) == 1


def test_one_that_hangs_ends_with_the_budget(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "_BUDGET_S", 0.05)
    scene.observe(RunState.FAILED, "g/a")
    scene.hooks["ops"].then(hang(act=False))
    (warning,) = scene.apply().warnings
    assert warning == "webhook ops: no answer within 0.05 s; 1 notification waits for the next command"


def test_one_that_is_refused_holds_up_none_that_follows(scene: Scene) -> None:
    scene.observe(RunState.FAILED, "g/a", "h/d")
    scene.hooks["ops"].then(answer(400))
    assert scene.apply().warnings == ("webhook ops: it answered 400; 1 notification waits for the next command",)
    assert len(scene.told()) == 2


def test_without_its_variable_a_webhook_waits_and_one_that_is_gone_is_forgotten(scene: Scene) -> None:
    scene.observe(RunState.FAILED, "g/a")
    scene.unset.add("ops")
    (warning,) = scene.apply().warnings
    assert warning == "webhook ops: OPS_URL is not set, so 1 notification waits for the next command"
    scene.configure(Webhook("pager", "PAGER_URL"))
    assert scene.apply().warnings == ()
    with scene.bench.open() as store:
        assert store.notifications() == []
    assert scene.told("pager") == [], "it was told nothing of before it was there"


def test_what_nobody_took_for_a_week_is_given_up(scene: Scene) -> None:
    scene.observe(RunState.FAILED, "g/a")
    scene.hooks["ops"].then(DOWN, DOWN)
    scene.apply()
    assert isinstance(scene.bench.clock, ManualClock)
    scene.bench.clock._move(7 * 86_400 + 1)
    assert Notifier(scene.workspace).notify() == ()
    assert len(scene.ids()) == 2


def test_a_refresh_tells_and_warns(scene: Scene) -> None:
    scene.observe(RunState.CANCELED, "g/a")
    scene.hooks["ops"].then(DOWN, DOWN)
    refresh(scene.workspace, (), ())
    notices = [event.message for event in scene.bench.events if isinstance(event, Notice)]
    assert "webhook ops: it answered 503; 1 notification waits for the next command" in notices
    refresh(scene.workspace, (), ())
    assert scene.told()[2:] == ["1 run of g is not as declared: 1 cancelled"]


def test_many_runs_are_one_message_for_each_group_and_many_groups_a_few(scene: Scene) -> None:
    many = [group("big", [run(f"r{n}") for n in range(3000)])]
    many += [group(f"small-{n:02}", [run("a")]) for n in range(30)]
    scene.bench.write(*many, file="more.yaml")
    scene.apply()
    with scene.bench.open() as store:
        addresses = [key.address for key in store.record_keys() if key.address.startswith(("big", "small"))]
    scene.observe(RunState.FAILED, *addresses)
    scene.apply()
    told = scene.told()
    assert len(told) == 20
    assert {"3,000 runs of big have failed", "12 runs of 12 more groups have failed"} < set(told)
    assert max(len(request.body) for request in scene.hooks["ops"].requests) < 1500
    scene.apply()
    assert len(scene.told()) == 20


# --- the memory travels with the state --------------------------------------------------------------------------


def test_an_imported_state_remembers(scene: Scene, tmp_path: Path) -> None:
    scene.observe(RunState.FAILED, "g/a")
    scene.hooks["ops"].then(DOWN, DOWN)
    scene.apply()
    with scene.bench.open() as store:
        lines, binding = list(export_lines(store)), store.head().binding
    with import_lines(lines, tmp_path / "copy.db", binding) as copy:  # type: ignore[attr-defined]
        assert isinstance(copy, SqliteStore)
        assert list(export_lines(copy)) == lines
        assert [one.id for one in copy.notifications()] == scene.ids()[:1]
        assert len(copy.notified(KINDS.RUNS_FAILED)) == 1


def test_a_shared_state_remembers_for_all_machines(scene: Scene, tmp_path: Path) -> None:
    place, time = MemoryBackend(), ManualClocks()
    now_ms = scene.bench.clock.now_ms

    def machine(name: str) -> SharedBackend:
        log = time.log(place)
        return SharedBackend(
            lambda: log, name="memory://log", folder=tmp_path / name, binding=Binding("bench", "default", "http://s"),
            command=name, environ={}, clocks=time.clocks(), now_ms=now_ms,
        )  # fmt: skip

    with SqliteStore.open_existing(scene.bench.state_file, None, readonly=True) as local:
        records = [*local.records()]
    first = machine("a")
    with first.lock(0, lambda _: None):
        store = first.create()
        store.commit([PutRecord(replace(record, run_state=RunState.FAILED, observed_at_ms=1)) for record in records])
        store.close()
    scene.hooks["ops"].then(OK, DOWN, DOWN)
    scene.backend = machine("a")
    assert len(Notifier(scene.workspace).notify()) == 1
    scene.backend = machine("b")
    assert Notifier(scene.workspace).notify() == ()
    scene.backend = machine("c")
    assert Notifier(scene.workspace).notify() == ()
    assert scene.told() == ["3 runs of g have failed", *["1 run of h has failed"] * 3]
    assert len(set(scene.ids())) == 2
