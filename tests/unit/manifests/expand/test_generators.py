from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.manifests.expand.expanding import expanded, from_file
from wfdeploy.errors import InvalidInput
from wfdeploy.manifests.expand.input_files import InputFiles
from wfdeploy.model.document import MAX_ROW_FINDINGS
from wfdeploy.model.request import SecretRef, SecretText


def test_each_row_makes_a_run(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("id,name,seats\nu1,Ann,3\nu2,Bob,5\n")
    found = expanded(
        tmp_path,
        """
    - name: welcome
      forEach:
        file: users.csv
        rowSchema: {properties: {seats: {type: integer}}}
      key: ${{ row.id }}
      destination: ${{ vars.url }}/users/${{ row.id }}
      headers: {X-User: "${{ row.name }}", Authorization: "Bearer ${{ secrets.TOKEN }}", X-Static: s}
      labels: [users, "u-${{ row.id }}"]
      flowControl: {key: "k-${{ row.id }}", parallelism: 2}
      failureUrl: ${{ vars.url }}/failed/${{ row.id }}
      failureHeaders: {X-User: "${{ row.id }}"}
      body: {user: {name: "${{ row.name | upper }}", seats: "${{ row.seats }}"}, all: ["${{ row }}"], kind: welcome}""",
    )
    assert found.told == []
    assert found.addresses == ["g/welcome[u1]", "g/welcome[u2]"]
    (_, first), (_, second) = found.runs
    assert str(first.source) == "users.csv:2"
    assert (first.source.file, first.source.line, first.source.entry) == ("m.yaml", 7, 0)
    template, body = second.request
    assert template.destination == "https://app.example.com/users/u2"
    assert dict(template.headers) == {
        "X-User": "Bob",
        "Authorization": SecretText(("Bearer ", SecretRef("TOKEN"))),
        "X-Static": "s",
    }
    assert template.content_type == "application/json"
    assert body.value == {
        "user": {"name": "BOB", "seats": 5},
        "all": [{"id": "u2", "name": "Bob", "seats": 5}],
        "kind": "welcome",
    }
    delivery = template.delivery
    assert delivery.labels == ("users", "u-u2")
    assert delivery.flow_control is not None
    assert (delivery.flow_control.key, delivery.flow_control.parallelism) == ("k-u2", 2)
    assert delivery.failure_url == "https://app.example.com/failed/u2"
    assert dict(delivery.failure_headers) == {"X-User": "u2"}


def test_what_does_not_vary_is_shared(tmp_path: Path) -> None:
    found = expanded(
        tmp_path,
        """
    - name: r
      forEach: {items: [1, 2]}
      key: ${{ row }}
      destination: ${{ vars.url }}/x
      headers: {A: "${{ vars.url }}"}
      labels: ["${{ vars.regions[0] }}"]
      body: {text: "${{ vars.url }}", literal: "$${{ row }}"}""",
    )
    one, two = (run.request for _, run in found.runs)
    assert one.template is two.template
    assert one.body is two.body
    assert one.body.value == {"text": "https://app.example.com", "literal": "${{ row }}"}
    assert one.template.delivery.labels == ("eu",)


def test_a_matrix_and_rows_multiply(tmp_path: Path) -> None:
    found = expanded(
        tmp_path,
        """
    - name: plain
    - name: both
      forEach: {items: "${{ vars.tenants }}"}
      matrix: {region: "${{ vars.regions }}", size: [1]}
      key: ${{ row.id }}-${{ matrix.region }}
      body: ${{ matrix }}
    - name: last""",
    )
    assert found.told == []
    assert found.runs[0][1].source.entry == 0
    assert [number for number, _ in found.runs] == [0, 1, 2, 3, 4, 5]
    assert found.addresses == [
        "g/plain", "g/both[a-eu]", "g/both[a-us]", "g/both[b-eu]", "g/both[b-us]", "g/last",
    ]  # fmt: skip
    assert found.bodies[1] == {"region": "eu", "size": 1}
    assert found.runs[-1][1].source.entry == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(wanted=st.sets(st.integers(0, 14)))
def test_the_wanted_runs_are_the_same_as_among_all(tmp_path: Path, wanted: set[int]) -> None:
    (tmp_path / "a.csv").write_text("id,n\na,1\nb\nc,3\nd,4\n")
    entry = """
    - name: first
    - name: rows
      forEach: {file: a.csv, onBadRow: skip}
      matrix: {m: [1, 2]}
      key: ${{ row.id }}.${{ matrix.m }}
      body: {row: "${{ row }}"}
    - name: mid
      body: 1
    - name: items
      forEach: {items: [x, y]}
      key: ${{ row }}
    - name: last"""
    everything = expanded(tmp_path, entry)
    assert [number for number, _ in everything.runs] == [0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12]
    assert expanded(tmp_path, entry).runs == everything.runs
    some = expanded(tmp_path, entry, wanted=wanted)
    assert some.runs == [pair for pair in everything.runs if pair[0] in wanted]


KEYS = st.text(min_size=1, max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(KEYS, unique=True, min_size=1, max_size=8))
def test_any_text_is_a_key(tmp_path: Path, keys: list[str]) -> None:
    lines = "".join(json.dumps({"id": key}) + "\n" for key in keys)
    found = from_file(tmp_path, "k.jsonl", lines.encode())
    assert found.told == []
    assert len(set(found.addresses)) == len(keys)
    assert [run.source.row for _, run in found.runs] == list(range(1, len(keys) + 1))


@pytest.mark.parametrize(
    ("row", "key"), [({"id": 7}, "7"), ({"id": True}, "true"), ({"id": 1.5}, "1.5"), ({"id": 2**60}, str(2**60))]
)
def test_keys_that_are_no_text_are_written_as_json(tmp_path: Path, row: object, key: str) -> None:
    (tmp_path / "k.jsonl").write_text(json.dumps(row))
    found = expanded(tmp_path, '\n    - {name: r, forEach: {file: k.jsonl}, key: "${{ row.id }}"}')
    assert (found.keys, found.told) == ([key], [])


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"id": None}, "bad-key"),
        ({"id": ""}, "bad-key"),
        ({"id": []}, "bad-key"),
        ({"name": 1}, "bad-key"),
        ({"id": "x" * 1001}, "bad-key"),
        (5, "bad-key"),
    ],
)
@pytest.mark.parametrize("skip", [False, True])
def test_a_row_without_a_key_is_bad(tmp_path: Path, row: object, code: str, skip: bool) -> None:
    content = f"{json.dumps({'id': 'a'})}\n{json.dumps(row)}\n".encode()
    found = from_file(tmp_path, "data/k.jsonl", content, more=", onBadRow: skip" if skip else "")
    assert found.keys == ["a"]
    assert found.told[0] == f"data/k.jsonl:2 {code}"
    assert found.diagnostics[0].severity.value == ("warning" if skip else "error")
    assert found.told[1:] == (["m.yaml:7 skipped-rows"] if skip else [])


