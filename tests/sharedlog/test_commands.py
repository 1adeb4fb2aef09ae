"""Commands on a state in a real store: begun, used, looked at, moved, unlocked."""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

import wfdeploy
from tests.golden_files import Ran, command_line
from tests.sharedlog.servers import PASSWORD, Place
from wfdeploy.sharedlog.log import DecidedLog
from wfdeploy.sharedlog.opening import open_backend, without_secrets
from wfdeploy.state.shared import lease
from wfdeploy.state.shared.lease_content import Holder

pytest.importorskip("starlette")


@dataclass(frozen=True)
class Desk:
    """A project, and a place for its state."""

    folder: Path
    url: str
    environ: Mapping[str, str]

    def run(self, *arguments: str, state: str | None = None) -> Ran:
        """`wfdeploy ARGUMENTS --local`, with the shared state unless another one is named."""
        return command_line(
            *arguments, "--local", *(("--state", state or self.url) if state != "" else ()), environ=self.environ
        )

    @property
    def name(self) -> str:
        """The URL for people."""
        return without_secrets(self.url)

    @contextmanager
    def log(self) -> Iterator[DecidedLog]:
        with closing(open_backend(self.url, {**os.environ, **self.environ})) as place:
            yield DecidedLog(place)


@pytest.fixture(params=["s3", "postgres"])
def desk(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    places: Callable[[str], Place],
) -> Desk:
    place = places(request.param)
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    command_line("init", "--name", "shop")
    manifest = folder / "manifests" / "hello.yaml"
    manifest.write_text(manifest.read_text("utf-8").replace("delay: 2s", "delay: 0s"), "utf-8")
    environ = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"), **place.environ}
    return Desk(folder, place.url_of(f"acme/{secrets.token_hex(8)}"), environ)


def test_a_shared_state_is_begun_by_its_command_alone(desk: Desk) -> None:
    tables = desk.url.startswith("postgresql")  # without which nothing can be said of a state
    plan = desk.run("plan")
    assert plan.code in ((0, 5) if tables else (0,)), plan.stderr
    assert "wfdeploy state init" in plan.stdout + plan.stderr
    for command in (("apply",), ("adopt", "--yes")):
        refused = desk.run(*command)
        assert refused.code in ((5, 8) if tables else (8,)), refused.stderr
        assert "wfdeploy state init" in refused.stderr
    assert desk.run("state", "holder").code == 5
    for arguments in (("status",), ("state", "list"), ("state", "pull", "file.db"), ("refresh",)):
        refused = desk.run(*arguments)
        assert refused.code == 5, refused.stderr
        assert "wfdeploy state init" in refused.stderr
    begun = desk.run("state", "init")
    assert begun.code == 0, begun.stderr
    again = desk.run("state", "init")
    assert again.code == 5
    assert f"there is a state at {desk.name} already" in again.stderr
    assert "environment local" in again.stderr


def test_every_command_works_on_a_shared_state(desk: Desk) -> None:
    assert desk.run("state", "init").code == 0
    assert desk.run("plan", "--out", "it.plan").code == 0
    applied = desk.run("apply", "it.plan")
    assert applied.code == 0, applied.stderr
    assert "2 triggered" in applied.stdout
    assert desk.run("apply").stdout == "Nothing to do: 2 unchanged.\n"
    assert "2 succeeded" in desk.run("status").stdout
    assert "hello/world" in desk.run("state", "show", "hello/world").stdout
    assert desk.run("state", "mv", "hello/later", "hello/other").code == 0
    assert desk.run("state", "rm", "hello/other", "--yes").code == 0
    assert "hello/other" in desk.run("history").stdout
    assert desk.run("refresh").code == 0
    exported = desk.run("state", "export")
    assert exported.code == 0
    pulled = desk.run("state", "pull", "file.db")
    assert pulled.code == 0, pulled.stderr
    assert desk.run("state", "pull", "file.db").code == 5
    assert desk.run("state", "export", state="file.db").stdout == exported.stdout
    # A copy doesn't follow the log: of its serial nothing is said.
    assert desk.run("status", state="file.db").stdout == desk.run("status").stdout.rpartition("State: ")[0]


