"""Manifests read by several processes: the same as read by one, whatever becomes of the processes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import ModelServer
from tests.support.workbench import Workbench, counts, group, run
from wfdeploy.catalogue import database
from wfdeploy.catalogue.authentication import Cache
from wfdeploy.model.event import Event, Reading
from wfdeploy.model.project import Project
from wfdeploy.model.run import DesiredRun, Move
from wfdeploy.model.shard import Shard
from wfdeploy.operations import parallel, reading
from wfdeploy.operations.manifests import Manifests, load_manifests, validate
from wfdeploy.operations.parallel import crew
from wfdeploy.operations.parallel.crew import Work, shared_out
from wfdeploy.operations.requests import KEPT_FOR_SENDING
from wfdeploy.pipeline.load.sources import Found

RUN = "    - {name: r%02d, body: {n: %d, text: '${{ vars.plan }}'}, headers: {X-Key: '${{ secrets.KEY }}'}}"
RUNS = "\n".join(RUN % (n, n) for n in range(30))
MANIFEST = """\
apiVersion: wfdeploy/v1
kind: RunGroup
metadata: {name: %s}
spec:
  destination: https://app.example.com/wf
  defaults: {labels: [a], failureUrl: https://app.example.com/failed}
  runs:
%s
"""


def project(root: Path, files: Mapping[str, str]) -> Project:
    for name, text in files.items():
        path = root / "manifests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Project(root=root, vars={"plan": "pro"}, secrets=("KEY",))


FILES = {f"{name}.yaml": MANIFEST % (name, RUNS) for name in ("d", "a", "c", "b")}


def loaded(manifests: Manifests) -> tuple[list[DesiredRun], list[Any]]:
    with manifests:
        runs = list(manifests.runs.runs())
        in_order = sorted(runs, key=lambda one: (one.file, one.number))
        sent = [declared for _, declared in manifests.requests.each((0, one) for one in in_order)]
        assert [manifests.requests.of(one) for one in in_order] == sent
        return runs, sent


@pytest.mark.parametrize("keep", [0, KEPT_FOR_SENDING])
def test_several_processes_read_what_one_reads(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], keep: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(tmp_path, FILES)
    together = load_manifests(one, cwd=tmp_path, keep=keep)
    assert [process.returncode for process in processes] == [0, 0]
    if keep:
        # Their requests come from the processes that read them: none is read again.
        monkeypatch.setattr(together.requests, "_reread", None)
    found = loaded(together)
    monkeypatch.setattr(crew, "_processors", lambda: 1)
    assert found == loaded(load_manifests(one, cwd=tmp_path, keep=keep))
    assert len(found[0]) == 4 * 30
    assert len(processes) == 2


def test_the_cache_keeps_what_they_read(tmp_path: Path, processes: list[subprocess.Popen[bytes]]) -> None:
    one = project(tmp_path, FILES)
    cache = Cache(tmp_path / "cache", b"key")
    first = loaded(load_manifests(one, cwd=tmp_path, cache=cache))
    assert len(processes) == 2
    assert first == loaded(load_manifests(one, cwd=tmp_path, cache=cache))
    (tmp_path / "manifests/a.yaml").write_text(MANIFEST % ("a", "    - {name: x}"))
    with load_manifests(one, cwd=tmp_path, cache=cache) as manifests:
        assert len(manifests.runs) == 3 * 30 + 1
    assert len(processes) == 2, "one run alone isn't shared out"


def test_what_is_wrong_is_told_as_by_one(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = dict(FILES)
    texts["a.yaml"] += "    - {name: '?', retries: -1}\n"
    texts["b.yaml"] += "    - {name: r01}\n"
    texts["c.yaml"] += "    - {name: mine, workflowRunId: mine}\n"
    texts["d.yaml"] += "    - {name: mine, workflowRunId: mine}\n"
    texts["e.yaml"] = texts["f.yaml"] = MANIFEST % ("twice", RUNS)
    texts["g.yaml"] = "a: ["
    one = project(tmp_path, texts)
    said = validate(one, cwd=tmp_path)
    assert processes
    monkeypatch.setattr(crew, "_processors", lambda: 1)
    assert said == validate(one, cwd=tmp_path)
    assert len(said) > 30


TWICE = "\n".join([*(RUN % (n, n) for n in range(15)), RUN % (3, 99), *(RUN % (n, n) for n in range(15, 30))])


@pytest.mark.parametrize(
    "files",
    [
        {**FILES, "b.yaml": MANIFEST % ("b", TWICE)},
        {"all.yaml": MANIFEST % ("all", TWICE)},
        {"all.yaml": MANIFEST % ("all", f"{RUNS}\n{RUN % (3, 99)}")},
        {**FILES, "e.yaml": FILES["a.yaml"]},
        {**FILES, "e.yaml": MANIFEST % ("e", "    - {name: x, forEach: {items: [a, a]}, key: '${{ row }}'}")},
    ],
    ids=["one of several files", "in one part", "in two parts", "a group in two files", "rows"],
)
def test_what_is_declared_twice_is_told_each_time(
    tmp_path: Path,
    processes: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    files: Mapping[str, str],
) -> None:
    one = project(tmp_path, files)
    cache = Cache(tmp_path / "cache", b"key")
    said = [validate(one, cwd=tmp_path, cache=cache) for _ in range(3)]
    assert processes
    monkeypatch.setattr(crew, "_processors", lambda: 1)
    alone = validate(one, cwd=tmp_path)
    assert [diagnostic for diagnostic in alone if diagnostic.code in ("duplicate-address", "duplicate-group")]
    assert said == [alone] * 3


def test_what_is_said_of_a_sound_file_is_said(tmp_path: Path, processes: list[subprocess.Popen[bytes]]) -> None:
    one = project(tmp_path, {**FILES, "empty.yaml": "# nothing here\n" * 10})
    with load_manifests(one, cwd=tmp_path) as manifests:
        assert [warning.code for warning in manifests.warnings] == ["empty-file"]
    assert processes


@pytest.mark.parametrize("trouble", ["killed", "never started", "fails", "no room"])
def test_what_they_do_not_bring_is_read_here(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    one = project(tmp_path, FILES)
    start = crew._started

    def troubled(folder: Path) -> subprocess.Popen[bytes]:
        if trouble == "never started":
            raise OSError("no more processes")
        if trouble == "fails":
            (folder / "task").write_bytes(b"nonsense")
        if trouble == "no room":
            (folder / database.FILE).mkdir()
        process = start(folder)
        if trouble == "killed":
            os.kill(process.pid, signal.SIGKILL)
        return process

    monkeypatch.setattr(crew, "_started", troubled)
    manifests = load_manifests(one, cwd=tmp_path, keep=KEPT_FOR_SENDING)
    assert len(loaded(manifests)[0]) == 4 * 30


def test_an_interrupt_ends_them(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(crew, "_follow", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_manifests(project(tmp_path, FILES), cwd=tmp_path)
    assert len(processes) == 2


def test_it_is_told_how_far_they_are(tmp_path: Path, processes: list[subprocess.Popen[bytes]]) -> None:
    runs = "\n".join(f"    - {{name: r{n}}}" for n in range(6000))
    events: list[Event] = []
    one = project(tmp_path, {f"{name}.yaml": MANIFEST % (name, runs) for name in "ab"})
    load_manifests(one, cwd=tmp_path, listener=events.append).close()
    assert processes
    told = [event.runs for event in events if isinstance(event, Reading)]
    assert told == sorted(told)
    assert told[-1] == 10_000
    assert not any(event.whole for event in events if isinstance(event, Reading)), "nobody has counted the runs"
    assert events[-1] == Reading(10_000, done=True)


@pytest.mark.parametrize(("shard", "whole"), [(None, 12_000), (Shard(1, 2), 6000)])
def test_of_a_file_in_parts_it_is_told_how_many_there_are(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], shard: Shard | None, whole: int
) -> None:
    runs = "\n".join(f"    - {{name: r{n}}}" for n in range(12_000))
    events: list[Event] = []
    one = project(tmp_path, {"all.yaml": MANIFEST % ("all", runs)})
    load_manifests(one, cwd=tmp_path, shard=shard, listener=events.append).close()
    assert processes
    told = [event for event in events if isinstance(event, Reading) and not event.done]
    assert told == [Reading(event.runs, part=event.runs, whole=whole) for event in told]
    assert told


def test_a_shard_is_cut_by_them(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(tmp_path, FILES)
    part = loaded(load_manifests(one, cwd=tmp_path, shard=Shard(1, 3)))
    monkeypatch.setattr(crew, "_processors", lambda: 1)
    assert part == loaded(load_manifests(one, cwd=tmp_path, shard=Shard(1, 3)))
    assert 0 < len(part[0]) < 4 * 30


ONE = {"all.yaml": MANIFEST % ("all", RUNS)}
SHUFFLED = {"all.yaml": MANIFEST % ("all", "\n".join(RUN % (n * 7 % 30, n) for n in range(30)))}


@pytest.mark.parametrize("files", [ONE, SHUFFLED], ids=["in order", "in any order"])
@pytest.mark.parametrize("keep", [0, KEPT_FOR_SENDING])
def test_one_long_file_is_read_in_parts(
    tmp_path: Path,
    processes: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    files: Mapping[str, str],
    keep: int,
) -> None:
    one = project(tmp_path, files)
    cache = Cache(tmp_path / "cache", b"key")
    with monkeypatch.context() as patch:
        patch.setattr(reading.Reading, "_parsing", None)  # nothing is to be read here
        together = load_manifests(one, cwd=tmp_path, keep=keep, cache=cache)
        assert [process.returncode for process in processes] == [0, 0]
        if keep:
            patch.setattr(together.requests, "_reread", None)
            runs, sent = loaded(together)
        else:
            with together:
                runs = list(together.runs.runs())
    monkeypatch.setattr(crew, "_processors", lambda: 1)
    alone = loaded(load_manifests(one, cwd=tmp_path))
    assert runs == alone[0]
    if keep:
        assert sent == alone[1]
    assert loaded(load_manifests(one, cwd=tmp_path, cache=cache)) == alone
    assert len(runs) == 30


@pytest.mark.parametrize(
    "wrong",
    [
        "    - {name: r03}",  # declared twice, in different parts
        "    - {name: mine, workflowRunId: mine}\n    - {name: yours, workflowRunId: mine}",
        "    - {name: '?'}",
        "    - {name: x, retries: -1}",
        "    - {name: x, body: '${{ vars.nothing }}'}",
        "    - {name: x\n    - ]",
    ],
)
def test_what_is_wrong_with_a_part_is_told_as_by_one(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    one = project(tmp_path, {"all.yaml": ONE["all.yaml"] + wrong + "\n"})
    said = validate(one, cwd=tmp_path)
    assert processes
    monkeypatch.setattr(crew, "_processors", lambda: 1)
    assert said == validate(one, cwd=tmp_path)
    assert said


def test_a_part_that_is_missing_is_missed(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = crew._started

    def troubled(folder: Path) -> subprocess.Popen[bytes]:
        process = start(folder)
        if folder.name == "1":
            process.kill()
        return process

    monkeypatch.setattr(crew, "_started", troubled)
    one = project(tmp_path, ONE)
    cache = Cache(tmp_path / "cache", b"key")
    assert len(loaded(load_manifests(one, cwd=tmp_path, keep=KEPT_FOR_SENDING, cache=cache))[0]) == 30
    assert len(loaded(load_manifests(one, cwd=tmp_path, cache=cache))[0]) == 30


@pytest.mark.parametrize("files", [FILES, ONE], ids=["files", "parts"])
def test_a_file_that_changes_behind_them_is_sent_as_it_is_now(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch, files: Mapping[str, str]
) -> None:
    one = project(tmp_path, files)
    read = crew.Crew.read

    def and_then_edited(self: crew.Crew, *args: Any, **options: Any) -> None:
        read(self, *args, **options)
        assert self.stashes
        for path in (tmp_path / "manifests").iterdir():
            path.write_text(path.read_text().replace("n: 1,", "n: 100,"))

    monkeypatch.setattr(crew.Crew, "read", and_then_edited)
    monkeypatch.setattr(reading, "KEPT_FOR_A_LOOK", 0)  # one request alone is held, the others are looked up
    found = loaded(load_manifests(one, cwd=tmp_path, keep=1))
    monkeypatch.setattr(crew, "_processors", lambda: 1)
    monkeypatch.setattr(crew.Crew, "read", read)
    assert found == loaded(load_manifests(one, cwd=tmp_path))
    assert any(declared.request.body.value["n"] == 100 for declared in found[1])


def test_moves_of_a_file_in_parts_are_known(tmp_path: Path, processes: list[subprocess.Popen[bytes]]) -> None:
    text = ONE["all.yaml"].replace("  runs:", "  moved: [{from: all/old, to: all/r01}]\n  runs:")
    with load_manifests(project(tmp_path, {"all.yaml": text}), cwd=tmp_path) as manifests:
        assert manifests.moved == (Move("all/old", "all/r01"),)
    assert processes


def works(*sizes: int) -> list[Work]:
    return [Work(position, Found(str(position), None), size) for position, size in enumerate(sizes)]


def test_shares_are_of_about_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_processors", lambda: 3)
    most = parallel.WORTHWHILE_BYTES
    shares = shared_out(works(most, 5 * most, most, 2 * most, 3 * most, 4 * most))
    assert [[work.position for work in share] for share in shares] == [[1, 2], [0, 5], [3, 4]]
    assert shared_out(works(most, 20 * most)) == [], "one file is nearly all of it"
    assert shared_out(works(most, most // 2)) == [], "too little"
    assert shared_out([]) == []
    monkeypatch.setattr(crew, "_processors", lambda: 1)
    assert shared_out(works(9 * most, 9 * most)) == []
    monkeypatch.setattr(crew, "_processors", lambda: 64)
    assert len(shared_out(works(*[most] * 100))) == crew.MOST


def test_what_they_read_is_sent(tmp_path: Path, processes: list[subprocess.Popen[bytes]]) -> None:
    remote = ModelServer(ManualClock())
    bench = Workbench(tmp_path, "http://127.0.0.1:9", "token", clock=remote.clock, wrap=lambda _: remote)
    bench.server(log_lag_s=0.0, log_lag_given=True)
    for name in "ab":
        bench.write(group(name, [run(f"r{n}", body={"n": n}) for n in range(120)]), file=f"{name}.yaml")
    assert counts(bench.apply()) == {"triggered": 240}
    assert processes
    assert set(remote.counts.values()) == {1}
    assert len(remote.counts) == 240
    assert counts(bench.apply()) == {"kept": 240}


@pytest.mark.parametrize("files", [1, 2], ids=["parts", "files"])
@pytest.mark.parametrize("where", [None, 3, 29])
def test_whoever_reads_it_a_number_that_was_written_otherwise_is_noted(
    tmp_path: Path,
    processes: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    where: int | None,
    files: int,
) -> None:
    runs = "\n".join(
        (RUN % (n, n)).replace("${{ vars.plan }}", "v${{ 1.0 }}" if n == where else "v1") for n in range(30)
    )
    texts = {"a.yaml": MANIFEST % ("a", runs), "b.yaml": MANIFEST % ("b", RUNS)}
    one = project(tmp_path, dict(list(texts.items())[:files]))
    for processors in (2, 1):
        monkeypatch.setattr(crew, "_processors", lambda count=processors: count)
        for _ in range(2):
            with load_manifests(one, cwd=tmp_path, cache=Cache(tmp_path / f"cache-{processors}", b"key")) as manifests:
                marked = [name for name, group in manifests.runs.groups.items() if group.respelled]
            assert marked == ([] if where is None else ["a"])
    assert len(processes) == 2
