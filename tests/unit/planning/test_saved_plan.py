"""Where a saved plan may be written: over an older plan, into a pipe, and over nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.unit.render import samples
from wfdeploy.errors import StalePlan, UsageError
from wfdeploy.model.plan import Selection
from wfdeploy.planning.saved_plan import is_plan_file, plan_file_text, read_plan, save_plan

PLAN = '{"kind": "Plan"}\n'


def test_an_older_plan_and_an_empty_file_are_replaced(tmp_path: Path) -> None:
    file = tmp_path / "tonight.plan"
    file.touch()
    save_plan(PLAN, file)
    save_plan(PLAN + "\n", file)
    assert file.read_text() == PLAN + "\n"


@pytest.mark.parametrize(
    "content", ["kind: RunGroup\n", '{"kind": "Plans"}', "\xff", "{" * 100_000, '{"kind":' + "[" * 100_000]
)
def test_a_file_that_is_no_plan_is_kept(tmp_path: Path, content: str) -> None:
    file = tmp_path / "runs.yaml"
    file.write_text(content, encoding="latin-1")
    with pytest.raises(UsageError, match=r"runs\.yaml is there already, and is not a plan"):
        save_plan(PLAN, file)
    assert file.read_text(encoding="latin-1") == content


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    file, link = tmp_path / "kept.plan", tmp_path / "latest.plan"
    link.symlink_to("kept.plan")
    save_plan(PLAN, link)
    assert (link.is_symlink(), file.read_text()) == (True, PLAN)
    (tmp_path / "runs.yaml").write_text("kind: RunGroup")
    link.unlink()
    link.symlink_to("runs.yaml")
    with pytest.raises(UsageError, match="is not a plan"):
        save_plan(PLAN, link)


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    null = Path("/dev/null")
    before = null.stat()
    save_plan(PLAN, null)
    assert (null.stat().st_rdev, null.stat().st_ino) == (before.st_rdev, before.st_ino)


def test_what_cannot_be_written_says_why(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "folder").mkdir()
    for name, reason in {
        "pipe": "nobody reads this pipe",
        "a": "link to itself",
        "folder": "Is a directory",
        "missing/plan": "No such file",
    }.items():
        with pytest.raises(UsageError, match=reason):
            save_plan(PLAN, tmp_path / name)


def test_a_pipe_is_no_plan_and_asking_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not is_plan_file(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("selection.limit", "3"),
        ("selection.limit", True),
        ("selection.targets", "g/*"),
        ("selection.targets", [1]),
        ("selection.variables", {"a": None}),
        ("selection.prune", "no"),
        ("state.new", 1),
        ("state.serial", "7"),
        ("paths", "manifests"),
        ("verified", "false"),
    ],
)
def test_a_plan_with_a_value_of_another_type_is_none(tmp_path: Path, field: str, value: object) -> None:
    text = plan_file_text(samples.plan_of([]), paths=None, selection=Selection(), new_state=False)
    content = json.loads(text) | {"verified": True}
    file = tmp_path / "tonight.plan"
    file.write_text(json.dumps(content))
    read_plan(file)
    *above, name = field.split(".")
    (content[above[0]] if above else content)[name] = value
    file.write_text(json.dumps(content))
    with pytest.raises(StalePlan):
        read_plan(file)


def test_a_plan_of_endless_nesting_is_none(tmp_path: Path) -> None:
    file = tmp_path / "tonight.plan"
    file.write_text("[" * 100_000)
    with pytest.raises(StalePlan, match="is not a plan"):
        read_plan(file)


def test_a_plan_with_a_byte_order_mark_is_one(tmp_path: Path) -> None:
    """Shells of Windows write one."""
    file = tmp_path / "a.plan"
    file.write_bytes(b'\xef\xbb\xbf{"kind": "Plan"}')
    assert is_plan_file(file)
