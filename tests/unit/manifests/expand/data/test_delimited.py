from __future__ import annotations

import csv
import io
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.manifests.expand.expanding import from_file
from wfdeploy.manifests.expand.data.delimited import Lines, read_again
from wfdeploy.manifests.expand.data.rows import BadRow
from wfdeploy.manifests.expand.data.streams import BLOCK_BYTES, FileProblem


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"id,n\na,1\nb,2\n", [{"id": "a", "n": "1"}, {"id": "b", "n": "2"}]),
        (b"id,n\na,1\nb,2", [{"id": "a", "n": "1"}, {"id": "b", "n": "2"}]),
        (b"id,n\r\na,1\r\n\r\n", [{"id": "a", "n": "1"}]),
        (b"id,n\ra,1\rb,2\r", [{"id": "a", "n": "1"}, {"id": "b", "n": "2"}]),
        (b"\xef\xbb\xbfid,n\na,1\n", [{"id": "a", "n": "1"}]),
        (b'id,n\na,"x, ""y""\nz"\n', [{"id": "a", "n": 'x, "y"\nz'}]),
        (b"\n\nid,n\n\na,\n", [{"id": "a", "n": ""}]),
        ("id,n\na,é\u2028\x85\x0b\n".encode(), [{"id": "a", "n": "é\u2028\x85\x0b"}]),
        (b"id,a b,items\na,1,2\n", [{"id": "a", "a b": "1", "items": "2"}]),
        (b"id,n\n,\na,1\n ,\t\nb,2\n,\n", [{"id": "a", "n": "1"}, {"id": "b", "n": "2"}]),
        (b'id,n\n"",""\na,\n,,,,\n"  ","\n"\n', [{"id": "a", "n": ""}]),
        (b",,\nid,n\na,1\n", [{"id": "a", "n": "1"}]),
        (b'id\na\n""\n  \n', [{"id": "a"}]),
        (b"id\n ${{ vars.url }}\n", [{"id": " ${{ vars.url }}"}]),
    ],
)
def test_rows(tmp_path: Path, content: bytes, rows: list[object]) -> None:
    found = from_file(tmp_path, "a.csv", content)
    assert found.told == []
    assert found.bodies == rows


def test_tabs(tmp_path: Path) -> None:
    assert from_file(tmp_path, "a.tsv", b"id\tn\n\t\na\t1,5\n\t\n").bodies == [{"id": "a", "n": "1,5"}]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", ["m.yaml:8 data-file-empty"]),
        (b"\n\n", ["m.yaml:8 data-file-empty"]),
        (b",\n,\n", ["m.yaml:8 data-file-empty"]),
        (b"id,n\n,\n", ["m.yaml:8 no-rows"]),
        (b"id,n\n,\na\n,\n,\nb\n", ["a.csv:3 ragged-row", "a.csv:6 ragged-row"]),
        (b"id,n\n", ["m.yaml:8 no-rows"]),
        (b"id,id\na,b\n", ["a.csv:1 bad-header"]),
        (b"id,,n\na,b,c\n", ["a.csv:1 bad-header"]),
        (b"id,\xff\na,b\n", ["a.csv:1 row-not-utf8"]),
        (b"id,n\na\nb,1,2\n", ["a.csv:2 ragged-row", "a.csv:3 ragged-row"]),
        (b'id,n\na,"x\ny"\nb\n', ["a.csv:4 ragged-row"]),
        (b"id,n\na,\xff\nb,2\n", ["a.csv:2 row-not-utf8"]),
        (b"id,n\na,\x00\nb,2\n", ["a.csv:2 bad-row"]),
        (b'id,n\na,"x"y\nb,2\n', ["a.csv:2 bad-row"]),
        (b'id,n\na,"x\nb,2\n', ["a.csv:2 open-quote"]),
        (b'id,n\n"a\nb\nc","x\nb,2\n', ["a.csv:4 open-quote"]),
        (b'id,n\na,"x\nb,2\n' + b"c,3\n" * 500_000, ["a.csv:2 open-quote"]),
        (b'id,n\na,"x""\n', ["a.csv:2 open-quote"]),
        (b'id,"n\na,2\n', ["a.csv:1 open-quote"]),
        (b'id,"n"x\na,2\n', ["a.csv:1 bad-header"]),
        (b"id,n\na," + b"x" * 1_000_001 + b"\nb,2\n", ["a.csv:2 row-too-long"]),
        (b'id,n\na,"' + b'x""\n' * 600_000 + b'"\nb\n', ["a.csv:2 row-too-long", "a.csv:600003 ragged-row"]),
        (b"id,n\nb\n" + b"a," * 9_000_000 + b"\n", ["a.csv:2 ragged-row", "m.yaml:8 row-too-long"]),
        (b"id,n\nb\n" + b'"a\n",' * 4_000_000 + b"x\n", ["a.csv:2 ragged-row", "a.csv:3 row-too-long"]),
        ("id\n1\n".encode("utf-16"), ["a.csv:1 data-file-not-utf8"]),
    ],
)
def test_what_is_wrong_has_its_place(tmp_path: Path, content: bytes, told: list[str]) -> None:
    assert from_file(tmp_path, "a.csv", content).told == told