@pytest.mark.parametrize(("items", "which"), [("[{id: a}, {}]", ""), ('"${{ vars.tenants + [1] }}"', "row 3: ")])
def test_an_item_is_told_by_its_place_or_by_its_number(tmp_path: Path, items: str, which: str) -> None:
    entry = f"forEach: {{items: {items}}}, key: '${{{{ row.id }}}}'"
    (told,) = expanded(tmp_path, f"\n    - {{name: r, {entry}}}").diagnostics
    assert told.message == f"{which}key: row.id is not defined"


def test_skipped_rows_are_listed_and_counted(tmp_path: Path) -> None:
    lines = [json.dumps({"id": f"r{n}", "n": n if n % 2 else "x"}) for n in range(1000)]
    schema = ", onBadRow: skip, rowSchema: {properties: {n: {type: integer}}}"
    found = from_file(tmp_path, "a.jsonl", "\n".join(lines).encode(), more=schema)
    assert len(found.runs) == 500
    assert len(found.diagnostics) == 501
    assert found.diagnostics[0].message == "this row is skipped: n must be a whole number, not the text 'x'"
    assert found.diagnostics[0].excerpt == '{"id": "r0", "n": "x"}'
    assert found.diagnostics[-1].message == "500 of 1,000 rows of a.jsonl are skipped (onBadRow: skip)"


