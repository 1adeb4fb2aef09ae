"""The bounds of expressions: no way out, no endless work, and words that tell what is wrong."""

from __future__ import annotations

import time
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.manifests.expand.expanding import NAMES, value_of
from wfdeploy.manifests.expand.expressions import (
    MAX_LENGTH,
    MAX_TEXT,
    Constant,
    ExpressionError,
    compile_text,
    compile_value,
    evaluate,
)
from wfdeploy.manifests.expand.references import References


def error_of(source: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        value_of(source)
    return caught.value


@pytest.mark.parametrize(
    "source",
    [
        "''.__class__",
        "vars.x.__class__.__mro__",
        "vars['__class__']",
        "vars.l.__init__.__globals__",
        "vars.x.format(1)",
        "'{0.__class__}'.format(vars)",
        "vars.m.keys()",
        "vars.m.get('items')",
        "vars.l.append(1)",
        "range(10)",
        "lipsum()",
        "cycler('a')",
        "joiner()",
        "namespace()",
        "dict(a=1)",
        "self",
        "context",
        "environment",
        "loop.index",
        "caller()",
        "vars.x | attr('upper')",
        "vars.l | map('upper')",
        "vars.x | format(1)",
        "vars.x | pprint",
        "vars.x | e",
        "vars.x is callable",
        "vars.x is escaped",
        "'%s' % vars.x",
        "'%99999999d' % 1",
        "_TemplateReference__context",
    ],
)
def test_there_is_no_way_out(source: str) -> None:
    error = error_of(source)
    assert error.message
    assert error.source.strip() == source


@pytest.mark.parametrize(
    "source",
    [
        "'a' * 1000000000",
        "[1] * 1000000000",
        "9 ** 9 ** 9 ** 9",
        "2 ** 100000",
        "(2 ** 64) ** 64 ** 1 * (2 ** 64) ** 64",
        "10.0 ** 64 ** 64",
        "('x' | replace('x', 'y' | replace('y', 'z'))) | int",
        "vars.big | tojson ~ vars.x * 5",
        "(" * 200 + "1" + ")" * 200,
        "not " * 300 + "true",
        "+".join(["1"] * 1500),
        "[" * 60 + "]" * 60,
        "'a'" + " ~ 'a'" * 500,
        "1 / 0",
        "1 % 0",
        "-vars.x",
        "vars.x < 3",
        "[] | first",
        "'abc' | int",
        "'1e400' | float",
        "'maybe' | bool",
        "none ~ 'x'",
        "vars.l ~ 'x'",
        "{1: 2}",
        "'x' | replace('', 'y')",
        "'[' | fromjson",
        "'[NaN]' | fromjson",
        "'\"\\\\ud800\"' | fromjson",
        "1.5 | round(400)",
        "'x' if false",
    ],
)
def test_work_is_bounded_and_failures_are_told(source: str) -> None:
    began = time.process_time()
    assert error_of(source).message
    assert time.process_time() - began < 2


def test_text_does_not_grow_without_bounds() -> None:
    names = References({"t": "x" * (MAX_TEXT // 2 + 1), "e": "é" * (MAX_TEXT // 4)}, ())
    for source in (
        "vars.t + vars.t", "vars.t | replace('x', 'yy')", "[vars.t, vars.t] | join(',')", "vars.t ~ vars.t",
        "[vars.t, vars.t] | tojson", "vars.e | urlencode", "(vars.t ~ 'a') ~ (vars.t ~ 'b')",
    ):  # fmt: skip
        with pytest.raises(ExpressionError, match="longer than"):
            evaluate(f"${{{{ {source} }}}}", names)
    assert len(str(evaluate("${{ vars.t ~ 'x' }}", names))) == MAX_TEXT // 2 + 2


BIG: dict[str, object] = {"x": "a" * 900_000, "list": list(range(250_000)), "json": "[" + "[]," * 290_000 + "[]]"}


GREEDY = [
    "${{ " + " ~ ".join(["vars.x"] * 200) + " }}",
    "${{ vars.x }}" * 200,
    "${{ vars.x | upper }}" * 200,
    "${{ [" + ", ".join(["vars.x | upper"] * 100) + "] }}",
    "${{ [" + ", ".join(["vars.x ~ 1"] * 150) + "] | length }}",
    "${{ [" + ", ".join(["vars.list"] * 150) + "] }}",
    "${{ [" + ", ".join(["vars.list"] * 150) + "] | tojson }}",
    "${{ [" + ", ".join(["vars.list + [1]"] * 100) + "] | length }}",
    "${{ [" + ", ".join(["vars.json | fromjson"] * 80) + "] | length }}",
    "${{ [" + ", ".join(["vars.x | split('a')"] * 80) + "] | length }}",
    "${{ vars.x" + " | urlencode | replace('a', '%')" * 15 + " }}",
]


@pytest.mark.parametrize("text", GREEDY, ids=range(len(GREEDY)))
def test_memory_is_bounded_while_text_is_made(text: str) -> None:
    names = References(BIG, ())
    tracemalloc.start()
    try:
        with pytest.raises(ExpressionError):
            evaluate(text, names)
        if text.count("${{") > 1:
            with pytest.raises(ExpressionError):
                compile_text(text, names, ("row",))
        made = compile_text(text.replace("vars.", "row."), names, ("row",))
        assert not isinstance(made, Constant)
        with pytest.raises(ExpressionError):
            made({"row": BIG})
        assert tracemalloc.get_traced_memory()[1] < 160_000_000
    finally:
        tracemalloc.stop()


def test_values_that_are_kept_for_the_next_time_are_bounded() -> None:
    names = References(BIG, ())
    tracemalloc.start()
    for number in range(200):
        assert evaluate(f"${{{{ vars.x ~ {number} }}}}", names) == f"{BIG['x']}{number}"
    assert tracemalloc.get_traced_memory()[1] < 60_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("source", ["1e999", "-1e999", "[1, 1e400]", "vars.n < 1e999", "1e999 ~ ''"])
def test_a_number_that_is_none_is_told(source: str) -> None:
    assert error_of(source).message == f"{source} holds a number that is too large"


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("vars.x | default", "the filter default is written default(other)"),
        ("vars.x | split", "the filter split is written split(separator)"),
        ("vars.x | replace('a')", "the filter replace is written replace(old, new)"),
        ("vars.x | default(b=1)", "the filter default is written default(other)"),
        ("vars.x | join(*['a'])", "the filter join is written join(separator)"),
        ("vars.x | upper('a')", "the filter upper is written upper"),
        ("vars.x is defined(1)", "the test defined is written defined"),
        ("vars.x == null", "null is written none"),
        ("null", "null is written none"),
    ],
)
def test_how_it_is_written_is_told(source: str, hint: str) -> None:
    assert error_of(source).hint == hint


def test_values_by_name_are_taken() -> None:
    assert value_of("2.567 | round(digits=1)") == 2.6


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("'a' < 1", "numbers are compared with numbers, text with text; there are the filters int and string"),
        ("none >= 1", "numbers are compared with numbers, text with text; there are the filters int and string"),
        ("1 in 2", "'in' looks into text, lists and mappings"),
        ("1 in 'a'", "text holds nothing but text; there is the filter string"),
        ("{[1]: 2}", "keys are text"),
        ("9.9e300 ** 2", "a number is too large"),
        ("[] | first", "the list is empty; '[0] | default(other)' gives something else then"),
        ("[] | last", "the list is empty; '[-1] | default(other)' gives something else then"),
    ],
)
def test_what_cannot_be_evaluated_is_told_in_plain_words(source: str, words: str) -> None:
    assert error_of(source).message == f"{source} can't be evaluated: {words}"


