"""A number that becomes part of a key or of text has one spelling, whatever wrote it down."""

from __future__ import annotations

import decimal
import json
from pathlib import Path

import pyarrow
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.manifests.expand.data.test_parquet_rows import packed
from tests.unit.manifests.expand.expanding import Expanded, expanded, from_file
from wfdeploy.manifests.expand.expressions import evaluate_text
from wfdeploy.manifests.expand.numbers import NumberFormat
from wfdeploy.manifests.expand.references import References


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (1e3, "1000"),
        (1.5, "1.5"),
        (1e16, "10000000000000000"),
        (2.0**53, "9007199254740992"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (5e-324, "5e-324"),
        (9007199254740993, "9007199254740993"),
        (-(2**63), "-9223372036854775808"),
        (10**40, "1" + 40 * "0"),
        (True, "true"),
        (decimal.Decimal("0E-18"), "0"),
        (decimal.Decimal("-0.00"), "0"),
        (decimal.Decimal("1.10"), "1.1"),
        (decimal.Decimal("100"), "100"),
        (decimal.Decimal("1E+3"), "1000"),
        (decimal.Decimal("1.000000000000000000000000000000000000000000000000000000000001"), "1." + 59 * "0" + "1"),
        (decimal.Decimal("0.0000001"), "0.0000001"),
    ],
)
def test_spelling(value: float | decimal.Decimal, text: str) -> None:
    assert NumberFormat().text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_written_as_rfc_8785_has_them(value: float) -> None:
    text = NumberFormat().text(value)
    assert text == rfc8785.dumps(value).decode()
    assert float(text) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9), st.integers(0, 30))
def test_a_scale_is_no_part_of_a_decimal(value: decimal.Decimal, scale: int) -> None:
    with decimal.localcontext(prec=80):
        other = value.quantize(decimal.Decimal(1).scaleb(-9 - scale))
    assert NumberFormat().text(other) == NumberFormat().text(value)
    assert decimal.Decimal(NumberFormat().text(value)) == value


@given(st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70))
def test_two_integers_never_meet(one: int, other: int) -> None:
    assert (NumberFormat().text(one) == NumberFormat().text(other)) == (one == other)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), decimal.Decimal("NaN"), decimal.Decimal("-Infinity")])
def test_what_is_no_number_has_none(value: float | decimal.Decimal) -> None:
    with pytest.raises(ValueError, match="no number"):
        NumberFormat().text(value)


FORMATS = {
    "a.json": b'[{"id": 1.0, "n": 1E3}, {"id": -0.0, "n": 9007199254740993}]',
    "a.jsonl": b'{"id": 1, "n": 1000.0}\n{"id": 0, "n": 9007199254740993}\n',
    "a.yaml": b"- {id: 1.0, n: 1e3}\n- {id: 0x0, n: 9007199254740993}\n",
    "a.csv": b"id,n\n1.0,1e3\n0.00,9007199254740993\n",
    "a.parquet": packed(
        {
            "id": pyarrow.array([decimal.Decimal("1"), decimal.Decimal("0")], pyarrow.decimal128(30, 18)),
            "n": pyarrow.array([1000, 9007199254740993], pyarrow.int64()),
        }
    ),
    "b.parquet": packed({"id": pyarrow.array([1, 0], pyarrow.float64()), "n": [1000, 9007199254740993]}),
}


@pytest.mark.parametrize("name", FORMATS)
def test_one_value_has_one_address_in_every_format(tmp_path: Path, name: str) -> None:
    more = ""
    if name == "a.csv":
        more = ", rowSchema: {properties: {id: {type: number}, n: {type: [integer, number]}}}"
    (tmp_path / name).write_bytes(FORMATS[name])
    found = expanded(
        tmp_path,
        f"""
    - name: r
      forEach: {{file: {name}{more}}}
      key: ${{{{ row.id }}}}
      labels: ["n-${{{{ row.n }}}}"]
      body: {{order: "o-${{{{ row.id }}}}-${{{{ row.n }}}}"}}""",
    )
    assert found.told == []
    assert found.keys == ["1", "0"]
    assert found.bodies == [{"order": "o-1-1000"}, {"order": "o-0-9007199254740993"}]
    assert [run.request.template.delivery.labels for _, run in found.runs] == [("n-1000",), ("n-9007199254740993",)]


