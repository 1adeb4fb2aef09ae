"""README and docs say what is so: their commands, manifests, links and codes are checked against the program."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import click
import pytest

from scripts import docs_examples
from scripts.docs_cli import commands
from tests.golden_files import command_line
from tests.support.local_server import LocalServer
from wfdeploy import __version__
from wfdeploy.cli.error_handler import PROGRAM
from wfdeploy.cli.main import main
from wfdeploy.errors import EXIT_CODE_MEANING, ExitCode

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROSE = [page for page in PAGES if "reference" not in page.parts]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, *languages: str) -> Iterator[str]:
    """The fenced blocks of a page in these languages."""
    for language, text in _FENCE.findall(read(page)):
        if language in languages:
            yield text


def lines_of_shell(page: Path) -> Iterator[str]:
    """The commands that a page shows: lines of `sh` blocks, and what stands after `$ ` in `console` blocks."""
    for text in blocks(page, "sh"):
        yield from (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    for text in blocks(page, "console"):
        yield from (line[2:] for line in text.splitlines() if line.startswith("$ "))


# --- the two commands --------------------------------------------------------------------------------------------


def the_two_commands() -> Sequence[str]:
    return [line for line in next(blocks(README, "sh")).splitlines() if line and not line.startswith("#")]


def test_readme_opens_with_two_commands() -> None:
    above = read(README).partition("```")[0]
    assert len([line for line in above.splitlines() if line.strip()]) == 2, "a title and one line of what it is"
    apply, test = the_two_commands()
    assert "wfdeploy apply --local" in apply
    assert "pytest" in test


def test_continuous_integration_runs_the_two_commands_as_they_stand() -> None:
    program = [line.strip() for line in read(ROOT / ".ci" / "run").splitlines()]
    for command in the_two_commands():
        assert program.count(command) == 1, f".ci/run lacks: {command}"
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


# --- manifests and terminals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PROSE, ids=named)
def test_manifests_are_valid(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = [text for text in blocks(page, "yaml") if "apiVersion: wfdeploy/" in text]
    if page == README:
        assert shown, "README shows a manifest"
    Path("wfdeploy.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: docs}\n"
        "spec: {vars: {app_url: 'https://app.example.com'}, secrets: [APP_TOKEN]}\n",
        encoding="utf-8",
    )
    shutil.copytree(ROOT / "manifests" / "data", "manifests/data")
    Path("manifests", "other.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {name: other}\nspec: {runs: []}\n", encoding="utf-8"
    )
    for text in shown:
        place = Path("wfdeploy.yaml") if "kind: Project" in text else Path("manifests", "shown.yaml")
        place.write_text(text, encoding="utf-8")
        ran = command_line("validate")
        assert ran.code == ExitCode.OK, ran.stdout + ran.stderr


def dialogues(page: Path) -> Iterator[tuple[str, str]]:
    """The commands of a page's `console` blocks, each with the output that is shown of it."""
    for text in blocks(page, "console"):
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


_DIFFERS = (
    (r"\b[0-9.]+ s(?=[.,]|  |$)", "N s"),
    (r"(?<=waits )\d+ min more", "N min more"),  # a slow machine is through with some of it
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ(, \d+ (s|min) ago)?", "WHEN"),
    (r"(?<=^Next instances: nightly at ).*", "WHEN"),
    (r"\bwfr_\S+", "ID"),
    (r"(?<=\S)   +", "  "),  # columns are as wide as what stands in them
)


def settled(output: str) -> list[str]:
    """Lines without what differs from one time to the next, and from a terminal to a pipe."""
    lines = []
    for line in output.splitlines():
        text = line.rstrip()
        for pattern, word in _DIFFERS:
            text = re.sub(pattern, word, text)
        lines.append(text)
    return [line for line in lines if line and not re.fullmatch(r"(sending|cancelling) \d+ runs?", line)]


FEATURES = [ROOT / "docs" / f"{path.stem}.md" for path in sorted(docs_examples.EXAMPLES.glob("*.yaml"))]
FEATURES = [page for page in FEATURES if page.stem != PROGRAM] + [ROOT / "docs" / "reconciling.md"]


@pytest.mark.parametrize("page", [README, ROOT / "docs" / "getting-started.md", *FEATURES], ids=named)
def test_what_is_shown_is_what_a_terminal_shows(page: Path, tmp_path: Path) -> None:
    """Where the output differs: run the commands in a copy of the examples, and paste what they say."""
    environ = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    program = tmp_path / "bin" / PROGRAM
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {PROGRAM} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    if page == README:
        shutil.copytree(ROOT / "manifests", work / "manifests")
        shutil.copy2(ROOT / "wfdeploy.yaml", work)
    if page in FEATURES:
        shutil.copytree(docs_examples.EXAMPLES, work, dirs_exist_ok=True)
    shown = list(dialogues(page))
    assert shown
    with Terminal(work, environ) as terminal:
        said = [(command, settled(terminal.run(command))) for command, _ in shown]
    assert said == [(command, settled(output)) for command, output in shown]