def test_what_is_only_read_says_how_old_it_is(desk: Desk) -> None:
    began_ms = round(1000 * time.time())
    assert desk.run("state", "init").code == 0
    assert desk.run("apply").code == 0
    last = json.loads(desk.run("state", "holder", "--output", "json").stdout)["lastEntry"]
    words = re.compile(rf"{re.escape(desk.name)} at serial {last}, written \d+ s ago\n")
    for command in ("plan", "status", "history"):
        assert words.search(desk.run(command).stdout), command
        (version,) = json.loads(desk.run(command, "--output", "json").stdout)["stateVersions"]
        assert (version["shard"], version["serial"]) == (None, last)
        assert began_ms <= version["writtenAt"] <= version["readAt"]
        assert "stateVersions" not in json.loads(desk.run(command, "--output", "json", state="").stdout or "{}")


def test_a_saved_plan_that_no_longer_holds_is_stale(desk: Desk) -> None:
    desk.run("state", "init")
    desk.run("plan", "--out", "it.plan")
    assert desk.run("apply").code == 0
    stale = desk.run("apply", "it.plan")
    assert stale.code == 5
    assert "stale" in stale.stderr


def test_shards_have_logs_of_their_own(desk: Desk) -> None:
    for shard in ("1/2", "2/2"):
        begun = desk.run("state", "init", "--shard", shard)
        assert begun.code == 0, begun.stderr
    triggered = 0
    for shard in ("1/2", "2/2"):
        applied = desk.run("apply", "--shard", shard, "--output", "json")
        assert applied.code == 0, applied.stderr
        triggered += json.loads(applied.stdout)["summary"]["triggered"]
    assert triggered == 2
    other = desk.run("apply", "--shard", "1/3")
    assert other.code == 5
    assert "shard 1/2" in other.stderr
    for arguments in (("--shard", "3/3"), ()):
        refused = desk.run("state", "init", *arguments)
        assert refused.code == 5
        assert "in 2 shards" in refused.stderr


def test_shards_are_read_together_and_used_one_by_one(desk: Desk) -> None:
    for shard in ("1/2", "2/2"):
        assert desk.run("state", "init", "--shard", shard).code == 0
    plan = desk.run("plan")
    assert plan.code == 0, plan.stderr
    assert "Plan: 2 to trigger." in plan.stdout
    for shard in ("1/2", "2/2"):
        assert desk.run("apply", "--shard", shard).code == 0
    plan = desk.run("plan")
    assert plan.code == 0, plan.stderr
    assert "No changes: 2 unchanged." in plan.stdout
    status = desk.run("status")
    assert status.code == 0, status.stderr
    assert "2 succeeded" in status.stdout
    assert re.search(rf"{re.escape(desk.name)} shard 1/2 at serial \d+, .*; shard 2/2 at serial \d+, ", status.stdout)
    assert len(desk.run("state", "list").stdout.splitlines()) == 3
    assert len(desk.run("state", "export").stdout.splitlines()) >= 3
    for arguments in (
        ("apply", "--replace", "hello/world", "--yes"),
        ("refresh",),
        ("retrigger", "*", "--yes"),
        ("state", "rm", "*", "--yes"),
        ("state", "holder"),
    ):
        refused = desk.run(*arguments)
        assert refused.code == 5, (arguments, refused)
        assert "--shard 1/2" in refused.stderr
    assert desk.run("state", "migrate", "--to", desk.url, state="a.db").code == 5


