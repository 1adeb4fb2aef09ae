from __future__ import annotations

from math import prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.manifests.expand.row_sets import MAX_COMBINATIONS, combinations


def test_the_last_axis_turns_fastest() -> None:
    assert combinations({"a": [1, 2], "b": ["x", "y"]}, [], []) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]


def test_the_example_of_github() -> None:
    """GitHub Actions, "Running variations of jobs in a workflow", "Expanding or adding matrix configurations"."""
    include: list[dict[str, Any]] = [
        {"color": "green"},
        {"color": "pink", "animal": "cat"},
        {"fruit": "apple", "shape": "circle"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]
    assert combinations({"fruit": ["apple", "pear"], "animal": ["cat", "dog"]}, include, []) == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]


def test_exclude_needs_some_fields_and_comes_before_include() -> None:
    axes: dict[str, list[Any]] = {"os": ["linux", "mac"], "version": [1, 2]}
    assert combinations(axes, [], [{"os": "mac"}]) == [{"os": "linux", "version": 1}, {"os": "linux", "version": 2}]
    excluded: list[dict[str, Any]] = [{"os": "mac", "version": 1}, {"os": "linux"}]
    assert combinations(axes, [{"os": "mac", "version": 1}], excluded) == [
        {"os": "mac", "version": 2},
        {"os": "mac", "version": 1},
    ]


def test_include_alone_makes_combinations() -> None:
    assert combinations({}, [{"a": 1}, {"a": 2}], []) == [{"a": 1}, {"a": 2}]


def test_values_are_compared_as_json_compares_them() -> None:
    assert combinations({"a": [True, 1, "1", None]}, [], [{"a": 1}]) == [{"a": True}, {"a": "1"}, {"a": None}]
    assert combinations({"a": [{"x": 1, "y": 2}, [1]]}, [], [{"a": {"y": 2, "x": 1}}]) == [{"a": [1]}]


def test_an_axis_without_values_leaves_nothing() -> None:
    assert combinations({"a": [1], "b": []}, [], []) == []


def test_too_many_are_refused_before_they_are_made() -> None:
    values = list(range(1000))
    with pytest.raises(ValueError, match="1,000,000,000 combinations"):
        combinations({"a": values, "b": values, "c": values}, [], [])
    with pytest.raises(ValueError, match="too many for this many entries"):
        combinations({"a": values, "b": values[:100]}, [{"a": n} for n in range(150)], [{"a": n} for n in range(51)])
    assert len(combinations({"a": values, "b": values[: MAX_COMBINATIONS // 1000]}, [], [])) == MAX_COMBINATIONS


AXES = st.dictionaries(
    st.sampled_from("abc"), st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True), min_size=1
)
ENTRIES = st.lists(st.dictionaries(st.sampled_from("abcx"), st.integers(0, 3), min_size=1), max_size=3)


@given(AXES, ENTRIES, ENTRIES)
def test_no_combination_is_lost_doubled_or_changed(
    axes: dict[str, list[int]], include: list[dict[str, int]], exclude: list[dict[str, int]]
) -> None:
    made = combinations(axes, include, exclude)
    own = [{name: found[name] for name in axes} for found in made if axes.keys() <= found.keys()]
    plain = combinations(axes, [], exclude)
    assert plain == own[: len(plain)]
    assert len(plain) <= prod(map(len, axes.values()))
    assert all(not entry.items() <= found.items() for entry in exclude for found in plain)
    for entry in include:
        assert any(all(found.get(name) == value for name, value in entry.items() if name in axes) for found in made)