def test_bad_rows_beyond_the_first_are_counted(tmp_path: Path) -> None:
    found = from_file(tmp_path, "a.jsonl", b"{}\n" * (MAX_ROW_FINDINGS + 1234))
    assert len(found.diagnostics) == MAX_ROW_FINDINGS + 1
    assert found.diagnostics[-1].message == "1,234 more rows of a.jsonl are wrong"


def test_what_is_wrong_with_the_run_of_a_row_is_never_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "a", "x": 1}\n{"id": "b"}\n{"id": "c", "x": 9007199254740993}\n')
    found = expanded(
        tmp_path,
        """
    - name: r
      forEach: {file: a.jsonl, onBadRow: skip}
      key: ${{ row.id }}
      body: {deep: [{x: "${{ row.x }}"}]}""",
    )
    assert found.keys == ["a"]
    assert found.told == ["a.jsonl:2 undefined-field", "a.jsonl:3 not-a-json-number"]
    first = found.diagnostics[0]
    assert (first.severity.value, first.address, first.hint) == ("error", "g/r[b]", "available: id")
    assert first.message == "body.deep.0.x: row.x is not defined"
    assert first.excerpt == '{"id": "b"}'


@pytest.mark.parametrize(
    "field", ["body: {x: '${{ row.emial }}'}", "key: ${{ row.emial }}", "labels: ['${{ row.emial | lower }}']"]
)
def test_a_column_that_is_not_there_is_told_once_in_the_template(tmp_path: Path, field: str) -> None:
    (tmp_path / "a.csv").write_text("id,email\n" + "a,b\n" * 500)
    key = "" if field.startswith("key") else "key: ${{ row.id }}"
    found = expanded(tmp_path, f"\n    - name: r\n      forEach: {{file: a.csv}}\n      {field}\n      {key}")
    assert found.told == ["m.yaml:9 undefined-field"]
    assert found.diagnostics[0].hint == "did you mean 'email'?"
    assert found.diagnostics[0].place.column > 10
    assert found.runs == []


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("forEach: {items: [1]}, key: same", "constant-key"),
        ("forEach: {items: [1]}, key: '${{ vars.url }}'", "constant-key"),
        ("forEach: {items: [1]}, key: '${{ matrix.x }}'", "undefined-name"),
        ("forEach: {items: [1]}, key: '${{ row'", "bad-expression"),
        ("forEach: {items: [1]}, key: '${{ row }}${{ secrets.TOKEN }}'", "secret-not-allowed"),
        ("forEach: {}, key: '${{ row }}'", "no-rows"),
        ("forEach: {items: [1], file: a.csv}, key: '${{ row }}'", "no-rows"),
        ("forEach: {items: '${{ vars.url }}'}, key: '${{ row }}'", "not-a-list"),
        ("forEach: {items: '${{ vars.nothing }}'}, key: '${{ row }}'", "undefined-variable"),
        ("forEach: {items: [1], sha256: a}, key: '${{ row }}'", "only-for-files"),
        ("forEach: {items: [1], rowSchema: {type: nothing}}, key: '${{ row }}'", "bad-row-schema"),
        ("forEach: {items: [1]}, key: '${{ row }}', workflowRunId: x", "shared-run-id"),
        ("forEach: {file: nowhere.csv}, key: '${{ row.id }}'", "data-file-missing"),
        ("forEach: {file: ../outside.csv}, key: '${{ row.id }}'", "data-file-outside"),
        ("forEach: {file: /etc/passwd, format: csv}, key: '${{ row.id }}'", "data-file-outside"),
        ("forEach: {file: link.csv}, key: '${{ row.id }}'", "data-file-outside"),
        ("forEach: {file: data}, key: '${{ row.id }}'", "unknown-format"),
        ("matrix: {a: '${{ vars.url }}'}, key: '${{ matrix.a }}'", "not-a-list"),
        ("matrix: {a: [1], exclude: [{b: 1}]}, key: '${{ matrix.a }}'", "unknown-axis"),
        ("matrix: {a: [1], include: ['${{ vars.url }}']}, key: '${{ matrix.a }}'", "not-a-mapping"),
        ("matrix: {a: [1]}, key: '${{ matrix.b }}'", "undefined-field"),
        ("matrix: {a: [1]}, key: '${{ matrix.a }}', body: '${{ row }}'", "undefined-name"),
        ("key: x", "key-of-one"),
    ],
)
def test_what_makes_no_sense_is_told(tmp_path: Path, entry: str, code: str) -> None:
    (tmp_path.parent / "outside.csv").write_text("id\n1\n")
    root = tmp_path / "project"
    root.mkdir()
    (root / "link.csv").symlink_to(tmp_path.parent / "outside.csv")
    (root / "data").write_text("id\n1\n")
    found = expanded(root, f"\n    - {{name: r, {entry}}}")
    assert [one.code for one in found.diagnostics] == [code]
    assert found.diagnostics[0].severity.value == "error"


