"""A long listing that is interrupted is continued by the next apply, and proves no more than it may."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import Crash, ModelServer, dying
from tests.support.workbench import Workbench, counts, group, run
from wfdeploy.model.remote import RunPage
from wfdeploy.planning.listing import long_listings

LAG_S = 60.0
COUNT = 30
PAGES = COUNT // 3


class Server(ModelServer):
    """Kills its client after some pages; counts the pages that it gave."""

    pages = 0
    kill_after: int | None = None
    before_listing: Callable[[], None] | None = None

    async def list_runs(self, *, label: str, since_ms: int | None, cursor: str = "") -> AsyncIterator[RunPage]:
        accept, self.before_listing = self.before_listing, None
        if accept is not None:
            accept()
        async for page in super().list_runs(label=label, since_ms=since_ms, cursor=cursor):
            if self.kill_after is not None:
                if self.kill_after == 0:
                    self.kill_after = None
                    raise Crash
                self.kill_after -= 1
            self.pages += 1
            yield page


@pytest.fixture(autouse=True)
def kept_from_the_second_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_listings, "KEPT_FROM_PAGES", 2)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def remote(clock: ManualClock) -> Server:
    return Server(clock, lag_s=LAG_S, page_s=1.0)


def machine(folder: Path, clock: ManualClock, remote: Server) -> Workbench:
    bench = Workbench(
        folder / "project",
        "http://127.0.0.1:9",
        "token",
        clock=clock,
        user_environ={"XDG_STATE_HOME": str(folder / "home")},
    )
    bench.wrap = lambda _: remote
    bench.server(log_lag_s=LAG_S, log_lag_given=True)
    return bench


@pytest.fixture
def bench(tmp_path: Path, clock: ManualClock, remote: Server) -> Workbench:
    """A machine that lost its state."""
    bench = machine(tmp_path / "a", clock, remote)
    bench.write(group("g", [run(f"r{k}", body=k) for k in range(COUNT)]))
    bench.apply()
    clock._move(1000)
    for file in bench.state_file.parent.iterdir():
        file.unlink()
    remote.pages = 0
    return bench


@pytest.fixture
def other(tmp_path: Path, clock: ManualClock, remote: Server) -> Workbench:
    return machine(tmp_path / "b", clock, remote)


def killed(bench: Workbench, remote: Server, after: int) -> None:
    remote.kill_after = after
    with dying() as died:
        bench.apply()
    assert died
    assert not bench.state_file.exists()


def once_each(remote: Server, count: int) -> bool:
    return len(remote.counts) == count and set(remote.counts.values()) == {1}


@pytest.mark.parametrize("after", range(1, PAGES))
def test_it_goes_on_where_it_was(bench: Workbench, remote: Server, after: int) -> None:
    killed(bench, remote, after)
    remote.pages = 0
    assert counts(bench.apply()) == {"adopted": COUNT}
    assert once_each(remote, COUNT)
    if after >= 2:
        # The last page that was kept once more, the rest, and one for what came since and one for the time.
        assert remote.pages == PAGES - after + 1 + 2


def test_however_often_it_is_killed(bench: Workbench, remote: Server, clock: ManualClock) -> None:
    killed(bench, remote, 3)
    for _ in range(3):
        clock._move(100)
        killed(bench, remote, 4)
    remote.pages = 0
    assert counts(bench.apply()) == {"adopted": COUNT}
    assert once_each(remote, COUNT)
    assert remote.pages < PAGES


def test_also_where_it_was_killed_after_its_end(bench: Workbench, remote: Server) -> None:
    """At the question, say."""
    with pytest.raises(KeyboardInterrupt):
        bench.apply(confirm=_interrupt)
    remote.pages = 0
    assert counts(bench.apply()) == {"adopted": COUNT}
    assert once_each(remote, COUNT)
    assert remote.pages == 3


def _interrupt(_: object) -> bool:
    raise KeyboardInterrupt


@pytest.mark.parametrize("before_s", [-300.0, -1.0, 1.0, 59.0, 61.0, 500.0])
@pytest.mark.parametrize("later_s", [0.0, 30.0, 100.0, 5000.0])
def test_what_another_machine_triggers_meanwhile_is_seen(
    bench: Workbench, other: Workbench, remote: Server, clock: ManualClock, before_s: float, later_s: float
) -> None:
    """Before the first listing began, just so that it doesn't show yet, or between the two."""
    runs = [run(f"r{k}", body=k) for k in range(COUNT)] + [run("new", body="new"), run("late", body="late")]
    other.write(group("g", runs))
    bench.write(group("g", runs))
    if before_s > 0:
        other.apply(targets=("g/new",))
        clock._move(before_s)
    killed(bench, remote, 5)
    if before_s < 0:
        clock._move(-before_s)
        other.apply(targets=("g/new",))
    clock._move(later_s)
    bench.apply()
    assert once_each(remote, COUNT + 2)


