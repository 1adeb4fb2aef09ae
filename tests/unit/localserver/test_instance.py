"""One server per database file, and how commands find it."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from tests.fakes.loop_thread import LoopThread
from tests.fakes.raw_http import read_request
from tests.support.local_server import LocalServer
from wfdeploy.localserver import instance
from wfdeploy.localserver.instance import DatabaseInUse
from wfdeploy.localserver.serve import find_running


def test_one_server_per_file(tmp_path: Path) -> None:
    database = tmp_path / "x.db"
    assert find_running(database) is None
    with LocalServer(database, announce=True) as server:
        assert find_running(database) == server.url
        with pytest.raises(DatabaseInUse) as caught:
            LocalServer(database).start()
        assert caught.value.url == server.url
    assert find_running(database) is None
    with LocalServer(database):
        # Not announced: it belongs to a command and ends with it.
        assert find_running(database) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "http://192.0.2.1:8080"},
        {"url": "https://127.0.0.1:8080"},
        {"url": "http://evil.example@127.0.0.1:8080"},
        {"url": "http://localhost.evil.example"},
        {"url": "file:///etc/passwd"},
        {"url": ["http://127.0.0.1"]},
        {"serverId": "x"},
    ],
    ids=str,
)
def test_a_note_that_leads_elsewhere_is_not_believed(tmp_path: Path, changed: dict[str, object]) -> None:
    database = tmp_path / "x.db"
    note = tmp_path / "x.db.server.json"
    with LocalServer(database, announce=True) as server:
        told = json.loads(note.read_text())
        assert find_running(database) == server.url
        note.write_text(json.dumps(told | changed))
        assert find_running(database) is None


def test_a_note_is_believed_only_while_a_process_holds_the_lock(tmp_path: Path) -> None:
    database, note = tmp_path / "x.db", tmp_path / "x.db.server.json"
    with LocalServer() as other:  # which would answer, and isn't the server of this file
        note.write_text(json.dumps({"url": other.url, "serverId": other.server_id}))
        assert find_running(database) is None
        (tmp_path / "x.db.lock").touch()
        assert find_running(database) is None


class Answering(LoopThread):
    """Sends a beginning, and the same piece again and again."""

    def __init__(self, beginning: bytes, piece: bytes = b"", *, pause_s: float = 0.0) -> None:
        super().__init__()
        self._beginning, self._piece, self._pause_s = beginning, piece, pause_s
        self.sent = 0

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(self._beginning)
        while self._piece:
            writer.write(self._piece)
            await writer.drain()
            self.sent += len(self._piece)
            await asyncio.sleep(self._pause_s)


SOUND = b"HTTP/1.1 200 OK\r\nWfdeploy-Server-Id: s1\r\n"


@pytest.mark.parametrize(
    ("beginning", "piece", "pause_s"),
    [
        (SOUND, b"X-More: x\r\n", 0.05),
        (SOUND, b"X-More: " + b"x" * 50_000 + b"\r\n", 0),
        (SOUND + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.05),
        (SOUND + b"\r\n", b"x" * 50_000, 0),
        (SOUND + b"Content-Length: 99999999999\r\n\r\n", b"x" * 50_000, 0),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
    ],
    ids=["drip of headers", "headers", "drip of chunks", "body", "length", "interim"],
)
def test_an_endless_answer_of_what_a_note_names_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beginning: bytes, piece: bytes, pause_s: float
) -> None:
    monkeypatch.setattr(instance, "PROBE_TIMEOUT_S", 0.5)
    database, note = tmp_path / "x.db", tmp_path / "x.db.server.json"
    with LocalServer(database), Answering(beginning, piece, pause_s=pause_s) as other:
        note.write_text(json.dumps({"url": other.url, "serverId": "s1"}))
        started = time.perf_counter()
        assert find_running(database) is None
        assert time.perf_counter() - started < 3
        assert other.sent < 20_000_000  # sockets and pipes hold some


def test_a_server_without_an_id_is_none(tmp_path: Path) -> None:
    database, note = tmp_path / "x.db", tmp_path / "x.db.server.json"
    with LocalServer(database), Answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as other:
        note.write_text(json.dumps({"url": other.url, "serverId": None}))
        assert find_running(database) is None


def test_a_server_is_found_from_within_an_event_loop(tmp_path: Path) -> None:
    database = tmp_path / "x.db"

    async def found() -> str | None:
        return find_running(database)

    with LocalServer(database, announce=True) as server:
        assert asyncio.run(found()) == server.url


def test_a_note_that_is_a_link_or_a_pipe_is_not_read(tmp_path: Path) -> None:
    database, note = tmp_path / "x.db", tmp_path / "x.db.server.json"
    with LocalServer(database, announce=True):
        note.rename(tmp_path / "elsewhere")
        note.symlink_to("elsewhere")
        assert find_running(database) is None
        note.unlink()
        os.mkfifo(note)
        assert find_running(database) is None


@pytest.mark.parametrize("other", [" {}", "{} ", "{}/", "{}/x", "{}?x", "{}#x", "\t{}", "{}\n"])
def test_a_note_in_other_words_than_a_servers_is_not_believed(tmp_path: Path, other: str) -> None:
    """Readers of URLs don't agree about blanks; one of them may see another host."""
    database, note = tmp_path / "x.db", tmp_path / "x.db.server.json"
    with LocalServer(database, announce=True) as server:
        note.write_text(json.dumps({"url": other.format(server.url), "serverId": server.server_id}))
        assert find_running(database) is None
        note.write_text(json.dumps({"url": server.url, "serverId": server.server_id}))
        assert find_running(database) == server.url


def test_left_over_sidecar_is_not_believed(tmp_path: Path) -> None:
    database = tmp_path / "x.db"
    with LocalServer(database, announce=True):
        sidecar = (tmp_path / "x.db.server.json").read_text()
    (tmp_path / "x.db.server.json").write_text(sidecar)
    assert find_running(database) is None  # nobody listens there
    with LocalServer() as other:
        told = json.loads(sidecar) | {"url": other.url}
        (tmp_path / "x.db.server.json").write_text(json.dumps(told))
        assert find_running(database) is None  # somebody else does
    (tmp_path / "x.db.server.json").write_text("{")
    assert find_running(database) is None
