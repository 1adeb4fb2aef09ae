"""A state that is put back to what it was, with everything that lies beside it: the next apply waits for the logs.

Over real files, with the tools that people use: the same inode may come again, and so may every file of the folder.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import ModelServer
from tests.support.workbench import Workbench, counts, group, run

LAG_S = 60.0


def _in_place(copy: Path, state: Path) -> None:
    for file in copy.iterdir():
        (state / file.name).write_bytes(file.read_bytes())


def _copied_over(copy: Path, state: Path) -> None:
    subprocess.run(["cp", "-r", f"{copy}/.", state], check=True)


def _unpacked_over(copy: Path, state: Path) -> None:
    archive = copy.with_suffix(".tar")
    subprocess.run(["tar", "-C", copy, "-cf", archive, "."], check=True)
    subprocess.run(["tar", "-C", state, "-xf", archive], check=True)


def _removed_and_copied(copy: Path, state: Path) -> None:
    subprocess.run(["rm", "-rf", state], check=True)
    subprocess.run(["cp", "-a", copy, state], check=True)


def _moved_back(copy: Path, state: Path) -> None:
    shutil.rmtree(state)
    copy.rename(state)


RESTORES = [_in_place, _copied_over, _unpacked_over, _removed_and_copied, _moved_back]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def remote(clock: ManualClock) -> ModelServer:
    return ModelServer(clock, lag_s=LAG_S)


@pytest.fixture
def bench(tmp_path: Path, clock: ManualClock, remote: ModelServer) -> Workbench:
    bench = Workbench(tmp_path / "project", "http://127.0.0.1:9", "token", clock=clock)
    bench.wrap = lambda _: remote
    bench.server(log_lag_s=LAG_S, log_lag_given=True)
    return bench


def declare(bench: Workbench, *names: str) -> None:
    bench.write(group("g", [run(name, body=name) for name in names]))


def keep_a_copy(bench: Workbench, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bench.state_file.parent, tmp_path / "copy"))


@pytest.mark.parametrize("restore", RESTORES)
def test_a_restored_state_is_told_whatever_is_restored_with_it(
    bench: Workbench,
    remote: ModelServer,
    clock: ManualClock,
    tmp_path: Path,
    restore: Callable[[Path, Path], None],
) -> None:
    declare(bench, "a")
    bench.apply()
    clock._move(1000)
    bench.apply()
    declare(bench, "a", "b")
    bench.apply()
    copy = keep_a_copy(bench, tmp_path)
    clock._move(1000)

    declare(bench, "a", "b", "c")
    clock.sleeps.clear()
    bench.apply()
    assert max(clock.sleeps) < LAG_S / 2, "the latest state waits for nothing"
    restore(copy, bench.state_file.parent)
    assert counts(bench.apply()) == {"adopted": 1, "kept": 2}
    assert set(remote.counts.values()) == {1}
    assert max(clock.sleeps) > LAG_S / 2


@pytest.mark.parametrize("restore", RESTORES)
def test_nor_does_it_pass_once_it_was_written_to(
    bench: Workbench, remote: ModelServer, clock: ManualClock, tmp_path: Path, restore: Callable[[Path, Path], None]
) -> None:
    """Commands that ask no server bring the serial of an older state up to that of the latest."""
    from wfdeploy.model.address import Address
    from wfdeploy.operations.state import move

    declare(bench, "a")
    bench.apply()
    clock._move(1000)
    declare(bench, "a", "b")
    bench.apply()
    copy = keep_a_copy(bench, tmp_path)
    clock._move(1000)

    declare(bench, "a", "b", "c")
    bench.apply()
    restore(copy, bench.state_file.parent)
    for origin, to in [("g/a", "g/x"), ("g/x", "g/a")] * 3:
        move(bench.workspace, Address(origin), Address(to))
    assert counts(bench.apply())["adopted"] == 1
    assert set(remote.counts.values()) == {1}


def test_two_lasting_states_on_one_machine_take_turns(
    bench: Workbench, remote: ModelServer, clock: ManualClock, tmp_path: Path
) -> None:
    """Both are of one project; what the other has just done doesn't show yet."""
    declare(bench, "a")
    bench.apply()
    clock._move(1000)
    first, second = bench.state_file, bench.state_file.with_name("second.db")
    for number in range(4):
        declare(bench, "a", *(f"r{one}" for one in range(number + 1)))
        bench.state_file = first
        bench.apply()
        bench.state_file = second
        bench.apply()
    assert set(remote.counts.values()) == {1}


