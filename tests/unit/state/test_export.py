"""Export and import: byte for byte, all or nothing."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.test_state_store import BINDING, attempt, record
from wfdeploy.errors import StateUnusable
from wfdeploy.model.address import Address
from wfdeploy.model.blocking import RolloutProgress
from wfdeploy.model.edits import (
    Decide,
    Dismiss,
    Forget,
    Intend,
    PutAttempt,
    PutGroups,
    PutProgress,
    PutRecord,
    PutTombstone,
    ReleaseRuns,
    Remember,
    Rename,
    SetHead,
)
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.model.run import OnRemove
from wfdeploy.model.state import Binding
from wfdeploy.state.export import export_lines, import_lines
from wfdeploy.state.sqlite_store import SqliteStore


@pytest.fixture
def lines(tmp_path: Path) -> list[str]:
    with SqliteStore.create(tmp_path / "first.db", BINDING) as store:
        store.commit(
            [PutRecord(record("g/é", request='{"body":"\u2028"}', by='{"host":"h"}')), PutRecord(record("g/b"))]
        )
        store.commit([PutRecord(record("g/b", "1:b")), PutAttempt(attempt("g/c"))])
        store.commit([Rename(Address("g/b"), Address("h/b")), Forget(Address("g/é"))])
        store.commit([PutTombstone(Address("g/x"), "1:q", 7), PutGroups({"g": OnRemove.CANCEL})])
        store.commit([SetHead(watermark_ms=12, foreign_ms=13)])
        store.commit([Remember(ObservedRun(workflow_run_id="wfr_q", state=RunState.STARTED, created_at_ms=1))])
        store.commit([Remember(ObservedRun(workflow_run_id="wfr_p", state=RunState.STARTED, created_at_ms=2))])
        store.commit([Dismiss("wfr_p", Address("g/b"))])
        store.commit([Decide("n", 9), PutProgress(RolloutProgress(group="g", open_since_ms=3))])
        store.commit([Intend([attempt("g/d")._replace(request='{"a":1}', shared=5), attempt("g/c2")])])
        store.commit([ReleaseRuns("g", ((Address("g/b"), "1:b"), (Address("g/a"), "1:a")))])
        return list(export_lines(store))


def test_import_and_export_give_the_same_bytes(lines: list[str], tmp_path: Path) -> None:
    store = import_lines(lines, tmp_path / "second.db", BINDING)
    assert list(export_lines(store)) == lines
    store.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["first.db", "second.db"]


def test_an_export_of_format_1_is_still_imported(tmp_path: Path) -> None:
    old = (Path(__file__).parents[2] / "cases" / "upgrade" / "export-1.jsonl").read_text(encoding="utf-8").split("\n")
    with closing(import_lines(old, tmp_path / "new.db", BINDING)) as store:
        assert (store.head().foreign_ms, store.head().watermark_ms) == (12, 12)
        ends = {attempt.address: (attempt.status.value, attempt.ended_at_ms) for attempt in store.attempts()}
        assert ends == {"g/c": ("unknown", None), "g/c2": ("intent", None), "g/d": ("intent", None)}
        assert [record.address for record in store.records()] == ["h/b"]
        again = list(export_lines(store))
    with closing(import_lines(again, tmp_path / "again.db", BINDING)) as store:
        assert list(export_lines(store)) == again


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


def test_another_targets_export_is_refused(lines: list[str], tmp_path: Path) -> None:
    with pytest.raises(StateUnusable, match="belongs to"):
        import_lines(lines, tmp_path / "second.db", Binding("other", "e", "http://s"))


def test_an_existing_state_is_never_replaced(lines: list[str], tmp_path: Path) -> None:
    before = (tmp_path / "first.db").read_bytes()
    with pytest.raises(StateUnusable, match="exists"):
        import_lines(lines, tmp_path / "first.db", BINDING)
    assert (tmp_path / "first.db").read_bytes() == before
