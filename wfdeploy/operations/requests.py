"""The requests of desired runs, found again: a catalogue holds identities alone."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import TYPE_CHECKING, Protocol, TypeVar

from wfdeploy.errors import CacheDamaged
from wfdeploy.model.address import Address
from wfdeploy.model.run import DeclaredRun, DesiredRun
from wfdeploy.model.spool import Spool

if TYPE_CHECKING:
    from wfdeploy.operations.parallel.crew import Crew
    from wfdeploy.operations.parallel.parcels import Crate, Parcel

KEPT_FOR_A_LOOK = 20_000
KEPT_FOR_SENDING = 120_000
"""Requests that stay in memory after loading, about a kilobyte each; others are read from their files again."""

K = TypeVar("K")


class Reread(Protocol):
    """Reads a file again."""

    def __call__(self, file: int, at_s: int | None, /, *, former: bool = False) -> Iterator[tuple[int, DeclaredRun]]:
        """The runs of the n-th file with their numbers, in order; with a time (Unix seconds), the instances of its
        recurring runs at that time. `former`: as they were while numbers were written otherwise."""


Remember = Callable[[Sequence[DeclaredRun], Sequence[DesiredRun]], None]
"""Hears of the runs of a file as they are read, one or several: as they are declared and with their identities."""


class Requests:
    """Gives desired runs their requests. `reread` reads a file again; `most`: see `KEPT_FOR_SENDING`.

    What is read again must still have the identity that it was planned with, or `CacheDamaged` is raised: nothing that
    a cache says is ever sent by its word.
    """

    def __init__(self, reread: Reread, *, most: int = KEPT_FOR_A_LOOK) -> None:
        self._reread = reread
        self._most = most
        self.held: dict[int, dict[int, DeclaredRun]] = {}
        """The runs that are in memory, by file and number."""
        self._count = 0
        self._over: set[int] = set()  # files that are too long to be kept
        self._instances: dict[Address, DeclaredRun] = {}
        self._made: tuple[tuple[int, int], Spool[tuple[int, DeclaredRun]]] | None = None
        self.crew: Crew | None = None
        """Other processes of this command that have read some of the files, and hold their requests."""
        self._looked: tuple[tuple[int, int | None], array[int], Spool[DeclaredRun]] | None = None
        self._former: tuple[tuple[int, int | None], array[int], Spool[DeclaredRun]] | None = None

    def remember(self, runs: Sequence[DeclaredRun], desired: Sequence[DesiredRun]) -> None:
        """Keep runs of a file that were just expanded, if there is room for all of it."""
        file = desired[0].file
        if file in self._over:
            return
        if self._count + len(runs) > self._most:
            self.cannot_hold(file)
            return
        kept = self.held.setdefault(file, {})
        kept.update((one.number, run) for one, run in zip(desired, runs, strict=True))
        self._count += len(runs)

    def cannot_hold(self, file: int) -> None:
        """There is no room for all of a file: its runs are read again."""
        self._over.add(file)
        self._count -= len(self.held.pop(file, ()))

    def instances(self, file: int, at_s: int) -> Iterator[tuple[int, DeclaredRun]]:
        """The instances of a file's recurring runs at a time (Unix seconds), with their numbers. Raises: `InvalidInput`
        when they can't be made, or the file has changed since it was loaded."""
        if self._made is None or self._made[0] != (file, at_s):
            # Groups of one file are often due at one time: it is read once for all of them.
            made: Spool[tuple[int, DeclaredRun]] = Spool(held=self._most)
            for number, run in self._reread(file, at_s):
                if len(self._instances) < self._most:
                    self._instances[run.address] = run
                made.append((number, run))
            self._made = (file, at_s), made
        yield from self._made[1]

    def of(self, run: DesiredRun) -> DeclaredRun:
        """The run as it was declared. Raises: `InvalidInput` when its file has changed since it was loaded."""
        kept = self._held(run)
        if kept is not None:
            return kept
        which = run.file, run.at_s
        if self._looked is None or self._looked[0] != which:
            # All of the file, once: whoever asks for one run of it mostly asks for more, in an order of their own.
            runs = self._reread(*which) if self._in_parcels(*which) else self._read(*which)
            self._looked = which, *self._spooled(runs)
        found = _numbered(run.number, *self._looked[1:])
        if found is None:
            raise _damaged(run)
        self._check(run, found)
        return found

    def formerly(self, run: DesiredRun) -> DeclaredRun | None:
        """The run as it would be declared if numbers were still written as they were; None where it would be none.
        Raises: `InvalidInput` when its file has changed since it was loaded."""
        return _numbered(run.number, *self._all_formerly(run.file, run.at_s))

    def all_formerly(self, file: int) -> Sequence[DeclaredRun]:
        """The same for all runs of a file, those of other shards too."""
        return self._all_formerly(file, None)[1]

    def _all_formerly(self, file: int, at_s: int | None) -> tuple[array[int], Spool[DeclaredRun]]:
        which = file, at_s
        if self._former is None or self._former[0] != which:
            self._former = which, *self._spooled(self._reread(*which, former=True))
        return self._former[1:]

    def each(self, runs: Iterable[tuple[K, DesiredRun]]) -> Iterator[tuple[K, DeclaredRun | Parcel]]:
        """The same for many runs in the order of `file`, `at_s` and `number`, each file read at most once for a time
        and never held; as parcels where there are some. What comes with a run is given back with it."""
        for which, members in groupby(runs, key=lambda pair: (pair[1].file, pair[1].at_s)):
            stream: Iterator[tuple[int, DeclaredRun | Parcel]] | None = None
            for key, run in members:
                held = self._held(run)
                if held is not None:
                    yield key, held
                    continue
                stream = stream or self._read(*which)
                declared = next((declared for number, declared in stream if number == run.number), None)
                if declared is None:
                    raise _damaged(run)
                self._check(run, declared)
                yield key, declared

    def crates(self, count: int) -> Iterator[Crate] | None:
        """All `count` runs that are declared, in the order of `file` and `number`; None where it isn't known that each
        is in a crate, and nothing else is."""
        crew = self.crew
        if crew is None or not crew.only_parcels:
            return None
        from wfdeploy.operations.parallel.stash import count_of, crates

        stashes = [path for _, paths in sorted(crew.stashes.items()) for path in paths]
        if sum(map(count_of, stashes)) != count:
            return None
        return chain.from_iterable(map(crates, stashes))

    def close(self) -> None:
        """Let go of what other processes hold."""
        if self.crew is not None:
            self.crew.close()

    def without_stash(self, file: int) -> None:
        """A file is read by this process after all: what another one holds of it may be about other content."""
        if self.crew is not None:
            self.crew.stashes.pop(file, None)

    def _spooled(self, runs: Iterable[tuple[int, DeclaredRun | Parcel]]) -> tuple[array[int], Spool[DeclaredRun]]:
        numbers = array("q")
        spool: Spool[DeclaredRun] = Spool(held=self._most)
        for number, declared in runs:
            assert isinstance(declared, DeclaredRun)
            numbers.append(number)
            spool.append(declared)
        return numbers, spool

    def _read(self, file: int, at_s: int | None) -> Iterator[tuple[int, DeclaredRun | Parcel]]:
        if not self._is_stashed(file, at_s):
            return self._reread(file, at_s)
        from wfdeploy.operations.parallel.stash import stashed

        assert self.crew is not None
        return chain.from_iterable(map(stashed, self.crew.stashes[file]))

    def _is_stashed(self, file: int, at_s: int | None) -> bool:
        return at_s is None and self.crew is not None and file in self.crew.stashes

    def _in_parcels(self, file: int, at_s: int | None) -> bool:
        return self._is_stashed(file, at_s) and self.crew is not None and self.crew.has_parcels

    def _check(self, run: DesiredRun, declared: DeclaredRun | Parcel) -> None:
        """Raises: `CacheDamaged` for another run than this one."""
        if declared.address != run.address:
            raise _damaged(run)
        if not isinstance(declared, DeclaredRun):
            if declared.fingerprint != run.fingerprint:
                raise _damaged(run)
        elif not self._is_stashed(run.file, run.at_s) or self._in_parcels(run.file, run.at_s):
            from wfdeploy.pipeline.identify.fingerprint import identify

            if identify(declared).fingerprint != run.fingerprint:
                raise _damaged(run)

    def _held(self, run: DesiredRun) -> DeclaredRun | None:
        if run.at_s is not None:
            return self._instances.get(run.address)
        kept = self.held.get(run.file)
        return None if kept is None else kept[run.number]


def _numbered(number: int, numbers: array[int], spool: Spool[DeclaredRun]) -> DeclaredRun | None:
    position = bisect_left(numbers, number)
    return None if position == len(numbers) or numbers[position] != number else spool[position]


def _damaged(run: DesiredRun) -> CacheDamaged:
    return CacheDamaged(f"the cache of manifests is damaged ({run.address} is not what it says)")
