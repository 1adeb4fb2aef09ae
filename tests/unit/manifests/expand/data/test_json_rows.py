"""from __future__ import annotations"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.manifests.expand.expanding import from_file

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e300, 1e300) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(VALUES, max_size=5), st.booleans(), st.sampled_from([None, 1]))
def test_any_rows_are_read_back(tmp_path: Path, values: list[object], ascii_only: bool, indent: int | None) -> None:
    rows = [{"id": f"k{number}", "value": value} for number, value in enumerate(values)]
    lines = "\n\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in rows)
    document = json.dumps(rows, ensure_ascii=ascii_only, indent=indent)
    for name, text in (("a.jsonl", lines), ("a.json", document)):
        found = from_file(tmp_path, name, text.encode())
        assert found.told == ([] if rows else ["m.yaml:8 no-rows"])
        assert found.bodies == rows


def test_rows_have_their_lines(tmp_path: Path) -> None:
    rows = b'[\n {"id": "a",\n  "x": [1,\n 2]},\n\n {"id": "b"}, {"id": "c"}]\n'
    assert [run.source.row for _, run in from_file(tmp_path, "a.json", rows).runs] == [2, 6, 6]
    lines = b'\n{"id": "a"}\r\n\n  \n{"id": "b"}'
    assert [run.source.row for _, run in from_file(tmp_path, "a.ndjson", lines).runs] == [2, 5]


def test_bad_rows_that_share_a_line_are_told_by_their_numbers(tmp_path: Path) -> None:
    rows = b'[{"id": "a"}, {}, {"id": "b"}, {}]'
    assert [one.message for one in from_file(tmp_path, "a.json", rows).diagnostics] == [
        "row 2: key: row.id is not defined",
        "row 4: key: row.id is not defined",
    ]
    skipped = from_file(tmp_path, "a.json", rows, more=", onBadRow: skip").diagnostics
    assert [one.message for one in skipped][:2] == [
        "row 2 is skipped: key: row.id is not defined",
        "row 4 is skipped: key: row.id is not defined",
    ]
    assert from_file(tmp_path, "a.jsonl", b"{}").diagnostics[0].message == "key: row.id is not defined"


BAD_ROWS = [
    (b"{", "not JSON"),
    (b"{'id': 1}", "not JSON"),
    (b'{"id": 1,}', "not JSON"),
    (b'{"id": NaN}', "NaN is no JSON number"),
    (b'{"id": -Infinity}', "no JSON number"),
    (b'{"id": 1} 2', "not JSON"),
    (b'{"id": 1, "id": 2}', "'id' is given twice"),
    (b'{"id": 1, "x": {"y": 1, "y": 2}}', "'y' is given twice"),
    (b'{"id": "\\ud800"}', "surrogate"),
    (b'{"\\udfff": 1}', "surrogate"),
    (b'{"id": "\xff"}', "not UTF-8"),
    (b'{"id": "a\x00"}', "control character"),
    (b'{"id": ' + b"9" * 5000 + b"}", "too many digits"),
    (b"[" * 101 + b"]" * 101, "deeper than 100"),
    (b"[" * 200_000, "deeper than 100"),
    (b'{"a":' * 50_000, "deeper than 100"),
]


@pytest.mark.parametrize(("row", "words"), BAD_ROWS)
def test_a_bad_line_is_told_and_the_others_are_read(tmp_path: Path, row: bytes, words: str) -> None:
    found = from_file(tmp_path, "a.jsonl", b'{"id": "a"}\n' + row + b'\n{"id": "b"}\n')
    assert [one.place.line for one in found.diagnostics] == [2]
    assert words in found.diagnostics[0].message
    assert len(found.diagnostics[0].excerpt or "") <= 200
    assert found.keys == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "a.json:1 not-rows"),
        (b"{}", "a.json:1 not-rows"),
        (b'"text"', "a.json:1 not-rows"),
        (b'[\n{"id": 1}', "a.json:2 not-json"),
        (b'[\n{"id": 1}\n{"id": 2}]', "a.json:2 not-json"),
        (b'[\n{"id": 1},\n]', "a.json:2 not-json"),
        (b'[{"id": 1},\n{"id": 2}\n,\n\n]', "a.json:3 not-json"),
        (b'[{"id": 1}]\n\n[]', "a.json:3 not-json"),
        (b'[\n\n{"id": NaN}]', "a.json:3 not-json"),
        (b'[\n\n{"id": "\xff"}]', "a.json:3 data-file-not-utf8"),
        (b'[{"id": 1},\n{"id": 1, "id": 2}]', "a.json:2 bad-row"),
        (b'[{"id": 1},\n' + b"[" * 101 + b"]" * 101 + b"]", "a.json:2 bad-row"),
        (b"[" * 200_000, "a.json:1 not-json"),
        (b"[]", "m.yaml:8 no-rows"),
    ],
)
def test_a_list_that_cannot_be_read_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    assert from_file(tmp_path, "a.json", content).told == [told]


def test_brackets_in_text_are_no_nesting(tmp_path: Path) -> None:
    row = {"id": "a", "text": '[{"\\' * 500}
    assert from_file(tmp_path, "a.jsonl", json.dumps(row).encode()).bodies == [row]
    assert from_file(tmp_path, "a.json", json.dumps([row]).encode()).bodies == [row]


def test_large_numbers_may_be_keys_and_text_and_no_values(tmp_path: Path) -> None:
    found = from_file(tmp_path, "a.jsonl", b'{"id": 9007199254740993}\n{"id": 1e999}\n')
    assert found.told == ["a.jsonl:1 not-a-json-number", "a.jsonl:2 bad-key"]
    assert found.diagnostics[0].hint == "send it as text: ${{ row.NAME | string }}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"id": "a"},', "the row ends with a comma"),
        (b'  {"id": "a"} , \r', "the row ends with a comma"),
        (b"[", "the row is a bracket of a list"),
        (b"]", "the row is a bracket of a list"),
    ],
)
def test_a_line_as_in_a_list_says_so(tmp_path: Path, line: bytes, message: str) -> None:
    (one,) = from_file(tmp_path, "a.jsonl", b'{"id": "b"}\n' + line + b"\n").diagnostics
    assert (one.message, one.place.line) == (message, 2)


def test_yaml_rows(tmp_path: Path) -> None:
    found = from_file(tmp_path, "a.yml", b"# rows\n- {id: no, when: 2026-01-01}\n\n- id: b\n  n: 0o17\n")
    assert found.told == []
    assert found.bodies == [{"id": "no", "when": "2026-01-01"}, {"id": "b", "n": 15}]
    assert [run.source.row for _, run in found.runs] == [2, 4]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "a.yaml:1 not-rows"),
        (b"id: 1", "a.yaml:1 not-rows"),
        (b"- 1\n---\n- 2\n", "a.yaml:1 not-rows"),
        (b"- {id: 1}\n- {id: 1, id: 2}\n", "a.yaml:2 duplicate-key"),
        (b"- [\n", "a.yaml:1 yaml-syntax"),
        (b"- {id: 1}\n- \xff", "a.yaml:2 data-file-not-utf8"),
    ],
)
def test_yaml_that_cannot_be_read_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    assert from_file(tmp_path, "a.yaml", content).told == [told]


def test_bad_yaml_rows_are_told_by_their_numbers(tmp_path: Path) -> None:
    found = from_file(tmp_path, "a.yaml", b"[{id: a}, 1, 2]")
    assert [one.message for one in found.diagnostics] == [
        "row 2: key: row.id is not defined",
        "row 3: key: row.id is not defined",
    ]
