"""Lines of an export that cannot be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.test_state_store import BINDING
from wfdeploy.errors import StateUnusable
from wfdeploy.state.export import import_lines


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda lines: [], "empty"),
        (lambda lines: lines[1:], "line 1 is not the head"),
        (lambda lines: [*lines, "nonsense"], r"line \d+: not JSON"),
        (lambda lines: [*lines, "[]"], "not a JSON object"),
        (lambda lines: [*lines, '{"kind":"what"}'], "unknown kind"),
        (lambda lines: [*lines[:2], lines[2].replace("workflowRunId", "w")], "line 3"),
        (
            lambda lines: [
                *lines,
                '{"kind":"burned","address":"g/z","fingerprint":"1:z","generation":9223372036854775808}',
            ],
            "generation can't be",
        ),
        (
            lambda lines: [*lines, '{"kind":"schedule","name":"g","decided":' + "1" * 5000 + "}"],
            "JSON that no export holds",
        ),
        (lambda lines: [*lines, '{"kind":' + "[" * 100_000], "JSON that no export holds"),
        (lambda lines: [*lines, '{"kind":"history","ended":"moved","endedAtMs":1,"record":[]}'], "record can't be"),
        (lambda lines: [*lines, '{"kind":"schedule","name":1,"decided":1}'], "name can't be 1"),
        (lambda lines: [*lines, r'{"kind":"schedule","name":"\ud800","decided":1}'], "line .*name can't be"),
        (lambda lines: [lines[0].replace('"lineage":"', r'"lineage":"\ud800'), *lines[1:]], "line 1.*lineage can't be"),
        (lambda lines: [*lines, '{"kind":"rollout","group":"x","step":true,"mode":"paused"}'], "step can't be True"),
        (
            lambda lines: [*lines, next(line for line in lines if '"kind":"record"' in line)],
            "2 lines of the kind record",
        ),
        (
            lambda lines: [lines[0].replace('"serial":', '"serial":"x","was":'), *lines[1:]],
            "line 1: not a state's head",
        ),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_left(lines: list[str], tmp_path: Path, spoil, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(StateUnusable, match=words):
        import_lines(spoil(lines), tmp_path / "second.db", BINDING)
    assert [file.name for file in tmp_path.iterdir()] == ["first.db"]


def test_a_file_that_is_not_utf8_is_refused(lines: list[str], tmp_path: Path) -> None:
    file = tmp_path / "state.jsonl"
    file.write_bytes("\n".join(lines).encode("utf-16"))
    with file.open(encoding="utf-8") as text, pytest.raises(StateUnusable, match="is not UTF-8"):
        import_lines(text, tmp_path / "second.db", BINDING)
