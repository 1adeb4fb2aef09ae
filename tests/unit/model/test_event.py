"""Results made by the hundred are those made one by one."""

from __future__ import annotations

from wfdeploy.model.address import Address
from wfdeploy.model.event import Outcome, Result


def test_several_results() -> None:
    addresses = [Address("g/a"), Address("g/b")]
    made = Result.several(addresses, Outcome.DEDUPLICATED, ["wfr_a", "wfr_b"], [5, None])
    assert made == [
        Result(Address("g/a"), Outcome.DEDUPLICATED, "wfr_a", 5),
        Result(Address("g/b"), Outcome.DEDUPLICATED, "wfr_b", None),
    ]
    assert {type(result) for result in made} == {Result}
    assert made[1].error is None
    assert Result.several([], Outcome.TRIGGERED, [], []) == []
