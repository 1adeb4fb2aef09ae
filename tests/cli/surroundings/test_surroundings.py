"""Every command in every kind of surroundings: an error with its exit code, or the same as everywhere.

Whatever happens, the state stays whole, and nothing is started twice. Of the commands that only look, a third is tried
in each place, others with another SURROUNDINGS=N; SURROUNDINGS=all tries all of them.
"""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.surroundings.places import BAD, PLACES, Place, another_users, readonly, usable_again, without_privileges
from tests.cli.surroundings.projects import COMMANDS, GROUP, PLAIN, Project, command_lines, leaves

pytest.importorskip("starlette")
if os.name != "posix":
    pytest.skip("these surroundings are POSIX ones", allow_module_level=True)

from wfdeploy.testing.server import WorkflowServer

_SAMPLE = os.environ.get("SURROUNDINGS", "0")


@pytest.fixture(scope="module")
def server() -> Iterator[WorkflowServer]:
    with WorkflowServer() as started:
        yield started


@pytest.fixture(scope="module")
def usual(server: WorkflowServer, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], int | None]:
    """The exit code of each command line where nothing is unusual."""
    project = Project(tmp_path_factory.mktemp("usual") / "project", server, "usual")
    return {arguments: project.run(PLAIN, *arguments).code for _, arguments in command_lines()}


