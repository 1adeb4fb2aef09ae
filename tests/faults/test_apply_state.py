"""An apply whose state can't be read or written: said clearly, exit 5, nothing touched, nothing sent unrecorded."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.command import Checkout, once_each
from tests.support.local_server import LocalServer
from tests.support.scratch import scratch
from tests.support.workbench import group, run
from wfdeploy.state import VERSION

APPLY = ("apply", "--yes", "-o", "json")
RUNS = 3

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
no_root = pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as server:
        server.faults.instant_finish = True
        yield server


@pytest.fixture
def checkout(server: LocalServer) -> Iterator[Checkout]:
    with scratch() as root:
        checkout = Checkout(root / "project", server.url, server.token)
        declare(checkout, RUNS)
        yield checkout


def declare(checkout: Checkout, runs: int, version: int = 1, size: int = 0) -> None:
    filler = {"filler": "x" * size} if size else {}
    checkout.write(group("g", [run(f"r{n}", body={"n": n, "v": version, **filler}) for n in range(runs)]))


def contents(directory: Path) -> dict[str, bytes | None]:
    """Everything below a directory, but the lock file and what SQLite puts beside a file that is read."""
    return {
        str(file.relative_to(directory)): file.read_bytes() if file.is_file() else None
        for file in sorted(directory.rglob("*"))
        if not file.name.endswith((".lock", "-shm")) and not (file.name.endswith("-wal") and not file.stat().st_size)
    }


# --- damaged, foreign, newer -----------------------------------------------------------------------------------------


def truncated(state: Path) -> None:
    state.write_bytes(state.read_bytes()[:5000])


def cut_within_a_page(state: Path) -> None:
    state.write_bytes(state.read_bytes()[:-100])


def garbage(state: Path) -> None:
    state.write_bytes(b"this is no database\n" * 500)


def empty(state: Path) -> None:
    state.write_bytes(b"")


def scrambled(state: Path) -> None:
    data = bytearray(state.read_bytes())
    data[4096:] = bytes(255 - octet for octet in data[4096:])
    state.write_bytes(data)


def another_programs(state: Path) -> None:
    state.unlink()
    connection = sqlite3.connect(state)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.commit()
    connection.close()


def newer(state: Path) -> None:
    connection = sqlite3.connect(state)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.commit()
    connection.close()


def directory(state: Path) -> None:
    state.unlink()
    state.mkdir()


DAMAGE: dict[Callable[[Path], None], str] = {
    truncated: "damaged",
    cut_within_a_page: "damaged",
    garbage: "damaged or not a state",
    empty: "not a wfdeploy state",
    scrambled: "damaged",
    another_programs: "not a wfdeploy state",
    newer: "newer wfdeploy",
    directory: "is a directory",
}


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_a_state_that_is_none(checkout: Checkout, server: LocalServer, damage: Callable[[Path], None]) -> None:
    assert checkout.here(*APPLY).code == 0
    declare(checkout, RUNS, version=2)
    damage(checkout.state_file)
    for note in checkout.state_file.parent.glob("*-wal"):
        note.unlink()
    before = contents(checkout.state_file.parent)
    for command in (APPLY, ("plan",), ("state", "list")):
        result = checkout.here(*command)
        assert result.code == 5, (command, result.stderr)
        assert DAMAGE[damage] in result.stderr, result.stderr
        assert str(checkout.state_file) in result.stderr
        assert "hint:" in result.stderr
        assert contents(checkout.state_file.parent) == before, command
    once_each(server.accepted_counts(), RUNS)


def test_a_directory_that_is_not_there(checkout: Checkout, server: LocalServer) -> None:
    result = checkout.here(*APPLY, "--state", "no/such/place/state.db")
    assert result.code == 5
    assert "no/such/place" in result.stderr
    assert not (checkout.root / "no").exists()
    assert server.accepted() == []


def test_the_state_of_another_server(checkout: Checkout, server: LocalServer) -> None:
    assert checkout.here(*APPLY).code == 0
    with LocalServer() as other:
        before = contents(checkout.state_file.parent)
        result = checkout.here(*APPLY, "--url", other.url)
        assert result.code == 5
        assert "belongs to" in result.stderr
        assert other.accepted() == []
    assert contents(checkout.state_file.parent) == before


# --- read-only -------------------------------------------------------------------------------------------------------


def read_only(path: Path) -> Iterator[None]:
    """Remount: permissions mean nothing to root."""
    subprocess.run(["mount", "--bind", str(path), str(path)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(path)], check=True)
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


@needs_root
def test_a_read_only_state_file(checkout: Checkout, server: LocalServer) -> None:
    assert checkout.here(*APPLY).code == 0
    declare(checkout, RUNS, version=2)
    before = contents(checkout.state_file.parent)
    for _ in read_only(checkout.state_file):
        result = checkout.here(*APPLY)
        assert result.code == 5, result.stderr
        assert "read-only" in result.stderr
        assert checkout.here("plan").code == 0
    assert contents(checkout.state_file.parent) == before
    once_each(server.accepted_counts(), RUNS)
    assert checkout.here(*APPLY).counts == {"triggered": RUNS}


@needs_root
@pytest.mark.parametrize("exists", [False, True], ids=["no state yet", "a state"])
def test_a_read_only_directory(checkout: Checkout, server: LocalServer, exists: bool) -> None:
    if exists:
        assert checkout.here(*APPLY).code == 0
        declare(checkout, RUNS, version=2)
    else:
        checkout.state_file.parent.mkdir(parents=True)
    before = contents(checkout.state_file.parent)
    for _ in read_only(checkout.state_file.parent):
        result = checkout.here(*APPLY)
        assert result.code == 5, result.stderr
        assert "writable" in result.stderr or "read-only" in result.stderr, result.stderr
        assert checkout.here("plan").code == 0
    assert contents(checkout.state_file.parent) == before
    once_each(server.accepted_counts(), RUNS if exists else 0)


@no_root
@pytest.mark.parametrize("mode", [0o400, 0o000])
def test_a_state_file_without_permission(checkout: Checkout, server: LocalServer, mode: int) -> None:
    assert checkout.here(*APPLY).code == 0
    declare(checkout, RUNS, version=2)
    checkout.state_file.chmod(mode)
    assert checkout.here(*APPLY).code == 5
    checkout.state_file.chmod(0o600)
    once_each(server.accepted_counts(), RUNS)


# --- a full disk -----------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(checkout: Checkout) -> Iterator[Path]:
    """A disk of 4 MiB under the state's directory."""
    place = checkout.state_file.parent
    place.mkdir(parents=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], check=False, capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"no small disk: {made.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path, *, but: int = 0) -> Path:
    """Take all room there is, but so many bytes."""
    ballast = disk / "ballast"
    left = shutil.disk_usage(disk).free - but
    ballast.write_bytes(bytes(max(left, 0)))
    return ballast


