"""Every command of the program, as a process of its own, in a project that has something for it to do."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import chdir, closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import click

from tests.cli.surroundings.places import Place
from tests.golden_files import command_line
from wfdeploy.cli.command import Command, LazyGroup
from wfdeploy.cli.main import main
from wfdeploy.testing.server import WorkflowServer

TIMEOUT_S = 20.0
_KEPT = ("PATH", "HOME", "XDG_STATE_HOME", "TMPDIR", "LD_LIBRARY_PATH")
PLAIN = Place("plain")

COMMANDS: dict[str, tuple[str, ...]] = {
    "version": ("",),
    "schema": ("",),
    "completion": ("bash",),
    "init": ("fresh --name fresh --ci github",),
    "validate": ("",),
    "render": ("",),
    "graph": ("", "--format mermaid"),
    "explain": ("runs.retries",),
    "help": ("plan", "options"),
    "plan": ("", "--offline --detailed-exitcode -o json", "--out it.plan"),
    "status": ("",),
    "history": ("jobs/a",),
    "logs": ("jobs/a",),
    "refresh": ("",),
    "wait": ("jobs/a --timeout 0",),
    "state list": ("",),
    "state show": ("jobs/a -o json",),
    "state export": ("",),
    "rollout status": ("",),
    "rollout pause": ("slow",),
    "rollout resume": ("slow",),
    "rollout approve": ("slow",),
    "rollout abort": ("slow",),
    "cancel": ("jobs/a --yes",),
    "resume": ("jobs/b --yes",),
    "restart": ("jobs/a --yes",),
    "retrigger": ("jobs/b --yes",),
    "state mv": ("jobs/a jobs/e",),
    "state rm": ("jobs/e --yes",),
    "state resolve": ("jobs/b --resend",),
    "state holder": ("",),
    "state init": ("", "s3://"),
    "state migrate": ("--to s3://", "--to other.db"),
    "state pull": ("pulled.db",),
    "state unlock": ("--yes",),
    "state import": ("exported.jsonl --state other.db",),
    "adopt": ("--yes",),
    "doctor": ("", "--probe --yes"),
    "comment": ("plan.md",),
    "apply": ("--yes -o json",),
    "dev": ("--port 0",),
}
"""Command lines of each command, in an order in which most find something to do."""

LOOKING = frozenset(
    (
        *("version", "schema", "completion", "validate", "render", "graph", "explain", "help", "plan", "status"),
        *("history", "logs", "wait", "state list", "state show", "state export", "rollout status", "state holder"),
        *("state init", "comment", "doctor"),
    )
)
"""Commands whose lines may be left out: no other line depends on what they did."""

GROUP = """\
apiVersion: wfdeploy/v1
kind: RunGroup
metadata: {name: jobs}
spec:
  destination: http://127.0.0.1:9/never
  defaults: {delay: 1d}
  runs:
    - {name: a, body: {text: "\u00e9\u4e2d"}}
    - {name: b, body: 1}
"""
_ROLLOUT = """\
---
apiVersion: wfdeploy/v1
kind: RunGroup
metadata: {name: slow}
spec:
  destination: http://127.0.0.1:9/never
  defaults: {delay: 1d}
  rollout: {steps: [{count: 1, pauseUntil: approved}, {count: 2}]}
  runs:
    - {name: s, forEach: {file: rows.csv}, key: "${{ row.id }}", body: "${{ row.name }}"}
"""


def leaves(group: click.Group = main, before: str = "") -> Iterator[tuple[str, Command]]:
    """Each command of the program, with its name in full."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, LazyGroup):
            yield from leaves(command, f"{before}{name} ")
        else:
            assert isinstance(command, Command)
            yield f"{before}{name}", command


def command_lines(sample: str | None = None) -> Iterator[tuple[Command, tuple[str, ...]]]:
    """All command lines of `COMMANDS`, each with its command.

    sample: leaves out two thirds of the lines of `LOOKING`, others for another text.
    """
    commands = dict(leaves())
    for name, lines in COMMANDS.items():
        for line in lines:
            if sample is None or name not in LOOKING or zlib.crc32(f"{sample} {name} {line}".encode()) % 3 == 0:
                yield commands[name], (*name.split(), *line.split())


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended. `code`: None where it had to be killed."""

    arguments: tuple[str, ...]
    code: int | None
    stdout: bytes
    stderr: bytes

    @property
    def complaints(self) -> list[str]:
        """What no surroundings excuse."""
        text = (self.stdout + self.stderr).decode(errors="replace")
        found = [words for words in ("Traceback", "this is a bug", "Warning: ") if words in text]
        if self.code is None:
            found.append("it hung")
        elif self.code < 0 or self.code == 1:
            found.append(f"exit code {self.code}")
        return found


class Project:
    """A project with four runs in its state, on a server of loopback that nothing leaves."""

    def __init__(self, folder: Path, server: WorkflowServer, name: str) -> None:
        self.folder = folder
        self.environ = {name: os.environ[name] for name in _KEPT if name in os.environ} | {
            "QSTASH_TOKEN": server.environment["QSTASH_TOKEN"],
            "QSTASH_URL": server.url,
        }
        (folder / "manifests").mkdir(parents=True)
        (folder / "manifests/jobs.yaml").write_text(GROUP + _ROLLOUT, encoding="utf-8")
        (folder / "manifests/rows.csv").write_text("id,name\n1,Zo\u00eb\n2,b\n", encoding="utf-8")
        (folder / "wfdeploy.yaml").write_text(
            f"apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {{name: {name}}}\n", encoding="utf-8"
        )
        with chdir(folder):
            applied = command_line("apply", "--yes", environ=self.environ)
            assert applied.code == 0, applied.stderr
            exported = command_line("state", "export", environ=self.environ)
            (folder / "exported.jsonl").write_text(exported.stdout, encoding="utf-8")

    def run(self, place: Place, *arguments: str) -> Ended:
        """Run the program in a place, from the project's folder."""
        environ = {name: value for name, value in {**self.environ, **place.environ}.items() if value is not None}
        stdout = place.stdout()
        stderr: IO[bytes] | int = subprocess.PIPE if place.stderr is None else place.stderr()
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "wfdeploy", *arguments],
                cwd=self.folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                preexec_fn=place.begin,  # noqa: PLW1509 - nothing else than this can close a standard stream
            )
        finally:
            for stream in (stdout, stderr):
                if not isinstance(stream, int):
                    stream.close()
        try:
            if arguments[0] == "dev":
                self._stop_once_it_listens(process)
            out, err = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            return Ended(arguments, None, out or b"", err or b"")
        return Ended(arguments, process.returncode, out or b"", err or b"")

    def _stop_once_it_listens(self, process: subprocess.Popen[bytes]) -> None:
        note = self.folder / ".wfdeploy/local-server.db.server.json"
        deadline = time.monotonic() + TIMEOUT_S
        while process.poll() is None and not note.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.terminate()

    def require_sound(self) -> None:
        """The state is whole, and an apply elsewhere goes on from it. To be called once the folder can be used."""
        for state in (self.folder / ".wfdeploy/state").glob("*.db"):
            with closing(sqlite3.connect(state)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        for arguments in (("apply", "--yes"), ("state", "export")):
            ended = self.run(PLAIN, *arguments)
            assert ended.code == 0, ended