@pytest.mark.parametrize("desk", ["s3"], indirect=True)
def test_redacted_values_of_every_shard_are_compared_with_its_own_key(desk: Desk) -> None:
    manifest = desk.folder / "manifests" / "hello.yaml"
    text = manifest.read_text("utf-8")
    head = text[: min(text.index("  defaults:"), text.index("  runs:"))]
    runs = "".join(f"    - name: run-{number}\n      body: {{ n: {number} }}\n" for number in range(8))
    text = f"{head}  defaults: {{redact: {{body: true}}, headers: {{X-A: one}}}}\n  runs:\n{runs}"
    manifest.write_text(text, "utf-8")
    for shard in ("1/2", "2/2"):
        assert desk.run("apply", "--shard", shard, "--create-state").code == 0
    manifest.write_text(text.replace("X-A: one", "X-A: two"), "utf-8")
    changes = json.loads(desk.run("plan", "--output", "json").stdout)["changes"]
    assert len(changes) == 8
    assert {field["path"] for change in changes for field in change["diff"]} == {"headers.x-a"}


def test_a_whole_state_has_no_shards(desk: Desk) -> None:
    assert desk.run("state", "init").code == 0
    refused = desk.run("state", "init", "--shard", "1/2")
    assert refused.code == 5
    assert "kept as a whole" in refused.stderr
    refused = desk.run("apply", "--shard", "1/2", "--create-state", "--yes")
    assert refused.code == 5
    assert "kept as a whole" in refused.stderr


def test_a_state_is_divided_in_one_way(desk: Desk) -> None:
    assert desk.run("state", "init", "--shard", "1/2").code == 0
    for refused in (
        desk.run("state", "init", "--shard", "3/3"),
        desk.run("apply", "--shard", "3/3", "--create-state", "--yes"),
    ):
        assert refused.code == 5
        assert "kept in 2 shards" in refused.stderr


def test_an_import_begins_a_shared_state(desk: Desk) -> None:
    assert desk.run("apply", state="").code == 0
    lines = desk.run("state", "export", state="").stdout
    Path("it.jsonl").write_text(lines, encoding="utf-8")
    imported = desk.run("state", "import", "it.jsonl")
    assert imported.code == 0, imported.stderr
    assert desk.run("state", "import", "it.jsonl").code == 5
    assert desk.run("state", "export").stdout.splitlines()[1:] == lines.splitlines()[1:]
    assert json.loads(desk.run("state", "holder", "--output", "json").stdout)["suspect"]


def test_a_state_moves_to_a_bucket_and_back(desk: Desk) -> None:
    assert desk.run("apply", state="").code == 0
    before = desk.run("state", "list", state="").stdout
    moved = desk.run("state", "migrate", "--to", desk.url, state="")
    assert moved.code == 0, moved.stderr
    assert f"  environments:\n      local:\n        state:\n          url: {desk.name}\n" in moved.stderr
    assert desk.run("state", "list").stdout == before
    assert desk.run("apply").stdout == "Nothing to do: 2 unchanged.\n"
    for arguments in (("apply",), ("status",), ("plan",), ("state", "list"), ("state", "rm", "hello/world", "--yes")):
        refused = desk.run(*arguments, state="")
        assert refused.code == 5
        assert f"has moved to {desk.name}\n" in refused.stderr
    again = desk.run("state", "migrate", "--to", desk.url, state="")
    assert again.code == 0
    assert "had already moved" in again.stderr
    late = desk.run("state", "migrate", "--to", desk.url, "--abort", state="")
    assert late.code == 5
    assert "too late" in late.stderr
    back = desk.run("state", "migrate", "--from", desk.url, state="back.db")
    assert back.code == 0, back.stderr
    assert desk.run("state", "list", state="back.db").stdout == before
    gone = desk.run("apply")
    assert gone.code == 5
    assert f"has moved to {desk.folder / 'back.db'} on " in gone.stderr


def test_only_one_of_two_places_is_named(desk: Desk) -> None:
    for arguments in ((), ("--to", desk.url, "--from", "b.db")):
        assert desk.run("state", "migrate", *arguments, state="").code == 64
    assert desk.run("state", "migrate", "--to", "b.db", state="a.db").code == 64
    assert desk.run("state", "holder", state="").code == 64
    assert desk.run("state", "init", "s3://bucket/other").code == 64


