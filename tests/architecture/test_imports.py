"""What start-up loads, and which room opens onto which."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

START = {
    "wfdeploy",
    "wfdeploy.cli",
    "wfdeploy.cli.command",
    "wfdeploy.cli.error_handler",
    "wfdeploy.cli.main",
    "wfdeploy.cli.output",
    "wfdeploy.cli.signals",
    "wfdeploy.errors",
    "wfdeploy.model",
    "wfdeploy.model.options",
    "wfdeploy.render",
    "wfdeploy.render.terminal",
}
"""All that `wfdeploy --help` needs of us."""

HEAVY = {
    "asyncio", "difflib", "email", "http", "json", "logging", "multiprocessing", "pathlib", "shutil", "sqlite3", "ssl",
    "subprocess", "tempfile", "traceback", "unittest", "urllib", "zipfile",
}  # fmt: skip
"""Standard modules that start-up does without."""


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a command line loads, over those of a bare interpreter."""
    program = (
        "import sys; bare = set(sys.modules); sys.argv = ['wfdeploy', *sys.argv[1:]]\n"
        "from wfdeploy.__main__ import main\n"
        "code = main()\n"
        "assert code == 0, code\n"
        "sys.stderr.write(' '.join(set(sys.modules) - bare))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(ran.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "more"),
    [
        (("--help",), set()),
        (("--version",), set()),
        (
            ("version",),
            {"wfdeploy.cli.commands", "wfdeploy.cli.commands.setup", "wfdeploy.cli.options", "wfdeploy.state"},
        ),
    ],
)
def test_start_up_loads_only_what_it_needs(arguments: tuple[str, ...], more: set[str]) -> None:
    loaded = loaded_by(*arguments)
    ours = {name for name in loaded if name.partition(".")[0] == "wfdeploy"}
    assert ours - {"wfdeploy.__main__"} == START | more
    foreign = {name.partition(".")[0] for name in loaded if "." not in name} - set(sys.stdlib_module_names)
    assert {name for name in foreign if not name.startswith("_")} <= {"wfdeploy", "click"}
    assert not loaded & HEAVY


def test_help_of_one_command_loads_no_other() -> None:
    loaded = {name for name in loaded_by("plan", "--help") if name.startswith("wfdeploy.cli.commands.")}
    assert loaded == {"wfdeploy.cli.commands.plan"}
    assert not {"httpx", "jsonschema", "rich", "yaml"} & loaded_by("apply", "--help")


def test_the_client_loads_no_terminal_library() -> None:
    program = "import sys, wfdeploy.upstash.client; print(sorted({'rich', 'pygments', 'click'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.strip() == "[]"


def test_floors_and_rooms() -> None:
    """The contracts of pyproject.toml, checked by import-linter."""
    ran = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_only_the_output_writes() -> None:
    writing = re.compile(r"(?<![\w.])print\(|click\.s?echo|sys\.std(out|err)\.write")
    files = (ROOT / "wfdeploy").rglob("*.py")
    assert [str(path) for path in files if writing.search(path.read_text(encoding="utf-8"))] == []


def test_no_process_shares_a_connection() -> None:
    """A copy of a socket in another process would keep it open after this one was killed, and its queue with it."""
    sharing = re.compile(
        r"os\.(fork|posix_spawn)|multiprocessing|ProcessPoolExecutor|close_fds|pass_fds|set_inheritable"
    )
    files = (ROOT / "wfdeploy").rglob("*.py")
    assert [str(path) for path in files if sharing.search(path.read_text(encoding="utf-8"))] == []