@needs_root
def test_no_room_to_begin_a_state(checkout: Checkout, server: LocalServer, disk: Path) -> None:
    ballast = fill(disk, but=8192)
    result = checkout.here(*APPLY)
    assert result.code == 5, result.stderr
    assert "full" in result.stderr or "No space" in result.stderr, result.stderr
    assert server.accepted() == []
    assert not checkout.state_file.exists()
    assert [file.name for file in disk.iterdir() if not file.name.endswith(".lock")] == ["ballast"]
    ballast.unlink()
    assert checkout.here(*APPLY).counts == {"triggered": RUNS}
    once_each(server.accepted_counts(), RUNS)


@needs_root
@pytest.mark.parametrize("room", [0, 4096, 16384, 65536])
def test_no_room_for_intents_or_outcomes(checkout: Checkout, server: LocalServer, disk: Path, room: int) -> None:
    """Wherever the room ends: what was sent has its intent on disk, and the next apply goes on."""
    assert checkout.here(*APPLY).code == 0
    many = 60
    declare(checkout, RUNS + many, size=600)
    ballast = fill(disk, but=room)
    result = checkout.here(*APPLY, "--batch-size", "5", "--concurrency", "1")
    assert result.code == 5, result.stderr
    assert "full" in result.stderr or "No space" in result.stderr, result.stderr
    assert "Traceback" not in result.stderr
    if room == 0:
        assert len(server.accepted()) == RUNS, "nothing was sent where no intent could be written"
    ballast.unlink()
    after = checkout.here(*APPLY)
    assert after.code == 0, after.stderr
    once_each(server.accepted_counts(), 2 * RUNS + many)
    assert checkout.here(*APPLY).counts == {"kept": RUNS + many}


@needs_root
def test_the_disk_is_full_once_the_request_has_left(checkout: Checkout, server: LocalServer, disk: Path) -> None:
    assert checkout.here(*APPLY).code == 0
    declare(checkout, RUNS + 5)

    def fill_up(item: object) -> None:
        fill(disk)

    server.faults.refuse = fill_up
    result = checkout.here(*APPLY)
    server.faults.refuse = None
    assert result.code == 5, result.stderr
    assert "full" in result.stderr
    assert len(server.accepted()) == RUNS + 5
    (disk / "ballast").unlink()
    after = checkout.here(*APPLY)
    assert (after.code, after.counts) == (0, {"triggered": 5, "kept": RUNS}), after.stderr
    once_each(server.accepted_counts(), RUNS + 5)
