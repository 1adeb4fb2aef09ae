"""Shells complete commands without importing them."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.golden_files import command_line
from wfdeploy.cli import completing

BREAKS = " \t\n\"'@><=;|&(:"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(shell: str) -> None:
    ran = command_line("completion", shell)
    assert ran.code == 0
    assert "_WFDEPLOY_COMPLETE" in ran.stdout
    assert " part" in ran.stdout


def test_unknown_shell() -> None:
    assert command_line("completion", "tcsh").code == 64


def complete(words: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    ran = command_line(environ={"_WFDEPLOY_COMPLETE": "bash_complete"})
    assert (ran.code, ran.stderr) == (0, "")
    return [line.partition(",")[2] for line in ran.stdout.splitlines()]


def test_commands_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert complete("wfdeploy st", monkeypatch) == ["status", "state"]
    assert complete("wfdeploy state e", monkeypatch) == ["export"]


def test_options_and_choices_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert complete("wfdeploy plan --detailed", monkeypatch) == ["--detailed-exitcode"]
    assert complete("wfdeploy plan --output ", monkeypatch) == ["text", "json"]


def test_environments_are_completed_from_the_project_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert complete("wfdeploy plan -e ", monkeypatch) == ["local"]
    command_line("init")
    assert complete("wfdeploy plan -e ", monkeypatch) == ["staging", "production", "local"]
    assert complete("wfdeploy plan -e pr", monkeypatch) == ["production"]
    (tmp_path / "wfdeploy.yaml").write_text("nonsense", encoding="utf-8")
    assert complete("wfdeploy plan -e ", monkeypatch) == ["local"]


@pytest.mark.parametrize("environ", [{}, {"COMP_WORDS": "wfdeploy "}, {"COMP_WORDS": "wfdeploy ", "COMP_CWORD": "x"}])
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_question_that_no_shell_asks(shell: str, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COMP_WORDS", "COMP_CWORD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    ran = command_line(environ={"_WFDEPLOY_COMPLETE": f"{shell}_complete"})
    assert ran.code in (0, 64)
    assert ran.stderr == ""


def test_fields_are_completed_level_by_level(monkeypatch: pytest.MonkeyPatch) -> None:
    assert complete("wfdeploy explain env", monkeypatch) == ["environments"]
    assert complete("wfdeploy explain project.env", monkeypatch) == ["project.environments"]
    assert complete("wfdeploy explain runs.retr", monkeypatch) == ["runs.retries", "runs.retryDelay"]
    assert complete("wfdeploy explain runs.nothing.x", monkeypatch) == []


def test_topics_of_help_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert complete("wfdeploy help o", monkeypatch) == ["options"]
    assert complete("wfdeploy help state ex", monkeypatch) == ["export"]
    assert complete("wfdeploy help plan ", monkeypatch) == []


def test_names_that_a_project_file_may_not_have_are_not_offered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: p}\nspec: {environments: {'$(touch pwned)': {}}}\n"
    (tmp_path / "wfdeploy.yaml").write_text(text, encoding="utf-8")
    assert complete("wfdeploy plan -e ", monkeypatch) == ["local"]


# --- addresses, labels ---

KEYS = ["a b", "$(touch pwned)", "x:y=z@w", "it's", 'q"q', "a,b", "s*r", "`id`", "!x", "a;b|c&d"]


def project(folder: Path, rows: int = 3) -> None:
    """A project with recorded runs, and a group that is only declared."""
    (folder / "manifests").mkdir()
    (folder / "rows.csv").write_text("id\n" + "".join(f"c-{row:04}\n" for row in range(rows)), encoding="utf-8")
    (folder / "wfdeploy.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: shop}\nspec: {environments: {prod: {}, test: {}}}\n",
        encoding="utf-8",
    )
    head = (
        "apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {name: %s}\nspec:\n  destination: https://a.example.com\n"
    )
    (folder / "manifests" / "big.yaml").write_text(
        head % "big" + "  defaults: {labels: [bulk]}\n  runs:\n"
        "    - {name: row, forEach: {file: ../rows.csv}, key: '${{ row.id }}'}\n"
        f"    - {{name: odd, forEach: {{items: {[{'k': key} for key in KEYS]}}}, key: '${{{{ row.k }}}}'}}\n",
        encoding="utf-8",
    )
    ran = command_line("adopt", "--yes", "-e", "prod")
    assert ran.code == 0, ran.stderr
    (folder / "manifests" / "later.yaml").write_text(head % "later" + "  runs: [{name: one}]\n", encoding="utf-8")
    command_line("plan", "-e", "prod")


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    project(tmp_path)
    return tmp_path


def test_rollouts_are_completed_by_what_may_be_decided(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert complete("wfdeploy rollout approve -e prod ", monkeypatch) == []
    (state,) = shop.glob(".wfdeploy/state/*prod*.db")
    with closing(sqlite3.connect(state)) as connection, connection:
        connection.executemany(
            "INSERT INTO rollouts (name, step, mode, approved, started_at_ms, tolerated, steps) "
            "VALUES (?, 0, 'running', ?, 0, 0, ?)",
            [
                ("waits", 0, "10% approved"),
                ("approved", 1, "10% approved"),
                ("runs", 0, "10% succeeded"),
                ("through", 0, ""),
            ],
        )
    assert complete("wfdeploy rollout approve -e prod ", monkeypatch) == ["waits"]
    assert complete("wfdeploy rollout pause -e prod ", monkeypatch) == ["approved", "runs", "through", "waits"]
    assert complete("wfdeploy rollout pause -e prod r", monkeypatch) == ["runs"]


def test_addresses_are_completed_groups_first(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(shop.rglob("*"))
    assert complete("wfdeploy status -e prod ", monkeypatch) == ["big/", "later/"]
    assert complete("wfdeploy status -e prod l", monkeypatch) == ["later/one"]
    rows = [f"big/row\\[c-{row:04}\\]" for row in range(3)]
    assert complete("wfdeploy status -e prod big/r", monkeypatch) == rows
    assert complete("wfdeploy plan -e prod --target big/row\\[c-0001", monkeypatch) == rows[1:2]
    assert complete("wfdeploy status big/r", monkeypatch) == rows, "of the first environment that has some"
    assert complete("wfdeploy state show -e prod big/odd\\[s", monkeypatch) == [r"big/odd\[s\*r\]"]
    assert complete("wfdeploy status -e prod big/odd\\[s", monkeypatch) == [r"big/odd\[s%2Ar\]"], "a glob"
    assert complete("wfdeploy status -e prod big/*", monkeypatch) == []
    assert complete("wfdeploy rollout status -e prod b", monkeypatch) == ["big"]
    assert complete("wfdeploy status -e prod -l b", monkeypatch) == ["bulk"]
    assert sorted(shop.rglob("*")) == before, "no file is made"


def test_of_many_addresses_the_beginnings_of_all_are_offered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    project(tmp_path, rows=1200)
    assert complete("wfdeploy status big/", monkeypatch) == ["big/odd\\[", "big/row\\["]
    some = complete("wfdeploy status big/row[", monkeypatch)
    assert some == ["big/row\\[c-0", "big/row\\[c-1"]
    assert complete("wfdeploy status big/row[c-1", monkeypatch) == [f"big/row\\[c-1{n:03}\\]" for n in range(200)]


class Countable:
    """A source of addresses that counts how often it is asked."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = sorted(addresses)
        self.asked = 0

    def next(self, low: str, high: str) -> str | None:
        self.asked += 1
        return next((address for address in self.addresses if low <= address < high), None)