def test_rows_after_a_bad_one_are_read(tmp_path: Path) -> None:
    found = from_file(tmp_path, "a.csv", b'id,n\na,\xff\nb,2\nc,"x"y\nd,4\ne\nf,\xc3\xa9\n', more=", onBadRow: skip")
    assert found.keys == ["b", "d", "f"]
    assert [number for number, _ in found.runs] == [1, 3, 5]


@pytest.mark.parametrize(
    "cell", ["x" * 999_990, '"' + "x\n" * 330_000 + '"', '"' + 'x""' * 499_900 + '"', "é" * 200_000], ids=range(4)
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_cell_may_be_as_long_as_a_message(tmp_path: Path, cell: str, newline: str) -> None:
    before = csv.field_size_limit()
    content = f'id,n,m\na,{cell},"1"\nb,2,\n'.replace("\n", newline)
    found = from_file(tmp_path, "a.csv", content.encode())
    assert found.told == []
    text = cell.replace("\n", newline)
    text = text[1:-1].replace('""', '"') if text.startswith('"') else text
    assert found.bodies == [{"id": "a", "n": text, "m": "1"}, {"id": "b", "n": "2", "m": ""}]
    assert csv.field_size_limit() == before


def test_a_row_whose_cell_is_too_long_is_skipped_with_the_bad_ones(tmp_path: Path) -> None:
    long = b"x" * 1_000_001
    content = b"id,n\na," + long + b'\nb,2\nc,"' + long + b'\n"\nd,"' + long + b'"x\n' + long + b",3\ne,5\n"
    found = from_file(tmp_path, "a.csv", content, more=", onBadRow: skip")
    assert found.keys == ["b", "e"]
    assert [one.message for one in found.diagnostics][:2] == [
        "this row is skipped: cell 2 has more than 1,000,000 characters",
        "this row is skipped: cell 2 has more than 1,000,000 characters, lines 4 to 5",
    ]


@pytest.mark.parametrize("quoted", [False, True])
def test_what_is_too_long_is_not_held(tmp_path: Path, quoted: bool) -> None:
    quote = b'"' if quoted else b""
    lines = b"x" * 9_999 + (b"\n" if quoted else b"x")
    content = b"id,n\na," + quote + lines * 1_600 + quote + b"\nb,2\n"
    tracemalloc.start()
    found = from_file(tmp_path, "a.csv", content, more=", onBadRow: skip")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.keys == ["b"]
    assert peak < (8_000_000 if quoted else 130_000_000)  # a line is held as a whole


@pytest.mark.parametrize("content", ["id," + ",".join(f"c{n}" for n in range(200_000)) + "\n"], ids=["header"])
def test_width_takes_time_in_proportion(tmp_path: Path, content: str) -> None:
    began = time.process_time()
    found = from_file(tmp_path, "a.csv", (content + "a" + ",1" * 200_000 + "\n").encode())
    assert found.keys == ["a"]
    assert time.process_time() - began < 5


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(alphabet='ab,"\n\r', max_size=30))
def test_a_record_that_is_read_again_is_read_as_before(text: str) -> None:
    lines = Lines(iter(io.StringIO(text, newline="")))
    first = next(iter(lines), None)
    if first is None:
        return
    try:
        expected: object = next(csv.reader(io.StringIO(text, newline=""), strict=True)) or [""]
    except csv.Error as error:
        expected = FileProblem if "unexpected end" in str(error) else BadRow
    try:
        found: object = read_again(lines, ",", 1000)
    except FileProblem:
        found = FileProblem
    assert (type(found) if isinstance(found, BadRow) else found) == expected


@pytest.mark.parametrize(
    ("types", "cell", "value"),
    [
        ("integer", "12", 12),
        ("integer", "-3", -3),
        ("number", "1.5e3", 1500.0),
        ("number", "7", 7),
        ("[integer, 'null']", "", None),
        ("['null', string]", "", None),
        ("string", "", ""),
        ("string", "12", "12"),
        ("[integer, string]", "x", "x"),
        ("boolean", "TRUE", True),
        ("boolean", "false", False),
    ],
)
def test_cells_have_the_types_of_the_schema(tmp_path: Path, types: str, cell: str, value: object) -> None:
    schema = f", rowSchema: {{properties: {{n: {{type: {types}}}}}}}"
    found = from_file(tmp_path, "a.csv", f"id,n\na,{cell}\n".encode(), more=schema)
    assert found.told == []
    assert found.bodies == [{"id": "a", "n": value}]
    assert type(found.bodies[0]["n"]) is type(value)  # type: ignore[index]


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        ("integer", "1.0"),
        ("integer", "007"),
        ("integer", ""),
        ("number", "1,5"),
        ("number", "NaN"),
        ("boolean", "1"),
        ("[boolean, 'null']", "x"),
    ],
)
def test_cells_that_do_not_fit_stay_text_and_are_refused(tmp_path: Path, kind: str, cell: str) -> None:
    schema = f", rowSchema: {{properties: {{n: {{type: {kind}}}}}}}"
    found = from_file(tmp_path, "a.csv", f'id,n\na,"{cell}"\n'.encode(), more=schema)
    assert found.told == ["a.csv:2 row-schema"]
    assert f"the text '{cell}'" in found.diagnostics[0].message