def test_a_secret_in_an_item_stays_a_reference(tmp_path: Path) -> None:
    entry = "forEach: {items: [{id: a, token: '${{ secrets.TOKEN }}'}]}, key: '${{ row.id }}'"
    found = expanded(tmp_path, f"\n    - {{name: r, {entry}, body: '${{{{ row.token }}}}'}}")
    assert found.bodies == [SecretText((SecretRef("TOKEN"),))]
    for use in ("x ${{ row.token }}", "${{ row.token ~ 'x' }}", "${{ row | tojson }}", "${{ row.token | sha256 }}"):
        found = expanded(tmp_path, f'\n    - {{name: r, {entry}, bodyText: "{use}"}}')
        assert [one.severity.value for one in found.diagnostics] == ["error"]


def test_a_pinned_file_is_the_one_that_is_pinned(tmp_path: Path) -> None:
    content = b"id\na\n"
    digest = hashlib.sha256(content).hexdigest()
    assert from_file(tmp_path, "a.csv", content, more=f", sha256: {digest.upper()}").told == []
    found = from_file(tmp_path, "a.csv", b"id\nb\n", more=f", sha256: {digest}")
    assert [one.code for one in found.diagnostics] == ["data-file-changed"]
    assert hashlib.sha256(b"id\nb\n").hexdigest() in found.diagnostics[0].message


