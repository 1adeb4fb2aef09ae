"""What a pull request can bring, held against the command as CI runs it: files of every kind, committed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Checkout, Result

STATE = ".wfdeploy/state/default.db"


def git(root: Path, *arguments: str) -> None:
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody")
    subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True, env=environ)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A project in a folder of a repository, and a server that nobody reaches."""
    git(tmp_path, "init", "-q")
    made = Checkout(tmp_path / "infra", url="http://127.0.0.1:9", token="t0ken")
    made.write({**GROUP, "spec": {"destination": "https://app.example.com/wf", "runs": [{"name": "a"}]}})
    return made


GROUP = {"apiVersion": "wfdeploy/v1", "kind": "RunGroup", "metadata": {"name": "g"}}


def commit(checkout: Checkout) -> None:
    git(checkout.root.parent, "add", "--all", "--force")
    git(checkout.root.parent, "commit", "-qm", "x")


def is_refused(result: Result) -> bool:
    return result.code == 5 and f"git tracks infra/{STATE}" in result.stderr


def commit_state(checkout: Checkout) -> None:
    """A state that says that all is triggered."""
    assert checkout.here("adopt", "--yes").code == 0
    shutil.rmtree(checkout.root / ".wfdeploy" / "cache", ignore_errors=True)
    commit(checkout)


def test_a_committed_state_is_refused_by_a_machine_without_git(checkout: Checkout) -> None:
    commit_state(checkout)
    checkout.environ = {"PATH": "/missing"}
    assert is_refused(checkout.run("plan", "--offline"))


def test_a_committed_state_is_refused_within_a_hook_of_git(checkout: Checkout) -> None:
    commit_state(checkout)
    checkout.environ = {"GIT_DIR": ".git", "GIT_INDEX_FILE": "/dev/null"}
    assert is_refused(checkout.run("apply", "--yes"))


@pytest.mark.parametrize("path", [".wfdeploy/../data.db", "link/../infra/data.db"])
def test_a_committed_state_is_refused_whatever_its_path_reads_like(checkout: Checkout, path: str) -> None:
    checkout.spec = {"state": {"path": path}}
    checkout.configure()
    (checkout.root / "link").symlink_to("manifests/..")
    assert checkout.here("adopt", "--yes").code == 0
    shutil.rmtree(checkout.root / ".wfdeploy" / "cache")
    commit(checkout)
    for words in (("plan", "--offline"), ("apply", "--yes"), ("plan", "--offline", "--state", path)):
        result = checkout.here(*words)
        assert (result.code, "git tracks infra/data.db" in result.stderr) == (5, True), result.stderr


def test_a_committed_state_is_refused_where_a_link_leads_to_it(checkout: Checkout) -> None:
    """One that an operator made, who may have meant a folder for all states."""
    assert checkout.here("adopt", "--yes").code == 0
    shutil.rmtree(checkout.root / ".wfdeploy" / "cache")
    (checkout.root / ".wfdeploy").rename(checkout.root / "kept")
    commit(checkout)
    (checkout.root / ".wfdeploy").symlink_to("kept")
    result = checkout.here("apply", "--yes")
    assert (result.code, "git tracks infra/kept/state/default.db" in result.stderr) == (5, True), result.stderr


def test_a_committed_folder_like_a_repository_runs_no_program(checkout: Checkout, tmp_path: Path) -> None:
    """Git would list the files of it, and to tell what is in the part that its index leaves out, it would fetch that
    from where the configuration says: from what a program prints."""
    witness = tmp_path / "witness"
    sparse = tmp_path / "sparse"
    for folder in ("left", "taken"):
        (sparse / folder).mkdir(parents=True)
        (sparse / folder / "a").write_text(folder)
    git(sparse, "init", "-q")
    git(sparse, "add", ".")
    git(sparse, "commit", "-qm", "x")
    git(sparse, "sparse-checkout", "init", "--cone", "--sparse-index")
    git(sparse, "sparse-checkout", "set", "taken")
    for folder in ("objects", "refs", "info"):
        (checkout.root / folder).mkdir()
        (checkout.root / folder / ".keep").touch()
    shutil.copy(sparse / ".git" / "index", checkout.root / "index")
    (checkout.root / "HEAD").write_text("ref: refs/heads/main\n")
    (checkout.root / "info" / "sparse-checkout").write_text("/*\n!/*/\n/taken/\n")
    (checkout.root / "config").write_text(
        "[core]\n repositoryformatversion = 1\n bare = false\n worktree = .\n"
        " sparseCheckout = true\n sparseCheckoutCone = true\n[index]\n sparse = true\n"
        f'[extensions]\n partialClone = origin\n[remote "origin"]\n url = "ext::touch {witness}"\n promisor = true\n'
        '[protocol "ext"]\n allow = always\n'
    )
    shutil.rmtree(sparse)
    commit_state(checkout)
    commands = (("plan", "--offline"), ("render",), ("apply", "--yes"), ("state", "list"), ("status",))
    refused = [is_refused(checkout.here(*words)) for words in commands]
    assert not witness.exists()
    assert all(refused)


