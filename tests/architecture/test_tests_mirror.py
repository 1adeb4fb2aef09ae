"""Nobody wonders where a test is: `tests/unit` mirrors the package, and what is tested elsewhere is listed here."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import click
import pytest

from wfdeploy.cli.main import main

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "tests" / "unit"

NOTHING_TO_TEST = (
    "__main__",
    "localserver/problems",
    "log_ports",
    "planning/blocking/inputs",
    "ports",
)
"""Modules of values, protocols and entry points."""

ELSEWHERE = {
    "api/arguments": "tests/unit/api/test_project.py",
    "api/shared_state": "tests/sharedlog/test_commands.py",
    "cli/command": "tests/unit/cli/test_help.py",
    "cli/commands/*": "tests/cli",
    "cli/completing": "tests/unit/cli/commands/test_completion.py",
    "cli/displays": "tests/unit/cli/test_progress.py",
    "cli/fail_on": "tests/cli/test_runs.py",
    "cli/main": "tests/unit/cli/test_help.py",
    "cli/options": "tests/cli/surroundings/test_surroundings.py",
    "cli/report_formats": "tests/unit/cli/test_reports.py",
    "cli/run_selection": "tests/cli/test_runs.py",
    "cli/scaffold": "tests/unit/cli/commands/test_init.py",
    "codehost/values": "tests/unit/codehost/test_github.py",
    "documents/patterns": "tests/unit/documents/test_row_schema.py",
    "documents/text": "tests/unit/manifests/test_manifest_cases.py",
    "localserver/openapi/*": "tests/unit/localserver/api/test_routes.py",
    "manifests/expand/data/rows": "tests/unit/manifests/expand/test_generators.py",
    "manifests/expand/evaluation": "tests/unit/manifests/expand/test_generators.py",
    "manifests/expand/references": "tests/unit/manifests/expand/test_expressions.py",
    "manifests/expand/runs": "tests/unit/manifests/test_manifest_cases.py",
    "manifests/validate/groups": "tests/unit/manifests/test_manifest_cases.py",
    "manifests/validate/sanitize": "tests/unit/manifests/test_manifest_properties.py",
    "model/diagnostic": "tests/unit/api/test_project.py",
    "model/policy": "tests/unit/policies/test_evaluation.py",
    "model/edits": "tests/contracts/test_state_store.py",
    "model/notification": "tests/contracts/test_notifications.py",
    "model/observed": "tests/unit/planning/listing/test_run_states.py",
    "operations/adopt": "tests/proof/test_adopt.py",
    "operations/apply": "tests/unit/planning/test_unchanged.py",
    "operations/doctor": "tests/cli/test_doctor.py",
    "operations/delivering": "tests/unit/operations/test_notifying.py",
    "operations/news": "tests/unit/operations/test_notifying.py",
    "operations/plan": "tests/unit/api/test_loading.py",
    "operations/rendering": "tests/unit/cli/commands/test_render.py",
    "operations/rounds": "tests/proof/test_rounds.py",
    "planning/baseline": "tests/unit/planning/test_shortcuts.py",
    "planning/blocking/approvals": "tests/e2e/test_steering.py",
    "planning/blocking/blocker": "tests/proof/test_blocking.py",
    "planning/blocking/headcounts": "tests/proof/test_blocking.py",
    "planning/blocking/held_back": "tests/proof/test_rounds.py",
    "planning/blocking/recurring": "tests/proof/test_schedules.py",
    "planning/diff/context": "tests/unit/planning/diff/test_declared.py",
    "planning/gathering": "tests/unit/planning/test_shortcuts.py",
    "planning/inquiry": "tests/proof/test_renames.py",
    "planning/listing/discovery": "tests/proof/test_interrupted_listing.py",
    "planning/listing/long_listings": "tests/proof/test_interrupted_listing.py",
    "planning/listing/run_listing": "tests/unit/planning/listing/test_matches.py",
    "planning/listing/unclaimed": "tests/proof/test_claimed.py",
    "planning/plan_result": "tests/unit/planning/test_planner.py",
    "planning/questions": "tests/proof/test_rounds.py",
    "planning/renames": "tests/proof/test_renames.py",
    "policies/places": "tests/unit/policies/test_evaluation.py",
    "policies/subjects": "tests/unit/policies/test_checking.py",
    "policies/worker": "tests/unit/policies/test_evaluation.py",
    "project/document": "tests/unit/project/test_file.py",
    "render/explanation": "tests/unit/cli/commands/test_explain.py",
    "render/located": "tests/unit/render/test_sarif.py",
    "render/markdown": "tests/unit/render/test_plan_markdown.py",
    "render/requests": "tests/unit/cli/commands/test_render.py",
    "render/vocabulary": "tests/unit/render/test_report.py",
    "sending/engine": "tests/unit/operations/test_applying.py",
    "model/shared_log": "tests/unit/sharedlog/test_log.py",
    "sharedlog/postgres": "tests/sharedlog/test_conformance.py",
    "sharedlog/postgres_connections": "tests/sharedlog/test_errors.py",
    "state/edits": "tests/contracts/test_state_store.py",
    "state/glimpse": "tests/unit/cli/commands/test_completion.py",
    "state/notifications": "tests/contracts/test_notifications.py",
    "state/pending_batches": "tests/contracts/test_state_store.py",
    "state/schedules_and_rollouts": "tests/contracts/test_schedules_and_rollouts.py",
    "state/moved": "tests/unit/state/shared/test_migration.py",
    "state/shared/edits_codec": "tests/unit/state/shared/test_replica.py",
    "state/shared/entries": "tests/unit/state/shared/test_replica.py",
    "state/shared/following": "tests/unit/state/shared/test_backend.py",
    "state/shared/genesis": "tests/unit/state/shared/test_migration.py",
    "state/shared/holding": "tests/sharedlog/test_commands.py",
    "state/shared/lease_content": "tests/unit/state/shared/test_lease.py",
    "state/shared/shards": "tests/sharedlog/test_commands.py",
    "wiring/assembly": "tests/unit/api/test_project.py",
    "wiring/checkout": "tests/adversary/test_checkouts.py",
    "wiring/diagnosis": "tests/cli/test_doctor.py",
    "wiring/shared_state": "tests/sharedlog/test_commands.py",
    "wiring/validation": "tests/unit/api/test_project.py",
    "workspace": "tests/unit/operations/test_state.py",
}
"""Modules without a test file of their name, and where they are tested."""

TOPICS = {
    "api/test_applying.py": "what a program has applied, beside what it only asks",
    "api/test_docs.py": "the examples of docs/python.md",
    "cli/test_help.py": "the help of each command",
    "documents/test_properties.py": "texts at random, through the whole room",
    "localserver/api/test_hostile_input.py": "requests at random, to all handlers",
    "localserver/delivery/test_handshake.py": "SDKs old and new, through the API",
    "localserver/page/test_assets.py": "files that aren't Python",
    "localserver/test_memory.py": "what is left of runs in any module",
    "manifests/expand/test_git_lfs.py": "pointers in place of data, bodies and manifests",
    "manifests/test_manifest_cases.py": "the files of tests/cases",
    "manifests/test_manifest_properties.py": "manifests at random, through the whole room",
    "manifests/test_pieces.py": "long lists, from the text to the catalogue",
    "manifests/test_pieces_edited.py": "the same, edited again and again",
    "manifests/test_pieces_forged.py": "the same, with a catalogue that somebody forged",
    "manifests/test_shared_templates.py": "what runs share, from the text to the request",
    "policies/test_page.py": "the examples of docs/policies.md",
    "render/test_safety.py": "each view of text that means harm",
    "test_linear_time.py": "patterns of many rooms",
}
"""Test files that stand for no module: what they are about, which crosses modules."""


def modules() -> set[str]:
    package = ROOT / "wfdeploy"
    paths = (path.relative_to(package) for path in package.rglob("*.py") if path.name != "__init__.py")
    return {path.with_suffix("").as_posix() for path in paths}


def unit_tests() -> set[str]:
    return {path.relative_to(UNIT).as_posix() for path in UNIT.rglob("test_*.py")}


def mirror_of(module: str) -> str:
    path = PurePosixPath(module)
    return (path.parent / f"test_{path.name}.py").as_posix()


def listed(module: str) -> list[str]:
    return [pattern for pattern in (*ELSEWHERE, *NOTHING_TO_TEST) if fnmatchcase(module, pattern)]


def test_each_module_has_a_test_file_of_its_name_or_is_listed() -> None:
    found = unit_tests()
    missing = {module: mirror_of(module) for module in modules() if not listed(module)}
    assert {module for module, file in missing.items() if file not in found} == set()


def test_each_test_file_stands_for_a_module_or_is_a_listed_topic() -> None:
    commands = {f"cli/commands/test_{name}.py" for name in main.list_commands(click.Context(main))}
    named = {mirror_of(module) for module in modules()} | commands | set(TOPICS)
    assert unit_tests() - named == set()


def test_the_lists_hold_no_more_than_they_must() -> None:
    found, known = unit_tests(), modules()
    with_own_file = {module for module in known if mirror_of(module) in found}
    patterns = (*ELSEWHERE, *NOTHING_TO_TEST)
    assert [one for one in patterns if not any(fnmatchcase(module, one) for module in known - with_own_file)] == []
    assert [module for module in known if len(listed(module)) > 1] == []
    assert set(TOPICS) - found == set()
    assert set(TOPICS) & {mirror_of(module) for module in known} == set()


@pytest.mark.parametrize("place", sorted(set(ELSEWHERE.values())))
def test_where_modules_are_tested_is_there(place: str) -> None:
    assert (ROOT / place).exists()
