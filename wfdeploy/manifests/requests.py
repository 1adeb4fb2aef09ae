"""The requests of desired runs, found again: a catalogue holds only identities."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

from wfdeploy.errors import CacheDamaged
from wfdeploy.model.address import Address
from wfdeploy.model.run import DeclaredRun, DesiredRun
from wfdeploy.model.spool import Spool

if TYPE_CHECKING:
    from wfdeploy.model.request import Body, Request, Template

HELD = 200_000
"""Requests that are held; others are read from their files again."""

_IN_MEMORY = 10_000
"""Texts of their bodies that don't wait on disk."""

_SMALL = 1000
"""Bytes of a text that waits there: thousands of runs may have a large one from their defaults."""

K = TypeVar("K")


class RunNumbers(Container[int], Protocol):
    """Numbers of runs, looked up in ascending order."""

    def has_below(self, end: int) -> bool:
        """Whether there are more of them before this one."""


class Reread(Protocol):
    """Reads a file again."""

    def __call__(
        self, file: int, at_s: int | None, /, *, wanted: RunNumbers | None = None, former: bool = False
    ) -> Iterator[tuple[int, DeclaredRun]]:
        """Yield the runs of the n-th file with their numbers, in order.

        at_s: the instances of its recurring runs at that time (Unix seconds) instead.
        wanted: numbers of runs; None for all.
        former: as they were while numbers were written otherwise.
        """


KeepRequest: TypeAlias = "Callable[[DesiredRun, Request], None]"
"""Is called with the runs of a file as they are read, in order."""


class Requests:
    """Finds the requests of desired runs.

    What is read again must still have the identity that it was planned with, or `CacheDamaged` is raised: nothing is
    ever sent because a cache holds it.

    reread: reads a file again.
    most: see `HELD`.
    shrink: hold of bodies no more than their canonical text.
    """

    def __init__(self, reread: Reread, *, most: int = HELD, shrink: bool = True) -> None:
        self._reread = reread
        self._most = most
        self._held = _HeldRequests(shrink=shrink)
        self._over: set[int] = set()  # files that are too long to be kept
        self._fetched: dict[int, dict[int, Request]] = {}  # some of a file's, by number
        self._instances: dict[Address, Request] = {}
        self._made: tuple[tuple[int, int], Spool[tuple[int, DeclaredRun]]] | None = None
        self._files: dict[bool, tuple[tuple[int, int | None], _NumberedRuns]] = {}  # the last one; by `former`

    def remember(self, run: DesiredRun, request: Request) -> None:
        """Keep the request of a run that was just expanded, if there is room for all of its file.

        Runs of a file come in order.
        """
        file = run.file
        if file in self._over:
            return
        if self._held.count < self._most:
            self._held.append(file, run.number, request)
        else:
            self._over.add(file)
            self._held.drop(file)

    def forget(self, file: int) -> None:
        """Drop what is held of a file, which is read once more."""
        self._held.drop(file)
        self._over.discard(file)

    def instances(self, file: int, at_s: int) -> Iterator[tuple[int, DeclaredRun]]:
        """Yield the instances of a file's recurring runs at a time (Unix seconds), with their numbers.

        Raises: `InvalidInput` when they can't be made, or the file has changed since it was loaded.
        """
        if self._made is None or self._made[0] != (file, at_s):
            # Groups of one file are often due at one time: it is read once for all of them.
            made: Spool[tuple[int, DeclaredRun]] = Spool(held=self._most)
            for number, run in self._reread(file, at_s):
                if len(self._instances) < self._most:
                    self._instances[run.address] = run.request
                made.append((number, run))
            self._made = (file, at_s), made
        yield from self._made[1]

    def of(self, run: DesiredRun) -> Request:
        """The request of a run. Raises: `InvalidInput` when its file has changed since it was loaded."""
        found = self._known(run)
        if found is not None:
            return found
        declared = self._all(run.file, run.at_s).get(run.number)
        if declared is None:
            raise _damaged(run)
        return _checked(run, declared)

    def fetch(self, runs: Iterable[DesiredRun]) -> None:
        """Hold the requests of these runs, each file read at most once. Raises: as `of`."""
        missing = sorted((run for run in runs if self._known(run) is None and run.at_s is None), key=_place)
        for run, _, request in self.each((run, run) for run in missing[: self._most]):
            held = self._fetched.setdefault(run.file, {})
            held[run.number] = request

    def formerly(self, run: DesiredRun) -> DeclaredRun | None:
        """The run as it would be declared if numbers were still written as they were; None where it would be none.

        Raises: `InvalidInput` when its file has changed since it was loaded.
        """
        return self._all(run.file, run.at_s, former=True).get(run.number)

    def all_formerly(self, file: int) -> Sequence[DeclaredRun]:
        """`formerly` for all runs of a file, those of other shards too."""
        return self._all(file, None, former=True).values

    def each(self, runs: Iterable[tuple[K, DesiredRun]]) -> Iterator[tuple[K, DesiredRun, Request]]:
        """Yield the requests of many runs in the order of `file`, `at_s` and `number`, with what came with each run.

        Each file is read at most once for a time and never held.
        """
        for which, members in groupby(runs, key=lambda pair: (pair[1].file, pair[1].at_s)):
            first = next(members)
            if self._known(first[1]) is not None:
                for key, run in chain((first,), members):
                    yield key, run, self.of(run)
                continue
            wanted = _Ascending(first, members)  # noqa: B031 - this, or the loop above
            for number, declared in self._reread(*which, wanted=wanted):
                key, run = wanted.taken.popleft()
                if run.number != number:
                    raise _damaged(run)
                yield key, run, _checked(run, declared)
            for _, run in (*wanted.taken, *wanted.rest()):
                raise _damaged(run)

    def _all(self, file: int, at_s: int | None, *, former: bool = False) -> _NumberedRuns:
        """All runs of a file, read once: after one of its runs, mostly others are looked up, in any order."""
        which = file, at_s
        known = self._files.get(former)
        if known is None or known[0] != which:
            known = self._files[former] = which, _NumberedRuns(self._reread(*which, former=former), self._most)
        return known[1]

    def _known(self, run: DesiredRun) -> Request | None:
        if run.at_s is not None:
            return self._instances.get(run.address)
        return self._held.get(run.file, run.number) or self._fetched.get(run.file, {}).get(run.number)