CELLS = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_what_the_standard_library_writes_is_read_back(
    tmp_path: Path, rows: list[tuple[str, str]], newline: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=newline, quoting=csv.QUOTE_ALL)
    writer.writerow(("id", "x", "y"))
    writer.writerows((f"k{number}", *row) for number, row in enumerate(rows))
    found = from_file(tmp_path, "a.csv", text.getvalue().encode())
    assert found.told == []
    assert found.bodies == [{"id": f"k{number}", "x": x, "y": y} for number, (x, y) in enumerate(rows)]


def test_rows_across_blocks_are_whole(tmp_path: Path) -> None:
    cell = "é" * 999
    count = 3 * BLOCK_BYTES // 1000
    lines = "".join(f'{n},"{cell}\r\n{n}"\r\n' for n in range(count))
    found = from_file(tmp_path, "a.csv", f"id,x\r\n{lines}".encode())
    assert found.told == []
    assert found.bodies == [{"id": str(n), "x": f"{cell}\r\n{n}"} for n in range(count)]
    assert found.runs[-1][1].source.row == 2 * count


@pytest.mark.parametrize(
    ("name", "content", "more"),
    [
        ("a.csv", b"id;n\na;1,5\n", ', delimiter: ";"'),
        ("a.csv", b"id\tn\na\t1,5\n", ', delimiter: "\\t"'),
        ("a.csv", b"id|n\na|1,5\n", ", delimiter: '|'"),
        ("a.tsv", b'id,n\na,"1,5"\n', ', delimiter: ","'),
        ("a.txt", b'id;n\n"a";"1,5"\n', ', format: csv, delimiter: ";"'),
    ],
)
def test_the_delimiter_may_be_given(tmp_path: Path, name: str, content: bytes, more: str) -> None:
    found = from_file(tmp_path, name, content, more=more)
    assert found.told == []
    assert found.bodies == [{"id": "a", "n": "1,5"}]


@pytest.mark.parametrize(
    ("name", "content", "message", "hint"),
    [
        ("a.csv", b"id;n\na;1\n", "semicolons", 'give forEach.delimiter: ";"'),
        ("a.csv", b"id\tn\na\t1\n", "tabs", 'give forEach.delimiter: "\\t"'),
        ("a.csv", b'"id|n"\na|1\n', "'|'", 'give forEach.delimiter: "|"'),
        ("a.tsv", b"id,n\na,1\n", "commas", 'give forEach.delimiter: ","'),
    ],
)
def test_another_delimiter_is_named(tmp_path: Path, name: str, content: bytes, message: str, hint: str) -> None:
    found = from_file(tmp_path, name, content)
    assert found.told == [f"{name}:1 bad-header"]
    assert found.diagnostics[0].message.endswith(f"its cells seem to be separated by {message}")
    assert (found.diagnostics[0].hint or "").startswith(hint)


def test_one_column_may_have_any_name(tmp_path: Path) -> None:
    found = from_file(tmp_path, "a.csv", b"id;n\na\n", more=", delimiter: ','", key="row['id;n']")
    assert (found.told, found.bodies) == ([], [{"id;n": "a"}])


@pytest.mark.parametrize("more", ["", ', delimiter: ";"'])
def test_a_first_line_of_excel_is_no_header(tmp_path: Path, more: str) -> None:
    found = from_file(tmp_path, "a.csv", b"sep=;\r\nid;n\r\na;1\r\n", more=more)
    assert found.diagnostics[0].message.endswith("is one of Excel's and no header")


def test_a_delimiter_is_for_tables_only(tmp_path: Path) -> None:
    assert from_file(tmp_path, "a.json", b'[{"id": 1}]', more=', delimiter: ";"').told == ["m.yaml:8 only-for-tables"]


@pytest.mark.parametrize(
    ("row", "hint"),
    [
        (b"a,1,2,3", "quote cells that hold commas"),
        (b"a,1", "an empty cell is written too, between two commas"),
        (b'a,"1""', "a quote that"),
        (b'"a,1\nb",2', "a quote takes in all up to the next one"),
        (
            b'"a "" b",1',
            "an empty cell is written too, between two commas; a quote within a quoted cell is written twice",
        ),
        (b"a;1;2", "the cells of this row seem to be separated by semicolons; the header's are by commas"),
    ],
)
def test_a_row_of_another_length_says_what_may_be_wrong(tmp_path: Path, row: bytes, hint: str) -> None:
    (one,) = from_file(tmp_path, "a.csv", b"id,n,m\n" + row + b"\n").diagnostics
    assert (one.hint or "").startswith(hint) or one.message.startswith(hint)
