"""All states that a model can be in, the nearest first."""

from __future__ import annotations

from dataclasses import dataclass

from tests.proof.protocol.model import Model
from tests.proof.protocol.values import State


@dataclass(frozen=True, slots=True)
class Walk:
    """`broken`: the first promise that is, with the shortest way there. `reached`: the goals that were."""

    states: int
    steps: int
    broken: str
    way: tuple[str, ...]
    is_whole: bool
    reached: frozenset[str]


def walk(model: Model, *, most: int) -> Walk:
    """Visit each state once, up to `most` of them; stop at the first broken promise."""
    first = model.first()
    came_from: dict[State, tuple[State | None, str]] = {first: (None, "")}
    frontier, steps = [first], 0
    reached: set[str] = set()
    while frontier:
        further: list[State] = []
        for state in frontier:
            for words, after in model.steps(state):
                steps += 1
                if after in came_from:
                    continue
                came_from[after] = (state, words)
                if after.broken:
                    return Walk(len(came_from), steps, after.broken, _way(came_from, after), True, frozenset(reached))
                if len(came_from) >= most:
                    return Walk(len(came_from), steps, "", (), False, frozenset(reached))
                further.append(after)
                reached.update(_goals(after))
        frontier = further
    return Walk(len(came_from), steps, "", (), True, frozenset(reached))


def _goals(state: State) -> set[str]:
    """What a walk has to come by, or it proves nothing."""
    found = {f"{'ABC'[n]} recorded the run" for n, one in enumerate(state.processes) if one.run == "done"}
    if any(entry is not None and entry.is_pruned for entry in state.log):
        found.add("pruned")
    return found


def _way(came_from: dict[State, tuple[State | None, str]], state: State) -> tuple[str, ...]:
    way = []
    at: State | None = state
    while at is not None:
        at, words = came_from[at]
        way.append(words)
    return tuple(reversed(way[:-1]))
