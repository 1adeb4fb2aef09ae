"""Notes beside a state and a local server: who holds a lock, where a server listens, whether a state is the latest."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import httpx
import pytest
from filelock import FileLock

from tests.contracts.test_state_store import BINDING
from tests.fuzz.hunt import Hunt, hunt
from tests.fuzz.mutation import Damage
from tests.fuzz.sound import check_error
from wfdeploy.errors import StateLocked
from wfdeploy.localserver.http_client import EndpointRequest, HttpClient, Reply
from wfdeploy.localserver.instance import find_running
from wfdeploy.model.state import Head
from wfdeploy.render.terminal import printable
from wfdeploy.state.locking import lock
from wfdeploy.state.user_files import FreshnessMarker


def damaged(rng: random.Random, value: Any, pieces: list[Any]) -> bytes:
    damage = Damage(rng)
    chance = rng.random()
    if chance < 0.05:
        return damage.nested()
    if chance < 0.35:
        return damage.octets(json.dumps(value).encode())
    return damage.encoded(damage.value(value, pieces))


def test_whoever_is_said_to_hold_a_lock_it_is_held(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    note = tmp_path / "state.db.lock.json"
    sound = {"pid": 1, "host": "h", "user": "u", "since_ms": 1_795_442_400_000, "command": "apply", "version": "1"}
    guard = FileLock(f"{state.resolve()}.lock")

    def example(rng: random.Random, done: Hunt) -> None:
        done.input = data = damaged(rng, sound, [0, 1e30, -(10**18), "now"])
        note.write_bytes(data)
        with pytest.raises(StateLocked) as caught, lock(state, command="plan"):
            pass
        check_error(caught.value)
        assert len(printable(caught.value.message)) < 30_000
        done.note("vague" if "another wfdeploy process" in caught.value.message else "named")

    with guard:
        hunt("lock notes", 400, example, allowed=tmp_path)


def test_no_server_is_found_but_a_near_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = tmp_path / "local.db"
    note = tmp_path / "local.db.server.json"
    asked: list[str] = []

    async def send(_: HttpClient, request: EndpointRequest) -> Reply:
        try:
            httpx.URL(request.url)
        except (httpx.InvalidURL, ValueError):
            return Reply(None)
        asked.append(request.url)
        return Reply(200, (("Wfdeploy-Server-Id", "s1"),))

    monkeypatch.setattr(HttpClient, "send", send)
    sound = {"url": "http://127.0.0.1:8080", "pid": 1, "serverId": "s1"}
    urls = [
        "http://127.0.0.1@evil.example", "http://evil.example/127.0.0.1", "https://127.0.0.1", "http://[::1]:1", "http://0x7f.1",
        "http://127.0.0.1:99999999", "http://127.0.0.1:x", "http://127.0.0.1\\@evil.example", "http://127.0.0.1#@evil.example",
        "http://127.0.0.1:80@evil.example", "http://localhost", "http://127.1", "http://[::ffff:127.0.0.1]", "s1", None,
    ]  # fmt: skip

    def example(rng: random.Random, done: Hunt) -> None:
        asked.clear()
        done.input = data = damaged(rng, sound, urls)
        note.write_bytes(data)
        os.chmod(note, 0o600)  # noqa: PTH101
        found = find_running(database)
        done.note("found" if found else "none")
        for url in (*asked, *([found] if found else [])):
            host = httpx.URL(url).host
            assert host == "::1" or host.startswith(("127.", "::ffff:127.", "::ffff:7f")), url

    guard = FileLock(f"{database}.lock")
    with guard:
        done = hunt("server notes", 600, example, allowed=tmp_path)
    assert done.outcomes["found"] > 20 or done.examples < 500


def test_only_the_marker_itself_says_that_a_state_is_the_latest(tmp_path: Path) -> None:
    folder = tmp_path / "marks"
    marker = FreshnessMarker(folder)
    head = Head("lineage", 7, BINDING, nonce="n7")
    marker.write(head)
    (file,) = folder.iterdir()
    sound = json.loads(file.read_bytes())

    def example(rng: random.Random, done: Hunt) -> None:
        data = done.input = damaged(rng, sound, ["lineage", 7, 7.0, "n7", "n8", True])
        file.write_bytes(data)
        is_latest = marker.matches(head)
        try:
            told = json.loads(data[:4096])
        except (ValueError, RecursionError):
            told = None
        assert is_latest is (told == sound)
        done.note(str(is_latest))
        marker.clear(head)
        assert not marker.matches(head)
        marker.write(head)
        assert marker.matches(head)

    hunt("freshness markers", 300, example, allowed=tmp_path)