def test_every_address_begins_with_what_is_offered() -> None:
    source = Countable([f"g/r[{n:04}]" for n in range(3000)] + ["g/s", "h/t"])
    for prefix in ("", "g/", "g/r", "g/r[", "g/r[1", "g/r[12", "h"):
        offered = completing._narrowed(source, prefix)
        within = [address for address in source.addresses if address.startswith(prefix)]
        assert all(any(address.startswith(stem) for stem, _ in offered) for address in within)
        assert all(is_whole == (stem in within) for stem, is_whole in offered)
        assert len(offered) <= completing.MOST
    assert source.asked < 7 * 5 * (completing.MOST + 2)


def test_what_cannot_be_read_is_not_offered(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = shop / ".wfdeploy" / "state" / "prod.db"
    with sqlite3.connect(state) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert "big/" in complete("wfdeploy status -e prod ", monkeypatch), "a lock is not waited for"
    shutil.rmtree(shop / ".wfdeploy" / "cache")
    for damage in (lambda: state.write_bytes(b"x" * 5000), lambda: state.write_bytes(b""), lambda: os.mkfifo(state)):
        state.unlink()
        damage()
        assert complete("wfdeploy status -e prod ", monkeypatch) == []
    (shop / "wfdeploy.yaml").write_text("x: *nobody", encoding="utf-8")
    assert complete("wfdeploy status -e prod ", monkeypatch) == []
    assert complete("wfdeploy status -e prod -l ", monkeypatch) == []


def test_no_yaml_is_loaded_for_a_project_that_a_plan_has_seen(
    shop: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path.parent / f"{tmp_path.name}-home"
    environ = {"XDG_STATE_HOME": str(home), "PATH": os.environ["PATH"]}
    program = [sys.executable, "-m", "wfdeploy"]
    subprocess.run([*program, "adopt", "-e", "test", "--yes", "-q"], env=environ, check=True, cwd=shop)
    subprocess.run([*program, "plan", "-e", "test", "-q"], env=environ, check=True, cwd=shop, capture_output=True)
    asked = {**environ, "_WFDEPLOY_COMPLETE": "bash_complete", "COMP_LINE": "wfdeploy status -e test big/r"}
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "wfdeploy"],
        env=asked,
        check=True,
        cwd=shop,
        capture_output=True,
        text=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert ran.stdout.startswith("plain,big/row")
    assert not {"yaml", "jsonschema", "jsonschema_rs", "httpx", "asyncio", "rich", "email"} & loaded


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("typed", "replies"),
    [
        ("wfdeploy status -e pr", ["prod"]),
        ("wfdeploy status --environment=pr", ["prod"]),  # bash replaces what stands behind the =
        ("wfdeploy status big/odd[x", [r"big/odd\[x:y=z@w\]"]),
        (r"wfdeploy status big/odd\[x:", [r"y=z@w\]"]),
        (r"wfdeploy status big/odd\[x:y=z@", [r"w\]"]),
        (r"wfdeploy plan -e prod --target=big/odd\[x", [r"big/odd\[x:y=z@w\]"]),
        ("wfdeploy status 'big/odd[x:y", ["big/odd[x:y=z@w]"]),
        ('wfdeploy status "big/odd[a ', ["big/odd[a b]"]),
        (r"wfdeploy status big/odd\[a\ ", [r"big/odd\[a\ b\]"]),
        ("wfdeploy status big/odd[$", [r"big/odd\[\$\(touch\ pwned\)\]"]),
        ("wfdeploy status 'big/odd[it", []),  # no quote can stand within these quotes
        ("wfdeploy status big/odd[it", [r"big/odd\[it\'s\]"]),
        ("wfdeploy plan -o ", ["text", "json"]),
    ],
)
def test_bash_gets_each_word_quoted(shop: Path, typed: str, replies: list[str]) -> None:
    script = (
        f'PATH="{Path(sys.executable).parent}:$PATH"\n'
        'eval "$(wfdeploy completion bash)"\n'
        "COMP_WORDBREAKS=$BREAKS\nCOMP_LINE=$TYPED COMP_POINT=${#TYPED}\n"
        '_wfdeploy_completion wfdeploy 2>/dev/null\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    ran = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={"TYPED": typed, "BREAKS": BREAKS, "PATH": os.environ["PATH"], "XDG_STATE_HOME": str(shop / "nowhere")},
        cwd=shop,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line for line in ran.stdout.splitlines() if line] == replies
    assert not (shop / "pwned").exists()
