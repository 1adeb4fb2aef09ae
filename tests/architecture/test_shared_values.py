"""No test may change a value that another test sees: `tests/conftest.py` watches, and this holds the watch itself."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.support.shared_values import shared_literals, snapshot

TESTS = Path(__file__).parents[1]


def test_a_changed_value_is_noticed_however_deep() -> None:
    module = ModuleType("m")
    vars(module).update(CASES=[{"a": [1]}], TEXT="a")
    before = snapshot(module)
    assert list(before) == ["CASES"]
    module.CASES[0]["a"].append(module.CASES)  # the value that holds itself, which broke a fifth of the runs once
    assert snapshot(module) != before


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("x = st.sampled_from([1, [2]])", [1]),
        ("x = st.just({})", [1]),
        ("x = copied(st.sampled_from([1, {}]))", []),
        ("x = st.sampled_from([1, 'a', (2,)])\ny = st.just(None)", []),
        ("x = copied(st.just([])) | st.just([])", [1]),
    ],
)
def test_a_strategy_that_gives_out_its_own_values_is_noticed(source: str, lines: list[int]) -> None:
    assert list(shared_literals(source)) == lines


def test_no_strategy_gives_out_its_own_mutable_values() -> None:
    found = [
        f"{path.relative_to(TESTS)}:{line}"
        for path in sorted(TESTS.rglob("*.py"))
        for line in shared_literals(path.read_text(encoding="utf-8"))
    ]
    assert not found, "wrap them in tests.support.shared_values.copied"