@pytest.mark.parametrize("delay_s", [30, 90, 600, 3000])
@pytest.mark.parametrize("later_s", [0.0, 400.0, 5000.0])
def test_a_delayed_run_that_shows_late_under_an_early_time_is_seen(
    bench: Workbench, other: Workbench, remote: Server, clock: ManualClock, delay_s: int, later_s: float
) -> None:
    runs = [run(f"r{k}", body=k) for k in range(COUNT)] + [run("d", body="d", delay=f"{delay_s}s")]
    other.write(group("g", runs))
    bench.write(group("g", runs))
    other.apply(targets=("g/d",))
    clock._move(100)
    killed(bench, remote, 5)
    clock._move(delay_s + LAG_S + later_s)
    bench.apply()
    assert once_each(remote, COUNT + 1)


def test_a_cursor_that_is_no_longer_known_is_not_taken_for_the_end(bench: Workbench, remote: Server) -> None:
    """The run that the page began with is forgotten; what comes is an empty page, and no next one."""
    killed(bench, remote, 4)
    del remote.runs[-10]
    bench.apply()
    assert sum(remote.counts.values()) == COUNT
    assert once_each(remote, COUNT), "the one that the server forgot began again, and no other"


def test_an_old_one_is_begun_anew(bench: Workbench, remote: Server, clock: ManualClock) -> None:
    killed(bench, remote, 5)
    clock._move(25 * 3600)
    remote.pages = 0
    assert counts(bench.apply()) == {"adopted": COUNT}
    assert remote.pages == PAGES + 1


@pytest.mark.parametrize("change", ["token", "place", "server"])
def test_one_of_something_else_is_not_continued(bench: Workbench, remote: Server, tmp_path: Path, change: str) -> None:
    killed(bench, remote, 5)
    if change == "token":
        bench.token = "another"
    elif change == "place":
        bench.state_file = tmp_path / "a" / "elsewhere.db"
    else:
        bench.url = "http://127.0.0.1:10"
    remote.pages = 0
    assert counts(bench.apply()) == {"adopted": COUNT}
    assert remote.pages == PAGES


def files(folder: Path) -> Iterator[Path]:
    return folder.glob("home/wfdeploy/*.listing")


@pytest.mark.parametrize("damage", ["torn", "nonsense", "empty", "link", "folder", "open to all"])
def test_a_damaged_file_is_no_harm(bench: Workbench, remote: Server, tmp_path: Path, damage: str) -> None:
    killed(bench, remote, 5)
    (file,) = files(tmp_path / "a")
    content = file.read_bytes()
    match damage:
        case "torn":
            file.write_bytes(content[:-7])
        case "nonsense":
            file.write_bytes(content + b"[1]\n")
        case "empty":
            file.write_bytes(b"")
        case "link":
            file.rename(tmp_path / "real")
            file.symlink_to(tmp_path / "real")
        case "folder":
            file.unlink()
            file.mkdir()
        case _:
            file.chmod(0o666)
    assert counts(bench.apply()) == {"adopted": COUNT}
    assert once_each(remote, COUNT)


@pytest.mark.parametrize("accepted_s", [0.0, 1.0, 59.0])
def test_what_was_accepted_and_does_not_show_when_it_begins_is_seen(
    bench: Workbench, other: Workbench, remote: Server, clock: ManualClock, accepted_s: float
) -> None:
    """So long before the listing, by another machine, while this one waited for the logs."""
    runs = [run(f"r{k}", body=k) for k in range(COUNT)] + [run("new", body="new")]
    other.write(group("g", runs))
    bench.write(group("g", runs))
    other.apply(targets=("g/new",))
    new = remote.runs.pop()

    def accept() -> None:
        at_ms = remote.now_ms() - round(1000 * accepted_s)
        shown_ms = at_ms + round(1000 * LAG_S)
        remote.runs.append(replace(new, created_ms=at_ms, starts_ms=at_ms, ends_ms=at_ms + 1, visible_ms=shown_ms))

    remote.before_listing = accept
    killed(bench, remote, 5)
    clock._move(100)
    bench.apply()
    assert once_each(remote, COUNT + 1)
