"""The program as users run it: a process of its own, in a project directory, against a server on loopback."""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

REPOSITORY = Path(__file__).resolve().parents[2]
HEARD = "[heard a signal]"
DYING = REPOSITORY / "tests" / "support" / "dying_process.py"
SHORT_LEASE = REPOSITORY / "tests" / "support" / "short_lease.py"


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended. `code` is negative when a signal killed it."""

    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        """What `apply -o json` printed."""
        value = json.loads(self.stdout)
        assert isinstance(value, dict)
        return value

    @property
    def counts(self) -> dict[str, int]:
        """The outcomes that are not zero."""
        return {name: count for name, count in self.report["summary"].items() if count}


class Child:
    """A running command. Its output is read all the time, so that it never blocks on a full pipe."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._signals = 0
        self._lines = threading.Condition()
        self._text = {"stdout": "", "stderr": ""}
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("stdout", process.stdout), ("stderr", process.stderr))
            if stream is not None
        ]
        for reader in self._readers:
            reader.start()

    def wait_for_words(self, words: str, *, timeout_s: float = 20.0) -> None:
        """Return once standard error holds these words."""
        with self._lines:
            said = self._lines.wait_for(lambda: words in self._text["stderr"], timeout_s)
            assert said, f"it never said {words!r}, but: {self._text['stderr']}"

    def wait_for_output(self, words: str, *, timeout_s: float = 20.0) -> None:
        """Return once standard output holds these words."""
        with self._lines:
            said = self._lines.wait_for(lambda: words in self._text["stdout"], timeout_s)
            assert said, f"it never printed {words!r}, but: {self._text}"

    def signal(self, number: signal.Signals) -> None:
        """Send it and return once it was heard. Takes a process that tells (`die="never"`)."""
        self._signals += 1
        self.process.send_signal(number)
        with self._lines:
            heard = self._lines.wait_for(lambda: self._text["stderr"].count(HEARD) >= self._signals, 20.0)
            assert heard, f"it heard nothing, but said: {self._text['stderr']}"

    def kill(self) -> Result:
        """SIGKILL."""
        self.process.kill()
        return self.result()

    def result(self, *, timeout_s: float = 60.0) -> Result:
        """Wait for its end."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise AssertionError(f"it did not end; it said: {self._text['stderr']}") from None
        finally:
            for reader in self._readers:
                reader.join(10)
        return Result(code, self._text["stdout"], self._text["stderr"])

    def _read(self, name: str, stream: IO[bytes]) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        with stream:
            while data := os.read(stream.fileno(), 65536):
                with self._lines:
                    self._text[name] += decoder.decode(data)
                    self._lines.notify_all()


@dataclass
class Checkout:
    """A project directory as a user has it. `url` and `token`: where its commands go. `lease_s`: how long its commands'
    leases of a shared state live, instead of the two minutes."""

    root: Path
    url: str
    token: str
    server: dict[str, Any] = field(default_factory=lambda: {"logLag": 0})
    environ: dict[str, str] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    lease_s: float | None = None

    def __post_init__(self) -> None:
        (self.root / "manifests").mkdir(parents=True, exist_ok=True)
        self.configure()

    @property
    def state_file(self) -> Path:
        return self.root / ".wfdeploy" / "state" / "default.db"

    def lose_state(self) -> None:
        """Delete the file, and what lies beside it but for the lock."""
        for file in self.state_file.parent.glob(f"{self.state_file.name}*"):
            if not file.name.endswith(".lock"):
                file.unlink()

    def configure(self, **server: Any) -> None:
        """Write the project file, with more server settings."""
        self.server.update(server)
        value = {
            "apiVersion": "wfdeploy/v1",
            "kind": "Project",
            "metadata": {"name": "shop", "uid": "u1u2u3u4"},
            "spec": {"server": self.server, **self.spec},
        }
        (self.root / "wfdeploy.yaml").write_text(json.dumps(value), encoding="utf-8")

    def write(self, *groups: dict[str, Any], file: str = "runs.yaml") -> None:
        """Replace a manifest file."""
        text = "\n---\n".join(json.dumps(value, indent=1) for value in groups)
        (self.root / "manifests" / file).write_text(text + "\n", encoding="utf-8")

    def start(
        self,
        *arguments: str,
        die: str | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
    ) -> Child:
        """Start a command. `die`: where the process shall kill itself (tests/support/dying_process.py); "never" is
        a place too, and such a process says when it heard a signal."""
        run = ["-m", "wfdeploy"]
        environ = self._environ()
        if die is not None:
            run = [str(DYING)]
            environ["DIE_AT"] = die
        elif self.lease_s is not None:
            run = [str(SHORT_LEASE)]
            environ["SHORT_LEASE"] = str(self.lease_s)
        return Child(
            subprocess.Popen(
                [sys.executable, "-W", "error", *run, *arguments],
                cwd=self.root,
                env=environ,
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.PIPE,
            )
        )

    def run(self, *arguments: str, die: str | None = None, timeout_s: float = 60.0) -> Result:
        """Run a command to its end."""
        return self.start(*arguments, die=die).result(timeout_s=timeout_s)

    def apply(self, *arguments: str, die: str | None = None) -> Result:
        """`apply --yes -o json` to its end."""
        return self.run("apply", "--yes", "-o", "json", *arguments, die=die)

    def here(self, *arguments: str) -> Result:
        """The same command line within this process: much faster, and not to be killed."""
        from wfdeploy.cli.error_handler import run
        from wfdeploy.cli.output import App, Output

        environ = self._environ()
        stdout, stderr = io.StringIO(), io.StringIO()
        with contextlib.chdir(self.root):
            code = run(arguments, App(output=Output(stdout=stdout, stderr=stderr, environ=environ), environ=environ))
        return Result(code, stdout.getvalue(), stderr.getvalue())

    def _environ(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": f"{self.root}-home",
            "PYTHONPATH": str(REPOSITORY),
            "QSTASH_URL": self.url,
            "QSTASH_TOKEN": self.token,
            "TMPDIR": str(self.root),
            **self.environ,
        }


def once_each(counts: Mapping[str, int], runs: int) -> None:
    """Assert that so many workflow runs were accepted, each once."""
    twice = {run_id: count for run_id, count in counts.items() if count != 1}
    assert not twice, f"not accepted once: {twice}"
    assert len(counts) == runs, f"{len(counts)} workflow runs for {runs} declared ones: {Counter(counts)}"


@contextmanager
def ended(child: Child) -> Iterator[Child]:
    """However the test ends, the process does too."""
    try:
        yield child
    finally:
        if child.process.poll() is None:
            child.process.kill()
            child.process.wait(10)