def test_a_lease_is_shown_and_taken_away(desk: Desk) -> None:
    desk.run("state", "init")
    free = desk.run("state", "holder")
    assert free.code == 0
    assert free.stdout.startswith("free; last held by ")
    assert desk.run("state", "unlock", "--yes").code == 5
    holder = Holder(host="runner-7", user="ci", pid=1, command="wfdeploy apply")
    clocks = lease.Clocks(steady=lambda: 0.0)
    with desk.log() as log:
        lease.take(log, holder, clocks, timeout_s=0, on_wait=lambda _: None, is_begun=lambda: True)
    held = desk.run("state", "holder")
    assert held.code == 0
    assert held.stdout.startswith("held by ci on runner-7 (process 1, wfdeploy apply)\n")
    assert "renewed " in held.stdout
    shown = json.loads(desk.run("state", "holder", "--output", "json").stdout)
    assert (shown["held"], shown["holder"]["host"], shown["seemsGone"]) == (True, "runner-7", False)
    locked = desk.run("state", "rm", "*", "--yes")
    assert locked.code == 5
    assert "ci on runner-7" in locked.stderr
    unasked = desk.run("state", "unlock")
    assert unasked.code == 8
    assert "--yes" in unasked.stderr
    taken = desk.run("state", "unlock", "--yes")
    assert taken.code == 0, taken.stderr
    after = json.loads(desk.run("state", "holder", "--output", "json").stdout)
    assert (after["held"], after["formerHolderMaySend"]) == (False, True)
    assert "by hand" in after["suspect"]
    assert (after["takenAtMs"], after["unlockedBy"]["pid"]) == (shown["takenAtMs"], os.getpid())
    assert after["takenAtMs"] <= after["unlockedAtMs"] <= 1000 * time.time()
    told = desk.run("state", "holder").stdout.splitlines()
    assert re.fullmatch(r"free; unlocked by .*wfdeploy state unlock --yes.* at 20.* UTC", told[0])
    assert re.fullmatch(r"last held by ci on runner-7 \(process 1, wfdeploy apply\) since 20.* UTC", told[1])


@pytest.mark.parametrize("desk", ["s3"], indirect=True)
def test_a_program_uses_a_shared_state(desk: Desk) -> None:
    environ = {**os.environ, **desk.environ}
    project = wfdeploy.load(desk.folder, local=True, state=desk.url, environ=environ)
    assert project.shared_state.init() == 1  # the fence of who began it
    with pytest.raises(wfdeploy.StateUnusable, match="there is a state at"):
        project.shared_state.init()
    assert project.apply().is_done
    before = project.shared_state.holder()
    assert (before.is_held, before.seems_gone, before.suspect) == (False, False, "")
    assert project.shared_state.pull("backup.db") == before.last_entry
    pulled = wfdeploy.load(desk.folder, local=True, state="backup.db", environ=environ)
    assert [row.address for row in pulled.status(offline=True)] == ["hello/later", "hello/world"]
    with pytest.raises(wfdeploy.UsageError, match="not a shared one"):
        pulled.shared_state.holder()
    clocks = lease.Clocks(steady=lambda: 0.0)
    holder = Holder(host="runner-7", user="ci", pid=1, command="wfdeploy apply")
    with desk.log() as log:
        lease.take(log, holder, clocks, timeout_s=0, on_wait=lambda _: None, is_begun=lambda: True)
    with pytest.raises(wfdeploy.StateError, match="nobody holds"):
        project.shared_state.unlock(before)
    held = project.shared_state.holder()
    assert (held.is_held, held.holder) == (True, "ci on runner-7 (process 1, wfdeploy apply)")
    project.shared_state.unlock(held)
    assert "by hand" in project.shared_state.holder().suspect