def test_what_an_empty_list_is_told_to_do_works() -> None:
    assert value_of("[][0] | default('d') ~ [][-1] | default('e')") == "de"


def test_an_expression_is_short() -> None:
    assert "characters" in error_of("1 + " * MAX_LENGTH + "1").message


@pytest.mark.parametrize(
    "source",
    [
        "secrets.TOKEN | upper",
        "secrets.TOKEN ~ 'x'",
        "'a' if secrets.TOKEN else 'b'",
        "[secrets.TOKEN]",
        "secrets | tojson",
    ],
)
def test_a_secret_is_never_part_of_an_expression(source: str) -> None:
    error = error_of(source)
    assert error.code == "secret-in-expression"


@pytest.mark.parametrize("source", ["vars.big", "[vars.big] | first", "vars.big + 1", "1e308 * 10", "{'a': vars.big}"])
def test_numbers_that_json_cannot_carry_are_not_made(source: str) -> None:
    varying = compile_value("${{ row }}", NAMES, ("row",))
    assert not isinstance(varying, Constant)
    with pytest.raises(ExpressionError, match=r"2\^53|no number"):
        varying({"row": 2**60 if source == "vars.big" else value_of(source)})


@pytest.mark.parametrize(
    ("source", "row", "message", "hint"),
    [
        ("row.emial", {"email": 1}, "row.emial is not defined", "did you mean 'email'?"),
        ("row.a.b", {"a": {"c": 1}}, "row.a.b is not defined", "available: c"),
        ("row.a.b", {"a": 1}, "row.a.b is not defined", None),
        ("row['first name']", {"name": 1}, 'row["first name"] is not defined', "available: name"),
        ("row.emial | lower", {"email": 1}, "row.emial is not defined", "did you mean 'email'?"),
        ("row.a.b | default(1)", {"ab": 1}, "row.a is not defined", "did you mean 'ab'?"),
        ("row.b.x ~ row.a.b | string", {"a": {}, "b": {"x": 1}}, "row.a.b is not defined", None),
        ("(row.a).b | upper", {"a": {"c": 1}}, "b is not defined", "available: c"),
        ("row.l[1] | upper", {"l": ["x"]}, "row.l[1] is not defined", None),
        ("row.l[3]", {"l": [1]}, "row.l[3] is not defined", None),
        ("row.x", [1], "row.x is not defined", None),
        ("row.x", "text", "row.x is not defined", None),
        ("row.x", None, "row.x is not defined", None),
    ],
)
def test_a_field_that_is_not_there_is_told(source: str, row: object, message: str, hint: str | None) -> None:
    for compiled in (
        compile_value(f"${{{{ {source} }}}}", NAMES, ("row",), ("body", "f")),
        compile_text(f"-${{{{ {source} }}}}-", NAMES, ("row",), ("body", "f")),
    ):
        assert not isinstance(compiled, Constant)
        with pytest.raises(ExpressionError) as caught:
            compiled({"row": row})
        assert caught.value.message == message
        assert (caught.value.hint or "").startswith(hint or "")
        assert caught.value.code == "undefined-field"
        assert caught.value.path == ("body", "f")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-(2.0**53) + 1, 2.0**53 - 1)
    | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_a_whole_expression_keeps_its_type(value: object) -> None:
    for source in ("row.x", "row['x']", "row.x if true else 0", "row.x | default(row.x)"):
        compiled = compile_value(f"${{{{ {source} }}}}", NAMES, ("row",))
        assert not isinstance(compiled, Constant)
        found = compiled({"row": {"x": value}})
        assert found == value
        assert type(found) is type(value)


@given(JSON)
def test_what_json_writes_is_read_back(value: object) -> None:
    compiled = compile_value("${{ row | tojson | fromjson }}", NAMES, ("row",))
    assert not isinstance(compiled, Constant)
    assert compiled({"row": value}) == value


@given(st.text(max_size=60) | st.text(alphabet="vars.xnlm[]'\"|()+*~ 0123456789,{}:-%<>=!notifelsei", max_size=40))
def test_any_text_is_an_expression_or_an_error(text: str) -> None:
    with suppress(ExpressionError):
        value_of(text)


@pytest.mark.parametrize("source", ["vars.big + 0", "vars.big", "vars.big if true else 0", "[vars.big, 1] | first"])
def test_what_a_hint_suggests_works(source: str) -> None:
    hint = error_of(source).hint or ""
    suggested = hint.partition("send it as text: ")[2]
    assert evaluate(suggested, NAMES) == str(2**60)