class Terminal(ExitStack):
    """Commands in a folder. For those with `--local` a server runs whose demo workflow has a port of its own, since
    other tests may have the usual one."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        super().__init__()
        self._folder = folder
        self._environ = environ
        self._variable = ""
        self._is_told = False

    def run(self, command: str) -> str:
        if "--local" not in command:
            return self._in_shell(command)
        if not self._variable:
            files = sorted(self._folder.rglob("wfdeploy.yaml"), key=lambda file: len(file.parts))
            self._folder = files[0].parent
            database = self._folder / ".wfdeploy" / "local-server.db"
            server = self.enter_context(LocalServer(database, demo=True, announce=True))
            self._variable = f" --var app_url={server.demo_url}"
            text = files[0].read_text(encoding="utf-8")
            self._is_told = "local: {}" in text
            told = text.replace("local: {}", f"local: {{ vars: {{ app_url: '{server.demo_url}' }} }}")
            files[0].write_text(told, encoding="utf-8")
        if self._is_told:
            return self._in_shell(command)
        return self._in_shell(command + self._variable).replace(self._variable, "")

    def _in_shell(self, command: str) -> str:
        ran = subprocess.run(
            ["bash", "-c", command],
            cwd=self._folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout
        return ran.stdout


# --- the command line --------------------------------------------------------------------------------------------


def known_commands() -> dict[tuple[str, ...], click.Command]:
    return dict(commands(main, None))


def shown_commands() -> Iterator[tuple[str, list[str]]]:
    """Each command line of wfdeploy that the prose shows, in blocks and in the text, with the page it stands on."""
    for page in PROSE:
        inline = re.findall(rf"`((?:\S+=\S* )*{PROGRAM} [^`]*)`", re.sub(_FENCE, "", read(page)).replace("\n", " "))
        for line in (*lines_of_shell(page), *inline):
            for part in re.split(r"&&|\|\||[|;]", line):
                words = shlex.split(part.replace("...", ""), comments=True)
                while words and "=" in words[0]:
                    words.pop(0)
                if words and Path(words[0]).name == PROGRAM:
                    yield named(page), words[1:]


SHOWN = [pytest.param(page, words, id=f"{page}: {shlex.join(words)}") for page, words in shown_commands()]


@pytest.mark.parametrize(("page", "words"), SHOWN)
def test_shown_commands_are_known_and_so_are_their_options(page: str, words: list[str]) -> None:
    path: tuple[str, ...] = (PROGRAM,)
    known = known_commands()
    while words and (*path, words[0]) in known:
        path, words = (*path, words[0]), words[1:]
    assert len(path) > 1 or not words or words[0].startswith("-"), f"{page}: no command {words[0]}"
    command = known[path]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    options |= {"-h", "--help", "--version"}
    used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert used <= options, f"{page}: {shlex.join(path)} has no {', '.join(sorted(used - options))}"


def test_every_command_is_mentioned() -> None:
    text = " ".join(read(page) for page in PROSE)
    missing = [path for path in known_commands() if not re.search(rf"\b{' '.join(path)}\b", text)]
    assert missing == []


def test_every_exit_code_is_explained() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| ([^|]+?) \|", read(ROOT / "docs" / "troubleshooting.md"), re.MULTILINE))
    assert rows == {str(int(code)): meaning for code, meaning in EXIT_CODE_MEANING.items()}


# --- links -------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, made as GitHub makes them."""
    seen: dict[str, int] = {}
    found = set()
    for heading in _HEADING.findall(re.sub(_FENCE, "", read(page))):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        found.add(f"{slug}-{count}" if count else slug)
    return found


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for target in _LINK.findall(re.sub(_FENCE, "", read(page))):
            if not re.match(r"[a-z]+:", target):
                yield page, target


@pytest.mark.parametrize(
    ("page", "target"), [pytest.param(page, target, id=f"{named(page)} -> {target}") for page, target in links()]
)
def test_links_lead_somewhere(page: Path, target: str) -> None:
    name, _, anchor = target.partition("#")
    place = (page.parent / name).resolve() if name else page
    assert place.is_relative_to(ROOT)
    assert place.exists(), f"{named(page)}: there is no {name}"
    if anchor:
        assert anchor in anchors(place), f"{named(page)}: no heading of {named(place)} makes #{anchor}"


def test_every_page_can_be_reached_from_readme() -> None:
    reached = set()
    waiting = [README]
    onward: dict[Path, set[Path]] = {}
    for page, target in links():
        onward.setdefault(page, set()).add((page.parent / target.partition("#")[0]).resolve())
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            waiting.extend(onward.get(page, ()))
    assert set(PAGES) <= reached


# --- versions and paths ------------------------------------------------------------------------------------------


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## \[([^\]]+)\]", read(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == __version__


@pytest.mark.parametrize("page", PROSE, ids=named)
def test_paths_of_this_repository_exist(page: Path) -> None:
    tops = {"wfdeploy", "schemas", "scripts", "tests", "docs", "manifests", "benchmarks"}
    for path in re.findall(r"`([\w.-]+/[\w./*-]*)`", re.sub(_FENCE, "", read(page))):
        if path.partition("/")[0] in tops and not path.startswith("manifests/hello"):
            assert list(ROOT.glob(path.rstrip("/"))), f"{named(page)}: there is no {path}"


def test_the_pre_commit_hook_is_a_command_that_exists() -> None:
    (entry,) = re.findall(r"^  entry: (.+)$", read(ROOT / ".pre-commit-hooks.yaml"), re.MULTILINE)
    assert tuple(entry.split()) in known_commands()
