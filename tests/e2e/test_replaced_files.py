"""Each file that wfdeploy keeps in a checkout, replaced by something else: a command says so, or does without; it never
hangs, breaks down, or writes where a link leads."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from wfdeploy.catalogue import database

_SECONDS = 60.0  # nothing here takes more than a few; without a bound a hang would hang the suite

STATE = ("default.db", "default.db-wal", "default.db-shm", "default.db-journal", "default.db.lock")
NAMES = (
    *(f"state/{name}" for name in (*STATE, "default.db.lock.json")),
    *(f"cache/{database.FILE}{suffix}" for suffix in ("", "-wal", "-journal")),
    "cache/.gitignore",
    "cache",
)
LOCAL = ("", "-wal", "-journal", ".lock", ".server.json", ".demo-port")

ONLINE_NOT_NEEDED = (("plan", "--offline"), ("apply", "--yes"), ("state", "list"))


def ran(root: Path, *arguments: str, most_kib: int | None = None) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("QSTASH_")}

    def limit() -> None:
        if most_kib is not None:
            resource.setrlimit(resource.RLIMIT_AS, (most_kib * 1024, most_kib * 1024))

    return subprocess.run(
        [sys.executable, "-m", "wfdeploy", *arguments],
        preexec_fn=limit,
        cwd=root,
        env={**environ, "QSTASH_TOKEN": "t", "QSTASH_URL": "http://127.0.0.1:9"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    (root / "manifests").mkdir()
    (root / "manifests" / "g.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {name: g}\n"
        "spec: {destination: 'https://app.example.com/wf', runs: [{name: a}, {name: b}]}\n"
    )
    (root / "wfdeploy.yaml").write_text("apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: p}\n")
    assert ran(root, "adopt", "--yes").returncode == 0
    return root


@pytest.fixture
def copy(project: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(project, tmp_path / "project"))


def link(path: Path) -> None:
    path.symlink_to(path.parents[3] / "victim")


def dangling(path: Path) -> None:
    path.symlink_to(path.parents[3] / "nowhere")


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def rubbish(path: Path) -> None:
    path.write_bytes(b"rubbish" * 1000)


NO_RUNS = "{name: a, forEach: {items: []}, key: '${{ row.x }}'}"

REPLACEMENTS: Mapping[str, Callable[[Path], None]] = {
    "link": link,
    "dangling": dangling,
    "pipe": os.mkfifo,
    "directory": Path.mkdir,
    "rubbish": rubbish,
}


def replace(path: Path, how: str) -> Path:
    """Returns the file that a link leads to."""
    victim = path.parents[3] / "victim"
    victim.write_bytes(b"precious" * 1000)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True, parents=True)
    REPLACEMENTS[how](path)
    return victim


def is_refusal(done: subprocess.CompletedProcess[str]) -> bool:
    # 64: a state that a link leads out of the project is refused before anybody looks at it.
    assert done.returncode in (0, 5, 64), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr
    return done.returncode != 0


@pytest.mark.parametrize("how", REPLACEMENTS)
@pytest.mark.parametrize("name", NAMES)
def test_no_file_of_the_state_or_the_cache_leads_elsewhere(copy: Path, name: str, how: str) -> None:
    folder = copy / ".wfdeploy"
    path = folder / name
    victim = folder.parent.parent / "victim"
    if "/" in name:
        victim = replace(path, how)
    else:  # a folder, one floor up
        victim.mkdir()
        shutil.rmtree(path)
        REPLACEMENTS[how](path) if how != "link" else path.symlink_to(victim)
    content = sorted(victim.iterdir()) if victim.is_dir() else victim.read_bytes() if victim.exists() else None
    for command in ONLINE_NOT_NEEDED:
        done = ran(copy, *command)
        if is_refusal(done):
            assert name.startswith("state/"), "a cache is done without"
            assert "hint:" in done.stderr
        elif command[0] in ("plan", "apply"):
            assert "2 unchanged" in done.stdout + done.stderr
        else:
            assert "g/a" in done.stdout
    after = sorted(victim.iterdir()) if victim.is_dir() else victim.read_bytes() if victim.exists() else None
    assert after == content
    assert not (copy.parent / "nowhere").exists()


@pytest.mark.parametrize("how", REPLACEMENTS)
@pytest.mark.parametrize("suffix", LOCAL)
def test_no_file_of_the_embedded_server_leads_elsewhere(copy: Path, suffix: str, how: str) -> None:
    victim = replace(copy / ".wfdeploy" / f"local-server.db{suffix}", how)
    manifest = copy / "manifests" / "g.yaml"  # that sends nothing
    manifest.write_text(manifest.read_text().replace("{name: b}", "").replace("{name: a}, ", NO_RUNS))
    content = victim.read_bytes()
    for command in (("apply", "--local", "--yes"), ("plan", "--local", "--offline")):
        is_refusal(ran(copy, *command))
    assert victim.read_bytes() == content
    assert not (copy.parent / "nowhere").exists()


GIVEN = ("--env-file", "--token-file", "import", "plan", ".gitignore", "beside", "project file")


@pytest.mark.parametrize("how", [os.mkfifo, endless], ids=["pipe", "endless"])
@pytest.mark.parametrize("what", GIVEN)
def test_a_file_that_a_command_names_neither_hangs_it_nor_fills_the_memory(
    copy: Path, what: str, how: Callable[[Path], None]
) -> None:
    """A checkout may hold something else in its place."""
    path = copy / {"beside": "manifests/z.yaml", "project file": "wfdeploy.yaml"}.get(what, "given")
    command: tuple[str, ...] = ("plan", "--offline", what, str(path))
    match what:
        case "import":
            command = ("state", "import", str(path), "--state", "new.db")
        case "plan":
            command = ("apply", str(path), "--yes")
        case ".gitignore":
            path.mkdir()
            command, path = ("init", str(path), "--name", "x"), path / ".gitignore"
        case "beside":
            command = ("plan", "--offline", "manifests/g.yaml")
        case "project file":
            path.unlink()
            command = ("plan", "--offline")
    how(path)
    done = ran(copy, *command, most_kib=2 * 1024 * 1024)
    codes = {"plan": (4,), ".gitignore": (0, 64), "beside": (0,), "project file": (4,)}  # 64: it leads elsewhere
    assert done.returncode in codes.get(what, (64,)), done.stderr
    assert "Traceback" not in done.stderr
    assert "out of memory" not in done.stderr
    assert str(path.name) in done.stderr or not done.returncode


def test_a_link_that_leads_nowhere_is_no_missing_project_file(copy: Path) -> None:
    """Without it, the runs would be those of another project, and all of them new."""
    (copy / "wfdeploy.yaml").unlink()
    (copy / "wfdeploy.yaml").symlink_to("shared/wfdeploy.yaml")
    for command in ("plan --offline", "apply --yes", "status", "validate"):
        done = ran(copy, *command.split())
        assert done.returncode == 4, done.stdout + done.stderr
        assert "wfdeploy.yaml" in done.stdout + done.stderr


def test_an_older_or_a_strangers_copy_of_the_cache_changes_nothing(copy: Path, tmp_path: Path) -> None:
    stranger = Path(shutil.copytree(copy, tmp_path / "stranger", ignore=shutil.ignore_patterns(".wfdeploy")))
    (stranger / "manifests" / "g.yaml").write_text(
        (copy / "manifests" / "g.yaml").read_text().replace("name: b", "name: c")
    )
    assert ran(stranger, "adopt", "--yes").returncode == 0
    name = f".wfdeploy/cache/{database.FILE}"
    older = (copy / name).read_bytes()
    manifest = copy / "manifests" / "g.yaml"
    manifest.write_text(manifest.read_text().replace("name: b", "name: c"))
    for content in (older, (stranger / name).read_bytes()):
        (copy / name).write_bytes(content)
        done = ran(copy, "plan", "--offline")
        assert "g/c" in done.stdout, done.stdout + done.stderr
