"""What thousands of runs share is worked out once."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MOST = 256
"""Results kept at once: runs come group by group, so few are in use at any time."""


class Kept(Generic[P, T]):
    """A function that remembers what its last arguments came to.

    Arguments are told apart by identity (the runs of a group hold the very same headers and delivery options), and
    held, so that no other object can take their place. Only for a function of values that nobody changes; what it
    gives is shared, so nobody may change that either.
    """

    def __init__(self, make: Callable[P, T]) -> None:
        self._make = make
        update_wrapper(self, make)
        self._kept: dict[tuple[int, ...], tuple[object, T]] = {}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        assert not kwargs
        key = tuple(map(id, args))
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= MOST:
                self._kept.clear()
            found = self._kept[key] = (args, self._make(*args, **kwargs))
        return found[1]