def test_without_a_place_for_the_marker_each_trigger_waits(
    bench: Workbench, remote: ModelServer, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    declare(bench, "a")
    bench.apply()
    clock._move(1000)
    for names in ("ab", "abc"):
        declare(bench, *names)
        clock.sleeps.clear()
        bench.apply()
        assert max(clock.sleeps) > LAG_S / 2
    clock.sleeps.clear()
    bench.apply()
    assert clock.sleeps == [], "nothing to send, nothing to wait for"


@pytest.mark.parametrize("home", ["project", "project/home", "project/.wfdeploy/state", "link"])
def test_a_marker_within_the_project_would_be_restored_with_it(
    bench: Workbench, remote: ModelServer, clock: ManualClock, tmp_path: Path, home: str
) -> None:
    """As where a CI job has `HOME: $WORKSPACE`, and somebody puts the whole folder back."""
    bench.user_environ = {"HOME": str(tmp_path / home)}
    (tmp_path / "link").symlink_to(bench.root)
    declare(bench, "a")
    bench.apply()
    clock._move(1000)
    declare(bench, "a", "b")
    bench.apply()
    shutil.copytree(bench.root, tmp_path / "copy")
    clock._move(1000)
    declare(bench, "a", "b", "c")
    bench.apply()
    shutil.rmtree(bench.root)
    (tmp_path / "copy").rename(bench.root)
    declare(bench, "a", "b", "c")
    assert counts(bench.apply()) == {"adopted": 1, "kept": 2}
    assert set(remote.counts.values()) == {1}


def test_a_marker_beside_a_state_that_lies_elsewhere_would_be_too(
    bench: Workbench, remote: ModelServer, clock: ManualClock, tmp_path: Path
) -> None:
    """As where a service keeps all it has in one folder (`/var/lib/wfdeploy`)."""
    service = tmp_path / "lib" / "wfdeploy"
    service.mkdir(parents=True)
    bench.state_file = service / "production.db"
    bench.user_environ = {"XDG_STATE_HOME": str(service.parent)}
    declare(bench, "a")
    bench.apply()
    clock._move(1000)
    bench.apply()
    shutil.copytree(service, tmp_path / "copy")
    declare(bench, "a", "b")
    bench.apply()
    shutil.rmtree(service)
    (tmp_path / "copy").rename(service)
    assert counts(bench.apply()) == {"adopted": 1, "kept": 1}
    assert set(remote.counts.values()) == {1}


@pytest.fixture
def machines(bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Workbench]:
    """The project on several machines, each with a lasting state of its own."""

    def on(name: str) -> Workbench:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / name))
        bench.state_file = bench.state_file.with_name(f"{name}.db")
        return bench

    return on


def test_a_state_that_began_by_adoption_counts_as_one_of_several(
    machines: Callable[[str], Workbench], bench: Workbench, remote: ModelServer, clock: ManualClock
) -> None:
    declare(bench, "a")
    machines("first").apply()
    clock._move(1000)
    assert counts(machines("second").apply()) == {"adopted": 1}
    clock._move(1000)
    declare(bench, "a", "b")
    machines("first").apply()
    assert counts(machines("second").apply()) == {"adopted": 1, "kept": 1}
    assert set(remote.counts.values()) == {1}


def test_two_lasting_states_take_turns_with_the_lag_in_between(
    machines: Callable[[str], Workbench], bench: Workbench, remote: ModelServer, clock: ManualClock
) -> None:
    """The first machine doesn't know of the second: that is why the time in between is asked for."""
    declare(bench, "a")
    machines("first").apply()
    for number in range(5):
        clock._move(LAG_S + 1)
        declare(bench, "a", *(f"r{one}" for one in range(number + 1)))
        machines("first" if number % 2 else "second").apply()
    assert set(remote.counts.values()) == {1}


def test_a_state_is_the_only_one_again_once_the_logs_show_nobody_else(
    machines: Callable[[str], Workbench], bench: Workbench, remote: ModelServer, clock: ManualClock
) -> None:
    bench.server(log_retention_s=86400.0)
    declare(bench, "a", "gone")
    machines("lost").apply()
    clock._move(1000)
    declare(bench, "a")
    machines("lasting").apply()  # it adopts one, and remembers another that no manifest declares
    waited = []
    for number in range(4):
        clock._move(40000)
        declare(bench, "a", f"r{number}")
        clock.sleeps.clear()
        bench.apply()
        waited.append(max(clock.sleeps) > LAG_S / 2)
    assert waited == [True, True, True, False]