@pytest.mark.parametrize("name", [".wfdeploy/local-server.db", ".wfdeploy/local-server.db.demo-port"])
def test_dev_delivers_nothing_that_was_committed(checkout: Checkout, name: str) -> None:
    pytest.importorskip("starlette")
    (checkout.root / ".wfdeploy").mkdir()
    (checkout.root / name).write_bytes(b"8081")
    commit(checkout)
    refused = checkout.here("dev", "--port", "0")
    assert (refused.code, f"git tracks infra/{name}" in refused.stderr) == (5, True)


SECRET = "hunter2hunter2"


@pytest.mark.parametrize("words", [("validate", "."), ("plan", "--offline", "."), ("render", "../infra")])
def test_a_folder_that_is_named_is_what_is_to_be_seen_in_it(checkout: Checkout, words: tuple[str, ...]) -> None:
    (checkout.root / ".env").write_text(f"PASSWORD={SECRET}: x\n")
    (checkout.root / "manifests" / "b.yaml").symlink_to("../.env")
    (checkout.root / "manifests" / "c.yaml").symlink_to("../../.git/config")
    commit(checkout)
    result = checkout.here(*words)
    assert result.code == 4
    assert (result.stdout + result.stderr).count("this is hidden, or in a hidden folder") == 2
    assert SECRET not in result.stdout + result.stderr


@pytest.fixture
def elsewhere(checkout: Checkout, tmp_path: Path) -> Path:
    """A file outside of the checkout, in the place of which a link in the checkout is."""
    folder = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    folder.mkdir()
    (folder / "file").write_text(f"SECRET_{SECRET}=1\n")
    (checkout.root / "link").symlink_to(folder / "file")
    (checkout.root / "folder").symlink_to(folder)
    commit(checkout)
    return folder


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("plan", "--offline", "--env-file", "link"), "the variables file"),
        (("validate", "--env-file", "folder/file"), "the variables file"),
        (("cancel", "a", "--token-file", "link"), "the token file"),
        (("apply", "--yes", "--token-file", "../infra/folder/file"), "the token file"),
        (("plan", "--offline", "--state", "folder/new.db"), "the state"),
        (("state", "import", "link", "--state", "folder/new.db"), "the state"),
        (("state", "import", "link"), "the export"),
        (("plan", "--out", "folder/new"), "the plan"),
        (("plan", "--out", "missing/../folder/new"), "the plan"),
        (("dev", "--port", "0", "--db", "folder/new.db"), "the database"),
    ],
)
def test_a_link_in_the_place_of_what_an_operator_named_is_not_that(
    checkout: Checkout, elsewhere: Path, words: tuple[str, ...], what: str
) -> None:
    result = checkout.here(*words)
    assert (result.code, what in result.stderr) == (64, True), result.stderr
    assert "lies outside of the project: a link leads to" in result.stderr
    assert SECRET not in result.stdout + result.stderr
    assert sorted(path.name for path in elsewhere.iterdir()) == ["file"]


def test_an_operator_may_mean_what_the_link_leads_to(checkout: Checkout, elsewhere: Path) -> None:
    named = ("plan", "--offline", "--env-file")
    assert checkout.here(*named, str(elsewhere / "file")).code == 0
    assert checkout.here(*named, "link", "--allow", f"path={elsewhere}").code == 0
    (elsewhere / "own").symlink_to(elsewhere / "file")
    assert checkout.here(*named, str(elsewhere / "own")).code == 0
    (checkout.root / ".env").write_text("A=1\n")
    (checkout.root / "env").symlink_to(".env")
    assert checkout.here(*named, "env").code == 0
    (checkout.root / "git").symlink_to("../.git/config")
    assert checkout.here(*named, "git").code == 64


