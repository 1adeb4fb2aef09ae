"""Shells complete commands without importing them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden_files import command_line


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(shell: str) -> None:
    ran = command_line("completion", shell)
    assert ran.code == 0
    assert "_WFDEPLOY_COMPLETE" in ran.stdout


def test_unknown_shell() -> None:
    assert command_line("completion", "tcsh").code == 64


def complete(words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    ran = command_line(environ={"_WFDEPLOY_COMPLETE": "bash_complete"})
    assert ran.code == 0
    return [line.partition(",")[2] for line in capsys.readouterr().out.splitlines()]


def test_commands_are_completed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert complete("wfdeploy st", capsys, monkeypatch) == ["status", "state"]
    assert complete("wfdeploy state e", capsys, monkeypatch) == ["export"]


def test_options_and_choices_are_completed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert complete("wfdeploy plan --detailed", capsys, monkeypatch) == ["--detailed-exitcode"]
    assert complete("wfdeploy plan --output ", capsys, monkeypatch) == ["text", "json"]


def test_environments_are_completed_from_the_project_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert complete("wfdeploy plan -e ", capsys, monkeypatch) == ["local"]
    command_line("init")
    assert complete("wfdeploy plan -e ", capsys, monkeypatch) == ["staging", "production", "local"]
    assert complete("wfdeploy plan -e pr", capsys, monkeypatch) == ["production"]
    (tmp_path / "wfdeploy.yaml").write_text("nonsense", encoding="utf-8")
    assert complete("wfdeploy plan -e ", capsys, monkeypatch) == ["local"]


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