def test_a_file_that_a_cache_brings_back_is_not_used_and_that_is_said(desk: Desk) -> None:
    assert desk.run("apply", state="").code == 0
    file = desk.folder / ".wfdeploy" / "state" / "local.db"
    before = file.read_bytes()
    assert desk.run("state", "migrate", "--to", desk.url, state="").code == 0
    project = desk.folder / "wfdeploy.yaml"
    text = project.read_text("utf-8")
    lines = "    local:\n      state:\n        urlEnv: WFDEPLOY_STATE_URL\n"
    project.write_text(text.replace("  environments:\n", f"  environments:\n{lines}"), "utf-8")
    desk = replace(desk, environ={**desk.environ, "WFDEPLOY_STATE_URL": desk.url})
    quiet = desk.run("apply", state="")
    assert (quiet.code, quiet.stderr) == (0, "")
    file.write_bytes(before)
    warned = desk.run("apply", state="")
    assert warned.code == 0
    assert "local.db is not used: the project's state is at " in warned.stderr
    assert desk.run("state", "migrate", "--from", str(file), state="").code == 5  # there is a state already


def test_an_apply_may_begin_the_state_when_told_so(desk: Desk) -> None:
    begun = desk.run("apply", "--create-state")
    assert begun.code == 0, begun.stderr
    assert desk.run("apply").stdout == "Nothing to do: 2 unchanged.\n"


def test_no_password_of_a_url_is_shown_to_others(desk: Desk) -> None:
    for arguments in (("state", "init"), ("plan",), ("apply",), ("state", "rm", "*"), ("state", "holder")):
        ran = desk.run(*arguments)
        assert PASSWORD not in ran.stdout + ran.stderr
    with desk.log() as log:
        stored = log.read_lease(within_s=5)
        assert stored is not None
        assert PASSWORD.encode() not in stored.content


def test_the_doctor_tries_the_store_and_looks_who_holds_the_lease(desk: Desk) -> None:
    def doctor(*arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
        ran = desk.run("doctor", "--output", "json", *arguments)
        return ran.code, {check["name"]: check for check in json.loads(ran.stdout)["checks"]}

    tables = desk.url.startswith("postgresql")  # without which nothing can be said of a state
    code, checks = doctor()
    assert (code, checks["state"]["status"]) in [(0, "warning"), *([(5, "problem")] if tables else [])]
    assert desk.run("state", "init").code == 0
    code, checks = doctor("--probe", "--yes")
    assert code == 0, checks
    names = ("extras", "state", "lock", "server", "token", "clock", *(["storage"] if tables else []))
    assert [(name, checks[name]["status"]) for name in names] == [(name, "ok") for name in names]
    holder = Holder(host="runner-7", user="ci", pid=1, command="wfdeploy apply")
    with desk.log() as log:
        lease.take(
            log, holder, lease.Clocks(steady=lambda: 0.0), timeout_s=0, on_wait=lambda _: None, is_begun=lambda: True
        )
    code, checks = doctor()
    assert (code, checks["lock"]["status"]) == (0, "warning")
    assert checks["lock"]["message"].startswith("held by ci on runner-7 (process 1, wfdeploy apply); renewed ")


@pytest.mark.parametrize("desk", ["s3"], indirect=True)
def test_rules_of_the_bucket_that_would_delete_the_state_are_warned_of(desk: Desk) -> None:
    boto3 = importlib.import_module("boto3")
    parameters = dict(parse_qsl(urlsplit(desk.url).query))
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=parameters["endpoint"],
        aws_access_key_id="key",
        aws_secret_access_key=PASSWORD,
    )
    below = urlsplit(desk.url).path.lstrip("/")  # other tests have states in the same bucket
    rule = {"ID": "tidy", "Status": "Enabled", "Filter": {"Prefix": below}, "Expiration": {"Days": 30}}
    client.put_bucket_lifecycle_configuration(Bucket="bucket", LifecycleConfiguration={"Rules": [rule]})
    begun = desk.run("state", "init")
    assert "the lifecycle rule 'tidy' of the bucket deletes objects of the state" in begun.stderr
    assert "the bucket keeps no versions" in begun.stderr
    ran = desk.run("doctor", "--output", "json")
    client.delete_bucket_lifecycle(Bucket="bucket")
    storage = [check for check in json.loads(ran.stdout)["checks"] if check["name"] == "storage"]
    assert [check["status"] for check in storage] == ["warning", "warning"]