@pytest.mark.parametrize("option", ["--env-file", "--token-file"])
def test_a_file_that_is_named_ends(checkout: Checkout, option: str) -> None:
    os.mkfifo(checkout.root / "pipe")
    for name, reason in (("pipe", "no regular file"), ("/dev/zero", "")):
        result = checkout.run("plan", "--offline", option, name, timeout_s=20)
        assert (result.code, reason in result.stderr) == (64, True), result.stderr


def test_a_committed_plan_is_not_carried_out(checkout: Checkout) -> None:
    """It needs no secret, nor a state: digests of what is declared, and that it was made without a state."""
    shutil.move(checkout.root / "manifests", checkout.root / "declared")
    (checkout.root / "manifests").write_text('{"kind": "Plan", "paths": ["/proc/self/environ"]}')
    (checkout.root / "folder").symlink_to(".")
    commit(checkout)
    (checkout.root / "link").symlink_to("manifests")
    for name in ("manifests", "manifests/", "folder/manifests", "link"):
        result = checkout.here("apply", "--yes", name)
        assert result.code == 5, result.stderr
        assert "git tracks infra/manifests: a saved plan is applied for whoever made it" in result.stderr


def test_init_writes_through_no_link(checkout: Checkout, elsewhere: Path) -> None:
    (checkout.root / ".github").symlink_to(elsewhere)
    assert checkout.here("init", "--ci", "github").code == 64
    assert sorted(path.name for path in elsewhere.iterdir()) == ["file"]


def test_init_looks_through_no_other_folder(checkout: Checkout, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    for target in ("/", "/proc", "/missing"):
        (fresh / "manifests").symlink_to(target)
        result = checkout.run("init", str(fresh), timeout_s=20)
        assert (result.code, "the folder" in result.stderr) == (64, True), result.stderr
        assert [path.name for path in fresh.iterdir()] == ["manifests"]
        (fresh / "manifests").unlink()


@pytest.mark.parametrize(
    "spec",
    [
        {"manifests": ["link"]},
        {"state": {"path": "/x/$(touch here);/y.db"}},
        {"state": {"path": "$(touch here);/y.db"}},
    ],
)
def test_what_is_printed_to_be_pasted_is_one_word(checkout: Checkout, spec: dict[str, Any], tmp_path: Path) -> None:
    checkout.spec = spec
    checkout.configure()
    (checkout.root / "link").symlink_to("/etc/$(touch here);")
    commit(checkout)
    result = checkout.here("apply", "--yes")
    hints = [line for line in result.stderr.splitlines() if "hint:" in line]
    assert hints
    assert result.code in (4, 5)
    for hint in hints:
        pasted = re.sub(r".*?(--allow|mkdir)", r"echo \1", hint)
        subprocess.run(["sh", "-c", pasted], cwd=tmp_path, check=True, capture_output=True)
    assert not (tmp_path / "here").exists()


def test_a_checkout_may_be_reached_by_another_name(checkout: Checkout, elsewhere: Path, tmp_path: Path) -> None:
    """As `/tmp` is on macOS, and the workspaces of some runners are."""
    alias = tmp_path.parent / f"{tmp_path.name}-alias"
    alias.symlink_to(tmp_path)
    (elsewhere / "a.yaml").write_text(f"{SECRET}: 1")
    result = checkout.here("validate", f"{alias}/infra/folder")
    assert "this lies outside of the project" in result.stdout
    assert SECRET not in result.stdout
    assert checkout.here("plan", "--offline", "--env-file", f"{alias}/infra/link").code == 64


def test_a_home_in_the_checkout_is_the_users_no_more(checkout: Checkout) -> None:
    """Some CI jobs have it there, beside the project's folder too: then a commit could bring what lies in it."""
    home = checkout.root.parent
    checkout.environ = {"HOME": str(home)}
    assert checkout.here("adopt", "--yes").code == 0
    assert checkout.here("plan", "--offline").code == 0
    assert not (home / ".local").exists()