def test_cells_of_csv_are_text_and_stay_as_they_are(tmp_path: Path) -> None:
    assert from_file(tmp_path, "a.csv", b"id\n1.0\n1e3\n-0.0\n007\n").keys == ["1.0", "1e3", "-0.0", "007"]


def test_items_and_axes(tmp_path: Path) -> None:
    found = expanded(
        tmp_path,
        """
    - name: r
      forEach: {items: [{id: 1.0}, {id: 1e1}, {id: 0x10}]}
      matrix: {x: [2.0, 2.50]}
      key: ${{ row.id }}-${{ matrix.x }}""",
    )
    assert found.keys == ["1-2", "1-2.5", "10-2", "10-2.5", "16-2", "16-2.5"]


def test_entries_of_a_matrix_go_by_value(tmp_path: Path) -> None:
    found = expanded(
        tmp_path,
        """
    - name: r
      matrix: {x: [1.0, 2, true], exclude: [{x: 2.0}], include: [{x: 1, y: b}]}
      key: ${{ matrix.x }}-${{ matrix.y | default('a') }}""",
    )
    assert found.keys == ["1-b", "true-a"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("vars.x", "1"),
        ("vars.x | string", "1"),
        ("vars.x ~ '-' ~ 1e3", "1-1000"),
        ("[vars.x, vars.n] | join('/')", "1/9007199254740993"),
        ("vars.x | urlencode", "1"),
        ("vars.n", "9007199254740993"),
        ("vars.n + 2", "9007199254740995"),
        ("vars.n | default(0)", "9007199254740993"),
        ("vars.x | tojson", "1"),
        (
            "[vars.x, {'a': 1e-7, 'b': [-0.0, 2.5]}, 'é', none, vars.n] | tojson",
            '[1,{"a":1e-7,"b":[0,2.5]},"é",null,9007199254740993]',
        ),
        ("4 / 2", "2"),
        ("vars.x * 1000000000000000000000000", "1e+24"),
        ("2.0 | round(1)", "2"),
    ],
)
def test_filters_and_operators(source: str, text: str) -> None:
    variables = References({"x": 1.0, "n": 9007199254740993}, ())
    assert evaluate_text(f"${{{{ {source} }}}}", variables) == text


def test_a_digest_is_that_of_the_value() -> None:
    one, other = (References({"x": x}, ()) for x in (1.0, 1))
    assert evaluate_text("${{ vars.x | sha256 }}", one) == evaluate_text("${{ vars.x | sha256 }}", other)


@given(st.recursive(st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists))
def test_json_text_holds_what_it_was_made_of(value: object) -> None:
    assert json.loads(NumberFormat().json(value, 10_000), parse_int=float) == value


# --- as it was before ------------------------------------------------------------------------------------------------


@given(st.floats() | st.integers() | st.booleans())
def test_the_former_spelling_is_that_of_python(value: float) -> None:
    numbers = NumberFormat(former=True)
    assert numbers.text(value) == json.dumps(value)
    assert not numbers.respelled


@given(
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
)
def test_it_is_known_whether_a_number_was_written_otherwise(value: float | decimal.Decimal) -> None:
    numbers = NumberFormat()
    is_other = numbers.text(value) != NumberFormat(former=True).text(value)
    assert numbers.respelled is is_other


def test_it_is_known_each_time() -> None:
    variables = References({"x": 1.0}, ())
    for _ in range(2):
        variables.numbers.respelled = False
        assert evaluate_text("${{ vars.x | string }}", variables) == "1"
        assert variables.numbers.respelled
    assert evaluate_text("${{ vars.x | string }}", variables.former()) == "1.0"


def told(found: Expanded) -> list[str]:
    return [one.message for one in found.diagnostics]


def test_what_is_no_number_is_told_with_its_row(tmp_path: Path) -> None:
    content = packed({"id": [1.0, float("nan")]})
    found = from_file(tmp_path, "a.parquet", content)
    assert found.told == ["a.parquet:2 bad-key"]
    assert told(found) == ["key: row.id is nan, which can't be put into text"]
    assert from_file(tmp_path, "a.parquet", content, more=", onBadRow: skip").keys == ["1"]