def test_no_command_is_left_out() -> None:
    assert set(COMMANDS) == {name for name, _ in leaves()}


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES, ids=[place.name for place in PLACES])
def test_surroundings(
    place: Place,
    server: WorkflowServer,
    usual: dict[tuple[str, ...], int | None],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    name = f"place-{PLACES.index(place)}"
    project = Project(tmp_path / place.folder, server, name)
    if place.arrange is not None:
        place.arrange(project.folder)
        request.addfinalizer(lambda: usable_again(project.folder))
    wrong = []
    for command, arguments in command_lines(None if _SAMPLE == "all" else f"{place.name} {_SAMPLE}"):
        ended = project.run(place, *arguments)
        complaints = ended.complaints
        if ended.code not in set(command.exits):
            complaints.append(f"exit code {ended.code} is not documented")
        if ended.code != usual[arguments] and ended.code not in place.refusals:
            complaints.append(f"exit code {ended.code}, not {usual[arguments]}")
        if complaints:
            wrong.append((complaints, ended))
    assert not wrong, "\n".join(f"{' '.join(ended.arguments)}: {said}: {ended}" for said, ended in wrong)
    usable_again(project.folder)
    for added in (project.folder / "manifests").iterdir():
        if BAD in added.name and added.is_file():
            added.unlink()
        elif added.is_dir():
            added.rename(added.with_name("d"))
    project.require_sound()
    started = Counter(run.id for run in server.runs())
    assert set(started.values()) == {1}, "a run was started twice"


_PATHS = (
    ("plan", BAD),
    ("validate", BAD, "-o", "json"),
    ("validate", BAD, "--log-format", "json"),
    ("render", BAD),
    ("apply", f"{BAD}.plan"),
    ("init", BAD),
    ("plan", "--out", f"{BAD}.plan"),
    ("plan", "--state", f"{BAD}.db", "-o", "json"),
    ("plan", "--env-file", BAD),
    ("plan", "--token-file", BAD),
    ("plan", "--project-file", BAD),
    ("plan", "--allow", f"path={BAD}"),
    ("apply", "--yes", "--state", f"{BAD}2.db"),
    ("state", "export", "--state", f"{BAD}2.db"),
    ("state", "import", BAD),
    ("state", "import", "exported.jsonl", "--state", f"{BAD}3.db"),
    ("dev", "--port", "0", "--db", f"{BAD}4.db"),
)
_WORDS = (
    (BAD,),
    ("plan", "-e", BAD),
    ("plan", "--url", BAD),
    ("plan", "--target", BAD),
    ("plan", "--var", f"x={BAD}"),
    ("init", "z", "--name", BAD),
    *(
        (*command.split(), f"jobs/{BAD}")
        for command in ("history", "logs", "status", "wait", "refresh", "cancel --yes")
    ),
    *((*command.split(), f"jobs/{BAD}") for command in ("resume --yes", "restart --yes", "retrigger --yes")),
    *((*command.split(), f"jobs/{BAD}") for command in ("state list -o json", "state show", "state rm", "render .")),
    *(("rollout", command, BAD) for command in ("status", "pause", "resume", "approve", "abort")),
    ("state", "mv", "jobs/a", f"jobs/{BAD}"),
    ("state", "mv", f"jobs/{BAD}", "jobs/z"),
    ("state", "resolve", f"jobs/{BAD}", "--resend"),
    ("status", "--label", BAD),
)
_LONG = (
    ("plan", "x" * 300),
    ("plan", "x/" * 3000),
    ("plan", "--state", "x" * 300),
    ("plan", "--project-file", "x" * 5000),
    ("plan", "--out", "x" * 300),
    ("plan", "--env-file", "x" * 300),
    ("plan", "--token-file", "x" * 300),
    ("apply", "--yes", "--state", "/" + "x/" * 3000 + "a.db"),
    ("init", "x" * 300),
    ("state", "import", "x" * 300),
    ("state", "export", "--state", "x" * 254),
)


@pytest.mark.slow
def test_arguments_that_no_file_or_address_has(server: WorkflowServer, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", server, "arguments")
    wrong = []
    for arguments in (*_PATHS, *_WORDS, *_LONG):
        ended = project.run(PLAIN, *arguments)
        shown = (ended.stdout + ended.stderr).decode()  # nothing else than UTF-8 is written
        if ended.complaints or (" json" in " ".join(arguments) and r"\udc" in shown) or "is damaged" in shown:
            wrong.append(ended)
    assert not wrong, "\n".join(map(str, wrong))
    project.require_sound()


@pytest.mark.slow
@pytest.mark.parametrize("arrange", [readonly, another_users])
def test_the_embedded_server_says_what_it_cannot_write(
    server: WorkflowServer, tmp_path: Path, arrange: Callable[[Path], None]
) -> None:
    project = Project(tmp_path / "project", server, arrange.__name__.strip("_").replace("_", "-"))
    assert project.run(PLAIN, "plan", "--local").code == 0  # so that there is a database
    arrange(project.folder)
    try:
        for command in ("plan", "apply --yes", "status", "refresh", "cancel jobs/a --yes", "adopt --yes"):
            ended = project.run(Place("here", begin=without_privileges), *command.split(), "--local")
            assert (ended.code, ended.complaints) == (5, []), ended
            assert b"cannot write the embedded server's database" in ended.stderr
    finally:
        usable_again(project.folder)


_LOCALLY = ("no stdin, stdout, stderr", "full stdout", "reader gone", "nothing set", "files of no size", "deaf")


@pytest.mark.slow
@pytest.mark.parametrize("place", [place for place in PLACES if place.name in _LOCALLY], ids=lambda place: place.name)
def test_surroundings_of_the_embedded_server(place: Place, server: WorkflowServer, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", server, f"local-{PLACES.index(place)}")
    for arguments in (("apply", "--local", "--yes", "--timeout", "1"), ("plan", "--local")):
        ended = project.run(place, *arguments)
        assert ended.complaints == [], ended
        assert ended.code in {0, *place.refusals}, ended
    project.require_sound()


def test_closed_streams_are_not_reused_for_the_state(server: WorkflowServer, tmp_path: Path) -> None:
    """What is written to a closed output must not end up in the file that got its number."""
    project = Project(tmp_path / "project", server, "reused")
    (project.folder / "manifests/jobs.yaml").write_text(GROUP.replace("body: 1", "body: 2"), encoding="utf-8")
    for place in PLACES[:3]:
        ended = project.run(place, "apply", "--yes", "--replace", "jobs/a", "-vv")
        assert (ended.code, ended.complaints) == (0, []), ended
    project.require_sound()


def test_a_standard_input_that_cannot_be_read_is_told(server: WorkflowServer, tmp_path: Path) -> None:
    def write_only() -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 0)

    project = Project(tmp_path / "project", server, "write-only")
    for arguments in (("validate", "-"), ("plan", "-"), ("plan", "--token-file", "-")):
        ended = project.run(Place("write only", begin=write_only), *arguments)
        assert (ended.code, ended.complaints) == (64, []), ended


def test_a_pipe_that_was_set_not_to_wait_loses_nothing(server: WorkflowServer, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", server, "not-to-wait")
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    with os.fdopen(reading, "rb") as reader:
        place = Place("not to wait", stdout=lambda: os.fdopen(writing, "wb"))
        with ThreadPoolExecutor(1) as pool:
            ended = pool.submit(project.run, place, "schema")
            said = reader.read()
        assert (ended.result().code, ended.result().stderr) == (0, b"")
    assert said == project.run(PLAIN, "schema").stdout