class _NumberedRuns:
    """Runs that come with growing numbers, and are found by them."""

    def __init__(self, runs: Iterable[tuple[int, DeclaredRun]], most: int) -> None:
        self._numbers = array("q")
        self.values: Spool[DeclaredRun] = Spool(held=most)
        for number, run in runs:
            self._numbers.append(number)
            self.values.append(run)

    def get(self, number: int) -> DeclaredRun | None:
        position = bisect_left(self._numbers, number)
        return None if position == len(self._numbers) or self._numbers[position] != number else self.values[position]


class _HeldRequests:
    """The requests of files, each with its number in its file.

    Of most, the template and the text of the body are held, which is much smaller than the body.

    shrink: the order of a body's keys doesn't matter.
    """

    def __init__(self, *, shrink: bool) -> None:
        self.count = 0
        self._shrink = shrink
        self._files: dict[int, tuple[int, array[int]]] = {}  # where each begins in what follows, and its numbers
        self._parts: list[Template | Request] = []
        self._texts: Spool[bytes] = Spool(held=_IN_MEMORY)  # of bodies, where the part before is a template
        self._last: Body | None = None

    def append(self, file: int, number: int, request: Request) -> None:
        place = len(self._parts)
        begin, numbers = self._files.setdefault(file, (place, array("q")))
        assert begin + len(numbers) == place, "one file comes after the other"
        numbers.append(number)
        template, body = request
        text = body.text if self._shrink else None
        # A body that the defaults give is one object, and so it stays.
        is_own = text is not None and len(text) <= _SMALL and body is not self._last
        self._parts.append(template if is_own else request)
        self._texts.append(text if text is not None and is_own else b"")
        self._last = body
        self.count += 1

    def drop(self, file: int) -> None:
        self.count -= len(self._files.pop(file, (0, ()))[1])

    def get(self, file: int, number: int) -> Request | None:
        from wfdeploy.model.request import Body, Request

        begin, numbers = self._files.get(file, (0, ()))
        position = bisect_left(numbers, number)
        if position == len(numbers) or numbers[position] != number:
            return None
        part = self._parts[begin + position]
        return part if isinstance(part, Request) else Request(part, Body.of_text(self._texts[begin + position]))


class _Ascending(Generic[K]):
    """Numbers of runs that come in ascending order, for lookups in ascending order, some of them repeated.

    No more than one run is taken ahead. `taken` are the pairs that were found.
    """

    def __init__(self, first: tuple[K, DesiredRun], others: Iterator[tuple[K, DesiredRun]]) -> None:
        self.taken: deque[tuple[K, DesiredRun]] = deque()
        self._next: tuple[K, DesiredRun] | None = first
        self._others = others
        self._last = -1

    def __contains__(self, number: object) -> bool:
        if number == self._last:
            return True
        if self._next is None or self._next[1].number != number:
            return False
        self._last = number
        self.taken.append(self._next)
        self._next = next(self._others, None)
        return True

    def has_below(self, end: int) -> bool:
        return self._next is not None and self._next[1].number < end

    def rest(self) -> Iterator[tuple[K, DesiredRun]]:
        """The pair that no lookup found."""
        if self._next is not None:
            yield self._next


def _place(run: DesiredRun) -> tuple[int, int]:
    return run.file, run.number


def _checked(run: DesiredRun, declared: DeclaredRun) -> Request:
    """Raises: `CacheDamaged` for another run than this one."""
    from wfdeploy.manifests.identify.fingerprint import identify

    if declared.address != run.address or identify(declared).fingerprint != run.fingerprint:
        raise _damaged(run)
    return declared.request


def _damaged(run: DesiredRun) -> CacheDamaged:
    return CacheDamaged(f"the cache of manifests is damaged ({run.address} is not what it says)")
