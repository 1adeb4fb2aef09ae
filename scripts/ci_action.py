"""The steps of the GitHub action (`action.yml`) that are more than a line of shell.

    python -I scripts/ci_action.py prepare           checks the inputs, and decides what becomes of the state
    python -I scripts/ci_action.py run FOLDER        runs the prepared command, and sets the action's outputs

Needs only the standard library, and the `wfdeploy` beside the Python that runs it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

STATELESS = frozenset({"validate", "render", "graph", "comment", "explain", "schema", "version", "help", "completion"})
"""Commands that need no state."""

READERS = frozenset(
    {
        *("plan", "status", "wait", "logs", "history", "doctor"),
        *("rollout status", "state list", "state show", "state export"),
    }
)
"""Commands that only read the state. It is saved after all others."""

REPORTED = frozenset({"plan", "apply", "status"})
"""Commands with reports in Markdown and in JSON."""

CHANGES = 2
"""What `plan --detailed-exitcode` exits with when there is something to do."""


class BadInput(Exception):
    """An input of the action that can't be meant."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A command, ready to run."""

    arguments: Sequence[str]
    working_directory: str
    command: str
    plan_file: str | None
    report: str | None
    counts: str | None

    def save(self, folder: Path) -> None:
        (folder / "prepared.json").write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Prepared:
        return cls(**json.loads((folder / "prepared.json").read_text(encoding="utf-8")))


def prepared(inputs: Mapping[str, str], folder: Path) -> Prepared:
    """Make the command of the action's inputs.

    folder: where its files go.

    Raises: `BadInput`.
    """
    words = _split("command", inputs["INPUT_COMMAND"])
    if not words or words[0].startswith("-"):
        raise BadInput("the input command is not a command of wfdeploy")
    command = " ".join(words[:2]) if words[0] in ("rollout", "state") else words[0]
    if environment := inputs["INPUT_ENVIRONMENT"]:
        words += ["-e", environment]
    plan_file = report = counts = None
    if command in REPORTED:
        report, counts = str(folder / "report.md"), str(folder / "report.json")
        words += ["--report", f"markdown={report}", "--report", f"json={counts}"]
    if command == "plan":
        words += ["--detailed-exitcode"]
        if _is_true("save-plan", inputs["INPUT_SAVE_PLAN"]):
            plan_file = str(folder / "plan")
            words += ["--out", plan_file]
    _is_true("comment", inputs["INPUT_COMMENT"])
    words += _split("args", inputs["INPUT_ARGS"])
    return Prepared(words, inputs["INPUT_WORKING_DIRECTORY"], command, plan_file, report, counts)


def state_key(inputs: Mapping[str, str], command: str, arguments: Sequence[str]) -> str | None:
    """The beginning of the names of the state's caches; None where nothing is to be restored.

    Raises: `BadInput`.
    """
    if inputs["INPUT_STATE"] not in ("cache", "shared"):
        raise BadInput("the input state is either cache or shared")
    if inputs["INPUT_STATE"] == "shared" or command in STATELESS:
        return None
    # Each part ends with a slash, which none contains: the caches of `prod` never stand for those of `prod-eu`.
    folder = re.sub(r"[^A-Za-z0-9._-]", "_", os.path.normpath(inputs["INPUT_WORKING_DIRECTORY"]))
    return f"wfdeploy-state/{folder}/{inputs['INPUT_ENVIRONMENT'] or '_'}/{_shard(arguments)}/"


def _shard(arguments: Sequence[str]) -> str:
    for here, word in enumerate(arguments):
        if word == "--shard" and here + 1 < len(arguments):
            return arguments[here + 1].replace("/", "-of-")
        if word.startswith("--shard="):
            return word.removeprefix("--shard=").replace("/", "-of-")
    return "all"


def _split(name: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise BadInput(f"the input {name} can't be read: {error}") from error


def _is_true(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise BadInput(f"the input {name} is either true or false")
    return text == "true"


def counts_of(report: str | None) -> str | None:
    """The numbers of a report in JSON, as JSON on one line; None where there are none: the command failed before."""
    try:
        summary = json.loads(Path(report or "").read_text(encoding="utf-8"))["summary"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return json.dumps(summary, separators=(",", ":"))


def run(folder: Path, environ: Mapping[str, str]) -> int:
    """Run the prepared command, set the outputs, and return the step's exit code."""
    job = Prepared.load(folder)
    program = Path(sys.executable).with_name("wfdeploy")
    child: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if child is None:
            early.append(number)
        else:
            child.send_signal(number)  # it stops once its pending requests are answered

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, pass_on)
    child = subprocess.Popen([program, *job.arguments], cwd=job.working_directory, stdin=subprocess.DEVNULL)
    for number in early:
        child.send_signal(number)
    code = child.wait()
    code = code if code >= 0 else 128 - code
    outputs: dict[str, str | None] = {"exit-code": str(code), "counts": counts_of(job.counts)}
    if job.command == "plan" and code in (0, CHANGES):
        outputs["changed"] = _shown(code == CHANGES)
        outputs["plan-file"] = job.plan_file
    if job.report is not None and Path(job.report).is_file():
        outputs["report"] = job.report  # also of a command that failed: it says why
    write_outputs(environ, outputs)
    return 0 if job.command == "plan" and code == CHANGES else code


def prepare(environ: Mapping[str, str]) -> None:
    """Check the inputs, and set what the next steps need. Raises: `BadInput`."""
    folder = Path(tempfile.mkdtemp(prefix="wfdeploy-", dir=environ["RUNNER_TEMP"]))
    job = prepared(environ, folder)
    job.save(folder)
    newest = state_key(environ, job.command, job.arguments)
    outputs: dict[str, str | None] = {"prepared": str(folder)}
    if newest is not None:
        # What is there is at least as new: an earlier step of this job left it.
        there = Path(environ["INPUT_WORKING_DIRECTORY"], ".wfdeploy", "state").exists()
        # GitHub never overwrites a cache: each step has a name of its own, and the newest one is restored.
        own = f"{environ['GITHUB_RUN_ID']}-{environ['GITHUB_RUN_ATTEMPT']}-{time.time_ns()}"
        outputs |= {"key": newest + own, "newest": newest}
        outputs |= {"restores": _shown(not there), "saves": _shown(job.command not in READERS)}
    write_outputs(environ, outputs)


def _shown(value: bool) -> str:
    return "true" if value else "false"


def write_outputs(environ: Mapping[str, str], outputs: Mapping[str, str | None]) -> None:
    """Set outputs of the step. Raises: `BadInput` for a value of several lines, which could set others."""
    lines = [f"{name}={value}\n" for name, value in outputs.items() if value is not None]
    if any(line.count("\n") > 1 or "\r" in line for line in lines):
        raise BadInput("an input has a line break")
    with Path(environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        file.writelines(lines)


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    try:
        if arguments[0] == "run":
            return run(Path(arguments[1]), environ)
        prepare(environ)
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 64
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
