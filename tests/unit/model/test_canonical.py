"""Canonical JSON against RFC 8785, and the fast path against the slow one."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import pytest
import rfc8785
from hypothesis import event, given

from wfdeploy.model import canonical
from wfdeploy.model.canonical import MAX_INTEGER, canonical_json, usual_json
from wfdeploy.model.request import SecretRef, SecretText

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(json_values)
def test_it_is_rfc_8785(value: object) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # RFC 8785, 3.2.2 and 3.2.3
        (
            {
                "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
                "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"\u002f",
                "literals": [None, True, False],
            },
            '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
            '"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
        ),
        (
            {
                "\u20ac": "Euro Sign",
                "\r": "Carriage Return",
                "\ufb33": "Hebrew Letter Dalet With Dagesh",
                "1": "One",
                "\U0001f600": "Emoji: Grinning Face",
                "\u0080": "Control",
                "\u00f6": "Latin Small Letter O With Diaeresis",
            },
            '{"\\r":"Carriage Return","1":"One","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis",'
            '"\u20ac":"Euro Sign","\U0001f600":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
        ),
        # RFC 8785, appendix B (numbers)
        (
            [0.0, -0.0, 5e-324, 1.7976931348623157e308, 9007199254740991, 295147905179352830000.0, 1e21, 1e-7],
            "[0,0,5e-324,1.7976931348623157e+308,9007199254740991,295147905179352830000,1e+21,1e-7]",
        ),
    ],
)
def test_the_vectors_of_the_rfc(value: object, text: str) -> None:
    assert canonical_json(value) == text.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), MAX_INTEGER + 1, -MAX_INTEGER - 1, "\ud800", {1: 2}])
def test_what_json_cannot_say_exactly_is_an_error(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        canonical_json([value])


# --- written by the standard library, where that is known to be the same ----------------------------------------

long_numbers = (
    st.sampled_from([9, 10, 99, 2**53 - 1, 10**14, 10**15 - 1, 10**15, 10**16, 2**53, 10**20])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(-(10**6), 10**6, places=3).map(float)
    | st.integers(-400, 400).map(lambda exponent: float(f"1.5e{exponent}")).filter(lambda number: abs(number) < 1e308)
)
any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | long_numbers
    | st.text("01.e+-9a\ue000\U0001f600\u2028\x7f"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text("a1\u00e4\u2028\ud7fb\ue000\U0001f600", max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(any_json | json_values)
def test_the_usual_form_is_that_of_rfc_8785_and_reading_it_gives_the_value_again(value: object) -> None:
    usual = usual_json(value)
    event("none" if usual is None else "some")
    if usual is not None:
        assert usual == rfc8785.dumps(value)  # type: ignore[arg-type]
        assert same(json.loads(usual), value)


def same(left: object, right: object) -> bool:
    """Equal, types included; tuples are as good as lists."""
    if isinstance(right, dict):
        return isinstance(left, dict) and left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(right, list | tuple):
        return isinstance(left, list) and len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ({}, "{}"),
        ([], "[]"),
        ("", '""'),
        (True, "true"),
        (-12, "-12"),
        (12.5, "12.5"),
        (-0.001, "-0.001"),
        (0.1, "0.1"),
        (123456789012345.6, "123456789012345.6"),
        (10**15 - 1, "999999999999999"),
        (MAX_INTEGER, "9007199254740991"),
        (-(10**15), "-1000000000000000"),
        (["1e5 and 2.0, 1234567890123456"], '["1e5 and 2.0, 1234567890123456"]'),
        (0.30000000000000004, "0.30000000000000004"),
        ("order 1234567 of 2026-11-30, 1.05 kg", '"order 1234567 of 2026-11-30, 1.05 kg"'),
        (
            {"b": [1, (2, {"y": None, "x": False})], "a": "\u00e4\u2028\x7f/"},
            '{"a":"\u00e4\u2028\x7f/","b":[1,[2,{"x":false,"y":null}]]}',
        ),
        ({"b\n": '"\\', "b\t": "\x00\x1f"}, '{"b\\t":"\\u0000\\u001f","b\\n":"\\"\\\\"}'),
    ],
)
def test_ordinary_values_have_a_usual_form(value: object, text: str) -> None:
    assert usual_json(value) == text.encode() == canonical_json(value)


@pytest.mark.parametrize(
    "value",
    [
        *(1.0, -0.0, 0.0, 1e15, 1e16, 1e22, 1e-5, 1.5e-7, 1.5e300, 5e-324),
        *(MAX_INTEGER + 1, -MAX_INTEGER - 1, 10**400),
        *(float("nan"), float("inf"), -float("inf")),
        *("\ud800", "a\udfff", {"\ue000": 1, "\U0001f600": 2}),
        *({1}, b"x", object(), SecretText((SecretRef("S"),))),
    ],
)
@pytest.mark.parametrize("place", [lambda value: value, lambda value: [1, {"a": value}]])
def test_others_have_none(value: object, place: object) -> None:
    assert usual_json(place(value)) is None  # type: ignore[operator]


@given(any_json | json_values)
def test_it_is_the_same_without_the_encoder_in_c(value: object) -> None:
    usual = usual_json(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canonical, "_in_c", None)
        assert usual_json(value) == usual