def test_files_are_known_by_their_digest(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("id\na\n")
    (tmp_path / "body.txt").write_text("text")
    entry = """
    - {name: r, forEach: {file: data/../data/a.csv}, key: "${{ row.id }}", bodyFile: body.txt}"""
    found = expanded(tmp_path, entry)
    assert found.files == {
        "data/a.csv": hashlib.sha256(b"id\na\n").hexdigest(),
        "body.txt": hashlib.sha256(b"text").hexdigest(),
    }


def test_a_file_that_changes_between_two_readings_stops_the_command(tmp_path: Path) -> None:
    files = InputFiles(tmp_path, 1000)
    entry = '\n    - {name: r, forEach: {file: a.csv}, key: "${{ row.id }}"}'
    (tmp_path / "a.csv").write_text("id\na\n")
    expanded(tmp_path, entry, files=files)
    expanded(tmp_path, entry, files=files)
    (tmp_path / "a.csv").write_text("id\nb\n")
    with pytest.raises(InvalidInput) as caught:
        expanded(tmp_path, entry, files=files)
    assert caught.value.diagnostics[0].code == "file-changed"


def test_the_change_is_noticed_before_a_row_is_used(tmp_path: Path) -> None:
    files = InputFiles(tmp_path, 1000)
    path = tmp_path / "a.csv"
    path.write_text("id\na\n")
    with files.open_data(path, "a.csv") as stream:
        assert list(stream.blocks()) == [b"id\na\n"]
    os.utime(path, (1, 1))  # touched, and the same
    with files.open_data(path, "a.csv") as stream:
        assert list(stream.blocks()) == [b"id\na\n"]
    path.write_text("id\na\nb\n")
    with pytest.raises(InvalidInput), files.open_data(path, "a.csv"):
        raise AssertionError("it was opened")


def test_memory_does_not_grow_with_rows(tmp_path: Path) -> None:
    import tracemalloc

    from wfdeploy.manifests.expand.data.streams import BLOCK_BYTES

    peaks = []
    for count in (20_000, 80_000):
        (tmp_path / "a.csv").write_text("id,text\n" + "".join(f"{n},{'x' * 20}\n" for n in range(count)))
        tracemalloc.start()
        taken = consumed(tmp_path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert taken == count
    assert peaks[1] < peaks[0] + 2 * BLOCK_BYTES


def consumed(root: Path) -> int:
    """How many runs there are; none is held."""
    from wfdeploy.manifests.expand.references import References
    from wfdeploy.manifests.expand.runs import expand
    from wfdeploy.model.document import Document, Fields, SourceFile

    run = Fields(name="r", forEach={"file": "a.csv"}, key="${{ row.id }}", body={"text": "${{ row.text }}"})
    run.line = 1
    data = {"metadata": {"name": "g"}, "spec": {"runs": [run]}}
    document = Document(SourceFile("m.yaml", "m.yaml", root, ""), 0, 1, data)
    files = InputFiles(root, 1000)
    return sum(1 for _ in expand(document, evaluator=References({}, ()), files=files, findings=[]))


def test_a_row_schema_whose_patterns_may_take_for_ever_is_refused_at_its_place(tmp_path: Path) -> None:
    found = from_file(tmp_path, "a.csv", b"id\na\n", more=r", rowSchema: {properties: {id: {pattern: '(?=a)a'}}}")
    assert found.told == ["m.yaml:8 bad-row-schema"]
    assert "looks around" in found.diagnostics[0].message


def test_a_row_that_takes_too_many_checks_ends_the_file(tmp_path: Path) -> None:
    row = "1"
    for _ in range(40):
        row = f'{{"a": {row}}}'
    deeper = "{properties: {a: {$ref: '#/$defs/d'}}, required: [b]}"
    schema = f"{{$ref: '#/$defs/d', $defs: {{d: {{anyOf: [{deeper}, {deeper}, {{type: string}}]}}}}}}"
    found = from_file(tmp_path, "a.jsonl", f"{row}\n{row}\n".encode(), more=f", onBadRow: skip, rowSchema: {schema}")
    assert found.told == ["m.yaml:8 bad-row-schema"]
    assert "more than 300,000 checks" in found.diagnostics[0].message


WIDE = ", ".join(f"k{n}: '${{{{ row.x | upper }}}}'" for n in range(200))
LABELS = ["${{ row.x | upper }}"] * 200


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        (f"forEach: {{file: a.jsonl}}, key: '${{{{ row.id }}}}', body: {{{WIDE}}}", "body.k"),
        (
            "forEach: {file: a.jsonl}, key: '${{ row.id }}', bodyText: '" + "${{ row.x | upper }}" * 200 + "'",
            "bodyText",
        ),
        (
            "forEach: {file: a.jsonl}, key: '${{ row.id }}', headers: {X-A: '" + "${{ row.x }}" * 200 + "'}",
            "headers.X-A",
        ),
        (f"forEach: {{file: a.jsonl}}, key: '${{{{ row.id }}}}', headers: {{{WIDE}}}", "headers.k"),
        (f"forEach: {{file: a.jsonl}}, key: '${{{{ row.id }}}}', failureHeaders: {{{WIDE}}}", "failureHeaders.k"),
        (f"forEach: {{file: a.jsonl}}, key: '${{{{ row.id }}}}', labels: {LABELS}", "labels."),
        ("body: {" + WIDE.replace("row.x", "vars.url * 1") + "}", ""),
    ],
)
def test_a_body_is_bounded_while_expressions_make_it(tmp_path: Path, fields: str, field: str) -> None:
    import tracemalloc

    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "a", "x": "b" * 900_000}) + "\n")
    tracemalloc.start()
    found = expanded(tmp_path, f"\n    - {{name: r, {fields}}}")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    if field:
        (told,) = found.diagnostics
        assert told.code == "message-too-big"
        assert told.message.startswith(field)
    assert peak < 45_000_000


def test_values_of_one_run_are_bounded_in_all(tmp_path: Path) -> None:
    import tracemalloc

    (tmp_path / "a.json").write_text("[]")
    long = "b" * 900
    many = ", ".join(f"k{n}: \"${{{{ '{long}' | replace('b', '{'c' * 800}') }}}}\"" for n in range(200))
    labels = "[" + ", ".join(one.partition(": ")[2] for one in many.split(", k")) + "]"
    for field, value in (("body", f"{{{many}}}"), ("headers", f"{{{many}}}"), ("labels", labels)):
        tracemalloc.start()
        found = expanded(tmp_path, f"\n    - {{name: r, {field}: {value}}}")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert [one.code for one in found.diagnostics] == ["message-too-big"]
        assert peak < 40_000_000