def test_rows_and_references_load_no_expression_engine(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"id": "a"}\n', encoding="utf-8")
    manifest = tmp_path / "rows.yaml"
    head = "apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {name: rows}\n"
    spec = "spec: {destination: 'https://${{ vars.host }}/wf', runs: [{name: r, forEach: {file: rows.jsonl}, %s}]}\n"
    (tmp_path / "wfdeploy.yaml").write_text("apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: p}\n", "utf-8")
    command = ("validate", str(manifest), "--var", "host=a.example", "--project-file", str(tmp_path / "wfdeploy.yaml"))
    heavy = {"jinja2", "pyarrow", "gzip", "csv", "backports.zstd", "jsonschema"}
    manifest.write_text(head + spec % "key: '${{ row.id }}', body: ['${{ row.id }}-${{ row[\"id\"] }}']", "utf-8")
    assert not heavy & loaded_by(*command)
    manifest.write_text(head + spec % "key: '${{ row.id }}', body: ['${{ row.id | upper }}']", "utf-8")
    assert heavy & loaded_by(*command) == {"jinja2"}


NOT_FOR_NO_CHANGES = {
    "wfdeploy.cli.displays", "wfdeploy.wiring.embedded", "wfdeploy.model.diagnostic", "wfdeploy.model.document",
    "wfdeploy.model.blocking", "wfdeploy.model.edits", "wfdeploy.model.event", "wfdeploy.model.request",
    "wfdeploy.manifests.parsing", "wfdeploy.planning.planner",
    "wfdeploy.project.document", "wfdeploy.planning.diff", "wfdeploy.manifests.expand.runs",
    "wfdeploy.documents.yaml_docs", "wfdeploy.manifests.validate", "wfdeploy.render.plan_changes",
    "wfdeploy.render.plan_json", "wfdeploy.state.edits", "wfdeploy.state.export", "wfdeploy.state.user_files",
    "wfdeploy.state.locking",
}  # fmt: skip
"""Of us, what a plan without changes does without: it would take longer to import than the rest takes to run."""


def test_a_plan_with_nothing_to_do_loads_no_more_than_it_needs(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    runs = "".join(f"    - name: r{index}\n" for index in range(10))
    (tmp_path / "manifests" / "ten.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {name: ten}\n"
        f"spec:\n  destination: https://app.example.com/wf\n  runs:\n{runs}",
        encoding="utf-8",
    )
    (tmp_path / "wfdeploy.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: ten}\nspec: {}\n", encoding="utf-8"
    )
    project = ("--project-file", str(tmp_path / "wfdeploy.yaml"))
    loaded_by("adopt", "--yes", *project)
    loaded_by("plan", *project)  # from now on, the project file is known too
    loaded = loaded_by("plan", *project)
    foreign = {name for name in loaded - set(sys.stdlib_module_names) if "." not in name and not name.startswith("_")}
    assert foreign <= {"wfdeploy", "click", "org"}  # org: what `pickle` and `copy` look for on Jython
    assert (HEAVY - {"json", "pathlib", "sqlite3", "urllib"}) & loaded == set()
    assert {"asyncio", "decimal", "getpass", "pickle", "secrets", "socket"} & loaded == set()
    assert not {name for name in loaded if name.startswith(("wfdeploy.upstash.client", "wfdeploy.localserver"))}
    assert not {name for name in loaded if name.startswith("wfdeploy.sending")}
    assert not NOT_FOR_NO_CHANGES & loaded


def test_an_apply_with_nothing_to_do_loads_little_more(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "one.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: RunGroup\nmetadata: {name: one}\n"
        "spec:\n  destination: https://app.example.com/wf\n  runs: [{name: r}]\n",
        encoding="utf-8",
    )
    (tmp_path / "wfdeploy.yaml").write_text(
        "apiVersion: wfdeploy/v1\nkind: Project\nmetadata: {name: one}\nspec: {}\n", encoding="utf-8"
    )
    project = ("--project-file", str(tmp_path / "wfdeploy.yaml"))
    loaded_by("adopt", "--yes", *project)
    loaded = loaded_by("apply", "--yes", *project)
    assert {"asyncio", "ssl", "http", "httpx", "jsonschema", "pickle"} & loaded == set()
    others = ("wfdeploy.upstash.client", "wfdeploy.sending", "wfdeploy.webhooks", "wfdeploy.model.notification")
    assert not {name for name in loaded if name.startswith(others)}
    assert len({name for name in loaded if name.startswith("wfdeploy")}) <= 120
