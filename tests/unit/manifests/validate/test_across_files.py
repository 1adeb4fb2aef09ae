"""Groups that wait for one another."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from wfdeploy.manifests.validate.across_files import check_order
from wfdeploy.model.blocking import Condition, Dependency
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.run import Group


def told(edges: dict[str, list[str]], *, complete: bool = True) -> list[Diagnostic]:
    groups = {
        name: Group(name, depends_on=tuple(Dependency(other, Condition.SUCCEEDED, 10) for other in others))
        for name, others in edges.items()
    }
    return list(check_order(groups, lambda name: f"{name}.yaml", complete=complete))


def test_a_circle_is_printed_with_the_place_of_each_step() -> None:
    (one,) = told({"x": ["a"], "a": ["b"], "b": ["c"], "c": ["a"]})
    assert one.message == (
        "groups wait for one another in a circle: a (a.yaml:10) -> b (b.yaml:10) -> c (c.yaml:10) -> a"
    )
    assert str(one.place) == "a.yaml:10:1"


def test_a_diamond_is_no_circle() -> None:
    assert told({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}) == []


def test_a_long_chain_is_no_circle() -> None:
    assert told({str(n): [str(n + 1)] for n in range(5000)} | {"5000": []}) == []


def test_an_unknown_group_is_told_with_what_was_meant() -> None:
    (one,) = told({"load": ["seeed"], "seed": []})
    assert (one.code, one.hint) == ("unknown-group", "did you mean 'seed'?")
    assert told({"load": ["seeed"], "seed": []}, complete=False) == []


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3), max_size=6))
def test_a_circle_is_told_exactly_where_there_is_one(edges: dict[str, list[str]]) -> None:
    edges = {name: [other for other in others if other != name] for name, others in edges.items()}

    def reaches(start: str, goal: str) -> bool:
        seen, waiting = set(), [start]
        while waiting:
            for other in edges.get(waiting.pop(), ()):
                if other == goal:
                    return True
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        return False

    assert bool(told(edges, complete=False)) is any(reaches(name, name) for name in edges)
