"""Changes that are made when they are looked at, each time anew."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from wfdeploy.model.address import Address
from wfdeploy.model.plan import Action, Change, FirstChanges, without_first_triggers
from wfdeploy.model.run import DesiredRun, Group, Source

NAMES = {"b": 2, "a-x": 1, "a": 3, "empty": 0}


class Runs:
    def __init__(self) -> None:
        self.made = 0

    def __call__(self, groups: Collection[str]) -> Iterator[DesiredRun]:
        for group in sorted(groups, key=lambda name: f"{name}/"):
            for number in range(NAMES[group]):
                yield DesiredRun(Address(f"{group}/{number}"), "1:x", "", Group(group), Source("m.yaml", 1))

    def change(self, run: DesiredRun) -> Change:
        self.made += 1
        return Change(run.address, Action.TRIGGER, "new", sends=True, desired=run)


def made() -> tuple[FirstChanges, Runs]:
    runs = Runs()
    return FirstChanges(NAMES, runs, runs.change), runs


def test_counting_makes_nothing() -> None:
    changes, runs = made()
    assert len(changes) == 6
    assert runs.made == 0


def test_they_are_the_same_however_often_they_are_gone_through() -> None:
    changes, _ = made()
    first = list(changes)
    assert [change.address for change in first] == ["a-x/0", "a/0", "a/1", "a/2", "b/0", "b/1"]
    assert list(changes) == first == changes
    assert changes[1].address == "a/0"
    assert [change.address for change in changes[-2:]] == ["b/0", "b/1"]


def test_nothing_in_them_is_anything_but_a_trigger() -> None:
    changes, runs = made()
    assert list(without_first_triggers(changes)) == []
    assert runs.made == 0
    assert list(without_first_triggers(list(changes))) == list(changes)


def test_an_index_needs_no_look_before() -> None:
    changes, _ = made()
    assert changes[5].address == "b/1"


def test_groups_come_with_their_number_and_no_more_is_made_than_is_taken() -> None:
    changes, runs = made()
    told = [(count, next(alike).address) for count, alike in changes.blocks()]
    assert told == [(1, "a-x/0"), (3, "a/0"), (2, "b/0")]
    assert runs.made == 3
